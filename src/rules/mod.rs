//! The rules, in plain Rust that cannot see PostgreSQL.
//!
//! | word | meaning |
//! |---|---|
//! | source | the table of events |
//! | key | the columns that name what is counted |
//! | metric | a named aggregate over a key's events of one day |
//! | day | a calendar day in the definition's time zone |
//! | daily table | one row per key per day that has events: the day's metrics |
//! | cumulative table | one row per key per snapshot day: arrays and totals |
//! | window | the number of days in an array; totals exist for each window, arrays have the longest |
//! | snapshot | all rows of the cumulative table of one day |
//! | ledger | one row per day: missing, open, closed, frozen or dropped |
//! | clean | closed, and no committed note for that day or an earlier one |
//! | close a day | make its snapshot |
//! | late change | an insert, update or delete in the source for a day before today |
//! | note | what is remembered of a late change until it is repaired: a key and a day, or a whole day |
//! | run | one execution of the work of one cumulative table, by hand or by the scheduler |
//! | schedule | the times from which days that are over are due |
#![forbid(unsafe_code)]

pub mod calendar;
pub mod cohorts;
pub mod events;
pub mod footprint;
pub mod forecast;
pub mod growth;
pub mod keys_by_day;
pub mod metrics;
pub mod pace;
pub mod periods;
pub mod retry;
pub mod schedule;
pub mod version;
pub mod window;
