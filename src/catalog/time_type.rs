//! The kinds of time columns.

use pgrx::pg_sys::{self, Oid};

/// The kinds of time that a source can have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TimeType {
    Date,
    Timestamp,
    TimestampTz,
}

impl TimeType {
    /// The kind of a column's type; None when it is no time.
    pub fn of(type_oid: Oid) -> Option<Self> {
        match type_oid {
            pg_sys::DATEOID => Some(TimeType::Date),
            pg_sys::TIMESTAMPOID => Some(TimeType::Timestamp),
            pg_sys::TIMESTAMPTZOID => Some(TimeType::TimestampTz),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            TimeType::Date => "date",
            TimeType::Timestamp => "timestamp",
            TimeType::TimestampTz => "timestamptz",
        }
    }

    /// How many of the function's conditions pre-select rows by their time; the filter's come before them.
    pub fn range_conditions(self) -> usize {
        match self {
            TimeType::Date => 1,
            TimeType::Timestamp => 2,
            TimeType::TimestampTz => 3,
        }
    }
}
