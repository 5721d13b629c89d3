//! The ledger: which days are there, and how final they are.

use crate::pg::identity::as_extension;
use crate::pg::spi::Statement;
use crate::rules::calendar::Day;
use pgrx::pg_sys::Oid;

/// How final a day is. A day without a row in the ledger is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No snapshot; the daily table may have been filled already.
    Missing,
    /// The snapshot was made before the day or its writers had ended.
    Open,
    Closed,
    Frozen,
    /// The snapshot was dropped, or never made, because it is older than the table keeps them.
    Dropped,
}

impl State {
    const ALL: [State; 5] = [State::Missing, State::Open, State::Closed, State::Frozen, State::Dropped];

    /// States of days that have a snapshot.
    const PRESENT: [State; 3] = [State::Open, State::Closed, State::Frozen];

    pub fn name(self) -> &'static str {
        match self {
            State::Missing => "missing",
            State::Open => "open",
            State::Closed => "closed",
            State::Frozen => "frozen",
            State::Dropped => "dropped",
        }
    }

    /// Whether nothing is left to be done for the day.
    pub fn is_final(self) -> bool {
        !matches!(self, State::Missing | State::Open)
    }
}

/// One day of one table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub day: Day,
    pub state: State,
    /// When it was aggregated from the source after it was over, in microseconds since 1970.
    pub aggregated_at: Option<i64>,
}

/// A snapshot that others are made from.
#[derive(Clone, Copy, Debug)]
pub struct Base {
    pub day: Day,
    /// The rows that the ledger says it has.
    pub rows: i64,
}

/// What was counted while a day was aggregated.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    pub events: i64,
    pub unkeyed: i64,
}

/// Days of a table from `from` to `to`, ascending.
pub fn entries(target: Oid, from: Day, to: Day) -> Vec<Entry> {
    as_extension(|| {
        Statement::new(
            "SELECT day, state, (extract(epoch FROM aggregated_at) * 1000000)::bigint FROM cumulate.ledger
             WHERE target = $1 AND day BETWEEN $2 AND $3 ORDER BY day",
        )
        .bind(target)
        .bind(from)
        .bind(to)
        .map(|row| {
            let name: String = row.get(1).unwrap_or_default();
            Entry {
                day: row.get(0).unwrap_or_default(),
                state: State::ALL.into_iter().find(|state| state.name() == name).unwrap_or(State::Missing),
                aggregated_at: row.get(2),
            }
        })
    })
}

/// The newest day before `before` whose state is one of `states`.
pub fn newest(target: Oid, before: Day, states: &[State]) -> Option<Day> {
    let names: Vec<String> = states.iter().map(|state| state.name().to_owned()).collect();
    as_extension(|| {
        Statement::new(
            "SELECT pg_catalog.max(day) FROM cumulate.ledger
             WHERE target = $1 AND day < $2 AND state = ANY ($3)",
        )
        .bind(target)
        .bind(before)
        .bind(names)
        .first(|row| row.get(0))
        .flatten()
    })
}

/// Days that have a snapshot, from `from` on, ascending.
pub fn snapshots(target: Oid, from: Day, to: Option<Day>) -> Vec<Day> {
    as_extension(|| {
        Statement::new(
            "SELECT day FROM cumulate.ledger
             WHERE target = $1 AND day >= $2
               AND ($3 IS NULL OR day <= $3) AND state IN ('open', 'closed', 'frozen') ORDER BY day",
        )
        .bind(target)
        .bind(from)
        .bind(to)
        .map(|row| row.get(0).unwrap_or_default())
    })
}

/// Notes that days were aggregated from the source, with what was counted; `over` says whether each was over then.
pub fn record_aggregated(target: Oid, days: &[(Day, Counts, bool)]) {
    let named: Vec<Day> = days.iter().map(|(day, ..)| *day).collect();
    let events: Vec<i64> = days.iter().map(|(_, counts, _)| counts.events).collect();
    let unkeyed: Vec<i64> = days.iter().map(|(_, counts, _)| counts.unkeyed).collect();
    let over: Vec<bool> = days.iter().map(|(.., over)| *over).collect();
    as_extension(|| {
        Statement::new(
            "INSERT INTO cumulate.ledger AS l (target, day, state, events, unkeyed_events, aggregated_at)
             SELECT $1, d, 'missing', e, u, CASE WHEN o THEN pg_catalog.clock_timestamp() END
             FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5))
                  AS t (d, e, u, o)
             WHERE NOT EXISTS (SELECT FROM cumulate.ledger k WHERE k.target = $1 AND k.day = d
                               AND (k.events, k.unkeyed_events, k.aggregated_at IS NOT NULL) = (e, u, o))
             ON CONFLICT (target, day) DO UPDATE SET events = excluded.events,
                 unkeyed_events = excluded.unkeyed_events, aggregated_at = excluded.aggregated_at",
        )
        .bind(target)
        .bind(named)
        .bind(events)
        .bind(unkeyed)
        .bind(over)
        .run()
    });
}

