//! Events: as they are inserted, and as the source gives them back.

use crate::moment::{self, Moment};
use pg_cumulate_tests::literal;
use pg_cumulate_tests::model::Decimal;
use proptest::prelude::*;
use proptest::sample::select;

/// A source row without key and time.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub kind: Option<String>,
    pub amount: Option<i64>,
    pub price: Option<Decimal>,
    pub weight: Option<f64>,
    pub keep: Option<bool>,
}

/// A row to be inserted, every value small and printable.
#[derive(Clone)]
pub struct NewEvent {
    /// For each key column the number of a value in its pool; `None` for NULL.
    pub keys: [Option<usize>; 2],
    pub time: Option<Moment>,
    pub kind: Option<&'static str>,
    pub amount: Option<i32>,
    /// In thousandths.
    pub price: Option<i64>,
    /// In sevenths, which no binary fraction holds.
    pub weight: Option<u32>,
    pub keep: Option<bool>,
}

/// The columns after key and time.
pub const COLUMNS: [&str; 5] = ["kind", "amount", "price", "weight", "keep"];
pub const COLUMN_TYPES: &str = "kind text, amount integer, price numeric(12,3), weight double precision, keep boolean";

/// Many events are of a few keys and days, so that they meet.
pub const POOL: usize = 6;

impl NewEvent {
    /// The values of `COLUMNS`.
    pub fn values(&self) -> Vec<String> {
        vec![
            typed(self.kind.map(literal), "text"),
            typed(self.amount.map(|amount| format!("({amount})")), "integer"),
            typed(self.price.map(|thousandths| format!("({thousandths} / 1000.0)")), "numeric(12,3)"),
            typed(self.weight.map(|sevenths| format!("({sevenths} / 7.0::float8)")), "double precision"),
            typed(self.keep.map(|keep| keep.to_string()), "boolean"),
        ]
    }
}

/// The values in the order of the fields.
impl std::fmt::Debug for NewEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let NewEvent { keys, time, kind, amount, price, weight, keep } = self;
        write!(f, "{keys:?} {time:?} {kind:?} {amount:?} {price:?} {weight:?} {keep:?}")
    }
}

/// A value or NULL of a type, so that the rows of a VALUES list agree.
pub fn typed(value: Option<String>, sql_type: &str) -> String {
    format!("{}::{sql_type}", value.as_deref().unwrap_or("NULL"))
}

pub fn any() -> impl Strategy<Value = NewEvent> {
    let kind = select(&["sell", "rückgabe", "reorder"][..]);
    (
        keys(),
        rarely_null(moment::any()),
        rarely_null(kind),
        rarely_null(-20..100),
        rarely_null(0..100_000i64),
        rarely_null(1..1_000u32),
        rarely_null(prop::bool::weighted(0.8)),
    )
        .prop_map(|(keys, time, kind, amount, price, weight, keep)| NewEvent {
            keys,
            time,
            kind,
            amount,
            price,
            weight,
            keep,
        })
}

pub fn keys() -> impl Strategy<Value = [Option<usize>; 2]> {
    (rarely_null(0..POOL), rarely_null(0..POOL / 2)).prop_map(|(first, second)| [first, second])
}

fn rarely_null<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<S::Value>> {
    prop::option::weighted(0.96, strategy)
}
