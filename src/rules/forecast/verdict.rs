//! How surprising one value is.

use super::learned::Candidates;
use super::measure::Class;
use super::quantiles::Histogram;
use super::weights::{first_weights, weighted};
use std::collections::VecDeque;

/// Added to counts before their root is taken: it makes their scatter the same whatever their size.
const ROOT_SHIFT: f64 = 0.375;

/// Smaller expectations scatter as if they were that large.
const LEAST_EXPECTED: f64 = 0.5;

/// Weight of what is usual beside what a key has shown itself.
const PRIOR: [f64; 4] = [20.0, 5.0, 5.0, 20.0];
const PRIOR_OF_TOTAL: f64 = 2.0;

/// No key is steadier.
const LEAST_DISPERSION: [f64; 4] = [0.05, 1.0, 1.0, 0.05];

/// A value teaches as if it lay at most so many standard deviations from what was expected.
const MOST_TAUGHT: [f64; 4] = [3.5, 10.0, 10.0, 5.0];

/// A score of that many is an anomaly unless somebody says otherwise.
pub const THRESHOLD: f64 = 4.0;

/// Of keys with few events that part of all days has a score below the threshold.
const UNSUSPICIOUS: f64 = 0.9985;

/// With fewer scores that part cannot be told.
const LEAST_SCORES: u64 = 1_000;

/// Scores beyond say no more than that.
const LARGEST: f64 = 1e3;

/// What is usual among the keys of a class.
#[derive(Clone, Copy, Debug)]
pub struct Usual {
    dispersion: f64,
    /// The weight of that dispersion.
    prior: f64,
    /// Surprises are divided by it, so that the threshold is the same for all.
    tail: f64,
}

impl Usual {
    pub fn of_nothing(class: Class) -> Self {
        Usual { dispersion: 1.0, prior: PRIOR[class as usize], tail: 1.0 }
    }

    /// The same for all keys together, of which those of single keys say little.
    pub fn of_total(self) -> Self {
        Usual { prior: PRIOR_OF_TOTAL, tail: 1.0, ..self }
    }

    pub fn of(class: Class, dispersions: &Histogram, scores: &VecDeque<[Histogram; 4]>) -> Self {
        let dispersion = dispersions.quantile(0.5).unwrap_or(1.0).max(LEAST_DISPERSION[class as usize]);
        let prior = PRIOR[class as usize];
        if class == Class::Busy {
            return Usual { dispersion, prior, tail: 1.0 };
        }
        let mut all = Histogram::new();
        scores.iter().for_each(|of_stretch| all.merge(&of_stretch[class as usize]));
        let largest = all.upper_quantile(UNSUSPICIOUS).filter(|_| all.rows() >= LEAST_SCORES);
        Usual { dispersion, prior, tail: largest.map_or(1.0, |largest| (largest / THRESHOLD).max(1.0)) }
    }
}

/// What is expected of one key on one day, in its units.
#[derive(Clone, Copy, Debug)]
pub struct Residual {
    class: Class,
    unit: f64,
    expected: f64,
}

/// How far a value lies from what was expected.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    residual: Residual,
    deviation: f64,
    tail: f64,
    /// In the units of the metric.
    pub expected: f64,
    /// In standard deviations.
    pub surprise: f64,
    /// In standard deviations of keys whose surprises are as large as those of counts should be.
    pub score: f64,
}

impl Residual {
    pub fn of(class: Class, unit: f64, candidates: &Candidates) -> Self {
        let expected = weighted(candidates, first_weights(class)) / unit;
        Residual { class, unit, expected: if class == Class::Level { expected } else { expected.max(0.0) } }
    }

    /// How much a day says of a key's dispersion.
    pub fn weight(&self) -> f64 {
        match self.class {
            Class::Busy | Class::Level => 1.0,
            Class::Mid | Class::Sparse => self.expected,
        }
    }

    pub fn verdict(&self, value: f64, squares: f64, weights: f64, usual: &Usual) -> Verdict {
        let dispersion = (squares + usual.prior * usual.dispersion) / (weights + usual.prior);
        let dispersion = dispersion.max(LEAST_DISPERSION[self.class as usize]);
        let deviation = dispersion.sqrt();
        let surprise = (self.distance(value / self.unit) / deviation).clamp(-LARGEST, LARGEST);
        let expected = self.expected * self.unit;
        Verdict { residual: *self, deviation, tail: usual.tail, expected, surprise, score: surprise / usual.tail }
    }

    /// From what was expected to a value, on a scale on which all values scatter alike.
    fn distance(&self, value: f64) -> f64 {
        match self.class {
            Class::Busy => 2.0 * (root(value) - root(self.expected)),
            Class::Mid | Class::Sparse => (value - self.expected) / self.expected.max(LEAST_EXPECTED).sqrt(),
            Class::Level => value - self.expected,
        }
    }

    /// The value at a distance.
    fn value_at(&self, distance: f64) -> f64 {
        match self.class {
            Class::Busy => {
                let root = (root(self.expected) + distance / 2.0).max(0.0);
                (root * root - ROOT_SHIFT).max(0.0)
            }
            Class::Mid | Class::Sparse => {
                (self.expected + distance * self.expected.max(LEAST_EXPECTED).sqrt()).max(0.0)
            }
            Class::Level => self.expected + distance,
        }
    }
}

impl Verdict {
    /// The distance that teaches while nobody knows what is usual, and the value.
    pub fn untouched(&self, value: f64) -> (f64, f64) {
        (self.surprise * self.deviation, value)
    }

    /// The distance that teaches, and the value that would have made it.
    pub fn taught(&self, value: f64) -> (f64, f64) {
        let most = MOST_TAUGHT[self.residual.class as usize];
        let surprise = self.surprise.clamp(-most, most) * self.deviation;
        let is_cut = self.surprise.abs() > most;
        (surprise, if is_cut { self.residual.value_at(surprise) * self.residual.unit } else { value })
    }

    /// Between them no value has a score beyond the threshold.
    pub fn bounds(&self, threshold: f64, whole: bool) -> (f64, f64) {
        let far = threshold * self.tail * self.deviation;
        let bound = |distance: f64| self.residual.value_at(distance) * self.residual.unit;
        let (lower, upper) = (bound(-far), bound(far));
        if whole { (lower.ceil() + 0.0, upper.floor() + 0.0) } else { (lower + 0.0, upper + 0.0) }
    }
}

fn root(value: f64) -> f64 {
    (value + ROOT_SHIFT).max(0.0).sqrt()
}
