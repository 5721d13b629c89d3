//! Backfill: many days, a batch at a time, each committed by the procedure that calls.

use crate::catalog::runs::{self, Cause, Run};
use crate::catalog::{Definition, ledger, notes};
use crate::close::{self, Again, Over};
use crate::daily;
use crate::error::{Error, Failure};
use crate::pg::identity::{self, as_owner};
use crate::repair::Changes;
use crate::rules::calendar::Day;
use crate::scheduler;

/// Snapshot rows that a batch should have at most: some seconds of work between commits.
const ROWS_A_BATCH: i64 = 2_000_000;

/// Batches that a backfill has at least, so that its progress can be seen.
const LEAST_BATCHES: i32 = 10;

/// Checks what is asked for and starts a run; None when there is no day to close.
pub fn begin(definition: &mut Definition, from: Option<Day>, to: Option<Day>) -> Result<Option<i64>, Error> {
    let target = definition.target.sql();
    if identity::in_transaction_block() {
        let instead = format!(
            "SELECT cumulate.cumulate_range('{target}', DATE '{}', DATE '{}');",
            from.or(definition.start).unwrap_or(Day::stored(9101)),
            to.unwrap_or_else(|| definition.today().minus(1))
        );
        return Err(Error::InTransactionBlock { call: "backfill".to_owned(), instead });
    }
    close::check_transaction()?;
    let start = as_owner(definition.target.owner, || close::lock(definition))?;
    let yesterday = definition.today().minus(1);
    let (first, last) = (from.unwrap_or(start), to.unwrap_or(yesterday));
    if from.is_none() && to.is_none() && first > last {
        pgrx::notice!("{} has no day to close yet", definition.target.label());
        return Ok(None);
    }
    close::check_days(definition, start, first, last)?;
    runs::sweep(definition.target.oid);
    Ok(Some(runs::begin(definition.target.oid, Cause::Backfill, Some((first, last)))))
}

/// How far a run has come.
pub struct Step {
    pub through: Day,
    pub days_done: i32,
    pub more: bool,
}

/// Does one batch of a run.
pub fn step(id: i64) -> Result<Step, Error> {
    let run = runs::find_running(id).ok_or(Error::NoRun { id })?;
    let mut definition = Definition::owned(run.target)?;
    if run.days_done == 0 && run.rows == 0 {
        aggregate(&mut definition, &run)?;
    }
    let from = run.from.plus(run.days_done);
    let to = from.plus(batch_days(&definition, &run) - 1).min(run.to);
    let again = Again::UnclosedSince(run.started_at);
    let rows = run.rows + close::close(&mut definition, from, to, again)?;
    let done = run.days_done + to.since(from) + 1;
    runs::advance(id, done, rows);
    let total = run.to.since(run.from) + 1;
    pgrx::notice!("{}: {to} ({done}/{total} days, {rows} rows)", definition.target.label());
    scheduler::closed(&definition, from, to);
    let more = to < run.to;
    if !more {
        runs::succeed(id);
    }
    Ok(Step { through: to, days_done: done, more })
}

/// Ends a run of the caller's own process with its error.
pub fn fail(id: i64, failure: Failure) -> Result<(), Error> {
    let run = runs::find_running(id).ok_or(Error::NoRun { id })?;
    Definition::owned(run.target)?;
    runs::fail(id, &failure);
    Ok(())
}

/// Aggregates all days of the run that have no snapshot behind them, so that the source is read once whatever the
/// batches; what was noted of these days is in it. Other days are repaired with their batch.
fn aggregate(definition: &mut Definition, run: &Run) -> Result<(), Error> {
    as_owner(definition.target.owner, || {
        let over = Over::wait(definition, run.from, run.to);
        close::lock(definition)?;
        let newest = ledger::newest_snapshot(definition.target.oid);
        let from = newest.map_or(run.from, |newest| run.from.max(newest.plus(1)));
        if from > run.to {
            return Ok(());
        }
        let mut noted = notes::read(definition.target.oid, run.to);
        noted.retain(|note| note.day.is_some_and(|day| day >= from));
        daily::refresh(definition, from, run.to, &over, &mut Changes::wanted(false))?;
        notes::delete(definition.target.oid, &noted);
        Ok(())
    })
}

fn batch_days(definition: &Definition, run: &Run) -> i32 {
    let total = run.to.since(run.from) + 1;
    let newest = ledger::newest_snapshot(definition.target.oid);
    let rows_a_day = newest.map_or(0, |day| ledger::rows(definition.target.oid, day, day)).max(1);
    let by_rows = i32::try_from(ROWS_A_BATCH / rows_a_day).unwrap_or(i32::MAX);
    by_rows.min(total / LEAST_BATCHES).max(1)
}
