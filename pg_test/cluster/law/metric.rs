//! Metrics: an SQL expression beside what it means for a key's events of a day.

use crate::event::Event;
use pg_cumulate_tests::model::{Decimal, Metric, Rollup, Value};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// How values of a metric look, and so its zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Double,
    Real,
    Text,
    Truth,
}

/// An aggregate expression.
#[derive(Clone, Copy)]
struct Expression {
    sql: &'static str,
    kind: Kind,
    rollups: &'static [Rollup],
    of_day: fn(&[&Event]) -> Value,
}

use Rollup::{Avg, Last, Max, Min, Sum};
const NUMERIC: &[Rollup] = &[Sum, Max, Min, Avg, Last, Rollup::None];
const ORDERED: &[Rollup] = &[Last, Max, Min, Rollup::None];
const PLAIN: &[Rollup] = &[Last, Rollup::None];

#[rustfmt::skip]
const EXPRESSIONS: &[Expression] = &[
    Expression { sql: "count(*)", kind: Kind::Number, rollups: NUMERIC, of_day: count },
    Expression { sql: "count(*) FILTER (WHERE kind = 'sell')", kind: Kind::Number, rollups: NUMERIC,
                 of_day: |events| Value::integer(of_kind(events, |kind| kind == "sell").count() as i64) },
    Expression { sql: "sum(amount)", kind: Kind::Number, rollups: NUMERIC, of_day: |events| sum(amounts(events)) },
    Expression { sql: "sum(price)", kind: Kind::Number, rollups: NUMERIC, of_day: sum_of_prices },
    Expression { sql: "max(amount)", kind: Kind::Number, rollups: NUMERIC,
                 of_day: |events| whole(amounts(events).max()) },
    Expression { sql: "min(amount)", kind: Kind::Number, rollups: NUMERIC,
                 of_day: |events| whole(amounts(events).min()) },
    Expression { sql: "sum(amount) FILTER (WHERE kind <> 'rückgabe')", kind: Kind::Number, rollups: NUMERIC,
                 of_day: |events| sum(of_kind(events, |kind| kind != "rückgabe").filter_map(|event| event.amount)) },
    Expression { sql: "sum(CASE kind WHEN 'rückgabe' THEN -amount ELSE amount END)", kind: Kind::Number,
                 rollups: NUMERIC, of_day: |events| sum(events.iter().filter_map(|event| signed_amount(event))) },
    Expression { sql: "coalesce(sum(amount), 0) - count(*)", kind: Kind::Number, rollups: NUMERIC,
                 of_day: |events| Value::integer(amounts(events).sum::<i64>() - events.len() as i64) },
    Expression { sql: "count(DISTINCT kind)", kind: Kind::Number, rollups: NUMERIC, of_day: distinct_kinds },
    Expression { sql: "sum(weight)", kind: Kind::Double, rollups: NUMERIC,
                 of_day: |events| optional(weights(events).reduce(|a, b| a + b), Value::double) },
    Expression { sql: "sum(weight::real)", kind: Kind::Real, rollups: NUMERIC,
                 of_day: |events| optional(weights(events).reduce(|a, b| a + b), Value::real) },
    Expression { sql: "avg(amount)", kind: Kind::Double, rollups: NUMERIC, of_day: average_amount },
    Expression { sql: "max(kind)", kind: Kind::Text, rollups: ORDERED,
                 of_day: |events| optional(kinds(events).max(), Value::text) },
    Expression { sql: "bool_or(amount > 50)", kind: Kind::Truth, rollups: PLAIN,
                 of_day: |events| optional(amounts(events).map(|amount| amount > 50).max(), truth) },
];

/// The names of a form's metrics, in order.
const NAMES: [&str; 4] = ["sell", "Größe", "net-value", "total"];

/// A metric as a definition declares it.
#[derive(Clone)]
pub struct MetricForm {
    expression: Expression,
    rollup: Rollup,
    zero: Zero,
    /// A type for a count; the expression's own otherwise.
    element: Option<&'static str>,
    daily_column: bool,
}

/// The declared value of a day without events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zero {
    Undeclared,
    Null,
    Number(i64),
}

impl MetricForm {
    /// The member of the json object.
    pub fn json(&self, index: usize) -> String {
        let mut parts = vec![format!("\"value\": {}", json_text(self.expression.sql))];
        if self.rollup != Sum {
            parts.push(format!("\"rollup\": \"{}\"", format!("{:?}", self.rollup).to_lowercase()));
        }
        match self.zero_value() {
            _ if self.zero == Zero::Undeclared => {}
            Value::Null => parts.push("\"zero\": null".to_owned()),
            Value::Text(text) if self.expression.kind == Kind::Text => {
                parts.push(format!("\"zero\": {}", json_text(&text)));
            }
            zero => parts.push(format!("\"zero\": {}", zero.to_string().replace(['~', '"'], ""))),
        }
        parts.extend(self.element.map(|element| format!("\"type\": \"{element}\"")));
        if self.daily_column {
            parts.push(format!("\"daily\": \"day's {index}\""));
        }
        // A metric without options is also tried in its short form.
        let body = if parts.len() == 1 { json_text(self.expression.sql) } else { format!("{{{}}}", parts.join(", ")) };
        format!("{}: {body}", json_text(NAMES[index]))
    }

