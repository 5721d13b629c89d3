//! The recipe against a model of it, and what must hold whatever the values are.

mod model;
mod properties;
mod watching;

use super::Days;
use super::bounds::Scatter;
use super::fit::Method;
use super::history::{History, Subject};
use super::measure::{Class, Kind, Measure, Together};
use super::outlook::Outlook;
use super::plan::Plan;
use model::{Model, Table};
use proptest::prelude::*;

/// A table of random keys, some of which begin late.
#[derive(Clone, Debug)]
struct Drawn {
    kind: Kind,
    /// By key: its first day and its values from then on.
    keys: Vec<(usize, Vec<Option<f64>>)>,
    days: usize,
}

impl Drawn {
    fn measure(&self) -> Measure {
        let idle = if self.kind == Kind::Level { f64::NAN } else { 0.0 };
        let total = if self.kind == Kind::Level { Together::Max } else { Together::Sum };
        Measure { kind: self.kind, whole: self.kind == Kind::Count, idle, total }
    }

    fn value(&self, key: usize, day: usize) -> Option<f64> {
        let (first, values) = &self.keys[key];
        let value = values.get(day.checked_sub(*first)?)?;
        value.or((self.kind != Kind::Level).then_some(0.0))
    }

    fn table(&self) -> Table {
        let keys: Vec<Vec<Option<f64>>> =
            (0..self.keys.len()).map(|key| (0..self.days).map(|day| self.value(key, day)).collect()).collect();
        let together = |day: usize| {
            let values: Vec<f64> = keys.iter().filter_map(|key: &Vec<Option<f64>>| key[day]).collect();
            match self.kind {
                Kind::Level => values.into_iter().reduce(f64::max),
                _ => (!values.is_empty()).then(|| values.iter().sum()),
            }
        };
        let totals = (0..self.days).map(together).collect();
        Table { kind: self.kind, keys, totals }
    }

    fn history(&self, plan: Plan) -> (History, Vec<usize>) {
        let mut history = History::new(self.measure(), plan);
        let mut names = vec![usize::MAX; self.keys.len()];
        for day in 0..self.days {
            for (key, (first, values)) in self.keys.iter().enumerate() {
                if day == *first {
                    names[key] = history.add_key();
                }
                if let Some(value) = day.checked_sub(*first).and_then(|place| values.get(place)).copied().flatten() {
                    history.put(names[key], value);
                }
            }
            history.end_day(&mut || {});
        }
        (history, names)
    }
}

fn drawn(kind: Kind, days: std::ops::Range<usize>, keys: std::ops::Range<usize>) -> impl Strategy<Value = Drawn> {
    days.prop_flat_map(move |days| {
        let key = (0..days, 0.0..3.0f64, any::<u64>(), 0.0..1.0f64);
        prop::collection::vec(key, keys.clone()).prop_map(move |drawn| {
            let keys = drawn.into_iter().map(|(first, size, seed, gaps)| {
                (first / 2, series(kind, days - first / 2, 10f64.powf(size) / 5.0, seed, gaps))
            });
            Drawn { kind, keys: keys.collect(), days }
        })
    })
}

/// A series with weekdays, drift and luck.
fn series(kind: Kind, days: usize, mean: f64, seed: u64, gaps: f64) -> Vec<Option<f64>> {
    let mut state = seed;
    let mut luck = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let week: [f64; 7] = std::array::from_fn(|_| 0.3 + luck());
    let signed = luck() < 0.2;
    let mut value = |day: usize| {
        let expected = mean * week[day % 7] * (1.0 + day as f64 / 200.0);
        let burst = if luck() < 0.02 { 30.0 } else { 1.0 };
        let drawn = expected * (luck() + luck()) * burst;
        match kind {
            Kind::Count if signed && luck() < 0.02 => -(drawn + 1.0).round(),
            Kind::Count => drawn.round(),
            Kind::Amount if signed && luck() < 0.02 => -drawn,
            Kind::Amount => drawn,
            Kind::Level => drawn - mean / 2.0,
        }
    };
    let mut values: Vec<Option<f64>> = (0..days).map(|day| Some(value(day))).collect();
    values.iter_mut().skip(1).filter(|_| luck() < gaps * gaps * 0.8).for_each(|value| *value = None);
    values
}

fn positive(values: &[Option<f64>]) -> Vec<Option<f64>> {
    values.iter().map(|value| value.map(f64::abs)).collect()
}

fn near(found: f64, expected: f64, size: f64) -> bool {
    (found - expected).abs() <= 1e-4 * size.abs().max(expected.abs()) + 1e-9
}

