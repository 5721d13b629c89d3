//! The only door to the extension's own tables: typed rows in and out.

pub mod definition;
pub mod ledger;
pub mod notes;
pub mod registry;
pub mod runs;
pub mod schedules;

pub use definition::{Definition, Key, Late, Metric, PartitionBy};
pub use ledger::State;
