//! Intervals: how far values came to lie from forecasts of the same size, over all keys of a class.

use super::measure::{Class, Measure};
use super::quantiles::Histogram;

/// Back-test rows from which quantiles are read; sizes of forecasts are taken together until there are as many.
const ROWS: u64 = 400;

/// With fewer in all there are no bounds: four back-tests of one key.
pub const LEAST_ROWS: u64 = 56;

/// Sizes of forecasts by powers of two, from 2^-8 to 2^20 units.
const SMALLEST: i64 = -8;
const SIZES: usize = 29;

/// A forecast of nothing can be wrong, too.
const LEAST_SIZE: f64 = 1.0 / 1024.0;

/// Weeks of the horizon that back-tests tell apart.
const WEEKS: usize = 2;

/// From here on the upper bound of a count is rounded up and down as the nearest is, and the lower one down.
const LARGE: f64 = 5.0;

/// How the values of one key scatter around forecasts.
#[derive(Clone, Copy, Debug)]
pub struct Scatter {
    pub class: Class,
    pub unit: f64,
    /// Mean square of the errors over the size that they go with.
    pub dispersion: f64,
}

impl Scatter {
    /// How far from a forecast values are expected, before quantiles say how far that is.
    fn distance(&self, forecast: f64) -> f64 {
        self.unit * (self.dispersion * self.size(forecast)).sqrt()
    }

    fn size(&self, forecast: f64) -> f64 {
        if self.class == Class::Level { 1.0 } else { (forecast / self.unit).max(LEAST_SIZE) }
    }

    fn place(&self, forecast: f64) -> usize {
        let exponent = ((self.size(forecast).to_bits() >> 52) & 0x7ff) as i64 - 1023;
        (exponent - SMALLEST).clamp(0, SIZES as i64 - 1) as usize
    }
}

/// Errors of back-tests, by class, size of the forecast and week.
#[derive(Clone, Debug)]
pub struct Errors {
    histograms: Vec<Option<Histogram>>,
}

impl Errors {
    pub fn new() -> Self {
        Errors { histograms: vec![None; Class::ALL.len() * SIZES * WEEKS] }
    }

    /// A value that came `ahead` days after the forecast was made.
    pub fn add(&mut self, scatter: &Scatter, ahead: usize, forecast: f64, value: f64) {
        let number = (value - forecast) / scatter.distance(forecast);
        if number.is_finite() {
            let place = (scatter.class as usize * SIZES + scatter.place(forecast)) * WEEKS + week(ahead);
            self.histograms[place].get_or_insert_with(Histogram::new).add(number);
        }
    }

    /// Bounds that a part of all values lies between, as much below as above.
    pub fn bounds(&self, level: f64) -> Bounds {
        let mut by_class: Vec<Vec<Edge>> = Class::ALL.map(|class| self.edges(&[class], level)).into();
        // What scatters with its size does so in a like way: a class without back-tests borrows.
        let counted = self.edges(&Class::ALL[..3], level);
        for class in &Class::ALL[..3] {
            if by_class[*class as usize].is_empty() {
                by_class[*class as usize] = counted.clone();
            }
        }
        Bounds { by_class }
    }

    /// Quantiles for sizes up to each edge.
    fn edges(&self, classes: &[Class], level: f64) -> Vec<Edge> {
        let mut groups: Vec<(usize, [Histogram; WEEKS])> = Vec::new();
        let rows = |group: &[Histogram; WEEKS]| group.iter().map(Histogram::rows).sum::<u64>();
        let mut group = [Histogram::new(), Histogram::new()];
        for size in 0..SIZES {
            for class in classes {
                for (week, of_week) in group.iter_mut().enumerate() {
                    let place = (*class as usize * SIZES + size) * WEEKS + week;
                    self.histograms[place].iter().for_each(|more| of_week.merge(more));
                }
            }
            if rows(&group) >= ROWS {
                groups.push((size, std::mem::replace(&mut group, [Histogram::new(), Histogram::new()])));
            }
        }
        // What is left over belongs to the largest sizes.
        match groups.last_mut() {
            Some((_, last)) => last.iter_mut().zip(&group).for_each(|(last, more)| last.merge(more)),
            None if rows(&group) >= LEAST_ROWS => groups.push((0, group)),
            None => {}
        }
        if let Some((last, _)) = groups.last_mut() {
            *last = SIZES - 1;
        }
        groups.iter().filter_map(|(up_to, weeks)| Edge::of(*up_to, weeks, level)).collect()
    }
}

