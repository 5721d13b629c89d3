//! Days that have snapshots, brought to what the source says now: because they are named, or because notes say so.

use crate::catalog::definition::rows_of_day;
use crate::catalog::{Definition, ledger, named_keys, notes};
use crate::engine::daily_changes::DailyChanges;
use crate::engine::entry::{check_transaction, lock, on_days};
use crate::engine::settle::{aggregate_and_repair, settle_notes};
use crate::engine::{daily, repair};
use crate::error::Error;
use crate::late::dirt::Dirt;
use crate::late::over::Over;
use crate::late::waiting;
use crate::pg::identity::as_owner;
use crate::pg::value::Datum;
use crate::rules::calendar::{Day, days};

/// Which rows of the snapshots are compared with the daily table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compare {
    /// Those of keys whose days have changed.
    Changed,
    /// All: somebody may have changed the snapshots themselves.
    Everything,
}

/// Aggregates days again and brings their snapshots, and those that depend on them, to that; snapshot rows changed.
pub fn restate(definition: &mut Definition, from: Day, to: Day) -> Result<i64, Error> {
    aggregate_again(definition, from, to, Compare::Everything)
}

/// As `restate`, for keys given as jsonb; what is noted stays noted.
pub fn restate_keys(definition: &mut Definition, from: Day, to: Day, keys: Datum) -> Result<i64, Error> {
    on_days(definition, (from, to), |definition, _, _| {
        let keys = named_keys::several(definition, keys)?;
        if keys.is_empty() {
            return Ok(0);
        }
        let newest = ledger::newest_snapshot(definition.target.oid);
        let mut changes = DailyChanges::wanted(newest.is_some_and(|newest| newest >= from));
        daily::aggregate_keys(definition, from, to, &keys, &mut changes)?;
        changes.name_keys(keys, from, to);
        repair::repair(definition, changes)
    })
}

fn aggregate_again(definition: &mut Definition, from: Day, to: Day, compare: Compare) -> Result<i64, Error> {
    on_days(definition, (from, to), |definition, _, over| {
        let mut noted = waiting::notes(definition, to);
        noted.retain(|note| note.day.is_some_and(|day| day >= from));
        let mut dirt = Dirt::default();
        dirt.add_days(days(from, to));
        let compared = (compare == Compare::Everything).then_some((from, to));
        let changed = aggregate_and_repair(definition, dirt, over, compared)?;
        notes::delete(definition.target.oid, &noted);
        Ok(changed)
    })
}

/// Aggregates one day from the source, and repairs the snapshots that depend on it; the day's daily rows.
pub fn populate(definition: &mut Definition, day: Day) -> Result<i64, Error> {
    aggregate_again(definition, day, day, Compare::Changed)?;
    as_owner(definition.target.owner, || Ok(rows_of_day(&definition.daily, day)))
}

/// Repairs everything that notes say; snapshot rows changed.
pub fn apply_late(definition: &mut Definition) -> Result<i64, Error> {
    check_transaction()?;
    as_owner(definition.target.owner, || {
        let over = Over::without_waiting(definition);
        if ledger::newest_snapshot(definition.target.oid).is_none() {
            return Ok(0);
        }
        let start = lock(definition)?;
        ledger::reopen(definition.target.oid, over.today);
        let Some(newest) = ledger::newest_snapshot(definition.target.oid) else { return Ok(0) };
        settle_notes(definition, start, newest, newest, &over, &[])
    })
}