    pub fn name(&self, index: usize) -> &'static str {
        NAMES[index]
    }

    /// The windows for which the metric has totals.
    pub fn total_windows(&self, windows: &[usize]) -> Vec<usize> {
        if self.rollup == Rollup::None { Vec::new() } else { windows.to_vec() }
    }

    pub fn model(&self, index: usize) -> Metric<Event> {
        Metric {
            name: NAMES[index].to_owned(),
            of_day: Box::new(self.expression.of_day),
            rollup: self.rollup,
            zero: self.zero_value(),
        }
    }

    fn zero_value(&self) -> Value {
        let number = match self.zero {
            Zero::Null => return Value::Null,
            Zero::Undeclared if self.rollup != Sum => return Value::Null,
            Zero::Undeclared => 0,
            Zero::Number(number) => number,
        };
        match self.expression.kind {
            Kind::Number => Value::integer(number),
            Kind::Double => Value::double(number as f64),
            Kind::Real => Value::real(number as f64),
            Kind::Text => Value::text(&format!("none {number}")),
            Kind::Truth => truth(number > 0),
        }
    }
}

impl std::fmt::Debug for MetricForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.json(0))
    }
}

pub fn any_metrics() -> impl Strategy<Value = Vec<MetricForm>> {
    prop::collection::vec(any_metric(), 1..=NAMES.len())
}

fn any_metric() -> impl Strategy<Value = MetricForm> {
    let zero = prop_oneof![
        4 => Just(Zero::Undeclared),
        1 => Just(Zero::Null),
        2 => select(&[0, 2, -1][..]).prop_map(Zero::Number),
    ];
    let element = prop::option::weighted(0.3, select(&["integer", "smallint", "numeric"][..]));
    let default_rollup = prop::bool::weighted(0.4);
    (select(EXPRESSIONS), any::<Index>(), default_rollup, zero, element, prop::bool::weighted(0.2)).prop_map(
        |(expression, index, default_rollup, zero, element, daily_column)| {
            let rollup = if default_rollup { expression.rollups[0] } else { *index.get(expression.rollups) };
            let element = element.filter(|_| expression.sql == "count(*)");
            MetricForm { expression, rollup, zero, element, daily_column }
        },
    )
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.sql)
    }
}

fn count(events: &[&Event]) -> Value {
    Value::integer(events.len() as i64)
}

fn amounts(events: &[&Event]) -> impl Iterator<Item = i64> {
    events.iter().filter_map(|event| event.amount)
}

fn weights(events: &[&Event]) -> impl Iterator<Item = f64> {
    events.iter().filter_map(|event| event.weight)
}

fn kinds<'a>(events: &[&'a Event]) -> impl Iterator<Item = &'a str> {
    events.iter().filter_map(|event| event.kind.as_deref())
}

fn of_kind<'a>(events: &[&'a Event], wanted: fn(&str) -> bool) -> impl Iterator<Item = &'a Event> {
    events.iter().copied().filter(move |event| event.kind.as_deref().is_some_and(wanted))
}

/// A CASE with a NULL kind takes the ELSE branch.
fn signed_amount(event: &Event) -> Option<i64> {
    let sign = if event.kind.as_deref() == Some("rückgabe") { -1 } else { 1 };
    event.amount.map(|amount| sign * amount)
}

fn sum(numbers: impl Iterator<Item = i64>) -> Value {
    whole(numbers.reduce(|a, b| a + b))
}

fn sum_of_prices(events: &[&Event]) -> Value {
    let prices: Vec<Decimal> = events.iter().filter_map(|event| event.price).collect();
    if prices.is_empty() { Value::Null } else { Value::Exact(prices.into_iter().sum()) }
}

fn average_amount(events: &[&Event]) -> Value {
    let count = amounts(events).count();
    if count == 0 { Value::Null } else { Value::double(amounts(events).sum::<i64>() as f64 / count as f64) }
}

fn distinct_kinds(events: &[&Event]) -> Value {
    let distinct: std::collections::BTreeSet<&str> = kinds(events).collect();
    Value::integer(distinct.len() as i64)
}

fn truth(truth: bool) -> Value {
    Value::text(if truth { "true" } else { "false" })
}

fn whole(number: Option<i64>) -> Value {
    optional(number, Value::integer)
}

/// An aggregate of no values is NULL.
fn optional<T>(value: Option<T>, make: fn(T) -> Value) -> Value {
    value.map_or(Value::Null, make)
}

fn json_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
