//! A table's turn: one run, from its beginning to its end, batch by batch, each in a transaction of its own.

use super::look::{self, Due, Service, day_at, unix_now};
use super::stay::{LIGHT, Stay};
use crate::backfill;
use crate::catalog::runs::{self, Cause};
use crate::catalog::{Definition, State, ledger, notes, registry, schedules};
use crate::engine::{daily, entry};
use crate::error::{Error, Failure};
use crate::guc;
use crate::late::writers;
use crate::notify;
use crate::pg::board::Found;
use crate::pg::identity::{self, as_owner};
use crate::pg::{activity, message, process, table, transaction};
use crate::restate;
use crate::retention;
use crate::rules::calendar::{Day, days};
use crate::rules::pace::Pace;
use crate::rules::retry::{self, Verdict};
use std::time::{Duration, Instant};

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Something was done, failed, or took too long.
    Worked,
    /// Others are at it, or there was nothing to do after all.
    Nothing,
}

/// Days that one run closes at most: what is aggregated in its first transaction.
const MOST_DAYS: i32 = 366;

/// A source without an event that counts is looked through again after this many times what that took.
const UNTIL_EVENTS: u32 = 20;

/// A run that has begun.
struct Begun {
    id: i64,
    /// None when only late changes are repaired.
    span: Option<(Day, Day)>,
}

/// Why a turn ended before its work was done.
enum Stop {
    Failed(Failure),
    /// A batch took longer than a light worker may.
    TooLong,
}

/// Gives a table its turn: until its work is done, others wait, or something stops it.
pub fn take(due: &Due, stay: &Stay) -> Ended {
    let limit = Limit::new(stay);
    let (run, done) = match limit.run(|| begin(due)) {
        Ok(None) => return Ended::Nothing,
        Ok(Some(begun)) if begun.span.is_some() => (Some(begun.id), close_days(due, &begun, stay, &limit)),
        Ok(Some(begun)) => (Some(begun.id), repair(due, &begun, &limit)),
        Err(stop) => (None, Err(stop)),
    };
    activity::idle();
    match done {
        Ok(()) => {}
        Err(Stop::Failed(failure)) => fail(due, run, &failure),
        Err(Stop::TooLong) => leave(due, run),
    }
    Ended::Worked
}

/// How long a turn and its batches may take.
struct Limit {
    /// By cumulate.run_timeout.
    end: Option<Instant>,
    batch: Option<Duration>,
}

impl Limit {
    fn new(stay: &Stay) -> Self {
        Limit { end: guc::run_timeout().map(|timeout| Instant::now() + timeout), batch: stay.limit() }
    }

    /// Runs a batch in a transaction of its own.
    fn run<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Stop> {
        let began = Instant::now();
        let left = self.end.map(|end| end.saturating_duration_since(began));
        let shortest = left.into_iter().chain(self.batch).min();
        let milliseconds = shortest.map(|limit| i32::try_from(limit.as_millis()).unwrap_or(i32::MAX));
        transaction::run(milliseconds, work).map_err(|failure| {
            let cancelled = failure.sqlstate.as_deref() == Some(CANCELLED);
            match self.batch.filter(|batch| cancelled && began.elapsed() >= *batch) {
                Some(_) if self.end.is_none_or(|end| Instant::now() < end) => Stop::TooLong,
                _ => Stop::Failed(failure),
            }
        })
    }
}

/// The SQLSTATE of a statement that was cancelled.
const CANCELLED: &str = "57014";

