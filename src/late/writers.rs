//! Writers of the source that were there before a day had ended: they are waited for before it is closed.

use crate::catalog::Definition;
use crate::guc;
use crate::pg::identity::as_extension;
use crate::pg::spi::Statement;
use crate::pg::transaction::nap;
use crate::rules::calendar::Day;
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
        let found = as_extension(|| {
            Statement::new(
                "WITH writer AS (
                     SELECT l.pid
                     FROM pg_catalog.pg_locks l
                     WHERE l.locktype = 'relation' AND l.granted
                       AND l.database = (SELECT oid FROM pg_catalog.pg_database
                                         WHERE datname = pg_catalog.current_database())
                       AND l.relation IN (SELECT $1
                                          UNION ALL SELECT relid FROM pg_catalog.pg_partition_tree($1::regclass))
                       AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                                      'AccessExclusiveLock')
                       AND EXISTS (SELECT FROM pg_catalog.pg_locks x
                                   WHERE x.virtualtransaction = l.virtualtransaction
                                     AND x.locktype = 'transactionid' AND x.granted AND x.mode = 'ExclusiveLock'))
                 SELECT (pg_catalog.min(coalesce((a.xact_start AT TIME ZONE $2)::date, DATE '0001-01-01'))
                            FILTER (WHERE w.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
                                      AND (a.xact_start IS NULL
                                           OR (a.xact_start AT TIME ZONE $2)::date <= DATE '2000-01-01' + $3)))
                            - DATE '2000-01-01',
                        coalesce(pg_catalog.bool_or(w.pid = pg_catalog.pg_backend_pid()), false)
                 FROM writer w
                 LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid",
            )
            .bind(definition.source)
            .bind(definition.time_zone.as_str())
            .bind(day.number())
            .first(|row| (row.get::<i32>(0), row.get::<bool>(1)))
        });
        let (first, own) = found.unwrap_or_default();
        Writers { first_unnoted_day: first.map(Day::stored), caller_has_written: own.unwrap_or_default() }
    }
}
