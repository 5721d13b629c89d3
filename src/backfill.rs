//! Backfill: many days, a batch at a time, each committed by the procedure that calls.

use crate::catalog::runs::{self, Cause, Run};
use crate::catalog::{Definition, Late, State, ledger, notes, registry};
use crate::close::{self, Again};
use crate::engine::daily_changes::DailyChanges;
use crate::engine::{daily, entry};
use crate::error::{Error, Failure};
use crate::late::over::Over;
use crate::late::waiting;
use crate::notify;
use crate::pg::activity;
use crate::pg::identity::{self, as_owner};
use crate::pg::message::notice;
use crate::pg::table::{self, literal};
use crate::retention;
use crate::rules::calendar::{Day, days, stretches};

/// Snapshot rows that a batch should have at most: some seconds of work between commits.
const ROWS_A_BATCH: i64 = 2_000_000;

/// Batches that a backfill has at least, so that its progress can be seen.
const LEAST_BATCHES: i32 = 10;

/// Sooner than that a speed says nothing.
const SECONDS_OF_A_SPEED: f64 = 1.0;

/// Checks what is asked for and starts a run; None when there is no day to close.
pub fn begin(definition: &mut Definition, from: Option<Day>, to: Option<Day>) -> Result<Option<i64>, Error> {
    let target = literal(&definition.target.sql());
    if identity::in_transaction_block() {
        let instead = format!(
            "SELECT cumulate.cumulate_range({target}, DATE '{}', DATE '{}');",
            from.or(definition.start).unwrap_or(Day::stored(9101)),
            to.unwrap_or_else(|| definition.today().minus(1))
        );
        return Err(Error::InTransactionBlock { call: "backfill".to_owned(), instead });
    }
    entry::check_transaction()?;
    let start = as_owner(definition.target.owner, || entry::lock(definition))?;
    let yesterday = definition.today().minus(1);
    let (first, last) = (from.unwrap_or_else(|| retention::first_wanted(definition, start)), to.unwrap_or(yesterday));
    if from.is_none() && to.is_none_or(|to| to >= start) && first > last {
        notice!("{} has no day to close yet", definition.target.label());
        return Ok(None);
    }
    entry::check_days(definition, start, first, last)?;
    runs::sweep(definition.target.oid);
    Ok(Some(runs::begin(definition.target.oid, Cause::Backfill, Some((first, last)))))
}

/// Does one batch of a run, of at most so many days; whether there is more to do.
pub fn step(id: i64, most_days: i32) -> Result<bool, Error> {
    let run = runs::find_running(id).ok_or(Error::NoRun { id })?;
    let mut definition = Definition::owned(run.target)?;
    let table = definition.target.label();
    activity::through(&table, run.from, run.to, || {
        if run.days_done == 0 && run.rows == 0 {
            aggregate(&mut definition, &run)?;
        }
        let from = run.from.plus(run.days_done);
        let to = from.plus(batch_days(&definition, &run).min(most_days) - 1).min(run.to);
        let again = Again::UnclosedSince(run.started_at);
        let rows = run.rows + close::close(&mut definition, from, to, again)?;
        let done = run.days_done + to.since(from) + 1;
        runs::advance(id, done, rows);
        let total = run.to.since(run.from) + 1;
        notice!("{table}: {to} ({done}/{total} days, {rows} rows)");
        notify::closed(&definition, from, to);
        let more = to < run.to;
        if !more {
            runs::succeed(id);
            say_figures(&table, total, rows, run.seconds());
        }
        Ok(more)
    })
}

fn say_figures(table: &str, days: i32, rows: i64, seconds: f64) {
    if seconds < SECONDS_OF_A_SPEED {
        notice!("{table}: {days} days are closed, {rows} rows");
    } else {
        let speed = rows as f64 / seconds;
        notice!("{table}: {days} days are closed, {rows} rows, in {seconds:.1} s ({speed:.0} rows a second)");
    }
}

/// Ends a run of the caller's own process with its error, and says where it stopped.
pub fn fail(id: i64, failure: Failure) -> Result<(), Error> {
    let run = runs::find_running(id).ok_or(Error::NoRun { id })?;
    registry::check_owned(run.target)?;
    runs::fail(id, &failure);
    let (next, total) = (run.from.plus(run.days_done), run.to.since(run.from) + 1);
    notice!("{}: stopped at {next}; {}/{total} days are closed and stay", table::label(run.target), run.days_done);
    Ok(())
}

/// Aggregates all days up to the run's last that have no snapshot behind them, so that the source is read once whatever
/// the batches; what was noted of these days is in it. Other days are repaired with their batch.
fn aggregate(definition: &mut Definition, run: &Run) -> Result<(), Error> {
    as_owner(definition.target.owner, || {
        let over = Over::wait(definition, run.from, run.to);
        let start = entry::lock(definition)?;
        let newest = ledger::newest_snapshot(definition.target.oid);
        let first = newest.map_or(start, |newest| newest.plus(1)).max(definition.first_live_day(start));
        let unread = unread_days(definition, first, run.to);
        let noted = waiting::notes(definition, run.to);
        for (from, to) in stretches(unread.iter().copied()) {
            daily::aggregate(definition, from, to, &over, &mut DailyChanges::wanted(false))?;
        }
        let done: Vec<_> =
            noted.into_iter().filter(|note| note.day.is_some_and(|day| unread.binary_search(&day).is_ok())).collect();
        notes::delete(definition.target.oid, &done);
        Ok(())
    })
}

/// Days that must be read from the source. What an interrupted backfill has read need not be read again where late
/// changes are noted.
fn unread_days(definition: &Definition, from: Day, to: Day) -> Vec<Day> {
    let entries = ledger::entries(definition.target.oid, from, to);
    let noted = definition.late == Late::Trigger;
    let read = |day: Day| {
        let entry = entries.binary_search_by_key(&day, |entry| entry.day).ok().map(|index| entries[index]);
        entry.is_some_and(|entry| entry.aggregated_at.is_some() && (noted || entry.state == State::Dropped))
    };
    days(from, to).filter(|day| !read(*day)).collect()
}

fn batch_days(definition: &Definition, run: &Run) -> i32 {
    let total = run.to.since(run.from) + 1;
    let newest = ledger::newest_snapshot(definition.target.oid);
    let rows_a_day = newest.map_or(0, |day| ledger::rows(definition.target.oid, day, day)).max(1);
    let by_rows = i32::try_from(ROWS_A_BATCH / rows_a_day).unwrap_or(i32::MAX);
    by_rows.min(total / LEAST_BATCHES).max(1)
}
