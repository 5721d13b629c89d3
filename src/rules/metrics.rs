//! The definition of metrics, as it is typed: a json object of names and aggregate expressions.

use super::window::Rollup;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One metric as it was typed.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricForm {
    pub name: String,
    pub body: MetricBody,
}

/// What a metric's name maps to: an expression alone, or an object with more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricBody {
    /// The aggregate expression over the source's columns.
    pub value: String,
    /// The type of the array's elements; the expression's own when it is left out.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    #[serde(default = "default_rollup", skip_serializing_if = "is_default_rollup")]
    pub rollup: String,
    /// The value of a day without events; 0 for sums and NULL otherwise when it is left out.
    #[serde(default, deserialize_with = "zero", skip_serializing_if = "Zero::is_default")]
    pub zero: Zero,
    /// The column of the daily table; the metric's name when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily: Option<String>,
}

/// The value of a day without events.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Zero {
    /// 0 for sums, NULL otherwise.
    #[default]
    Default,
    Null,
    /// In the element type's text form.
    Text(String),
}

impl Zero {
    fn is_default(&self) -> bool {
        *self == Zero::Default
    }

    /// The text of the zero for a roll-up; None for NULL.
    pub fn text(&self, rollup: Rollup) -> Option<String> {
        match self {
            Zero::Default => (rollup == Rollup::Sum).then(|| "0".to_owned()),
            Zero::Null => None,
            Zero::Text(text) => Some(text.clone()),
        }
    }
}

impl Serialize for Zero {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Zero::Text(text) => serializer.serialize_str(text),
            Zero::Null | Zero::Default => serializer.serialize_none(),
        }
    }
}

fn zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zero, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Null => Ok(Zero::Null),
        serde_json::Value::String(text) => Ok(Zero::Text(text)),
        value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => Ok(Zero::Text(value.to_string())),
        _ => Err(de::Error::custom("zero must be a number, a string, true, false or null")),
    }
}

fn default_rollup() -> String {
    Rollup::Sum.name().to_owned()
}

fn is_default_rollup(rollup: &str) -> bool {
    rollup == Rollup::Sum.name()
}

/// Why a definition of metrics could not be read.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricsError {
    Duplicate(String),
    Empty,
    Form(String),
}

/// Reads all metrics, in the order in which they were typed.
pub fn parse(json: &str) -> Result<Vec<MetricForm>, MetricsError> {
    let list: MetricList = serde_json::from_str(json).map_err(|error| MetricsError::Form(error.to_string()))?;
    if list.0.is_empty() {
        return Err(MetricsError::Empty);
    }
    for (index, metric) in list.0.iter().enumerate() {
        if list.0[..index].iter().any(|earlier| earlier.name == metric.name) {
            return Err(MetricsError::Duplicate(metric.name.clone()));
        }
    }
    list.0.into_iter().map(without_zero_byte).collect()
}

/// Reads one metric: its name, and what it maps to.
pub fn parse_one(name: &str, json: &str) -> Result<MetricForm, MetricsError> {
    let body: Typed = serde_json::from_str(json).map_err(|error| MetricsError::Form(error.to_string()))?;
    without_zero_byte(MetricForm { name: name.to_owned(), body: body.into() })
}

/// json can write a zero byte, and no text of PostgreSQL can have one.
fn without_zero_byte(metric: MetricForm) -> Result<MetricForm, MetricsError> {
    let MetricForm { name, body: MetricBody { value, element, rollup, zero, daily } } = &metric;
    let zero = if let Zero::Text(text) = zero { Some(text) } else { None };
    let texts = [name, value, rollup].into_iter().chain(element).chain(zero).chain(daily);
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err(MetricsError::Form("one of its texts has a zero byte".to_owned()));
    }
    Ok(metric)
}

/// Writes metrics as they could be typed.
pub fn write(metrics: &[MetricForm]) -> String {
    let parts: Vec<String> = metrics.iter().map(write_one).collect();
    format!("{{{}}}", parts.join(", "))
}

fn write_one(metric: &MetricForm) -> String {
    format!("{}: {}", serde_json::Value::from(metric.name.as_str()), write_body(metric))
}

/// Writes what a metric's name maps to.
pub fn write_body(metric: &MetricForm) -> String {
    let plain = MetricBody::from(Typed::Expression(metric.body.value.clone()));
    if metric.body == plain {
        serde_json::Value::from(metric.body.value.as_str()).to_string()
    } else {
        serde_json::to_string(&metric.body).unwrap_or_default()
    }
}

