//! A look at a database: which tables have something to do, by the extension's own tables alone.

use crate::catalog::runs::Cause;
use crate::guc;
use crate::pg::identity::{as_extension, now};
use crate::pg::spi::Statement;
use crate::pg::value::{Datum, local_day};
use crate::pg::zone::NamedZone;
use crate::rules::calendar::Day;
use crate::rules::schedule::{self, Schedule};
use crate::rules::version;
use pgrx::pg_sys::{self, Oid};

/// A table that has something to do.
#[derive(Clone, Debug)]
pub struct Due {
    pub target: Oid,
    /// Its name, for messages.
    pub label: String,
    pub cause: Cause,
    /// Days up to this one are to be closed; None when only late changes are to be repaired.
    pub through: Option<Day>,
    /// Since when it has waited, in seconds since 1970.
    pub since: i64,
    /// When its last turn was.
    pub served_at: Option<i64>,
    /// Whether it takes too long for a light worker.
    pub slow: bool,
}

/// What a database expects of the scheduler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    NoExtension,
    /// The extension's objects are of a newer version than this library, which does not know what they mean.
    Newer(String),
    Off,
    On,
}

/// What this database expects of the scheduler.
pub fn service() -> Service {
    // A session that drops the extension is waited for by nobody: its rows are there until it commits.
    let version = Statement::new("SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'pg_cumulate'")
        .first(|row| row.get::<String>(0))
        .flatten();
    match version {
        None => Service::NoExtension,
        Some(version) if version::is_newer(&version, version::LIBRARY) => Service::Newer(version),
        Some(_) if guc::enabled() && !crate::pg::identity::in_recovery() => Service::On,
        Some(_) => Service::Off,
    }
}

/// Tables that have something to do. Those come first whose last turn is longest ago, then those that have waited
/// longest: whoever is held or slow has had its turn, and comes last.
pub fn due_tables() -> Vec<Due> {
    let mut due: Vec<Due> = tables().into_iter().filter_map(|table| table.due(unix_now())).collect();
    due.sort_by_key(|table| (table.served_at, table.since));
    due
}

/// What the extension's own tables say of one.
struct Candidate {
    target: Oid,
    label: String,
    zone: String,
    start: Option<Day>,
    schedule: Option<String>,
    schedule_zone: String,
    wanted_at: Option<i64>,
    /// Everything before this day is closed or frozen.
    first_undone: Option<Day>,
    newest_snapshot: Option<Day>,
    newest_closed: Option<Day>,
    /// When the oldest note that touches a snapshot was written.
    noted_at: Option<i64>,
    leaves_changed: bool,
    scans: bool,
    scanned_at: Option<i64>,
    served_at: Option<i64>,
    slow: bool,
}

impl Candidate {
    fn due(self, now: i64) -> Option<Due> {
        let zone = NamedZone::find(&self.zone)?;
        let today = day_at(now, &self.zone)?;
        let fired = self.schedule.as_deref().and_then(|text| {
            let schedule_zone = NamedZone::find(&self.schedule_zone)?;
            Schedule::parse(text).ok()?.latest(&schedule_zone, now - guc::min_delay())
        });
        let over_when_fired =
            fired.and_then(|fired| day_at(fired, &self.zone)).map(|day| day.minus(1).min(today.minus(1)));
        let through = if self.wanted_at.is_some() { Some(today.minus(1)) } else { over_when_fired };
        // Without a start date the source says when it begins.
        let undone = self.first_undone.filter(|first| through.is_some_and(|through| *first <= through));
        let begins = self.start.is_none() && through.is_some();
        let has_snapshot = self.newest_snapshot.is_some();
        let reopened = self.newest_closed.is_some_and(|newest| newest >= today);
        let scan_due = self.scans && has_snapshot && fired > self.scanned_at;
        let noted_at = self.noted_at.filter(|_| has_snapshot);
        let repairs = noted_at.is_some() || (has_snapshot && self.leaves_changed) || reopened || scan_due;
        let closes = undone.is_some() || begins;
        if !(closes || repairs || self.wanted_at.is_some()) {
            return None;
        }
        let over_at = undone.map(|day| schedule::day_begins(&zone, day.plus(1)));
        let since = [self.wanted_at, over_at, noted_at].into_iter().flatten().min().unwrap_or(now);
        let cause = match (self.wanted_at, closes) {
            (Some(_), _) => Cause::Manual,
            (None, true) => Cause::Schedule,
            (None, false) => Cause::Late,
        };
        Some(Due {
            target: self.target,
            label: self.label,
            cause,
            through: through.filter(|_| closes),
            since,
            served_at: self.served_at,
            slow: self.slow,
        })
    }
}

