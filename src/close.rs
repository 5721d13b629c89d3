//! Closing days: one snapshot or many, in the caller's transaction.

use crate::catalog::ledger::{self, Entry};
use crate::catalog::{Definition, Late, State};
use crate::engine::entry::{check_transaction, lock, on_days};
use crate::engine::settle::settle_notes;
use crate::engine::{repair, snapshots};
use crate::error::Error;
use crate::late::over::Over;
use crate::pg::activity;
use crate::pg::identity::as_owner;
use crate::retention;
use crate::rules::calendar::{Day, days, stretches};

/// Which days of a range are aggregated again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Every day of the range: it was named by hand.
    Named,
    /// Only days that are not closed.
    Unclosed,
    /// Of these, not those that were aggregated since then (microseconds since 1970).
    UnclosedSince(i64),
}

/// Closes all days of a range, in one transaction; snapshot rows of these days.
pub fn close(definition: &mut Definition, from: Day, to: Day, again: Again) -> Result<i64, Error> {
    on_days(definition, (from, to), |definition, start, over| {
        if again == Again::Named {
            take_back(definition, from)?;
        }
        close_under_lock(definition, start, (from, to), again, over)?;
        Ok(ledger::rows(definition.target.oid, from, to))
    })
}

/// Repairs what is noted of days up to the last, makes what is missing, and settles what is over; rows written.
fn close_under_lock(
    definition: &Definition,
    start: Day,
    (from, to): (Day, Day),
    again: Again,
    over: &Over,
) -> Result<i64, Error> {
    ledger::reopen(definition.target.oid, over.today);
    let work = Work::plan(definition, start, from, to, again);
    let newest = ledger::newest_snapshot(definition.target.oid).map_or(to, |newest| newest.max(to));
    let changed = settle_notes(definition, start, to, newest, over, &work.again)?;
    let made = activity::through(&definition.target.label(), from, to, || work.build(definition, over))?;
    work.settle(definition, over);
    Ok(changed + made)
}

/// Does everything that `cumulate.plan` lists: repairs what is noted, and closes all days that are over; rows written.
pub fn refresh(definition: &mut Definition) -> Result<i64, Error> {
    check_transaction()?;
    as_owner(definition.target.owner, || {
        let yesterday = definition.today().minus(1);
        let over = Over::wait(definition, definition.start.unwrap_or(yesterday).min(yesterday), yesterday);
        let start = match lock(definition) {
            Err(Error::NoEvents { .. }) => return Ok(0),
            start => start?,
        };
        let from = retention::first_wanted(definition, start);
        if from <= yesterday {
            return close_under_lock(definition, start, (from, yesterday), Again::Unclosed, &over);
        }
        ledger::reopen(definition.target.oid, over.today);
        match ledger::newest_snapshot(definition.target.oid) {
            Some(newest) => settle_notes(definition, start, newest, newest, &over, &[]),
            None => Ok(0),
        }
    })
}

/// A snapshot that was dropped is made again when it is named, unless it is older than the table keeps them.
fn take_back(definition: &Definition, day: Day) -> Result<(), Error> {
    let target = definition.target.oid;
    if ledger::entries(target, day, day).iter().all(|entry| entry.state != State::Dropped) {
        return Ok(());
    }
    if let Some(kept) = retention::horizon(definition).filter(|horizon| day < *horizon) {
        return Err(Error::DroppedDay { day, kept, table: definition.target.label() });
    }
    ledger::take_back(target, day, day);
    Ok(())
}

/// What closing a range has to do.
struct Work {
    from: Day,
    to: Day,
    /// What the ledger says of the days since the newest earlier closed day.
    entries: Vec<Entry>,
    again: Vec<Day>,
    /// The days of the range were named by hand.
    named: bool,
}

impl Work {
    fn plan(definition: &Definition, start: Day, from: Day, to: Day, again: Again) -> Self {
        let target = definition.target.oid;
        let base = ledger::newest(target, from, &[State::Closed, State::Frozen]);
        let first = base.map_or(start, |base| base.plus(1));
        let entries = ledger::entries(target, first, to);
        let fresh = |entry: &Entry| match (entry.aggregated_at, again) {
            (Some(at), Again::UnclosedSince(since)) if at >= since => true,
            // Late changes to an aggregated day are noted.
            (aggregated, _) => aggregated.is_some() && definition.late == Late::Trigger,
        };
        let needed = |day: &Day| {
            let named = again == Again::Named && *day >= from;
            let entry = entries.iter().find(|entry| entry.day == *day);
            named
                || entry.is_none_or(|entry| match entry.state {
                    State::Closed | State::Frozen => false,
                    // Its daily rows count for later days, but nobody reads them again.
                    State::Dropped => entry.aggregated_at.is_none(),
                    State::Missing | State::Open => !fresh(entry),
                })
        };
        let dirty = days(first, to).filter(needed).collect();
        Work { from, to, entries, again: dirty, named: again == Again::Named }
    }

    /// Makes the snapshots of the range that are missing; rows written.
    fn build(&self, definition: &Definition, over: &Over) -> Result<i64, Error> {
        let present = |day: &Day| self.entries.iter().any(|entry| entry.day == *day && entry.state != State::Missing);
        let (present, missing): (Vec<Day>, Vec<Day>) = days(self.from, self.to).partition(present);
        let mut rows = 0;
        for (from, to) in stretches(missing) {
            rows += make(definition, from, to, over)?;
        }
        if self.named {
            present.iter().try_for_each(|day| repair::mend_if_damaged(definition, *day))?;
        }
        Ok(rows)
    }

    /// Days that were open are closed once they are over: what they lacked has been repaired.
    fn settle(&self, definition: &Definition, over: &Over) {
        let open = self.entries.iter().filter(|entry| entry.state == State::Open && over.is(entry.day));
        let closed: Vec<_> = open.map(|entry| (entry.day, State::Closed, None)).collect();
        ledger::record_closed(definition.target.oid, &closed);
    }
}

/// Makes the snapshots of days without a gap; rows written. Rows that are there already, as of a partition that was
/// attached by hand, are compared instead.
fn make(definition: &Definition, from: Day, to: Day, over: &Over) -> Result<i64, Error> {
    let target = &definition.target;
    let mut rows = 0;
    let mut rest: Vec<Day> = days(from, to).collect();
    if ledger::adopt(target.oid, &target.sql(), from, to) {
        rows += repair::compare(definition, from, to)?;
        let found = ledger::snapshots(target.oid, from, Some(to));
        let settled: Vec<_> = found.iter().map(|day| (*day, over.state_of(*day), None)).collect();
        ledger::record_closed(target.oid, &settled);
        rest.retain(|day| !found.contains(day));
    }
    for (from, to) in stretches(rest) {
        snapshots::stretch(definition, from, to, over)?;
        rows += ledger::rows(target.oid, from, to);
    }
    Ok(rows)
}
