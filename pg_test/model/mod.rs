//! The law, in plain Rust, written from its text and sharing no code with the engine.
//!
//! Everything is recomputed from the events each time; there is no state that could go wrong. `law` says what a
//! snapshot is, `ledger` which snapshots must equal it, `compare` and `value` how stored rows are held against it.

mod compare;
mod decimal;
mod law;
mod ledger;
mod value;

#[cfg(test)]
mod examples;

pub use chrono::NaiveDate as Day;
pub use compare::{StoredHistory, StoredRow, differences};
pub use decimal::Decimal;
pub use law::{Definition, Entry, History, Key, Metric, Rollup, Row, Shape, Snapshot, snapshot};
pub use ledger::Ledger;
pub use value::Value;
