//! A table's turn: one run, from its beginning to its end, batch by batch, each in a transaction of its own.

use super::look::{Due, day_at, unix_now};
use super::{notify, worker};
use crate::backfill;
use crate::catalog::runs::{self, Cause};
use crate::catalog::{Definition, State, ledger, schedules};
use crate::close;
use crate::daily;
use crate::error::{Error, Failure};
use crate::guc;
use crate::late::writers;
use crate::pg::board::Found;
use crate::pg::expression::within_key_limit;
use crate::pg::identity::{self, as_extension, as_owner};
use crate::pg::spi::Statement;
use crate::pg::{activity, message, process, table, transaction};
use crate::retention;
use crate::rules::calendar::{Day, days};
use crate::rules::retry::{self, Verdict};
use std::time::Instant;

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Something was done, or failed.
    Worked,
    /// Others are at it, or there was nothing to do after all.
    Nothing,
}

/// Days that one run closes at most: what is aggregated in its first transaction.
const MOST_DAYS: i32 = 366;

/// A source without an event that counts is looked at this often, in seconds.
const UNTIL_EVENTS: i64 = 600;

/// A run that has begun.
struct Begun {
    id: i64,
    /// None when only late changes are repaired.
    span: Option<(Day, Day)>,
}

/// Runs a table's work until it is done or `end` has come.
pub fn take(due: &Due, end: Instant) -> Ended {
    let limit = Limit::new();
    match transaction::run(limit.left(), || begin(due)) {
        Ok(None) => Ended::Nothing,
        Ok(Some(begun)) => {
            let done =
                if begun.span.is_some() { close_days(due, &begun, end, &limit) } else { repair(due, &begun, &limit) };
            activity::idle();
            done.unwrap_or_else(|failure| fail(due, Some(begun.id), &failure));
            Ended::Worked
        }
        Err(failure) => {
            fail(due, None, &failure);
            Ended::Worked
        }
    }
}

/// What is left of `cumulate.run_timeout`.
struct Limit(Option<Instant>);

impl Limit {
    fn new() -> Self {
        Limit(guc::run_timeout().map(|timeout| Instant::now() + timeout))
    }

    fn left(&self) -> Option<i32> {
        let left = self.0?.saturating_duration_since(Instant::now());
        Some(i32::try_from(left.as_millis()).unwrap_or(i32::MAX))
    }
}

/// Looks closer, and enters a run when there is something to do that nobody does.
fn begin(due: &Due) -> Result<Option<Begun>, Error> {
    if !is_complete(due) {
        return Ok(None);
    }
    let mut definition = Definition::find(due.target)?;
    if !definition.try_lock() || runs::is_running(due.target) {
        return Ok(None);
    }
    let swept = runs::sweep(due.target);
    if swept > 0 {
        // What ended a process may do it again.
        let failures = schedules::count_failure(due.target);
        schedules::postpone(due.target, delay(failures));
        return Ok(None);
    }
    let span = match due.through {
        Some(through) => as_owner(definition.target.owner, || days_to_close(&mut definition, through))?,
        None => None,
    };
    let late =
        due.cause == Cause::Late || ledger::newest_snapshot(due.target).is_some_and(|newest| has_notes(due, newest));
    if span.is_none() && !late && due.cause != Cause::Manual {
        return Ok(None);
    }
    schedules::serve(due.target);
    let cause = if span.is_none() && due.cause == Cause::Schedule { Cause::Late } else { due.cause };
    Ok(Some(Begun { id: runs::begin(due.target, cause, span), span }))
}

/// A table whose key or triggers are missing is being restored, or broken: it is left alone.
fn is_complete(due: &Due) -> bool {
    as_extension(|| !Statement::new("SELECT FROM cumulate.defects WHERE target = $1").bind(due.target).exists())
}

fn has_notes(due: &Due, newest: Day) -> bool {
    as_extension(|| {
        Statement::new(
            "SELECT FROM cumulate.note WHERE target = $1 AND (day IS NULL OR day <= DATE '2000-01-01' + $2) LIMIT 1",
        )
        .bind(due.target)
        .bind(newest.number())
        .exists()
    })
}

