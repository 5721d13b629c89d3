//! What must hold whatever the values are.

use super::super::backtest::backtest;
use super::super::outlook::{LEAST_DAYS, Point};
use super::*;

/// All forecasts as bits: key by key, day by day.
fn all(drawn: &Drawn, horizon: usize) -> Vec<(usize, &'static str, Vec<Point>)> {
    let (mut history, names) = drawn.history(Plan::forecast(drawn.days, true));
    let outlook = Outlook::of(&mut history, None, 0.9, &mut || {});
    let keys = names.iter().enumerate().map(|(key, name)| (key, outlook.key(*name)));
    let fitted = keys.chain([(usize::MAX, outlook.total())]).filter_map(|(key, fitted)| Some((key, fitted?)));
    fitted
        .map(|(key, fitted)| {
            let points = (1..=horizon).map(|ahead| outlook.point(fitted, ahead)).collect();
            (key, outlook.method(fitted).name(), points)
        })
        .collect()
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Count, Kind::Amount, Kind::Level])
}

fn any_table() -> impl Strategy<Value = Drawn> {
    kinds().prop_flat_map(|kind| drawn(kind, 1..200, 0..12))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn bounds_enclose_forecasts_and_counts_are_never_negative(drawn in any_table()) {
        let signed = drawn.keys.iter().flat_map(|(_, values)| values.iter().flatten()).any(|value| *value < 0.0);
        for (_, _, points) in all(&drawn, 90) {
            for point in points {
                let Some(forecast) = point.forecast else {
                    prop_assert_eq!(point.bounds, None);
                    continue;
                };
                prop_assert!(forecast.is_finite() && (signed || forecast >= 0.0));
                let Some((lower, upper)) = point.bounds else { continue };
                prop_assert!(lower <= forecast && forecast <= upper, "{} {} {}", lower, forecast, upper);
                prop_assert!(signed || lower >= 0.0);
                prop_assert!(drawn.kind != Kind::Count || (lower.fract() == 0.0 && upper.fract() == 0.0));
            }
        }
    }

    #[test]
    fn keys_are_forecast_from_a_number_of_days_on(drawn in any_table()) {
        for (key, _, points) in all(&drawn, 1) {
            let table = drawn.table();
            let values = if key == usize::MAX { &table.totals } else { &table.keys[key] };
            let known = values.iter().flatten().count();
            prop_assert_eq!(points[0].forecast.is_some(), known >= LEAST_DAYS as usize);
        }
    }

    #[test]
    fn the_same_values_give_the_same_bits(drawn in any_table()) {
        prop_assert_eq!(format!("{:?}", all(&drawn, 20)), format!("{:?}", all(&drawn, 20)));
    }

    #[test]
    fn what_is_not_counted_scales(drawn in drawn(Kind::Amount, 20..150, 1..6), level in any::<bool>()) {
        let kind = if level { Kind::Level } else { Kind::Amount };
        let scaled = |factor: f64| {
            let keys = drawn.keys.iter().map(|(first, values)| {
                (*first, values.iter().map(|value| value.map(|value| value * factor)).collect())
            });
            all(&Drawn { kind, keys: keys.collect(), days: drawn.days }, 30)
        };
        // Powers of two change no digit.
        for (one, other) in scaled(1.0).iter().zip(scaled(1024.0)) {
            prop_assert_eq!(one.1, other.1);
            for (one, other) in one.2.iter().zip(&other.2) {
                prop_assert_eq!(one.forecast.map(|forecast| forecast * 1024.0), other.forecast);
                prop_assert_eq!(one.bounds.map(|(lower, upper)| (lower * 1024.0, upper * 1024.0)), other.bounds);
            }
        }
    }

    #[test]
    fn a_longer_window_changes_nothing(drawn in any_table()) {
        // Choosing a method keeps more values than a method that is named.
        let forecasts = |choosing: bool| {
            let (mut history, names) = drawn.history(Plan::forecast(drawn.days, choosing));
            let outlook = Outlook::of(&mut history, Some(Method::Blend), 0.9, &mut || {});
            let points = names.iter().flat_map(|name| outlook.key(*name)).map(|key| outlook.point(key, 1));
            format!("{:?}", points.collect::<Vec<_>>())
        };
        prop_assert_eq!(forecasts(true), forecasts(false));
    }

    #[test]
    fn back_tests_hold_for_any_table(drawn in any_table(), horizon in 1usize..90, origins in 1usize..10) {
        let (mut history, _) = drawn.history(Plan::backtest(drawn.days, horizon, origins));
        for tested in backtest(&mut history, &mut || {}) {
            prop_assert!(tested.rmsse >= 0.0 && tested.mae >= 0.0, "{:?}", tested);
            prop_assert!(tested.coverage.is_none_or(|coverage| (0.0..=1.0).contains(&coverage)));
            prop_assert!(tested.keys >= 1 && tested.keys as usize <= drawn.keys.len());
        }
    }
}

