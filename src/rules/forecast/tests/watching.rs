//! Anomalies against a model of them.

use super::super::anomalies::{Anomaly, Direction, Question, Watch};
use super::super::quantiles::Histogram;
use super::model::{Past, Seen, dot, first, seasons};
use super::*;

const ALL: Question = Question { from: 0, threshold: 0.0, direction: Direction::Both, min_expected: 0.0 };

/// What is found in the first `days` days, by key (the number of keys for all together) and day.
fn watch(drawn: &Drawn, days: usize, question: Question) -> Vec<(usize, Anomaly)> {
    let mut watch = Watch::new(drawn.measure(), question);
    let mut names = Vec::new();
    for day in 0..days {
        for (key, (first, values)) in drawn.keys.iter().enumerate() {
            if day >= *first {
                let name = names.iter().position(|name| *name == key).unwrap_or_else(|| {
                    names.push(key);
                    watch.add_key()
                });
                if let Some(value) = values.get(day - first).copied().flatten() {
                    watch.put(name, value);
                }
            }
        }
        watch.end_day(&mut || {});
    }
    let mut found: Vec<(usize, Anomaly)> = watch
        .finish(&mut || {})
        .into_iter()
        .map(|anomaly| match anomaly.subject {
            Subject::Key(name) => (names[name], anomaly),
            Subject::Total => (drawn.keys.len(), anomaly),
        })
        .collect();
    found.sort_by_key(|(key, anomaly)| (anomaly.day, *key));
    found
}

/// One key as the model watches it.
#[derive(Default)]
struct Series {
    taught: Vec<Option<f64>>,
    seen: Seen,
    residuals: Vec<(f64, f64)>,
    class: Option<Class>,
}

/// Median dispersion, its weight and the divisor of scores, by class.
type Usual = [(f64, f64, f64); 4];

#[derive(Clone, Copy, Debug)]
struct Judged {
    key: usize,
    day: usize,
    expected: f64,
    score: f64,
}

impl Series {
    /// Judges a value by the days before; what it teaches, expectation, score before it is divided.
    fn judge(
        &mut self,
        kind: Kind,
        value: Option<f64>,
        seasons: &[[f64; 7]],
        usual: &Usual,
    ) -> (Option<f64>, Option<(f64, f64)>) {
        let past = Past::new(kind, &self.taught, seasons, &self.seen);
        let (Some(value), true) = (value, past.days() >= 14) else { return (value, None) };
        let day = self.taught.len();
        let (class, unit, young) = (past.class(), past.unit(), past.days() < 28);
        let season = seasons.last().copied().unwrap_or([1.0; 7]);
        let mut expected = dot(&past.candidates(day % 7, &season), first(class)) / unit;
        if class != Class::Level {
            expected = expected.max(0.0);
        }
        if (class == Class::Level) != (self.class == Some(Class::Level)) && self.class.is_some() {
            self.residuals.clear();
        }
        self.class = Some(class);
        let root = |value: f64| 2.0 * (value + 0.375).max(0.0).sqrt();
        let spread = expected.max(0.5).sqrt();
        let distance = match class {
            Class::Busy => root(value / unit) - root(expected),
            Class::Level => value / unit - expected,
            _ => (value / unit - expected) / spread,
        };
        let (mut squares, mut weights) = (0.0, 0.0);
        for (weight, distance) in &self.residuals {
            squares = squares * 0.5f64.powf(1.0 / 40.0) + weight * distance * distance;
            weights = weights * 0.5f64.powf(1.0 / 40.0) + weight;
        }
        let (median, prior, _) = usual[class as usize];
        let least = [0.05, 1.0, 1.0, 0.05][class as usize];
        let deviation = ((squares + prior * median) / (weights + prior)).max(least).sqrt();
        let score = (distance / deviation).clamp(-1e3, 1e3);
        let most = if young { 1e3 } else { [3.5, 10.0, 10.0, 5.0][class as usize] };
        let cut = score.clamp(-most, most) * deviation;
        let taught = match class {
            _ if score.abs() <= most => value,
            Class::Busy => (((root(expected) + cut) / 2.0).max(0.0).powi(2) - 0.375).max(0.0) * unit,
            Class::Level => (expected + cut) * unit,
            _ => (expected + cut * spread).max(0.0) * unit,
        };
        self.residuals.push((if matches!(class, Class::Busy | Class::Level) { 1.0 } else { expected }, cut));
        (Some(taught), (!young).then_some((expected * unit, score)))
    }

    fn learn(&mut self, kind: Kind, taught: Option<f64>, seasons: &[[f64; 7]]) {
        self.taught.push(taught);
        self.seen.push(kind, &self.taught, seasons);
    }

    /// The class and dispersion that it tells others.
    fn dispersion(&self) -> Option<(Class, f64)> {
        let (mut squares, mut weights) = (0.0, 0.0);
        for (weight, distance) in &self.residuals {
            squares = squares * 0.5f64.powf(1.0 / 40.0) + weight * distance * distance;
            weights = weights * 0.5f64.powf(1.0 / 40.0) + weight;
        }
        self.class.filter(|_| weights > 0.0).map(|class| (class, squares / weights))
    }
}