fn forecasts_are_those_of_the_model(drawn: &Drawn) -> Result<(), TestCaseError> {
    let table = drawn.table();
    let expected = Model::new(&table).forecasts(drawn.days);
    let (mut history, names) = drawn.history(Plan::forecast(drawn.days, false));
    let outlook = Outlook::of(&mut history, Some(Method::Blend), 0.9, &mut || {});
    for (key, expected) in expected.iter().enumerate() {
        let found = if key < names.len() { outlook.key(names[key]) } else { outlook.total() };
        let Some(expected) = expected else {
            prop_assert!(found.is_none());
            continue;
        };
        let found = found.ok_or_else(|| TestCaseError::fail("a key is missing"))?;
        let Scatter { class, unit, dispersion } = found.scatter(Method::Blend);
        prop_assert_eq!((class, found.days as usize), (expected.class, expected.days));
        prop_assert!(near(unit, expected.unit, 0.0), "unit {} is not {}", unit, expected.unit);
        prop_assert!(near(dispersion, expected.dispersion, 0.0), "{} is not {}", dispersion, expected.dispersion);
        let size = expected.by_weekday.iter().fold(expected.unit, |size, forecast| size.max(forecast.abs()));
        for day in 0..7 {
            let forecast = found.forecast(Method::Blend, day);
            prop_assert!(
                near(forecast, expected.by_weekday[day], size),
                "{} is not {:?}",
                forecast,
                expected.by_weekday
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn counts_are_forecast_as_the_model_says(drawn in drawn(Kind::Count, 1..110, 1..5)) {
        forecasts_are_those_of_the_model(&drawn)?;
    }

    #[test]
    fn amounts_are_forecast_as_the_model_says(drawn in drawn(Kind::Amount, 1..90, 1..4)) {
        forecasts_are_those_of_the_model(&drawn)?;
    }

    #[test]
    fn levels_are_forecast_as_the_model_says(drawn in drawn(Kind::Level, 1..90, 1..4)) {
        forecasts_are_those_of_the_model(&drawn)?;
    }
}

#[test]
fn bounds_are_quantiles_of_the_back_tests_of_the_table() {
    // Fewer rows than make a bin: all sizes are taken together.
    let keys = vec![(0, positive(&series(Kind::Amount, 140, 200.0, 77, 0.0)))];
    let drawn = Drawn { kind: Kind::Amount, keys, days: 140 };
    let (mut history, names) = drawn.history(Plan::forecast(drawn.days, false));
    let outlook = Outlook::of(&mut history, Some(Method::Blend), 0.8, &mut || {});
    let table = drawn.table();
    let forecasts: Vec<model::Forecast> = Model::new(&table).forecasts(drawn.days).into_iter().flatten().collect();
    let classes: Vec<Class> = forecasts.iter().map(|forecast| forecast.class).collect();
    assert!(classes.iter().all(|class| *class == classes[0]), "{classes:?}");
    for (week, ahead) in [(0, 3), (1, 10)] {
        let mut numbers: Vec<f64> = Vec::new();
        for forecast in &forecasts {
            for (days_ahead, value, expected) in &forecast.lessons {
                if (days_ahead - 1) / 7 == week {
                    let size = (expected / forecast.unit).max(1.0 / 1024.0);
                    numbers.push((value - expected) / forecast.unit / (forecast.dispersion * size).sqrt());
                }
            }
        }
        numbers.sort_by(f64::total_cmp);
        let quantile = |part: f64| numbers[(part * numbers.len() as f64) as usize];
        for (key, expected) in forecasts[..1].iter().enumerate() {
            let found = outlook.point(outlook.key(names[key]).unwrap(), ahead);
            let forecast = found.forecast.unwrap();
            let far = expected.unit * (expected.dispersion * forecast / expected.unit).sqrt();
            let (lower, upper) = found.bounds.unwrap();
            assert!((upper - forecast - quantile(0.9) * far).abs() < 0.15 * (upper - forecast), "upper of {key}");
            assert!((lower - forecast - quantile(0.1) * far).abs() < 0.15 * (forecast - lower), "lower of {key}");
        }
    }
}

#[test]
fn all_keys_together_come_last() {
    let drawn = Drawn { kind: Kind::Count, keys: vec![(0, series(Kind::Count, 30, 5.0, 3, 0.0))], days: 30 };
    let (mut history, _) = drawn.history(Plan::forecast(30, false));
    let mut seen = Vec::new();
    history.each(&mut || {}, |subject, _| seen.push(subject));
    assert_eq!(seen, [Subject::Key(0), Subject::Total]);
}