/// Notes that snapshots were made or settled, with their rows where they were made now.
pub fn record_closed(target: Oid, days: &[(Day, State, Option<i64>)]) {
    let named: Vec<Day> = days.iter().map(|(day, ..)| *day).collect();
    let states: Vec<String> = days.iter().map(|(_, state, _)| state.name().to_owned()).collect();
    let rows: Vec<Option<i64>> = days.iter().map(|(.., rows)| *rows).collect();
    as_extension(|| {
        Statement::new(
            "INSERT INTO cumulate.ledger AS l (target, day, state, rows, closed_at)
             SELECT $1, d, s, coalesce(r, 0), pg_catalog.clock_timestamp()
             FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4)) AS t (d, s, r)
             WHERE NOT EXISTS (SELECT FROM cumulate.ledger k
                               WHERE k.target = $1 AND k.day = d AND k.state = s)
             ON CONFLICT (target, day) DO UPDATE SET state = excluded.state, closed_at = excluded.closed_at,
                 rows = CASE WHEN l.state = 'missing' THEN excluded.rows ELSE l.rows END",
        )
        .bind(target)
        .bind(named)
        .bind(states)
        .bind(rows)
        .run()
    });
}

/// Adds rows that repairs inserted into or removed from snapshots.
pub fn adjust_rows(target: Oid, changes: &[(Day, i64)]) {
    if changes.is_empty() {
        return;
    }
    let named: Vec<Day> = changes.iter().map(|(day, _)| *day).collect();
    let by: Vec<i64> = changes.iter().map(|(_, by)| *by).collect();
    as_extension(|| {
        Statement::new(
            "UPDATE cumulate.ledger AS l SET rows = l.rows + t.by
             FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS t (d, by)
             WHERE l.target = $1 AND l.day = t.d",
        )
        .bind(target)
        .bind(named)
        .bind(by)
        .run()
    });
}

/// Notes how many rows snapshots have.
pub fn record_rows(target: Oid, days: &[(Day, i64)]) {
    let named: Vec<Day> = days.iter().map(|(day, _)| *day).collect();
    let rows: Vec<i64> = days.iter().map(|(_, rows)| *rows).collect();
    as_extension(|| {
        Statement::new(
            "UPDATE cumulate.ledger AS l SET rows = t.r
             FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS t (d, r)
             WHERE l.target = $1 AND l.day = t.d AND l.rows <> t.r",
        )
        .bind(target)
        .bind(named)
        .bind(rows)
        .run()
    });
}

/// Takes the days of a range that have rows already, though nobody has made their snapshots, into the ledger: open, until
/// their rows have been compared. Whether there were any.
pub fn adopt(target: Oid, table: &str, from: Day, to: Day) -> bool {
    let found: Vec<(Day, State, Option<i64>)> = Statement::new(&format!(
        "SELECT snapshot_date, pg_catalog.count(*) FROM {table}
         WHERE snapshot_date BETWEEN DATE '{from}' AND DATE '{to}' GROUP BY snapshot_date"
    ))
    .map(|row| (row.get(0).unwrap_or_default(), State::Open, row.get(1)));
    record_closed(target, &found);
    !found.is_empty()
}

/// Rows in the snapshots of a range of days.
pub fn rows(target: Oid, from: Day, to: Day) -> i64 {
    as_extension(|| {
        Statement::new(
            "SELECT pg_catalog.sum(rows)::bigint FROM cumulate.ledger
             WHERE target = $1 AND day BETWEEN $2 AND $3",
        )
        .bind(target)
        .bind(from)
        .bind(to)
        .first(|row| row.get(0))
        .flatten()
    })
    .unwrap_or_default()
}

