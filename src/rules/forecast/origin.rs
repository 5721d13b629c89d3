//! Back-tests: what would have been forecast on a day in the past, and what came.

use super::learned::{Candidates, Learned};
use super::measure::Class;
use super::season::Season;
use super::weights::{Equations, Weights, first_weights, weighted};

/// Days that a back-test looks ahead.
pub const STEPS: usize = 14;

/// Days with a value that a key needs before a back-test of it says something.
pub const LEAST_DAYS: u32 = 21;

/// Errors beyond so many naive ones count less: of busy keys, mid ones, sparse ones and levels.
const CUT: [f64; 4] = [1.0, 1.4, 6.0, 1.4];

/// Back-tests of one key, summed up.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    pub equations: Equations,
    /// Squares of the errors of the first weights, and the sizes that these go with, in units.
    pub squares: f64,
    pub sizes: f64,
}

impl Rows {
    pub const NONE: Rows = Rows { equations: Equations::NONE, squares: 0.0, sizes: 0.0 };

    pub fn add(&mut self, other: &Rows) {
        self.equations.add(&other.equations);
        self.squares += other.squares;
        self.sizes += other.sizes;
    }
}

/// One key as it was known at the end of a day.
#[derive(Clone, Debug)]
pub struct Origin {
    pub day: usize,
    pub class: Class,
    pub unit: f64,
    pub days: u32,
    /// Mean square of the naive errors until then.
    pub naive_error: f64,
    /// By weekday.
    pub candidates: [Candidates; 7],
}

impl Origin {
    pub fn of(learned: &Learned, day: usize, season: &Season) -> Self {
        Origin {
            day,
            class: learned.class(),
            unit: learned.unit(),
            days: learned.days(),
            naive_error: learned.naive_error(),
            candidates: learned.candidates(season),
        }
    }

    /// Whether back-tests from here count.
    pub fn counts(&self) -> bool {
        self.days >= LEAST_DAYS && self.naive_error > 0.0 && self.naive_error.is_finite()
    }

    /// What came, beside what would have been forecast; `after` has the values of the days after.
    pub fn rows(&self, after: &[f64]) -> Rows {
        let mut rows = Rows::NONE;
        if !self.counts() {
            return rows;
        }
        let (scale, cut) = (self.naive_error.sqrt(), CUT[self.class as usize]);
        for ahead in 1..=7 {
            let candidates = &self.candidates[(self.day + ahead) % 7];
            let forecast = weighted(candidates, first_weights(self.class));
            let (mut weights, mut weighted_values, mut count) = (0.0, 0.0, 0.0);
            for value in [ahead, ahead + 7].iter().filter_map(|ahead| after.get(ahead - 1)) {
                if value.is_nan() {
                    continue;
                }
                let error = (value - forecast).abs();
                let weight = if error > cut * scale { cut * scale / error } else { 1.0 } / self.naive_error;
                weights += weight;
                weighted_values += weight * value;
                count += 1.0;
                rows.squares += (error / self.unit) * (error / self.unit);
                rows.sizes += self.size(forecast);
            }
            rows.equations.add_rows(candidates, weights, weighted_values, count);
        }
        rows
    }

    /// What the variance of a value goes with, in units: the value expected; of levels it is always the same.
    pub fn size(&self, forecast: f64) -> f64 {
        if self.class == Class::Level { 1.0 } else { (forecast / self.unit).max(0.0) }
    }

    /// Forecasts by weekday.
    pub fn forecasts(&self, weights: &Weights) -> [f64; 7] {
        std::array::from_fn(|weekday| weighted(&self.candidates[weekday], weights))
    }
}