fn week(ahead: usize) -> usize {
    ((ahead - 1) / 7).min(WEEKS - 1)
}

#[derive(Clone, Debug)]
struct Edge {
    up_to: usize,
    /// Low and high, by week.
    quantiles: [[f64; 2]; WEEKS],
}

impl Edge {
    fn of(up_to: usize, weeks: &[Histogram; WEEKS], level: f64) -> Option<Self> {
        let outside = (1.0 - level) / 2.0;
        let mut quantiles = [[0.0; 2]; WEEKS];
        for (quantiles, histogram) in quantiles.iter_mut().zip(weeks) {
            *quantiles = [histogram.quantile(outside)?, histogram.quantile(1.0 - outside)?];
        }
        Some(Edge { up_to, quantiles })
    }

    /// Beyond two weeks squares of the quantiles grow on by what they grew from the first week to the second.
    fn quantiles(&self, ahead: usize) -> [f64; 2] {
        let [first, second] = self.quantiles;
        if week(ahead) == 0 {
            return first;
        }
        let more = ((ahead - 1) / 7).saturating_sub(WEEKS - 1) as f64;
        std::array::from_fn(|side| {
            let (near, far) = (first[side], second[side]);
            let square = far * far + more * (far * far - near * near).max(0.0);
            square.sqrt().copysign(far)
        })
    }
}

/// How far values may lie from forecasts.
#[derive(Clone, Debug)]
pub struct Bounds {
    by_class: Vec<Vec<Edge>>,
}

impl Bounds {
    /// Lower and upper bound of a forecast; None where there is too little to tell. `never_negative`: no value is.
    pub fn of(
        &self,
        scatter: &Scatter,
        measure: &Measure,
        never_negative: bool,
        ahead: usize,
        forecast: f64,
    ) -> Option<(f64, f64)> {
        let place = scatter.place(forecast);
        let edge = self.by_class[scatter.class as usize].iter().find(|edge| place <= edge.up_to)?;
        let [low, high] = edge.quantiles(ahead).map(|quantile| forecast + quantile * scatter.distance(forecast));
        let (mut low, mut high) = (low.min(forecast), high.max(forecast));
        if measure.whole {
            let nearest = |value: f64| (value + 0.5).floor();
            let small = scatter.class != Class::Level && forecast < LARGE;
            low = if small { nearest(low) } else { low.floor() }.min(forecast.floor());
            high = nearest(high).max(forecast.ceil());
        }
        if never_negative {
            low = low.max(0.0);
        }
        (low.is_finite() && high.is_finite()).then_some((low, high))
    }
}

#[cfg(test)]
mod tests {
    use super::super::measure::{Kind, Together};
    use super::*;

    const COUNTS: Measure = Measure { kind: Kind::Count, whole: true, idle: 0.0, total: Together::Sum };
    const AMOUNTS: Measure = Measure { kind: Kind::Amount, whole: false, ..COUNTS };

    fn scatter(class: Class) -> Scatter {
        Scatter { class, unit: 1.0, dispersion: 1.0 }
    }

    /// Errors of -10 to 10 standard deviations, all as often.
    fn errors(class: Class, forecast: f64, rows: usize) -> Errors {
        let (mut errors, scatter) = (Errors::new(), scatter(class));
        for row in 0..rows {
            let number = 20.0 * (row as f64 + 0.5) / rows as f64 - 10.0;
            for ahead in [1, 8] {
                errors.add(&scatter, ahead, forecast, forecast + number * scatter.distance(forecast));
            }
        }
        errors
    }

