//! The parts that the calls are made of: source to daily table, daily table to snapshots, and snapshots repaired. None of
//! them decides what is to be done, and none knows who has called.

mod base;
pub mod daily;
pub mod daily_changes;
pub mod entry;
mod long_key;
pub mod metric_history;
pub mod repair;
pub mod settle;
pub mod snapshots;
