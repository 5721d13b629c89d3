//! How good forecasts would have been, pooled over the keys of a class: errors and scales are summed before they are
//! divided, for a mean over keys rewards who forecasts nothing for keys that have next to nothing.

use super::bounds::{Bounds, Errors};
use super::fit::{Fitted, Method, add_errors};
use super::history::{History, Subject, Tick};
use super::measure::{Class, Measure};
use super::outlook::fit_all;
use super::plan::Replay;

/// The part of all values that the bounds of a back-test are made for.
const LEVEL: f64 = 0.9;

/// Sums over tasks: one is a key on the day of one fit.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    keys: u64,
    tasks: u64,
    /// Mean square errors, and those of the naive forecast before.
    squares: f64,
    scales: f64,
    /// Errors without their sign, over values.
    distances: f64,
    values: u64,
    covered: u64,
    bounded: u64,
}

/// By class and method.
#[derive(Clone, Debug, Default)]
pub struct Scores([[Score; 3]; 4]);

/// How one method did on one class of keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tested {
    pub class: Class,
    pub method: Method,
    pub rmsse: f64,
    pub mae: f64,
    /// The part of all values that lay within the bounds.
    pub coverage: Option<f64>,
    pub keys: u64,
}

impl Scores {
    /// One key on the day of one fit; whether there was anything to compare.
    pub fn add(
        &mut self,
        replay: &Replay,
        number: usize,
        fitted: &Fitted,
        mut bounds: impl FnMut(Method, usize, f64) -> Option<(f64, f64)>,
    ) -> bool {
        let Some(origin) = replay.at(number).filter(|origin| origin.counts()) else { return false };
        let outcome = replay.outcome(number);
        let known = outcome.iter().filter(|value| !value.is_nan()).count();
        if known == 0 {
            return false;
        }
        for method in Method::ALL {
            let score = &mut self.0[fitted.class as usize][method as usize];
            let mut squares = 0.0;
            for (ahead, value) in (1..).zip(outcome).filter(|(_, value)| !value.is_nan()) {
                let forecast = fitted.forecast(method, origin.day + ahead);
                squares += (value - forecast) * (value - forecast);
                score.distances += (value - forecast).abs();
                if let Some((lower, upper)) = bounds(method, ahead, forecast) {
                    score.bounded += 1;
                    score.covered += u64::from(lower <= *value && *value <= upper);
                }
            }
            score.tasks += 1;
            score.squares += squares / known as f64;
            score.scales += origin.naive_error;
            score.values += known as u64;
        }
        true
    }

    /// The method with the smallest pooled error, the first one while nothing is known.
    pub fn best(&self, class: Class) -> Method {
        let scores = &self.0[class as usize];
        let error = |method: &Method| scores[*method as usize].squares;
        Method::ALL.into_iter().min_by(|one, other| error(one).total_cmp(&error(other))).unwrap_or(Method::Blend)
    }

    fn tested(&self) -> Vec<Tested> {
        let of = |class: Class, method: Method| (class, method, &self.0[class as usize][method as usize]);
        let all = Class::ALL.into_iter().flat_map(|class| Method::ALL.map(|method| of(class, method)));
        let tested = all.filter(|(.., score)| score.tasks > 0).map(|(class, method, score)| Tested {
            class,
            method,
            rmsse: (score.squares / score.scales).sqrt(),
            mae: score.distances / score.values as f64,
            coverage: (score.bounded > 0).then(|| score.covered as f64 / score.bounded as f64),
            keys: score.keys,
        });
        tested.collect()
    }

    fn count_keys(&mut self, classes: [bool; 4]) {
        for (scores, is_in) in self.0.iter_mut().zip(classes) {
            scores.iter_mut().for_each(|score| score.keys += u64::from(is_in));
        }
    }
}

/// Tests all fits of the plan.
pub fn backtest(history: &mut History, tick: Tick) -> Vec<Tested> {
    let fits = fit_all(history, tick);
    let mut errors: Vec<[Errors; 3]> = fits.iter().map(|_| [Errors::new(), Errors::new(), Errors::new()]).collect();
    history.each(tick, |_, replay| {
        for (number, (fit, errors)) in fits.iter().zip(&mut errors).enumerate() {
            fit.key(replay, number).iter().for_each(|fitted| add_errors(replay, number, fitted, errors));
        }
    });
    let bounds: Vec<[Bounds; 3]> = errors.into_iter().map(|errors| errors.map(|errors| errors.bounds(LEVEL))).collect();
    let (measure, never_negative): (Measure, bool) = (*history.measure(), history.never_negative());
    let mut scores = Scores::default();
    history.each(tick, |subject, replay| {
        let mut classes = [false; 4];
        for (number, (fit, bounds)) in fits.iter().zip(&bounds).enumerate().filter(|_| subject != Subject::Total) {
            let Some((_, fitted)) = fit.key(replay, number) else { continue };
            let compared = scores.add(replay, number, &fitted, |method, ahead, forecast| {
                bounds[method as usize].of(&fitted.scatter(method), &measure, never_negative, ahead, forecast)
            });
            classes[fitted.class as usize] |= compared;
        }
        scores.count_keys(classes);
    });
    scores.tested()
}
