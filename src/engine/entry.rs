//! What every call does first: refuse what cannot be, take the table's lock, and see how things are.

use super::daily;
use crate::catalog::{Definition, ledger};
use crate::error::Error;
use crate::late::over::Over;
use crate::pg::identity::{self, as_owner};
use crate::pg::message::notice;
use crate::pg::table;
use crate::rules::calendar::{Day, stretches};
use crate::rules::window::LONGEST_WINDOW;
use crate::sink::partitions::lost_days;

/// Does work of the owner's on days that a caller has named, from the first to the last, under the table's lock; it is
/// told the start date, and which days are over.
pub fn on_days<T>(
    definition: &mut Definition,
    (from, to): (Day, Day),
    work: impl FnOnce(&mut Definition, Day, &Over) -> Result<T, Error>,
) -> Result<T, Error> {
    check_transaction()?;
    as_owner(definition.target.owner, || {
        check_range(definition, from, to)?;
        let over = Over::wait(definition, from, to);
        let start = lock(definition)?;
        check_days(definition, start, from, to)?;
        work(definition, start, &over)
    })
}

/// READ COMMITTED only: an older snapshot would not see the writers that were waited for.
pub fn check_transaction() -> Result<(), Error> {
    if identity::reads_committed() { Ok(()) } else { Err(Error::IsolationLevel) }
}

/// Takes the lock of the definition and reads it again, for it may have changed meanwhile; its start date.
pub fn lock(definition: &mut Definition) -> Result<Day, Error> {
    definition.lock();
    let found = Definition::find(definition.target.oid);
    *definition = found.map_err(|error| match error {
        // Dropped while we waited: it has no name any more.
        Error::NotACumulativeTable { .. } => Error::NotACumulativeTable { name: definition.target.label() },
        other => other,
    })?;
    count_lost(definition);
    start(definition)
}

/// Snapshots whose partition somebody has dropped or detached by hand are gone: nobody writes into them any more.
fn count_lost(definition: &Definition) {
    let lost = lost_days(definition);
    for (from, to) in stretches(lost.iter().copied()) {
        let table = definition.target.label();
        notice!("days {from} to {to} of {table} count as dropped: their partition is gone");
    }
    if !lost.is_empty() {
        ledger::drop_snapshots(definition.target.oid, lost);
    }
}

/// The start date; without one the first event's day, fixed from now on. Under the lock.
fn start(definition: &mut Definition) -> Result<Day, Error> {
    if let Some(start) = definition.start {
        return Ok(start);
    }
    let source = || table::label(definition.source);
    let today = definition.today();
    let first = daily::first_day(definition, today)?.ok_or_else(|| Error::NoEvents { source: source() })?;
    if today.since(first) > LONGEST_WINDOW as i32 {
        return Err(Error::OldStart { first, today });
    }
    definition.set_start(first);
    Ok(first)
}

/// Refuses what can be refused before anything is waited for.
fn check_range(definition: &Definition, from: Day, to: Day) -> Result<(), Error> {
    if from > to {
        return Err(Error::ReversedRange { from, to });
    }
    let today = definition.today();
    if to > today {
        return Err(Error::FutureDay { day: to, today, zone: definition.time_zone.clone() });
    }
    definition.start.map_or(Ok(()), |start| check_days(definition, start, from, to))
}

/// Refuses days that do not count, and days that are frozen.
pub fn check_days(definition: &Definition, start: Day, from: Day, to: Day) -> Result<(), Error> {
    if from > to {
        return Err(Error::ReversedRange { from, to });
    }
    if from < start {
        return Err(Error::DayBeforeStart { day: from, start, table: definition.target.label() });
    }
    if let Some(through) = definition.frozen_through.filter(|through| from <= *through) {
        return Err(Error::FrozenDay { day: from, through, table: definition.target.label() });
    }
    let today = definition.today();
    if to > today {
        return Err(Error::FutureDay { day: to, today, zone: definition.time_zone.clone() });
    }
    Ok(())
}