    #[test]
    fn a_part_of_all_errors_lies_within_the_bounds() {
        let bounds = errors(Class::Busy, 100.0, 1_000).bounds(0.9);
        let (low, high) = bounds.of(&scatter(Class::Busy), &AMOUNTS, false, 1, 100.0).unwrap();
        assert!((low - 10.0).abs() < 2.0 && (high - 190.0).abs() < 2.0, "{low} {high}");
        let (low, _) = bounds.of(&scatter(Class::Busy), &COUNTS, true, 14, 50.5).unwrap();
        assert_eq!(low, 0.0);
    }

    #[test]
    fn without_back_tests_there_are_no_bounds() {
        assert_eq!(Errors::new().bounds(0.9).of(&scatter(Class::Busy), &COUNTS, true, 1, 9.0), None);
        let few = errors(Class::Busy, 100.0, LEAST_ROWS as usize / 2 - 1).bounds(0.9);
        assert_eq!(few.of(&scatter(Class::Busy), &COUNTS, true, 1, 9.0), None);
        let enough = errors(Class::Busy, 100.0, LEAST_ROWS as usize / 2).bounds(0.9);
        assert!(enough.of(&scatter(Class::Sparse), &COUNTS, true, 1, 9.0).is_some());
        assert_eq!(enough.of(&scatter(Class::Level), &COUNTS, true, 1, 9.0), None);
    }

    #[test]
    fn sizes_are_taken_together_until_there_are_rows_enough() {
        let (scatter, far) = (scatter(Class::Busy), [(10.0, 1.0), (1000.0, 5.0)]);
        let upper = |rows: usize, forecast: f64| {
            let mut errors = Errors::new();
            for (forecast, distances) in far {
                for ahead in [1, 8] {
                    let value = forecast + distances * scatter.distance(forecast);
                    (0..rows / 2).for_each(|_| errors.add(&scatter, ahead, forecast, value));
                }
            }
            let bounds = errors.bounds(0.5).of(&scatter, &AMOUNTS, true, 1, forecast);
            (bounds.map_or(0.0, |bounds| bounds.1) - forecast) / scatter.distance(forecast)
        };
        assert!(upper(ROWS as usize, 10.0) < 1.1 && upper(ROWS as usize, 1000.0) > 4.9);
        assert!(upper(ROWS as usize - 2, 10.0) > 4.5 && upper(ROWS as usize - 2, 1000.0) > 4.5);
    }

    #[test]
    fn whole_bounds_enclose_the_forecast() {
        let bounds = errors(Class::Sparse, 0.3, 1_000).bounds(0.5);
        let small = Scatter { dispersion: 1e-6, ..scatter(Class::Sparse) };
        assert_eq!(bounds.of(&small, &COUNTS, true, 1, 0.3), Some((0.0, 1.0)));
        assert_eq!(bounds.of(&small, &COUNTS, true, 1, 2.0), Some((2.0, 2.0)));
        assert_eq!(bounds.of(&small, &COUNTS, true, 1, 8.6), Some((8.0, 9.0)));
    }

    #[test]
    fn bounds_grow_wider_with_the_weeks() {
        let edge = Edge { up_to: 0, quantiles: [[-3.0, 1.0], [-5.0, 2.0]] };
        assert_eq!(edge.quantiles(7), [-3.0, 1.0]);
        assert_eq!(edge.quantiles(8), [-5.0, 2.0]);
        assert_eq!(edge.quantiles(15), [-(41f64.sqrt()), 7f64.sqrt()]);
        let shrinking = Edge { up_to: 0, quantiles: [[-3.0, 1.0], [-2.0, 0.5]] };
        assert_eq!(shrinking.quantiles(90), [-2.0, 0.5]);
    }

    #[test]
    fn bounds_scale_with_the_unit() {
        let bounds = errors(Class::Mid, 3.0, 1_000).bounds(0.9);
        let (low, high) = bounds.of(&scatter(Class::Mid), &AMOUNTS, false, 3, 2.5).unwrap();
        let cents = Scatter { unit: 100.0, ..scatter(Class::Mid) };
        let (low_cents, high_cents) = bounds.of(&cents, &AMOUNTS, false, 3, 250.0).unwrap();
        assert!((low_cents - 100.0 * low).abs() < 1e-9 && (high_cents - 100.0 * high).abs() < 1e-9);
    }
}