/// The newest day that has a snapshot.
pub fn newest_snapshot(target: Oid) -> Option<Day> {
    newest(target, Day::stored(i32::MAX), &State::PRESENT)
}

/// The clock has stepped back: closed days that are not over become open again.
pub fn reopen(target: Oid, today: Day) {
    as_extension(|| {
        let ahead = "target = $1 AND state = 'closed' AND day >= $2";
        let bound = |sql: &str| Statement::new(sql).bind(target).bind(today);
        if bound(&format!("SELECT FROM cumulate.ledger WHERE {ahead} LIMIT 1")).exists() {
            bound(&format!("UPDATE cumulate.ledger SET state = 'open', aggregated_at = NULL WHERE {ahead}")).run();
        }
    });
}

/// The first day of a range that is neither closed, frozen nor dropped.
pub fn first_unclosed(target: Oid, from: Day, to: Day) -> Option<Day> {
    let entries = entries(target, from, to);
    crate::rules::calendar::days(from, to)
        .find(|day| !entries.iter().any(|entry| entry.day == *day && entry.state.is_final()))
}

/// Closed days up to `through` are frozen.
pub fn freeze(target: Oid, through: Day) {
    as_extension(|| {
        Statement::new(
            "UPDATE cumulate.ledger SET state = 'frozen'
             WHERE target = $1 AND day <= $2 AND state = 'closed'",
        )
        .bind(target)
        .bind(through)
        .run()
    });
}

/// The newest day that the ledger knows of.
pub fn newest_known(target: Oid) -> Option<Day> {
    newest(target, Day::stored(i32::MAX), &State::ALL)
}

/// Days before `before` that have a snapshot, with its rows, ascending.
pub fn snapshots_with_rows(target: Oid, before: Day) -> Vec<(Day, i64)> {
    as_extension(|| {
        Statement::new(
            "SELECT day, rows FROM cumulate.ledger
             WHERE target = $1 AND day < $2 AND state IN ('open', 'closed', 'frozen') ORDER BY day",
        )
        .bind(target)
        .bind(before)
        .map(|row| (row.get(0).unwrap_or_default(), row.get(1).unwrap_or_default()))
    })
}

/// Notes that the snapshots of these days are gone.
pub fn drop_snapshots(target: Oid, days: impl IntoIterator<Item = Day>) {
    let named: Vec<Day> = days.into_iter().collect();
    as_extension(|| {
        Statement::new(
            "UPDATE cumulate.ledger SET state = 'dropped', rows = 0
             WHERE target = $1 AND day = ANY ($2)",
        )
        .bind(target)
        .bind(named)
        .run()
    });
}

/// Days from `from` to the one before `before` that have no snapshot count as dropped from now on; how many.
pub fn drop_missing(target: Oid, from: Day, before: Day) -> i64 {
    let inserted = as_extension(|| {
        Statement::new(
            "INSERT INTO cumulate.ledger AS l (target, day, state)
             SELECT $1, $2 + number, 'dropped' FROM pg_catalog.generate_series(0, $3 - $2 - 1) AS number
             WHERE NOT EXISTS (SELECT FROM cumulate.ledger k
                               WHERE k.target = $1 AND k.day = $2 + number AND k.state <> 'missing')
             ON CONFLICT (target, day) DO UPDATE SET state = 'dropped'",
        )
        .bind(target)
        .bind(from)
        .bind(before)
        .run()
    });
    inserted as i64
}

/// Dropped days of a range may have a snapshot again.
pub fn take_back(target: Oid, from: Day, to: Day) {
    as_extension(|| {
        Statement::new(
            "UPDATE cumulate.ledger SET state = 'missing'
             WHERE target = $1 AND state = 'dropped' AND day BETWEEN $2 AND $3",
        )
        .bind(target)
        .bind(from)
        .bind(to)
        .run()
    });
}

/// Dropped days up to `through` that were never aggregated.
pub fn dropped_unread(target: Oid, from: Day, through: Day) -> Vec<Day> {
    let unread = |entry: &Entry| entry.state == State::Dropped && entry.aggregated_at.is_none();
    entries(target, from, through).iter().filter(|entry| unread(entry)).map(|entry| entry.day).collect()
}
