//! Runs: what was done, by whom, and how it ended.

use crate::pg::identity::as_extension;
use crate::pg::spi::Statement;
use crate::rules::calendar::Day;
use pgrx::pg_sys::Oid;

/// A run that is under way.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub target: Oid,
    pub from: Day,
    pub to: Day,
    pub days_done: i32,
    /// Microseconds since 1970.
    pub started_at: i64,
    pub rows: i64,
}

/// Starts a backfill run of this process.
pub fn begin_backfill(target: Oid, from: Day, to: Day) -> i64 {
    as_extension(|| {
        Statement::new(
            "INSERT INTO cumulate.run (target, trigger, from_day, to_day, days_total, status, pid, started_at)
             VALUES ($1, 'backfill', DATE '2000-01-01' + $2, DATE '2000-01-01' + $3, $3 - $2 + 1, 'running',
                     pg_catalog.pg_backend_pid(), pg_catalog.clock_timestamp())
             RETURNING run_id",
        )
        .bind(target)
        .bind(from.number())
        .bind(to.number())
        .first(|row| row.get(0))
        .flatten()
        .unwrap_or_default()
    })
}

/// A run of this process that has not ended.
pub fn find_running(id: i64) -> Option<Run> {
    as_extension(|| {
        Statement::new(
            "SELECT target::oid, from_day - DATE '2000-01-01', to_day - DATE '2000-01-01', days_done,
                    (extract(epoch FROM started_at) * 1000000)::bigint, rows
             FROM cumulate.run WHERE run_id = $1 AND status = 'running' AND pid = pg_catalog.pg_backend_pid()",
        )
        .bind(id)
        .first(|row| {
            Some(Run {
                target: row.get(0)?,
                from: Day::stored(row.get(1)?),
                to: Day::stored(row.get(2)?),
                days_done: row.get(3)?,
                started_at: row.get(4)?,
                rows: row.get(5)?,
            })
        })
        .flatten()
    })
}

/// Records how far a run has come.
pub fn advance(id: i64, days_done: i32, rows: i64) {
    as_extension(|| {
        Statement::new("UPDATE cumulate.run SET days_done = $2, rows = $3 WHERE run_id = $1")
            .bind(id)
            .bind(days_done)
            .bind(rows)
            .run()
    });
}

/// Ends a run well.
pub fn succeed(id: i64) {
    as_extension(|| {
        Statement::new(
            "UPDATE cumulate.run SET status = 'succeeded', finished_at = pg_catalog.clock_timestamp()
             WHERE run_id = $1",
        )
        .bind(id)
        .run()
    });
}

/// An error's parts, as they are kept.
pub struct Failure {
    pub sqlstate: Option<String>,
    pub message: Option<String>,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

/// Ends a run with its error.
pub fn fail(id: i64, failure: Failure) {
    as_extension(|| {
        Statement::new(
            "UPDATE cumulate.run SET status = 'failed', finished_at = pg_catalog.clock_timestamp(),
                 sqlstate = $2, message = $3, detail = nullif($4, ''), hint = nullif($5, '') WHERE run_id = $1",
        )
        .bind(id)
        .bind(failure.sqlstate)
        .bind(failure.message)
        .bind(failure.detail)
        .bind(failure.hint)
        .run()
    });
}