/// The local day at an instant in seconds since 1970.
pub fn day_at(instant: i64, zone: &str) -> Option<Day> {
    local_day(Datum::from(stored(instant)), pg_sys::TIMESTAMPTZOID, zone)
}

/// An instant in seconds since 1970 as PostgreSQL stores timestamptz.
pub fn stored(instant: i64) -> i64 {
    instant.saturating_sub(POSTGRES_EPOCH).saturating_mul(1_000_000)
}

/// 2000-01-01 in seconds since 1970.
const POSTGRES_EPOCH: i64 = 946_684_800;

pub fn unix_now() -> i64 {
    now().div_euclid(1_000_000) + POSTGRES_EPOCH
}

fn tables() -> Vec<Candidate> {
    as_extension(|| {
        Statement::new(
            "SELECT d.target::oid, d.target::text, d.time_zone, d.start_date, s.schedule,
                    coalesce(s.time_zone, d.time_zone), extract(epoch FROM s.wanted_at)::bigint,
                    CASE WHEN l.final_days = l.newest_final - d.start_date + 1 THEN l.newest_final + 1
                         WHEN l.final_days = 0 THEN d.start_date
                         ELSE (SELECT pg_catalog.min(day.day)::date
                               FROM pg_catalog.generate_series(d.start_date::timestamp, l.newest_final::timestamp,
                                                               interval '1 day') AS day (day)
                               WHERE NOT EXISTS (SELECT FROM cumulate.ledger k
                                                 WHERE k.target = d.target AND k.day = day.day::date
                                                   AND k.state IN ('closed', 'frozen', 'dropped'))) END,
                    l.newest_snapshot, l.newest_closed,
                    (SELECT extract(epoch FROM pg_catalog.min(n.noted_at))::bigint FROM cumulate.note n
                     WHERE n.target = d.target AND (n.day IS NULL OR n.day <= l.newest_snapshot)),
                    cumulate_internal.may_be_emptied(d.target)
                        OR d.late = 'trigger' AND cumulate_internal.has_changed(d.target, d.id, d.source),
                    d.late = 'scan', extract(epoch FROM s.scanned_at)::bigint,
                    extract(epoch FROM s.served_at)::bigint, s.slow
             FROM cumulate.definition d
             JOIN cumulate.schedule s ON s.target = d.target
             JOIN pg_catalog.pg_class c ON c.oid = d.target
             JOIN pg_catalog.pg_class e ON e.oid = d.source
             CROSS JOIN LATERAL (
                 SELECT count(*) FILTER (WHERE state IN ('closed', 'frozen', 'dropped') AND day >= d.start_date) AS final_days,
                        pg_catalog.max(day) FILTER (WHERE state IN ('closed', 'frozen', 'dropped')) AS newest_final,
                        pg_catalog.max(day) FILTER (WHERE state = 'closed') AS newest_closed,
                        pg_catalog.max(day) FILTER (WHERE state NOT IN ('missing', 'dropped')) AS newest_snapshot
                 FROM cumulate.ledger WHERE target = d.target) AS l
             WHERE s.paused_at IS NULL AND (s.schedule IS NOT NULL OR s.wanted_at IS NOT NULL)
               -- A clock that was set back must not make anybody wait for longer than an hour.
               AND (s.wanted_at IS NOT NULL OR s.retry_at IS NULL
                    OR s.retry_at NOT BETWEEN pg_catalog.clock_timestamp() AND pg_catalog.clock_timestamp() + interval '1 hour')",
        )
        .map(|row| Candidate {
            target: row.get(0).unwrap_or(Oid::INVALID),
            label: row.get(1).unwrap_or_default(),
            zone: row.get(2).unwrap_or_default(),
            start: row.get(3),
            schedule: row.get(4),
            schedule_zone: row.get(5).unwrap_or_default(),
            wanted_at: row.get(6),
            first_undone: row.get(7),
            newest_snapshot: row.get(8),
            newest_closed: row.get(9),
            noted_at: row.get(10),
            leaves_changed: row.get(11).unwrap_or_default(),
            scans: row.get(12).unwrap_or_default(),
            scanned_at: row.get(13),
            served_at: row.get(14),
            slow: row.get(15).unwrap_or_default(),
        })
    })
}