fn model(drawn: &Drawn) -> Vec<Judged> {
    let table = drawn.table();
    let kind = drawn.kind;
    let mut keys: Vec<Series> = table.keys.iter().map(|_| Series::default()).collect();
    let mut total = Series::default();
    let priors = [20.0, 5.0, 5.0, 20.0];
    let mut usual: Usual = priors.map(|prior| (1.0, prior, 1.0));
    let mut scores: Vec<[Histogram; 4]> = Vec::new();
    let mut judged = Vec::new();
    let mut known: Vec<[f64; 7]> = Vec::new();
    for week in (0..drawn.days).collect::<Vec<_>>().chunks(7) {
        let mut of_week = Class::ALL.map(|_| Histogram::new());
        for &day in week {
            let of_total = usual.map(|(median, _, _)| (median, 2.0, 1.0));
            let (taught, verdict) = total.judge(kind, table.totals[day], &known, &of_total);
            if let Some((expected, score)) = verdict {
                judged.push(Judged { key: keys.len(), day, expected, score });
            }
            let before = known.clone();
            total.taught.push(taught);
            known = seasons(&total.taught);
            total.seen.push(kind, &total.taught, &known);
            for (key, series) in keys.iter_mut().enumerate() {
                let (taught, verdict) = series.judge(kind, table.keys[key][day], &before, &usual);
                if let Some((expected, score)) = verdict {
                    let class = series.class.unwrap() as usize;
                    of_week[class].add(score.abs());
                    judged.push(Judged { key, day, expected, score: score / usual[class].2 });
                }
                series.learn(kind, taught, &known);
            }
        }
        scores.push(of_week);
        usual = Class::ALL.map(|class| {
            let mut dispersions = Histogram::new();
            let told = keys.iter().filter_map(Series::dispersion).filter(|(other, _)| *other == class);
            told.for_each(|(_, dispersion)| dispersions.add(dispersion));
            let least = [0.05, 1.0, 1.0, 0.05][class as usize];
            let median = dispersions.quantile(0.5).unwrap_or(1.0).max(least);
            let mut all = Histogram::new();
            scores.iter().rev().take(12).for_each(|of_week| all.merge(&of_week[class as usize]));
            let tail = all.upper_quantile(0.9985).filter(|_| class != Class::Busy && all.rows() >= 1000);
            (median, priors[class as usize], tail.map_or(1.0, |tail| (tail / 4.0).max(1.0)))
        });
    }
    judged.sort_by_key(|judged| (judged.day, judged.key));
    judged
}

fn anomalies_are_those_of_the_model(drawn: &Drawn) -> Result<(), TestCaseError> {
    // A threshold below all scores: every day that is judged is shown.
    let found = watch(drawn, drawn.days, Question { threshold: -1.0, min_expected: f64::NEG_INFINITY, ..ALL });
    let expected = model(drawn);
    prop_assert_eq!(found.len(), expected.len());
    for ((key, anomaly), judged) in found.iter().zip(&expected) {
        prop_assert_eq!((*key, anomaly.day), (judged.key, judged.day));
        let size = anomaly.value.abs() + (anomaly.upper - anomaly.lower).abs();
        prop_assert!(near(anomaly.expected, judged.expected, size), "{:?} is not {:?}", anomaly, judged);
        prop_assert!(
            (anomaly.score - judged.score).abs() < 1e-3 * (1.0 + judged.score.abs()),
            "{:?} is not {:?}",
            anomaly,
            judged
        );
    }
    Ok(())
}

/// A table with a day that is many times as large, and one that is lost.
fn with_faults(mut drawn: Drawn) -> Drawn {
    for (key, (_, values)) in drawn.keys.iter_mut().enumerate() {
        let days = values.len();
        if let Some(Some(value)) = values.get_mut(days.saturating_sub(8 + key)) {
            *value = *value * 8.0 + 20.0;
        }
        if let Some(Some(value)) = values.get_mut(days.saturating_sub(4 + key)) {
            *value = 0.0;
        }
    }
    drawn
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn anomalies_of_counts_are_those_of_the_model(drawn in drawn(Kind::Count, 28..100, 1..5)) {
        anomalies_are_those_of_the_model(&with_faults(drawn))?;
    }

    #[test]
    fn anomalies_of_amounts_are_those_of_the_model(drawn in drawn(Kind::Amount, 28..70, 1..3)) {
        anomalies_are_those_of_the_model(&with_faults(drawn))?;
    }

    #[test]
    fn anomalies_of_levels_are_those_of_the_model(drawn in drawn(Kind::Level, 28..70, 1..3)) {
        anomalies_are_those_of_the_model(&with_faults(drawn))?;
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Count, Kind::Amount, Kind::Level])
}

