//! What a snapshot is.

use super::Day;
use super::value::Value;
use chrono::Days;
use std::collections::BTreeMap;

/// The values that name what is counted, as text that is the same for equal values.
pub type Key = Vec<String>;

/// A cumulative table, as far as the law is concerned. `E` is a row of the source.
pub struct Definition<E> {
    pub start: Day,
    /// Totals exist for each window; arrays have the longest.
    pub windows: Vec<usize>,
    pub shape: Shape,
    pub expire_idle: bool,
    pub filter: Box<dyn Fn(&E) -> bool>,
    pub metrics: Vec<Metric<E>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    Ragged,
    Padded,
}

/// What a metric is for a key's events of one day, of which there is at least one.
pub type OfDay<E> = Box<dyn Fn(&[&E]) -> Value>;

/// A named aggregate over a key's events of one day.
pub struct Metric<E> {
    pub name: String,
    pub of_day: OfDay<E>,
    pub rollup: Rollup,
    pub zero: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rollup {
    Sum,
    Max,
    Min,
    Avg,
    Last,
    /// No totals.
    None,
}

/// A row of the source: the caller has cut its day in the definition's time zone.
#[derive(Debug, Clone)]
pub struct Entry<E> {
    /// `None` when a key column is NULL.
    pub key: Option<Key>,
    /// `None` when the time is NULL.
    pub day: Option<Day>,
    pub event: E,
}

/// All rows of the cumulative table of one day.
pub type Snapshot = BTreeMap<Key, Row>;

/// A key's row: one history for each metric, in the order of the definition.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub metrics: Vec<History>,
}

/// A metric's array, newest first, and its totals in the order of the windows (none for roll-up `None`).
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    pub array: Vec<Value>,
    pub totals: Vec<Value>,
}

/// snapshot(day), from all rows of the source.
pub fn snapshot<E>(definition: &Definition<E>, source: &[Entry<E>], day: Day) -> Snapshot {
    let mut rows = Snapshot::new();
    for (key, days) in counted_events(definition, source) {
        let first = *days.keys().next().expect("a key is there because of an event");
        if first <= day && !has_expired(definition, &days, day) {
            rows.insert(key, row(definition, &days, first, day));
        }
    }
    rows
}

/// A key's events by day.
type EventsByDay<'a, E> = BTreeMap<Day, Vec<&'a E>>;

/// E of the law: rows that pass the filter, have no NULL in key and time, and whose day is on or after the start.
fn counted_events<'a, E>(definition: &Definition<E>, source: &'a [Entry<E>]) -> BTreeMap<Key, EventsByDay<'a, E>> {
    let mut counted: BTreeMap<Key, EventsByDay<'a, E>> = BTreeMap::new();
    for entry in source.iter().filter(|entry| (definition.filter)(&entry.event)) {
        if let (Some(key), Some(day)) = (&entry.key, entry.day)
            && day >= definition.start
        {
            counted.entry(key.clone()).or_default().entry(day).or_default().push(&entry.event);
        }
    }
    counted
}

/// With expire_idle a key is left out when it has no row in the last W days.
fn has_expired<E>(definition: &Definition<E>, days: &EventsByDay<E>, day: Day) -> bool {
    let oldest = days_before(day, longest_window(definition) - 1);
    definition.expire_idle && days.range(oldest..=day).next().is_none()
}

fn row<E>(definition: &Definition<E>, days: &EventsByDay<E>, first: Day, day: Day) -> Row {
    let length = array_length(definition, first, day);
    let metrics = definition.metrics.iter().map(|metric| {
        let array: Vec<Value> = (0..length).map(|age| element(metric, days, days_before(day, age))).collect();
        let totals = totals(metric.rollup, &definition.windows, &array);
        History { array, totals }
    });
    Row { metrics: metrics.collect() }
}

/// n of the law.
fn array_length<E>(definition: &Definition<E>, first: Day, day: Day) -> usize {
    let longest = longest_window(definition);
    match definition.shape {
        Shape::Padded => longest,
        Shape::Ragged => {
            let age = usize::try_from((day - first).num_days()).expect("the first day is not after the snapshot");
            longest.min(age + 1)
        }
    }
}

/// The metric of that day, or its zero when the key has no events that day or the metric is NULL.
fn element<E>(metric: &Metric<E>, days: &EventsByDay<E>, day: Day) -> Value {
    let value = days.get(&day).map_or(Value::Null, |events| (metric.of_day)(events));
    if value.is_null() { metric.zero.clone() } else { value }
}

fn totals(rollup: Rollup, windows: &[usize], array: &[Value]) -> Vec<Value> {
    let total = |window: &usize| {
        let newest: Vec<&Value> = array.iter().take(*window).filter(|value| !value.is_null()).collect();
        rolled_up(rollup, &newest)
    };
    windows.iter().filter_map(total).collect()
}

/// The roll-up of values of which none is NULL, newest first; NULL of none; `None` where there is no total at all.
fn rolled_up(rollup: Rollup, values: &[&Value]) -> Option<Value> {
    let total = match rollup {
        Rollup::None => return None,
        Rollup::Sum => Value::sum(values),
        Rollup::Avg => Value::average(values),
        Rollup::Max => values.iter().max_by(|a, b| a.order(b)).map(|value| (*value).clone()),
        Rollup::Min => values.iter().min_by(|a, b| a.order(b)).map(|value| (*value).clone()),
        Rollup::Last => values.first().map(|value| (*value).clone()),
    };
    Some(total.unwrap_or(Value::Null))
}

fn longest_window<E>(definition: &Definition<E>) -> usize {
    definition.windows.iter().copied().max().expect("a definition has a window")
}

fn days_before(day: Day, count: usize) -> Day {
    day - Days::new(count as u64)
}
