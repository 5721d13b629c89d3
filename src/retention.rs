//! Retention: snapshots older than a table keeps them are dropped; daily rows stay, so that later days remain right.

use crate::catalog::Definition;
use crate::catalog::definition::SNAPSHOT_DATE;
use crate::catalog::ledger;
use crate::error::Error;
use crate::guc;
use crate::pg::constraints::{Write, fire_now};
use crate::pg::identity::as_owner;
use crate::pg::lock;
use crate::pg::message::notice;
use crate::pg::spi::Statement;
use crate::pg::table::Table;
use crate::rules::calendar::Day;
use crate::sink::partitions::{Bounds, bounds_of};
use pgrx::pg_sys::Oid;

/// Rows that one step deletes at most, unless a single day has more.
const ROWS_A_STEP: i64 = 2_000_000;

/// What one step has done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dropped {
    pub days: i64,
    /// Another step has something to do: commit first.
    pub more: bool,
}

/// Does one step: deletes a batch of old snapshots that share a partition with others, or, when there is none of these,
/// drops all partitions that have nothing else. The caller commits soon: partitions are dropped under locks that keep
/// every reader of the table out.
pub fn step(definition: &mut Definition) -> Result<Dropped, Error> {
    as_owner(definition.target.owner, || {
        definition.lock();
        *definition = Definition::find(definition.target.oid)?;
        let Some((start, horizon)) = definition.start.zip(horizon(definition)) else { return Ok(Dropped::default()) };
        let mut days = leave_out(definition, start, horizon);
        let Some(before) = first_kept(definition, horizon) else { return Ok(Dropped { days, more: false }) };
        let old = ledger::snapshots_with_rows(definition.target.oid, before);
        let whole = whole_partitions(definition, start, before);
        let (in_whole, single): (Vec<_>, Vec<_>) =
            old.into_iter().partition(|(day, _)| whole.iter().any(|partition| partition.bounds.take(*day)));
        let batch = batch_of(&single);
        if !batch.is_empty() {
            delete(definition, batch);
            return Ok(Dropped { days: days + batch.len() as i64, more: true });
        }
        if !whole.is_empty() && drop_partitions(definition, &whole) {
            ledger::drop_snapshots(definition.target.oid, in_whole.iter().map(|(day, _)| *day));
            days += in_whole.len() as i64;
        }
        Ok(Dropped { days, more: false })
    })
}

/// Does all steps in the caller's transaction; the days that were dropped.
pub fn apply(definition: &mut Definition) -> Result<i64, Error> {
    let mut days = 0;
    loop {
        let dropped = step(definition)?;
        days += dropped.days;
        if !dropped.more {
            return Ok(days);
        }
    }
}

/// The first day whose snapshot is young enough; None when all are kept for ever.
pub fn horizon(definition: &Definition) -> Option<Day> {
    let retention = definition.retention.as_deref()?;
    Statement::new("SELECT ($1 - $2::interval)::date")
        .bind(definition.today())
        .bind(retention)
        .first(|row| row.get(0))
        .flatten()
}

/// Days before the horizon that have no snapshot will not get one; how many came to that now.
pub fn leave_out(definition: &Definition, start: Day, horizon: Day) -> i64 {
    if horizon <= start { 0 } else { ledger::drop_missing(definition.target.oid, start, horizon) }
}

/// The first day that is neither frozen nor older than the table keeps snapshots.
pub fn first_wanted(definition: &Definition, start: Day) -> Day {
    let live = definition.first_live_day(start);
    let Some(horizon) = horizon(definition) else { return live };
    leave_out(definition, start, horizon);
    live.max(horizon)
}

/// The days of the longest window and one more stay before the newest snapshot, however old that is.
fn first_kept(definition: &Definition, horizon: Day) -> Option<Day> {
    let newest = ledger::newest_snapshot(definition.target.oid)?;
    Some(horizon.min(newest.minus(definition.window() as i32)))
}

fn batch_of(days: &[(Day, i64)]) -> &[(Day, i64)] {
    let mut rows = 0;
    let fits = |(_, of_day): &&(Day, i64)| {
        rows += of_day;
        rows <= ROWS_A_STEP
    };
    &days[..days.iter().take_while(fits).count().max(1).min(days.len())]
}

fn delete(definition: &Definition, days: &[(Day, i64)]) {
    let target = &definition.target;
    fire_now(target, Write::Delete);
    for (day, _) in days {
        Statement::new(&format!("DELETE FROM {} WHERE {SNAPSHOT_DATE} = DATE '{day}'", target.sql())).run();
    }
    ledger::drop_snapshots(target.oid, days.iter().map(|(day, _)| *day));
}

/// A partition that has nothing but old snapshots.
struct Whole {
    table: Table,
    bounds: Bounds,
}

/// Partitions that end before that day. One that something of a user depends on is left, and its rows are deleted; one
/// with rows from before the start is left alone, for these are not ours.
fn whole_partitions(definition: &Definition, start: Day, before: Day) -> Vec<Whole> {
    let (partitions, _) = bounds_of(definition.target.oid);
    let ending = partitions.into_iter().filter(|bounds| bounds.last < before && bounds.last >= start);
    let whole = ending.filter_map(|bounds| Some(Whole { table: droppable(definition, bounds.table)?, bounds }));
    whole.filter(|partition| partition.bounds.first >= start || !has_rows_before(&partition.table, start)).collect()
}

/// An ordinary table of the owner's that nothing of a user depends on.
fn droppable(definition: &Definition, table: Oid) -> Option<Table> {
    let table = Table::find(table).filter(|table| table.kind == 'r' && table.owner == definition.target.owner)?;
    let depended_on = Statement::new(
        "SELECT FROM pg_catalog.pg_depend
         WHERE refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND refobjid = $1 AND deptype = 'n'",
    );
    (!depended_on.bind(table.oid).exists()).then_some(table)
}

fn has_rows_before(table: &Table, day: Day) -> bool {
    Statement::new(&format!("SELECT FROM {} WHERE {SNAPSHOT_DATE} < DATE '{day}' LIMIT 1", table.sql())).exists()
}

/// False when readers did not leave a gap in time; the next run tries again.
fn drop_partitions(definition: &Definition, whole: &[Whole]) -> bool {
    let target = &definition.target;
    let mut tables: Vec<Oid> = vec![target.oid];
    tables.extend(whole.iter().map(|partition| partition.table.oid));
    if !lock::all_for_itself(&tables, guc::lock_timeout()) {
        notice!("partitions of {} stay until a later run because they are being read", target.label());
        return false;
    }
    let names: Vec<String> = whole.iter().map(|partition| partition.table.sql()).collect();
    Statement::new(&format!("DROP TABLE {}", names.join(", "))).run();
    true
}
