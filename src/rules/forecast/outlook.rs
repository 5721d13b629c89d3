//! Forecasts of all keys, and which method makes them.

use super::backtest::Scores;
use super::bounds::{Bounds, Errors};
use super::fit::{Fit, Fitted, Lessons, Method, add_errors};
use super::history::{History, Subject, Tick};
use super::measure::{Class, Measure};
use super::plan::Replay;

/// Days with a value that a key needs to be forecast.
pub const LEAST_DAYS: u32 = 14;

/// What comes, as far as it can be told.
pub struct Outlook {
    measure: Measure,
    never_negative: bool,
    /// Days of the past: the first day to come has this number.
    today: usize,
    keys: Vec<Option<Fitted>>,
    total: Option<Fitted>,
    /// By class.
    methods: [Method; 4],
    /// By method.
    bounds: [Bounds; 3],
}

/// One day of one key to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub forecast: Option<f64>,
    pub bounds: Option<(f64, f64)>,
}

impl Outlook {
    /// By one method for all, or by the best of each class. `level`: the part of all values between the bounds.
    pub fn of(history: &mut History, method: Option<Method>, level: f64, tick: Tick) -> Self {
        let fits = fit_all(history, tick);
        let (mut keys, mut total) = (Vec::with_capacity(history.keys()), None);
        let mut scores = Scores::default();
        let mut errors = [Errors::new(), Errors::new(), Errors::new()];
        history.each(tick, |subject, replay| {
            for (number, fit) in fits.iter().enumerate().skip(1).filter(|_| subject != Subject::Total) {
                if let Some((_, fitted)) = fit.key(replay, number) {
                    scores.add(replay, number, &fitted, |_, _, _| None);
                }
            }
            let newest = fits.first().and_then(|fit| fit.key(replay, 0));
            newest.iter().for_each(|newest| add_errors(replay, 0, newest, &mut errors));
            let fitted = newest.map(|(_, fitted)| fitted);
            match subject {
                Subject::Key(_) => keys.push(fitted),
                Subject::Total => total = fitted,
            }
        });
        let methods = Class::ALL.map(|class| method.unwrap_or_else(|| scores.best(class)));
        Outlook {
            measure: *history.measure(),
            never_negative: history.never_negative(),
            today: history.plan().days(),
            keys,
            total,
            methods,
            bounds: errors.map(|errors| errors.bounds(level)),
        }
    }

    pub fn key(&self, key: usize) -> Option<&Fitted> {
        self.keys.get(key)?.as_ref()
    }

    pub fn total(&self) -> Option<&Fitted> {
        self.total.as_ref()
    }

    pub fn method(&self, fitted: &Fitted) -> Method {
        self.methods[fitted.class as usize]
    }

    /// The day `ahead` days after the last one known.
    pub fn point(&self, fitted: &Fitted, ahead: usize) -> Point {
        let method = self.method(fitted);
        let forecast = fitted.forecast(method, self.today - 1 + ahead);
        if fitted.days < LEAST_DAYS || !forecast.is_finite() {
            return Point { forecast: None, bounds: None };
        }
        // No minus before a zero.
        let forecast = if self.never_negative { forecast.max(0.0) } else { forecast } + 0.0;
        let bounds = &self.bounds[method as usize];
        let bounds = bounds.of(&fitted.scatter(method), &self.measure, self.never_negative, ahead, forecast);
        Point { forecast: Some(forecast), bounds: bounds.map(|(lower, upper)| (lower + 0.0, upper + 0.0)) }
    }
}

/// All fits of the plan, from what every key shows.
pub fn fit_all(history: &mut History, tick: Tick) -> Vec<Fit> {
    let mut lessons = vec![Lessons::new(); history.plan().fits()];
    history.each(tick, |_, replay: &Replay| {
        for (number, lessons) in lessons.iter_mut().enumerate() {
            if let Some(origin) = replay.at(number) {
                lessons.add(origin.class, &replay.rows(number));
            }
        }
    });
    lessons.iter().map(Lessons::fit).collect()
}
