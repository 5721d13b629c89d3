//! Runs: what was done, by whom, and how it ended.

use crate::error::Failure;
use crate::pg::identity::{as_extension, now};
use crate::pg::spi::Statement;
use crate::rules::calendar::Day;
use pgrx::pg_sys::Oid;

/// What started a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Schedule,
    Manual,
    Backfill,
    Late,
}

impl Cause {
    fn name(self) -> &'static str {
        match self {
            Cause::Schedule => "schedule",
            Cause::Manual => "manual",
            Cause::Backfill => "backfill",
            Cause::Late => "late",
        }
    }
}

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

impl Run {
    /// How long it has been going.
    pub fn seconds(&self) -> f64 {
        let began = self.started_at - MICROSECONDS_FROM_1970_TO_2000;
        (now() - began) as f64 / 1e6
    }
}

const MICROSECONDS_FROM_1970_TO_2000: i64 = 946_684_800_000_000;

/// The process of a run still serves the server; `r` is the run.
const ALIVE: &str = "EXISTS (SELECT FROM pg_catalog.pg_stat_activity a
                             WHERE a.pid = r.pid AND a.backend_start = r.process_started_at)";

/// Starts a run of this process, over a range of days or over late changes alone.
pub fn begin(target: Oid, cause: Cause, span: Option<(Day, Day)>) -> i64 {
    as_extension(|| {
        Statement::new(
            "INSERT INTO cumulate.run (target, trigger, from_day, to_day, days_total, status, pid, process_started_at, started_at)
             SELECT $1, $2, $3, $4, coalesce($4 - $3 + 1, 0), 'running', a.pid,
                    a.backend_start, pg_catalog.clock_timestamp()
             FROM pg_catalog.pg_stat_activity a WHERE a.pid = pg_catalog.pg_backend_pid()
             RETURNING run_id",
        )
        .bind(target)
        .bind(cause.name())
        .bind(span.map(|(from, _)| from))
        .bind(span.map(|(_, to)| to))
        .first(|row| row.get(0))
        .flatten()
        .unwrap_or_default()
    })
}

/// A run of this process over days that has not ended.
pub fn find_running(id: i64) -> Option<Run> {
    as_extension(|| {
        Statement::new(
            "SELECT target::oid, from_day, to_day, days_done,
                    (extract(epoch FROM started_at) * 1000000)::bigint, rows
             FROM cumulate.run WHERE run_id = $1 AND status = 'running' AND pid = pg_catalog.pg_backend_pid()",
        )
        .bind(id)
        .first(|row| {
            Some(Run {
                target: row.get(0)?,
                from: row.get(1)?,
                to: row.get(2)?,
                days_done: row.get(3)?,
                started_at: row.get(4)?,
                rows: row.get(5)?,
            })
        })
        .flatten()
    })
}

/// Whether a process is running a table's work.
pub fn is_running(target: Oid) -> bool {
    as_extension(|| {
        Statement::new(&format!("SELECT FROM cumulate.run r WHERE r.target = $1 AND r.status = 'running' AND {ALIVE}"))
            .bind(target)
            .exists()
    })
}

/// Whether the process of a run is still at work on it.
pub fn is_alive(id: i64) -> bool {
    as_extension(|| {
        Statement::new(&format!("SELECT FROM cumulate.run r WHERE r.run_id = $1 AND r.status = 'running' AND {ALIVE}"))
            .bind(id)
            .exists()
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

/// Ends a run well: with all its days, or with those that it has done so far.
pub fn succeed(id: i64) {
    as_extension(|| {
        Statement::new(
            "UPDATE cumulate.run SET status = 'succeeded', finished_at = pg_catalog.clock_timestamp(),
                 to_day = from_day + days_done - 1, days_total = days_done
             WHERE run_id = $1 AND status = 'running'",
        )
        .bind(id)
        .run()
    });
}

/// Ends a run that is left to another one: with the days that it has done; without any it never was.
pub fn leave(id: i64) {
    as_extension(|| {
        Statement::new("DELETE FROM cumulate.run WHERE run_id = $1 AND status = 'running' AND days_done = 0")
            .bind(id)
            .run()
    });
    succeed(id);
}

/// Ends a run with its error.
pub fn fail(id: i64, failure: &Failure) {
    end_badly("r.run_id = $1", id, failure);
}

/// Ends the runs of a table whose processes are gone; how many there were.
pub fn sweep(target: Oid) -> u64 {
    let dead = format!("r.target = $1::bigint::oid AND r.status = 'running' AND NOT {ALIVE}");
    let failure = Failure { message: Some("the process ended".to_owned()), ..Failure::default() };
    end_badly(&dead, i64::from(target.to_u32()), &failure)
}

/// What a run had committed before it failed are days like any others: they stay as a run that succeeded, and the one
/// that failed begins where it stopped.
fn end_badly(which: &str, bound: i64, failure: &Failure) -> u64 {
    as_extension(|| {
        let found = format!("SELECT FROM cumulate.run r WHERE {which}");
        if !Statement::new(&found).bind(bound).exists() {
            return 0;
        }
        Statement::new(&format!(
            "WITH ended AS (
                 SELECT r.* FROM cumulate.run r WHERE {which}),
             done AS (
                 INSERT INTO cumulate.run (target, trigger, from_day, to_day, days_done, days_total, rows, status, pid,
                                           process_started_at, started_at, finished_at)
                 SELECT target, trigger, from_day, from_day + days_done - 1, days_done, days_done, rows, 'succeeded', pid,
                        process_started_at, started_at, pg_catalog.clock_timestamp()
                 FROM ended WHERE days_done > 0)
             UPDATE cumulate.run r
             SET status = 'failed', from_day = e.from_day + e.days_done, days_done = 0,
                 days_total = e.days_total - e.days_done, rows = CASE WHEN e.days_done > 0 THEN 0 ELSE e.rows END,
                 finished_at = pg_catalog.clock_timestamp(), sqlstate = nullif($2, ''), message = $3,
                 detail = coalesce(nullif($4, ''), CASE WHEN e.days_total > 0 THEN
                     pg_catalog.format('It stopped at %s; %s/%s days are closed and stay.', e.from_day + e.days_done,
                                       e.days_done, e.days_total) END),
                 hint = coalesce(nullif($5, ''), CASE WHEN e.trigger = 'backfill' THEN
                     pg_catalog.format('CALL cumulate.backfill(%L, %L, %L);', e.target, e.from_day + e.days_done, e.to_day)
                 END)
             FROM ended e WHERE r.run_id = e.run_id"
        ))
        .bind(bound)
        .bind(failure.sqlstate.clone())
        .bind(failure.message.clone())
        .bind(failure.detail.clone())
        .bind(failure.hint.clone())
        .run()
    })
}

/// Removes runs that ended longer ago than so many seconds, and all but the newest `rows` of each table.
pub fn prune(seconds: i64, rows: i32) {
    let old = "SELECT o.run_id FROM (
                   SELECT run_id, finished_at, pg_catalog.row_number() OVER (PARTITION BY target ORDER BY run_id DESC) AS place
                   FROM cumulate.run WHERE status <> 'running') AS o
               WHERE o.finished_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $1)
                  OR o.place > $2";
    as_extension(|| {
        let bound = |sql: &str| Statement::new(sql).bind(seconds as f64).bind(rows);
        if bound(&format!("{old} LIMIT 1")).exists() {
            bound(&format!("DELETE FROM cumulate.run WHERE run_id IN ({old})")).run();
        }
    });
}