/// A metric's two forms.
enum Typed {
    Expression(String),
    Object(MetricBody),
}

impl<'de> Deserialize<'de> for Typed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TypedVisitor;
        impl<'de> Visitor<'de> for TypedVisitor {
            type Value = Typed;

            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("an aggregate expression or an object with a \"value\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Typed, E> {
                Ok(Typed::Expression(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Typed, A::Error> {
                MetricBody::deserialize(de::value::MapAccessDeserializer::new(map)).map(Typed::Object)
            }
        }
        deserializer.deserialize_any(TypedVisitor)
    }
}

impl From<Typed> for MetricBody {
    fn from(typed: Typed) -> Self {
        match typed {
            Typed::Object(body) => body,
            Typed::Expression(value) => {
                MetricBody { value, element: None, rollup: default_rollup(), zero: Zero::Default, daily: None }
            }
        }
    }
}

/// Keeps order and duplicates, which maps of json libraries do not.
struct MetricList(Vec<MetricForm>);

impl<'de> Deserialize<'de> for MetricList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;
        impl<'de> Visitor<'de> for ListVisitor {
            type Value = MetricList;

            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("an object of metric names and aggregate expressions")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MetricList, A::Error> {
                let mut metrics = Vec::new();
                while let Some((name, typed)) = map.next_entry::<String, Typed>()? {
                    metrics.push(MetricForm { name, body: typed.into() });
                }
                Ok(MetricList(metrics))
            }
        }
        deserializer.deserialize_map(ListVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_keep_the_order_in_which_they_were_typed() {
        let metrics =
            parse(r#"{"z": "count(*)", "a": {"value": "sum(x)", "type": "bigint", "rollup": "max"}}"#).unwrap();
        let names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
        assert_eq!(names, ["z", "a"]);
        assert_eq!(metrics[1].body.rollup, "max");
        assert_eq!(metrics[1].body.element.as_deref(), Some("bigint"));
    }

    #[test]
    fn a_duplicate_name_is_refused() {
        let error = parse(r#"{"a": "count(*)", "a": "sum(x)"}"#);
        assert_eq!(error, Err(MetricsError::Duplicate("a".to_owned())));
    }

    #[test]
    fn wrong_forms_are_refused() {
        assert_eq!(parse("{}"), Err(MetricsError::Empty));
        for json in [
            "[]",
            "1",
            r#"{"a": 1}"#,
            r#"{"a": {}}"#,
            r#"{"a": {"value": "x", "roll": 1}}"#,
            "{",
            r#"{"a": {"value": "x", "zero": []}}"#,
            r#"{"a\u0000": "count(*)"}"#,
            r#"{"a": {"value": "x", "zero": "\u0000"}}"#,
        ] {
            assert!(matches!(parse(json), Err(MetricsError::Form(_))), "{json}");
        }
    }

    #[test]
    fn the_zero_of_a_sum_is_0_and_of_others_null_unless_declared() {
        let zero = |json: &str| {
            let metric = parse(json).unwrap().remove(0);
            metric.body.zero.text(Rollup::from_name(&metric.body.rollup).unwrap())
        };
        assert_eq!(zero(r#"{"a": "count(*)"}"#).as_deref(), Some("0"));
        assert_eq!(zero(r#"{"a": {"value": "max(x)", "rollup": "max"}}"#), None);
        assert_eq!(zero(r#"{"a": {"value": "max(x)", "rollup": "max", "zero": -1.50}}"#).as_deref(), Some("-1.5"));
        assert_eq!(zero(r#"{"a": {"value": "sum(x)", "zero": null}}"#), None);
        assert_eq!(zero(r#"{"a": {"value": "max(x)", "rollup": "max", "zero": "none"}}"#).as_deref(), Some("none"));
    }

    #[test]
    fn what_is_written_reads_as_it_was() {
        let json = r#"{"sell": "count(*) FILTER (WHERE t = 'a\"b')", "top": {"value": "max(x)", "rollup": "max", "zero": "-1"}, "all": {"value": "count(*)", "daily": "num"}}"#;
        let metrics = parse(json).unwrap();
        assert_eq!(parse(&write(&metrics)).unwrap(), metrics);
    }
}