/// The first days without a gap that are to be closed.
fn days_to_close(definition: &mut Definition, through: Day) -> Result<Option<(Day, Day)>, Error> {
    let target = definition.target.oid;
    if ledger::newest_snapshot(target).is_none() && !daily::has_events(definition)? {
        return Ok(None);
    }
    let start = match close::lock(definition) {
        Err(Error::NoEvents { .. }) => {
            schedules::postpone(target, UNTIL_EVENTS);
            return Ok(None);
        }
        start => start?,
    };
    let today = day_at(unix_now(), &definition.time_zone).unwrap_or(through);
    let through = through.min(today.minus(1));
    let first = backfill::first_wanted(definition, start);
    let entries = ledger::entries(target, first, through);
    let state = |day: Day| entries.iter().find(|entry| entry.day == day).map_or(State::Missing, |entry| entry.state);
    let Some(from) = days(first, through).find(|day| !state(*day).is_final()) else { return Ok(None) };
    // A snapshot is there already; it is settled when those who write to its day have ended.
    if state(from) == State::Open && writers::look(definition, from).is_some_and(|unnoted| unnoted <= from) {
        return Ok(None);
    }
    let to = days(from, through.min(from.plus(MOST_DAYS - 1))).take_while(|day| !state(*day).is_final()).last();
    Ok(to.map(|to| (from, to)))
}

fn close_days(due: &Due, begun: &Begun, end: Instant, limit: &Limit) -> Result<(), Failure> {
    loop {
        let more = transaction::run(limit.left(), || {
            let more = within_key_limit(&due.label, || backfill::step(begun.id))?;
            if !more {
                settle(due, begun);
            }
            Ok(more)
        })?;
        if !more {
            return drop_old(due, end, limit);
        }
        if Instant::now() >= end || worker::is_wanted() {
            // What is left is the next run's.
            return transaction::run(None, || {
                runs::succeed(begun.id);
                schedules::succeed(due.target);
                Ok(())
            });
        }
        process::reload();
    }
}

/// Drops snapshots that are older than the table keeps them.
fn drop_old(due: &Due, end: Instant, limit: &Limit) -> Result<(), Failure> {
    loop {
        let dropped = transaction::run(limit.left(), || retention::step(&mut Definition::find(due.target)?))?;
        if !dropped.more || Instant::now() >= end || worker::is_wanted() {
            return Ok(());
        }
    }
}

/// Days that could not be closed, because others still write to them, are not tried again at once.
fn settle(due: &Due, begun: &Begun) {
    schedules::succeed(due.target);
    let Some((from, to)) = begun.span else { return };
    if ledger::first_unclosed(due.target, from, to).is_some() {
        schedules::postpone(due.target, delay(1));
    }
}

fn repair(due: &Due, begun: &Begun, limit: &Limit) -> Result<(), Failure> {
    activity::show(&format!("{} late changes", due.label));
    transaction::run(limit.left(), || {
        let mut definition = Definition::find(due.target)?;
        let rows = within_key_limit(&due.label, || close::apply_late(&mut definition))?;
        runs::advance(begun.id, 0, rows);
        runs::succeed(begun.id);
        schedules::succeed(due.target);
        Ok(())
    })
}

/// Keeps a failure, and decides what follows from it.
fn fail(due: &Due, run: Option<i64>, failure: &Failure) {
    let kept = transaction::run(None, || {
        // A table that was dropped meanwhile has no failures.
        let Some(target) = table::Table::find(due.target) else { return Ok(()) };
        // In the order in which DROP EXTENSION locks its tables, which the failed run may have kept waiting.
        let failures = schedules::count_failure(due.target);
        let run = run.unwrap_or_else(|| runs::begin(due.target, due.cause, None));
        runs::fail(run, failure);
        let message = failure.message.as_deref().unwrap_or("unknown error");
        notify::failed(&target.sql(), failure);
        let verdict = retry::judge(failure.sqlstate.as_deref().unwrap_or_default());
        if verdict == Verdict::Lasting || (verdict == Verdict::Unknown && failures >= retry::MOST_FAILURES) {
            let reason = format!("{message} ({})", failure.sqlstate.as_deref().unwrap_or("unknown"));
            schedules::pause(due.target, Some(&reason));
            notify::paused(&target.sql(), Some(&reason));
        } else {
            schedules::postpone(due.target, delay(failures));
        }
        Ok(())
    });
    lament(&format!("work on {}", due.label), failure);
    if let Err(failure) = kept {
        lament("keep a failure", &failure);
    }
}

/// Seconds until the next try.
fn delay(failures: i32) -> i64 {
    let chance = identity::random_seed() as f64 / u64::MAX as f64;
    retry::delay(failures, guc::naptime().as_secs() as i64, chance)
}

/// Writes to the log what could not be done.
pub fn lament(what: &str, failure: &Failure) -> Found {
    let message = failure.message.as_deref().unwrap_or("unknown error");
    let sqlstate = failure.sqlstate.as_deref().unwrap_or("unknown");
    message::log(
        &format!("pg_cumulate could not {what}: {message} ({sqlstate})"),
        failure.hint.as_deref().unwrap_or_default(),
    );
    Found::Nothing
}
