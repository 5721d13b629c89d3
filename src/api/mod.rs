//! The functions that SQL sees: arguments read, the engine called, results given back. Those without SQL of their own
//! are declared in sql/internal.sql.
#![allow(unsafe_code)] // The macros of pgrx expand to it; none is written here by hand.

mod analytics;
mod arrays;
mod backfill;
mod forecast;
pub mod late;
mod metrics;
mod sales;
pub(crate) mod scheduler;
mod tables;

use crate::error::{Error, Failure};
use crate::pg::border::cross;
use crate::pg::function::{RawDate, Text, text};
use crate::pg::identity;
use crate::rules::calendar::Day;

/// Does the work of a function that writes.
fn change<T>(work: impl FnOnce() -> Result<T, Error>) -> T {
    cross(|| match () {
        () if identity::in_recovery() => Err(Error::InRecovery),
        () if identity::in_read_only() => Err(Error::ReadOnly),
        () => work(),
    })
}

/// The value of an argument that must not be NULL.
fn given<T>(argument: &'static str, value: Option<T>) -> Result<T, Error> {
    value.ok_or(Error::NullArgument { argument })
}

/// An error as a procedure has caught it.
fn failure(sqlstate: Option<Text>, message: Option<Text>, detail: Option<Text>, hint: Option<Text>) -> Failure {
    Failure { sqlstate: text(sqlstate), message: text(message), detail: text(detail), hint: text(hint) }
}

/// A day that a user names.
fn day(argument: &'static str, date: Option<RawDate>) -> Result<Day, Error> {
    let date = given(argument, date)?;
    if date.is_infinite() {
        return Err(Error::InfiniteDay { argument });
    }
    Day::from_number(date.0).ok_or_else(|| Error::DayOutOfRange { day: date.text() })
}

/// A day that may be left out.
fn optional_day(argument: &'static str, date: Option<RawDate>) -> Result<Option<Day>, Error> {
    date.map(|date| day(argument, Some(date))).transpose()
}
