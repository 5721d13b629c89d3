//! Schedules, and what is done with the scheduler by hand.

use super::{change, given};
use crate::catalog::{Definition, registry, schedules};
use crate::definition::validate;
use crate::error::Error;
use crate::guc;
use crate::notify;
use crate::pg::border::cross;
use crate::pg::function::{Instant, Regclass, Text, text};
use crate::pg::spi::Statement;
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
        let definition = owned(target)?;
        if let Some(reason) = schedules::paused(definition.target.oid) {
            return Err(Error::Paused { table: definition.target.sql(), reason });
        }
        problem().map_or(Ok(()), Problem::refuse)?;
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
        notify::paused(&definition.target.sql());
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

/// What keeps the scheduler from working.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Problem {
    NotPreloaded,
    /// cumulate.enabled is off on the server.
    Off,
    OffInDatabase,
    NeverLaunched,
    NoLauncher,
    NoFreeWorker,
    OldLibrary,
}

fn problem() -> Option<Problem> {
    match () {
        () if identity::in_recovery() => None,
        () if !board::is_ready() => Some(Problem::NotPreloaded),
        () if !guc::enabled() && switched_off().is_some() => switched_off(),
        () if board::launcher().is_none() && !board::has_launched() => Some(Problem::NeverLaunched),
        () if board::launcher().is_none() => Some(Problem::NoLauncher),
        () if board::is_crowded() => Some(Problem::NoFreeWorker),
        () if matches!(scheduler::service(), Service::Newer(_)) => Some(Problem::OldLibrary),
        () => None,
    }
}

/// Where cumulate.enabled is off; what a session or a role has set for itself reaches no worker.
fn switched_off() -> Option<Problem> {
    let source = Statement::new("SELECT source FROM pg_catalog.pg_settings WHERE name = 'cumulate.enabled'");
    match source.first(|row| row.get::<String>(0)).flatten().as_deref() {
        Some("database") => Some(Problem::OffInDatabase),
        Some("configuration file" | "command line") => Some(Problem::Off),
        _ => None,
    }
}

fn switch_on_in_database() -> String {
    let reset = "SELECT pg_catalog.format('ALTER DATABASE %I RESET cumulate.enabled;', pg_catalog.current_database())";
    Statement::new(reset).first(|row| row.get(0)).flatten().unwrap_or_default()
}

impl Problem {
    fn word(self) -> &'static str {
        match self {
            Problem::NotPreloaded => "not preloaded",
            Problem::Off => "off",
            Problem::OffInDatabase => "off in the database",
            Problem::NeverLaunched => "never launched",
            Problem::NoLauncher => "no launcher",
            Problem::NoFreeWorker => "no free worker",
            Problem::OldLibrary => "old library",
        }
    }

    /// Refuses what needs the scheduler; not for what may have passed by the time of the next look.
    fn refuse(self) -> Result<(), Error> {
        let off = "cumulate.enabled is off.";
        let (reason, remedy) = match self {
            Problem::NotPreloaded => (
                "The library was not loaded when the server started.",
                "Add pg_cumulate to shared_preload_libraries in postgresql.conf and restart the server.".to_owned(),
            ),
            Problem::Off => (off, "ALTER SYSTEM SET cumulate.enabled = on; SELECT pg_reload_conf();".to_owned()),
            Problem::OffInDatabase => (off, switch_on_in_database()),
            Problem::NeverLaunched => (
                "Its launcher was not started with the server.",
                "Raise max_worker_processes in postgresql.conf and restart the server.".to_owned(),
            ),
            Problem::NoLauncher => {
                ("Its launcher has ended and is started anew within 5 seconds.", "Try again.".to_owned())
            }
            Problem::NoFreeWorker | Problem::OldLibrary => return Ok(()),
        };
        Err(Error::NoScheduler { reason, remedy })
    }
}

/// What keeps the scheduler from working, in a few words; NULL when nothing does.
#[pg_extern(sql = false)]
fn scheduler_problem() -> Option<&'static str> {
    cross(|| Ok(problem().map(Problem::word)))
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