fn any_table() -> impl Strategy<Value = Drawn> {
    kinds().prop_flat_map(|kind| drawn(kind, 1..200, 0..12)).prop_map(with_faults)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_day_depends_neither_on_later_days_nor_on_the_days_asked_for(
        drawn in any_table(), share in 0.0..1.0f64, from in 0usize..200,
    ) {
        let days = (drawn.days as f64 * share) as usize;
        let whole = watch(&drawn, drawn.days, ALL);
        let text = |found: &[(usize, Anomaly)]| found.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>();
        let early: Vec<_> = whole.iter().filter(|(_, one)| one.day < days).copied().collect();
        prop_assert_eq!(text(&watch(&drawn, days, ALL)), text(&early));
        let late: Vec<_> = whole.iter().filter(|(_, one)| one.day >= from).copied().collect();
        prop_assert_eq!(text(&watch(&drawn, drawn.days, Question { from, ..ALL })), text(&late));
    }

    #[test]
    fn a_value_is_beyond_its_bounds_exactly_when_its_score_is_beyond_the_threshold(
        drawn in any_table(), threshold in 0.5..6.0f64,
    ) {
        let all = watch(&drawn, drawn.days, ALL);
        let some = watch(&drawn, drawn.days, Question { threshold, ..ALL });
        let beyond = all.iter().filter(|(_, one)| one.score.abs() > threshold).count();
        prop_assert_eq!(some.len(), beyond);
        for (_, one) in some {
            // A root and a square may miss each other by the last digit.
            let size = 1e-9 * (one.value.abs() + one.expected.abs());
            prop_assert!(one.value < one.lower + size || one.value > one.upper - size, "{:?}", one);
            prop_assert!(one.lower <= one.expected.ceil() && one.expected.floor() <= one.upper, "{:?}", one);
        }
    }

    #[test]
    fn directions_and_small_expectations_choose_among_all(drawn in any_table(), least in 0.0..20.0f64) {
        let all = watch(&drawn, drawn.days, ALL);
        for (direction, sign) in [(Direction::Up, 1.0), (Direction::Down, -1.0)] {
            let found = watch(&drawn, drawn.days, Question { direction, min_expected: least, ..ALL });
            let wanted = all.iter().filter(|(_, one)| one.score * sign > 0.0 && one.expected >= least).count();
            prop_assert_eq!(found.len(), wanted);
        }
    }

    #[test]
    fn amounts_and_levels_scale(drawn in drawn(Kind::Amount, 28..150, 1..6), level in any::<bool>()) {
        let kind = if level { Kind::Level } else { Kind::Amount };
        let scaled = |factor: f64| {
            let keys = drawn.keys.iter().map(|(first, values)| {
                (*first, values.iter().map(|value| value.map(|value| value * factor)).collect())
            });
            watch(&Drawn { kind, keys: keys.collect(), days: drawn.days }, drawn.days, ALL)
        };
        // Powers of two change no digit.
        for ((_, one), (_, other)) in scaled(1.0).iter().zip(&scaled(64.0)) {
            prop_assert_eq!((one.day, one.score, one.lower * 64.0), (other.day, other.score, other.lower));
            prop_assert_eq!((one.expected * 64.0, one.upper * 64.0), (other.expected, other.upper));
        }
    }
}

/// Forty keys of a hundred events a day, with weekends and the luck that events have.
fn shops() -> Drawn {
    let mut state = 1u64;
    let mut luck = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    let mut value = |day: usize| {
        let expected: f64 = if day % 7 >= 5 { 160.0 } else { 80.0 };
        let luck: f64 = (0..12).map(|_| luck()).sum();
        Some((expected + luck * expected.sqrt()).round())
    };
    let keys = (0..40).map(|_| (0, (0..200).map(&mut value).collect())).collect();
    Drawn { kind: Kind::Count, keys, days: 200 }
}

#[test]
fn weekends_and_slow_growth_do_not_alarm() {
    let mut shops = shops();
    let found = watch(&shops, 200, Question { threshold: 4.0, ..ALL });
    assert!(found.len() <= 4, "{found:?}");
    for (_, values) in &mut shops.keys {
        let grown = values
            .iter()
            .enumerate()
            .map(|(day, value)| value.map(|value| (value * (1.0 + day as f64 / 100.0)).round()));
        *values = grown.collect();
    }
    let found = watch(&shops, 200, Question { threshold: 4.0, ..ALL });
    assert!(found.len() <= 4, "{found:?}");
}

#[test]
fn a_day_without_anything_is_found_for_all_together() {
    let mut shops = shops();
    shops.keys.iter_mut().for_each(|(_, values)| values[150] = Some(0.0));
    let found = watch(&shops, 200, Question { threshold: 4.0, direction: Direction::Down, ..ALL });
    let days: Vec<usize> = found.iter().filter(|(key, _)| *key == 40).map(|(_, one)| one.day).collect();
    assert_eq!(days, [150]);
    // It teaches nobody: the same weekday of the week after is as it always is.
    assert!(found.iter().all(|(_, one)| one.day == 150));
}
