//! Writers of the source that were there before a day had ended: they are waited for before it is closed.

use crate::catalog::{Definition, registry};
use crate::guc;
use crate::pg::identity::{as_extension, pid};
use crate::pg::spi::Statement;
use crate::pg::table::Table;
use crate::pg::transaction::nap;
use crate::rules::calendar::Day;
use pgrx::pg_sys::Oid;
use std::time::Instant;

/// How long to wait between looks, in milliseconds.
const BETWEEN_LOOKS: i64 = 10;

/// Waits for transactions that have written to the source (or a partition) and began before the end of `day` or at an
/// unknown time. The caller holds no lock of ours, so that nobody can wait for it in turn; one that has itself written to
/// the source does not wait at all. When some are still there after that, or after `cumulate.lock_timeout`, the first
/// day that they may have written to without a note.
pub fn wait(definition: &Definition, day: Day) -> Option<Day> {
    let began = Instant::now();
    loop {
        let writers = Writers::of(definition, day);
        let first = writers.first_unnoted_day?;
        if writers.caller_has_written || began.elapsed() >= guc::lock_timeout() {
            return Some(first);
        }
        nap(BETWEEN_LOOKS);
    }
}

/// As `wait`, without waiting.
pub fn look(definition: &Definition, day: Day) -> Option<Day> {
    Writers::of(definition, day).first_unnoted_day
}

/// Who writes to a source at this moment.
struct Writers {
    /// The local day on which the oldest of the others began, the first of all days when that is not known; None when
    /// there is none.
    first_unnoted_day: Option<Day>,
    caller_has_written: bool,
}

impl Writers {
    fn of(definition: &Definition, day: Day) -> Self {
        let (own, others): (Vec<_>, Vec<_>) = writers(definition.source, &definition.time_zone, Some(day))
            .into_iter()
            .partition(|writer| writer.pid == Some(pid()));
        let first = others.iter().map(|writer| writer.first_day.unwrap_or(Day::stored(i32::MIN))).min();
        Writers { first_unnoted_day: first, caller_has_written: !own.is_empty() }
    }
}

/// A transaction that has written to a source.
pub struct Writer {
    /// None for a prepared transaction, which has a name instead.
    pub pid: Option<i32>,
    pub prepared: Option<String>,
    /// As PostgreSQL stores timestamptz; None when it is not known.
    pub began_at: Option<i64>,
    /// The local day on which it began.
    pub first_day: Option<Day>,
}

/// The transactions that a close of a table's past days would wait for now, the oldest first; none when the caller may
/// not watch the table.
pub fn holding(target: Oid) -> Vec<Writer> {
    let watched = Table::find(target).is_some_and(|table| registry::may_watch(&table));
    let parts = registry::source_and_zone(target).filter(|_| watched);
    parts.map_or(Vec::new(), |(source, zone)| writers(source, &zone, None))
}

/// Transactions that hold a write lock on a source or a partition of it, have a transaction id, and began up to `day`
/// (without one, before today) or at an unknown time; and the caller's own.
fn writers(source: Oid, zone: &str, day: Option<Day>) -> Vec<Writer> {
    as_extension(|| {
        Statement::new(
            "WITH writer AS (
                 SELECT DISTINCT l.pid, l.virtualtransaction
                 FROM pg_catalog.pg_locks l
                 WHERE l.locktype = 'relation' AND l.granted
                   AND l.database = (SELECT oid FROM pg_catalog.pg_database
                                     WHERE datname = pg_catalog.current_database())
                   AND l.relation IN (SELECT $1
                                      UNION ALL SELECT relid FROM cumulate_internal.partitions($1::regclass))
                   AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
                   AND EXISTS (SELECT FROM pg_catalog.pg_locks x
                               WHERE x.virtualtransaction = l.virtualtransaction
                                 AND x.locktype = 'transactionid' AND x.granted AND x.mode = 'ExclusiveLock'))
             SELECT w.pid, p.gid, a.xact_start, (a.xact_start AT TIME ZONE $2)::date
             FROM writer w
             LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid
             LEFT JOIN pg_catalog.pg_prepared_xacts p
                 ON w.pid IS NULL AND EXISTS (SELECT FROM pg_catalog.pg_locks x
                                              WHERE x.virtualtransaction = w.virtualtransaction AND x.pid IS NULL
                                                AND x.transactionid = p.transaction)
             WHERE a.xact_start IS NULL OR w.pid = pg_catalog.pg_backend_pid()
                OR (a.xact_start AT TIME ZONE $2)::date <= coalesce(
                       $3, (pg_catalog.clock_timestamp() AT TIME ZONE $2)::date - 1)
             ORDER BY a.xact_start NULLS FIRST, w.pid, p.gid",
        )
        .bind(source)
        .bind(zone)
        .bind(day)
        .map(|row| Writer {
            pid: row.get(0),
            prepared: row.get(1),
            began_at: row.datum(2).map(|instant| instant.value() as i64),
            first_day: row.get(3),
        })
    })
}
