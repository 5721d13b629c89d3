//! Fits: weights of classes and keys, and what they make of the days to come.

use super::bounds::{Errors, Scatter};
use super::learned::CANDIDATES;
use super::measure::Class;
use super::origin::{Origin, Rows};
use super::plan::Replay;
use super::quantiles::Histogram;
use super::weights::{ClassWeights, Equations, Weights};

/// How a forecast is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Candidates weighted by back-tests.
    Blend,
    /// The same weekday of the last week.
    SeasonalNaive,
    /// The mean of the weekday, with a half-life of two weeks.
    WeekdayMean,
}

impl Method {
    pub const ALL: [Method; 3] = [Method::Blend, Method::SeasonalNaive, Method::WeekdayMean];

    pub fn name(self) -> &'static str {
        match self {
            Method::Blend => "blend",
            Method::SeasonalNaive => "seasonal_naive",
            Method::WeekdayMean => "weekday_mean",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Method::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// Units, or rows of a level, for which the dispersion of its class counts in a key's.
const PRIOR_SIZE: [f64; 4] = [50.0, 10.0, 10.0, 10.0];

/// What the keys of one class have shown until the day of a fit.
#[derive(Clone, Debug)]
struct Lesson {
    equations: Equations,
    /// Dispersions of the keys.
    dispersions: Histogram,
}

/// The lessons of one fit, class by class, while they are collected.
#[derive(Clone, Debug)]
pub struct Lessons([Lesson; 4]);

impl Lessons {
    pub fn new() -> Self {
        Lessons(Class::ALL.map(|_| Lesson { equations: Equations::NONE, dispersions: Histogram::new() }))
    }

    pub fn add(&mut self, class: Class, rows: &Rows) {
        let lesson = &mut self.0[class as usize];
        lesson.equations.add(&rows.equations);
        if rows.sizes > 0.0 {
            lesson.dispersions.add(rows.squares / rows.sizes);
        }
    }

    pub fn fit(&self) -> Fit {
        Fit(Class::ALL.map(|class| {
            let lesson = &self.0[class as usize];
            let dispersion = lesson.dispersions.quantile(0.5).filter(|median| *median > 0.0).unwrap_or(1.0);
            (ClassWeights::of(class, &lesson.equations), dispersion)
        }))
    }
}

/// Weights and dispersion of each class.
#[derive(Clone, Debug)]
pub struct Fit([(ClassWeights, f64); 4]);

/// What a fit has made of one key.
#[derive(Clone, Debug)]
pub struct Fitted {
    pub class: Class,
    pub days: u32,
    unit: f64,
    /// By method and weekday.
    forecasts: [[f64; 7]; 3],
    dispersions: [f64; 3],
}

impl Fit {
    /// Fits a key, None before its first value; `number` is that of the fit in its plan.
    pub fn key(&self, replay: &Replay, number: usize) -> Option<(Weights, Fitted)> {
        let origin = replay.at(number)?;
        let (class_weights, dispersion) = &self.0[origin.class as usize];
        let weights = class_weights.of_key(&replay.rows(number).equations);
        let prior = PRIOR_SIZE[origin.class as usize];
        let (mut squares, mut sizes) = ([0.0; 3], [0.0; 3]);
        for (lesson, after) in replay.lessons(number) {
            let forecasts = forecasts(replay, lesson, &weights);
            for (ahead, value) in (1..).zip(after).filter(|(_, value)| !value.is_nan()) {
                for (method, forecasts) in forecasts.iter().enumerate() {
                    let forecast = forecasts[(lesson.day + ahead) % 7];
                    let error = (value - forecast) / origin.unit;
                    squares[method] += error * error;
                    sizes[method] += origin.size(forecast);
                }
            }
        }
        let dispersions =
            std::array::from_fn(|method| (squares[method] + prior * dispersion) / (sizes[method] + prior));
        let forecasts = forecasts(replay, origin, &weights);
        let fitted = Fitted { class: origin.class, days: origin.days, unit: origin.unit, forecasts, dispersions };
        Some((weights, fitted))
    }
}

/// Notes by how much a key that has been fitted would have been missed.
pub fn add_errors(replay: &Replay, number: usize, (weights, fitted): &(Weights, Fitted), errors: &mut [Errors; 3]) {
    for (lesson, after) in replay.lessons(number) {
        let forecasts = forecasts(replay, lesson, weights);
        for (ahead, value) in (1..).zip(after).filter(|(_, value)| !value.is_nan()) {
            for method in Method::ALL {
                let forecast = forecasts[method as usize][(lesson.day + ahead) % 7];
                errors[method as usize].add(&fitted.scatter(method), ahead, forecast, *value);
            }
        }
    }
}

impl Fitted {
    pub fn forecast(&self, method: Method, day: usize) -> f64 {
        self.forecasts[method as usize][day % 7]
    }

    pub fn scatter(&self, method: Method) -> Scatter {
        Scatter { class: self.class, unit: self.unit, dispersion: self.dispersions[method as usize] }
    }
}

/// By method and weekday.
fn forecasts(replay: &Replay, origin: &Origin, weights: &Weights) -> [[f64; 7]; 3] {
    let means: [f64; 7] = std::array::from_fn(|weekday| origin.candidates[weekday][CANDIDATES - 1]);
    let last_week = replay.last_week(origin.day);
    let naive =
        std::array::from_fn(|weekday| if last_week[weekday].is_nan() { means[weekday] } else { last_week[weekday] });
    [origin.forecasts(weights), naive, means]
}
