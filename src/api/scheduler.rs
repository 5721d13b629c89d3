//! Schedules, and what is done with the scheduler by hand.

use super::{change, given};
use crate::catalog::{Definition, registry, schedules};
use crate::definition::validate;
use crate::error::Error;
use crate::guc;
use crate::pg::border::cross;
use crate::pg::function::{Instant, Regclass, Text, text};
use crate::pg::zone::NamedZone;
use crate::pg::{board, identity};
use crate::rules::schedule::Schedule;
use crate::scheduler::{self, Service};
use pgrx::prelude::*;

#[pg_extern]
fn schedule(
    target: Option<Regclass>,
    schedule: default!(Option<Text>, "'@daily'"),
    time_zone: default!(Option<Text>, "NULL"),
) {
    change(|| {
        let definition = owned(target)?;
        let schedule = given("schedule", text(schedule))?;
        validate::schedule(&schedule)?;
        let time_zone = text(time_zone);
        time_zone.as_deref().map_or(Ok(()), validate::zone)?;
        schedules::set(definition.target.oid, Some(&schedule), time_zone.as_deref());
        scheduler::wake_at_commit();
        Ok(())
    })
}

#[pg_extern]
fn unschedule(target: Option<Regclass>) {
    change(|| {
        schedules::set(owned(target)?.target.oid, None, None);
        Ok(())
    })
}

#[pg_extern]
fn run_now(target: Option<Regclass>) {
    change(|| {
        let no_scheduler = |reason, remedy| Err(Error::NoScheduler { reason, remedy });
        let definition = owned(target)?;
        if let Some(reason) = schedules::paused(definition.target.oid) {
            return Err(Error::Paused { table: definition.target.sql(), reason });
        }
        if !guc::enabled() {
            return no_scheduler(
                "cumulate.enabled is off.",
                "ALTER SYSTEM SET cumulate.enabled = on; SELECT pg_reload_conf();",
            );
        }
        if !board::is_ready() {
            return no_scheduler(
                "The library was not loaded when the server started.",
                "Add pg_cumulate to shared_preload_libraries in postgresql.conf and restart the server.",
            );
        }
        if board::launcher().is_none() {
            return no_scheduler("Its launcher has ended and is started anew within 5 seconds.", "Try again.");
        }
        schedules::want(definition.target.oid);
        scheduler::wake_at_commit();
        Ok(())
    })
}

#[pg_extern]
fn pause(target: Option<Regclass>, reason: default!(Option<Text>, "NULL")) {
    change(|| {
        let definition = owned(target)?;
        schedules::pause(definition.target.oid, text(reason).as_deref());
        scheduler::paused(&definition.target.sql());
        Ok(())
    })
}

#[pg_extern]
fn resume(target: Option<Regclass>) {
    change(|| {
        schedules::resume(owned(target)?.target.oid);
        scheduler::wake_at_commit();
        Ok(())
    })
}

/// The next `n` times of a schedule, from now on.
#[pg_extern(stable)]
fn next_runs(
    schedule: Option<Text>,
    time_zone: default!(Option<Text>, "'UTC'"),
    n: default!(Option<i32>, "5"),
) -> SetOfIterator<'static, Instant> {
    cross(|| {
        /// More than anybody reads.
        const MOST: i64 = 10_000;
        let typed = given("schedule", text(schedule))?;
        let schedule = Schedule::parse(&typed).map_err(|reason| Error::BadSchedule { schedule: typed, reason })?;
        let zone_name = given("time_zone", text(time_zone))?;
        let zone = NamedZone::find(&zone_name).ok_or(Error::UnknownZone { zone: zone_name })?;
        let n = i64::from(given("n", n)?);
        if !(1..=MOST).contains(&n) {
            return Err(Error::NumberOutOfRange { argument: "n", given: n, least: 1, most: MOST });
        }
        let mut after = scheduler::unix_now();
        let mut times = Vec::new();
        while let Some(next) = schedule.next(&zone, after).filter(|_| (times.len() as i64) < n) {
            times.push(Instant(scheduler::stored(next)));
            after = next;
        }
        Ok(SetOfIterator::new(times))
    })
}

/// The process of the scheduler's launcher; NULL when there is none.
#[pg_extern(sql = false)]
fn launcher_pid() -> Option<i32> {
    board::launcher()
}

/// What keeps the scheduler from working, in one word; NULL when nothing does.
#[pg_extern(sql = false)]
fn scheduler_problem() -> Option<&'static str> {
    cross(|| {
        Ok(match () {
            () if identity::in_recovery() => None,
            () if !board::is_ready() => Some("not preloaded"),
            () if board::launcher().is_none() => Some("no launcher"),
            () if board::is_crowded() => Some("no free worker"),
            () if matches!(scheduler::service(), Service::Newer(_)) => Some("old library"),
            () => None,
        })
    })
}

/// Has the scheduler look at this database as soon as the transaction has committed.
#[pg_extern]
fn wake() {
    scheduler::wake_at_commit();
}

/// Also one that is incomplete.
fn owned(target: Option<Regclass>) -> Result<Definition, Error> {
    let target = given("target", target)?.0;
    registry::check_owned(target)?;
    Definition::known(target)
}
