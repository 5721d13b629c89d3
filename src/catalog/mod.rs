//! The only door to the extension's own tables: typed rows in and out.

mod choices;
pub mod columns;
pub mod definition;
pub mod ledger;
pub mod named_keys;
pub mod notes;
pub mod parts;
pub mod registry;
pub mod runs;
pub mod schedules;
pub mod source_names;
mod time_type;

pub use choices::{Late, PartitionBy};
pub use definition::{Definition, Key, Metric};
pub use ledger::State;
pub use time_type::TimeType;
