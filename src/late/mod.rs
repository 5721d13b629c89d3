//! Late changes: noted by triggers on the source, whoever writes to it, and writers waited for before a day is closed.

pub mod collect;
pub mod dirt;
pub mod over;
pub mod source_partitions;
pub mod triggers;
pub mod waiting;
pub mod writers;
