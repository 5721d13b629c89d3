//! When the scheduler works on which table, and what keeps it from it.

use crate::pg::identity::as_extension;
use crate::pg::spi::Statement;
use pgrx::pg_sys::Oid;

/// Enters a table; without a schedule it is worked on by hand only.
pub fn enter(target: Oid, schedule: Option<&str>) {
    as_extension(|| {
        Statement::new("INSERT INTO cumulate.schedule (target, schedule) VALUES ($1, $2)")
            .bind(target)
            .bind(schedule)
            .run()
    });
}

/// Gives a table another schedule, or none.
pub fn set(target: Oid, schedule: Option<&str>, zone: Option<&str>) {
    as_extension(|| {
        Statement::new(
            "UPDATE cumulate.schedule SET schedule = $2, time_zone = $3, failures = 0, retry_at = NULL WHERE target = $1",
        )
        .bind(target)
        .bind(schedule)
        .bind(zone)
        .run()
    });
}

/// A table's schedule and the time zone that it was given.
pub fn find(target: Oid) -> (Option<String>, Option<String>) {
    as_extension(|| {
        Statement::new("SELECT schedule, time_zone FROM cumulate.schedule WHERE target = $1")
            .bind(target)
            .first(|row| (row.get(0), row.get(1)))
    })
    .unwrap_or_default()
}

/// Asks for a run as soon as can be.
pub fn want(target: Oid) {
    as_extension(|| {
        Statement::new("UPDATE cumulate.schedule SET wanted_at = pg_catalog.clock_timestamp() WHERE target = $1")
            .bind(target)
            .run()
    });
}

/// Its turn has begun, and with it what was wanted.
pub fn serve(target: Oid) {
    as_extension(|| {
        Statement::new(
            "UPDATE cumulate.schedule SET wanted_at = NULL, served_at = pg_catalog.clock_timestamp() WHERE target = $1",
        )
        .bind(target)
        .run()
    });
}

/// Its turn took too long for a light worker.
pub fn leave_to_others(target: Oid) {
    as_extension(|| {
        Statement::new(
            "UPDATE cumulate.schedule SET slow = true, served_at = pg_catalog.clock_timestamp() WHERE target = $1",
        )
        .bind(target)
        .run()
    });
}

/// Why a table is paused; None when it is not.
pub fn paused(target: Oid) -> Option<String> {
    as_extension(|| {
        Statement::new("SELECT coalesce(reason, '') FROM cumulate.schedule WHERE target = $1 AND paused_at IS NOT NULL")
            .bind(target)
            .first(|row| row.get(0))
            .flatten()
    })
}

pub fn pause(target: Oid, reason: Option<&str>) {
    as_extension(|| {
        Statement::new(
            "UPDATE cumulate.schedule SET paused_at = coalesce(paused_at, pg_catalog.clock_timestamp()), reason = $2,
                 wanted_at = NULL WHERE target = $1",
        )
        .bind(target)
        .bind(reason)
        .run()
    });
}

pub fn resume(target: Oid) {
    as_extension(|| {
        Statement::new(
            "UPDATE cumulate.schedule SET paused_at = NULL, reason = NULL, failures = 0, retry_at = NULL
             WHERE target = $1",
        )
        .bind(target)
        .run()
    });
}

/// Its turn went well, or as far as it could; whether a batch took long.
pub fn succeed(target: Oid, slow: bool) {
    as_extension(|| {
        Statement::new(
            "UPDATE cumulate.schedule SET failures = 0, retry_at = NULL, scanned_at = pg_catalog.clock_timestamp(),
                 served_at = pg_catalog.clock_timestamp(), slow = $2 WHERE target = $1",
        )
        .bind(target)
        .bind(slow)
        .run()
    });
}

/// Counts a failure; failures in a row.
pub fn count_failure(target: Oid) -> i32 {
    as_extension(|| {
        Statement::new(
            "UPDATE cumulate.schedule
             SET failures = failures + 1, wanted_at = NULL, served_at = pg_catalog.clock_timestamp() WHERE target = $1
             RETURNING failures",
        )
        .bind(target)
        .first(|row| row.get(0))
        .flatten()
        .unwrap_or(1)
    })
}

/// Leaves a table alone for so many seconds.
pub fn postpone(target: Oid, seconds: i64) {
    as_extension(|| {
        Statement::new(
            "UPDATE cumulate.schedule
             SET retry_at = pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => $2) WHERE target = $1",
        )
        .bind(target)
        .bind(seconds as f64)
        .run()
    });
}
