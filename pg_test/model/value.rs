//! A metric's value: what the law expects, compared with what the server stored.

use super::decimal::Decimal;
use std::cmp::Ordering;
use std::fmt;

/// One element of an array, or one total.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    /// Integers and numerics: they agree exactly.
    Exact(Decimal),
    /// Floating point and averages: they agree to a relative `tolerance`.
    Near {
        number: f64,
        tolerance: f64,
    },
    /// Everything else, as PostgreSQL prints it.
    Text(String),
}

impl Value {
    /// Relative difference allowed for double precision and for averages, whose sums depend on row order.
    pub const DOUBLE: f64 = 1e-9;
    /// Relative difference allowed for real.
    pub const REAL: f64 = 1e-5;

    pub fn integer(number: i64) -> Value {
        Value::Exact(Decimal::from(number))
    }

    pub fn double(number: f64) -> Value {
        Value::Near { number, tolerance: Value::DOUBLE }
    }

    pub fn real(number: f64) -> Value {
        Value::Near { number, tolerance: Value::REAL }
    }

    pub fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    pub fn is_null(&self) -> bool {
        *self == Value::Null
    }

    /// Whether the server's text for this value (`None` for NULL) means the same.
    pub fn agrees_with(&self, stored: Option<&str>) -> bool {
        match (self, stored) {
            (Value::Null, None) => true,
            (Value::Exact(number), Some(text)) => Decimal::parse(text) == Some(*number),
            (Value::Near { number, tolerance }, Some(text)) => {
                text.parse::<f64>().is_ok_and(|stored| near(*number, stored, *tolerance))
            }
            (Value::Text(expected), Some(text)) => expected == text,
            _ => false,
        }
    }

    /// The sum of values that are all numbers of one kind and none NULL; `None` of none.
    pub(super) fn sum(values: &[&Value]) -> Option<Value> {
        let first = values.first()?;
        Some(match first {
            Value::Exact(_) => Value::Exact(values.iter().map(|value| value.exact()).sum()),
            Value::Near { tolerance, .. } => {
                Value::Near { number: values.iter().map(|value| value.to_f64()).sum(), tolerance: *tolerance }
            }
            other => panic!("{other:?} cannot be summed"),
        })
    }

    /// The mean of values that are all numbers and none NULL; `None` of none.
    pub(super) fn average(values: &[&Value]) -> Option<Value> {
        let tolerance = match values.first()? {
            Value::Near { tolerance, .. } => *tolerance,
            _ => Value::DOUBLE,
        };
        let sum = Value::sum(values)?.to_f64();
        Some(Value::Near { number: sum / values.len() as f64, tolerance })
    }

    /// The order of max and min among values of one kind.
    pub(super) fn order(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Text(left), Value::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
            (Value::Exact(left), Value::Exact(right)) => left.cmp(right),
            _ => self.to_f64().total_cmp(&other.to_f64()),
        }
    }

    fn exact(&self) -> Decimal {
        match self {
            Value::Exact(number) => *number,
            other => panic!("{other:?} is not exact"),
        }
    }

    fn to_f64(&self) -> f64 {
        match self {
            Value::Exact(number) => number.to_f64(),
            Value::Near { number, .. } => *number,
            other => panic!("{other:?} is not a number"),
        }
    }
}

fn near(expected: f64, stored: f64, tolerance: f64) -> bool {
    let scale = expected.abs().max(stored.abs());
    expected == stored || (expected - stored).abs() <= tolerance * scale
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("NULL"),
            Value::Exact(number) => number.fmt(f),
            Value::Near { number, .. } => write!(f, "~{number}"),
            Value::Text(text) => write!(f, "{text:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_values_agree_by_number_and_not_by_text() {
        assert!(Value::integer(5).agrees_with(Some("5.00")));
        assert!(!Value::integer(5).agrees_with(Some("5.01")));
        assert!(!Value::integer(0).agrees_with(None));
    }

    #[test]
    fn floating_point_agrees_to_its_tolerance() {
        assert!(Value::double(0.1 + 0.2).agrees_with(Some("0.3")));
        assert!(!Value::double(0.3).agrees_with(Some("0.3000001")));
        assert!(Value::real(0.3).agrees_with(Some("0.3000001")));
        assert!(Value::double(0.0).agrees_with(Some("0")));
    }

    #[test]
    fn null_agrees_only_with_null() {
        assert!(Value::Null.agrees_with(None));
        assert!(!Value::Null.agrees_with(Some("0")));
        assert!(!Value::text("").agrees_with(None));
    }
}