#[test]
fn the_naive_method_repeats_the_last_week() {
    let values: Vec<Option<f64>> = (0..60).map(|day| Some(f64::from(day))).collect();
    let drawn = Drawn { kind: Kind::Count, keys: vec![(0, values)], days: 60 };
    let (mut history, names) = drawn.history(Plan::forecast(60, false));
    let outlook = Outlook::of(&mut history, Some(Method::SeasonalNaive), 0.9, &mut || {});
    let key = outlook.key(names[0]).unwrap();
    let forecasts: Vec<f64> = (1..=14).filter_map(|ahead| outlook.point(key, ahead).forecast).collect();
    let last_week = [53.0, 54.0, 55.0, 56.0, 57.0, 58.0, 59.0];
    assert_eq!(forecasts, [last_week, last_week].concat());
}

#[test]
fn the_best_method_is_the_one_with_the_smallest_pooled_error() {
    // A week that repeats itself to the unit: only who repeats it makes no error.
    let week = [90.0, 10.0, 55.0, 31.0, 77.0, 12.0, 64.0];
    let values = |from: usize| (0..150).map(|day| Some(week[(day + from) % 7])).collect();
    let drawn = Drawn { kind: Kind::Count, keys: (0..5).map(|key| (0, values(key))).collect(), days: 150 };
    let (mut history, names) = drawn.history(Plan::forecast(150, true));
    let outlook = Outlook::of(&mut history, None, 0.9, &mut || {});
    let chosen = outlook.method(outlook.key(names[0]).unwrap());
    let (mut tested, _) = drawn.history(Plan::backtest(150, 14, 4));
    let tested = backtest(&mut tested, &mut || {});
    let best = tested.iter().min_by(|one, other| one.rmsse.total_cmp(&other.rmsse)).unwrap();
    assert_eq!((chosen, best.class, best.keys), (Method::SeasonalNaive, Class::Busy, 5));
    assert_eq!((best.method, best.rmsse), (Method::SeasonalNaive, 0.0));
}

#[test]
fn back_tests_do_not_know_what_came() {
    let mut past = Drawn { kind: Kind::Count, keys: Vec::new(), days: 150 };
    past.keys = (0..4).map(|key| (0, positive(&series(Kind::Count, 150, 30.0, key, 0.0)))).collect();
    let of_past = Plan::forecast(136, false);
    let (mut history, names) = Drawn { days: 136, ..past.clone() }.history(of_past);
    let outlook = Outlook::of(&mut history, Some(Method::Blend), 0.9, &mut || {});
    let mut errors = 0.0;
    for (key, name) in names.iter().enumerate() {
        let fitted = outlook.key(*name).unwrap();
        for ahead in 1..=14 {
            let value = past.value(key, 135 + ahead).unwrap();
            errors += (value - outlook.point(fitted, ahead).forecast.unwrap()).abs();
        }
    }
    let (mut history, _) = past.history(Plan::backtest(150, 14, 1));
    let tested = backtest(&mut history, &mut || {});
    let blend = tested.iter().find(|tested| tested.method == Method::Blend && tested.class == Class::Busy).unwrap();
    assert!((blend.mae - errors / 4.0 / 14.0).abs() < 1e-9, "{} is not {}", blend.mae, errors / 56.0);
}
