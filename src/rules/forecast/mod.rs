//! Forecasts and anomalies of many daily series at once.
//!
//! One pass over the days of a table holds some hundred numbers for each key. The forecasts of a key are its level times
//! (or, of values that can be negative, plus) what its weekdays are like:
//!
//! - *Unit* (`learned`): how much one event counts for. 1 where values are counts; of amounts, as money, what their
//!   scatter says, so that cents are forecast as dollars are. All that is said of events below is said of units.
//! - *Season* (`season`): what weekdays are like over all keys together. *Profile*: the same of one key, its own days
//!   beside 2 or 40 events of the season.
//! - *Candidates* (`learned`): seven forecasts of one day. The level with half-lives of 3, 10 and 80 days, each with both
//!   profiles, and the weekday's own mean.
//! - *Back-tests* (`plan`, `origin`): what the candidates would have said on eight days of the past, a week apart, of the
//!   14 days after each. No row of them knows more than its day did.
//! - *Weights* (`weights`, `fit`): how much each candidate counts, by non-negative least squares on back-tests of all keys
//!   of a class (`measure`: busy, mid, sparse, level), then of the key itself beside these.
//! - *Bounds* (`bounds`, `quantiles`): quantiles of the errors of back-tests over the keys of a class, by size of the
//!   forecast and week of the horizon, times how far the key itself scatters.
//! - *Method* (`fit`, `backtest`, `outlook`): beside that blend of candidates there are simpler ones; the best is chosen
//!   for a whole class of keys by the pooled errors of whole fits in the past.
//! - *Anomalies* (`anomalies`, `verdict`): each day is compared with what would have been forecast the evening before.
//!
//! No step takes a power or a logarithm, whose last digits differ between machines, and no sum depends on the order in
//! which rows are read: the same days give the same answers everywhere.

mod anomalies;
mod backtest;
mod bounds;
mod fit;
mod history;
mod learned;
mod measure;
mod origin;
mod outlook;
mod panel;
mod plan;
mod quantiles;
mod season;
#[cfg(test)]
mod tests;
mod verdict;
mod weights;

pub use anomalies::{Anomaly, Direction, Question, Watch};
pub use backtest::backtest;
pub use fit::{Fitted, Method};
pub use history::{History, Subject, Tick};
pub use measure::{Kind, Measure, Together};
pub use outlook::Outlook;
pub use plan::Plan;

/// Takes the values of keys, one day after another.
pub trait Days {
    /// A key that has its first event today.
    fn add_key(&mut self) -> usize;

    /// The value of a key today; not a number where it is not known.
    fn put(&mut self, key: usize, value: f64);

    /// All keys have their values of today. `tick` is called between keys.
    fn end_day(&mut self, tick: Tick);

    /// Bytes that one key takes, now and until the answer.
    fn bytes_per_key(&self) -> usize;

    /// Bytes that have been taken beside those of the keys.
    fn other_bytes(&self) -> usize {
        0
    }
}