/// Looks closer, and enters a run when there is something to do that nobody does.
fn begin(due: &Due) -> Result<Option<Begun>, Error> {
    // A table whose key or triggers are missing is being restored, or broken: it is left alone.
    if registry::has_defects(due.target) {
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
    let late = due.cause == Cause::Late
        || ledger::newest_snapshot(due.target).is_some_and(|newest| notes::wait(due.target, newest));
    if span.is_none() && !late && due.cause != Cause::Manual {
        return Ok(None);
    }
    schedules::serve(due.target);
    let cause = if span.is_none() && due.cause == Cause::Schedule { Cause::Late } else { due.cause };
    Ok(Some(Begun { id: runs::begin(due.target, cause, span), span }))
}

/// The first days without a gap that are to be closed.
fn days_to_close(definition: &mut Definition, through: Day) -> Result<Option<(Day, Day)>, Error> {
    let target = definition.target.oid;
    if ledger::newest_snapshot(target).is_none() && !daily::has_events(definition)? {
        return Ok(None);
    }
    let began = Instant::now();
    let start = match entry::lock(definition) {
        Err(Error::NoEvents { .. }) => {
            let pause = began.elapsed() * UNTIL_EVENTS;
            if pause > guc::naptime() {
                schedules::postpone(target, pause.as_secs() as i64);
            }
            return Ok(None);
        }
        start => start?,
    };
    let today = day_at(unix_now(), &definition.time_zone).unwrap_or(through);
    let through = through.min(today.minus(1));
    let first = retention::first_wanted(definition, start);
    let entries = ledger::entries(target, first, through);
    let state = |day: Day| entries.iter().find(|entry| entry.day == day).map_or(State::Missing, |entry| entry.state);
    // A snapshot that is there already is settled when those who write to its day have ended.
    let any_open = entries.iter().any(|entry| entry.state == State::Open);
    let held_from = if any_open { writers::look(definition, through) } else { None };
    let is_held = |day: Day| state(day) == State::Open && held_from.is_some_and(|held_from| held_from <= day);
    let Some(from) = days(first, through).find(|day| !state(*day).is_final() && !is_held(*day)) else {
        return Ok(None);
    };
    let to = days(from, through.min(from.plus(MOST_DAYS - 1))).take_while(|day| !state(*day).is_final()).last();
    Ok(to.map(|to| (from, to)))
}

fn close_days(due: &Due, begun: &Begun, stay: &Stay, limit: &Limit) -> Result<(), Stop> {
    let mut pace = Pace::default();
    let mut slow = false;
    loop {
        let began = Instant::now();
        let more = limit.run(|| {
            let more = backfill::step(begun.id, pace.days())?;
            slow |= began.elapsed() >= LIGHT;
            if !more {
                settle(due, begun, slow);
            }
            Ok(more)
        })?;
        pace.took(began.elapsed());
        if !more {
            return drop_old(due, stay, limit);
        }
        if gives_way(due, stay) {
            // What is left is the next run's.
            return limit.run(|| {
                runs::succeed(begun.id);
                schedules::succeed(due.target, slow);
                Ok(())
            });
        }
        process::reload();
    }
}

/// Whether others should go first: tables, databases, or a session that works on this one by hand.
fn gives_way(due: &Due, stay: &Stay) -> bool {
    let is_free = || Definition::find(due.target).map(|definition| definition.try_lock());
    stay.is_over() || stay.others_wait(due.target) || transaction::run(None, is_free).is_ok_and(|free| !free)
}

/// Drops snapshots that are older than the table keeps them.
fn drop_old(due: &Due, stay: &Stay, limit: &Limit) -> Result<(), Stop> {
    loop {
        let dropped = limit.run(|| retention::step(&mut Definition::find(due.target)?))?;
        if !dropped.more || gives_way(due, stay) {
            return Ok(());
        }
    }
}

/// Days that could not be closed, because others still write to them, are not tried again at once.
fn settle(due: &Due, begun: &Begun, slow: bool) {
    schedules::succeed(due.target, slow);
    let Some((from, to)) = begun.span else { return };
    if ledger::first_unclosed(due.target, from, to).is_some() {
        schedules::postpone(due.target, delay(1));
    }
}

fn repair(due: &Due, begun: &Begun, limit: &Limit) -> Result<(), Stop> {
    activity::show(&format!("{} late changes", due.label));
    let began = Instant::now();
    limit.run(|| {
        let mut definition = Definition::find(due.target)?;
        let rows = restate::apply_late(&mut definition)?;
        runs::advance(begun.id, 0, rows);
        runs::succeed(begun.id);
        schedules::succeed(due.target, began.elapsed() >= LIGHT);
        Ok(())
    })
}

/// Leaves a table to a worker that may take longer; what the run has committed stays.
fn leave(due: &Due, run: Option<i64>) {
    let left = transaction::run(None, || {
        // In the order in which DROP EXTENSION locks its tables.
        schedules::leave_to_others(due.target);
        run.into_iter().for_each(runs::leave);
        Ok(())
    });
    if let Err(failure) = left {
        lament(&format!("leave {} to others", due.label), &failure);
    }
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
            notify::paused(&target.sql());
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

/// Writes to the log what could not be done. Whoever has dropped the extension asks no more.
pub fn lament(what: &str, failure: &Failure) -> Found {
    if transaction::run(None, || Ok(look::service())).is_ok_and(|service| service == Service::NoExtension) {
        return Found::NoExtension;
    }
    let message = failure.message.as_deref().unwrap_or("unknown error");
    let sqlstate = failure.sqlstate.as_deref().unwrap_or("unknown");
    message::log(
        &format!("pg_cumulate could not {what}: {message} ({sqlstate})"),
        failure.hint.as_deref().unwrap_or_default(),
    );
    Found::Nothing
}
