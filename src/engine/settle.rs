//! Closed days settled: what is noted of them, or asked for, is aggregated again, and what depends on it is repaired.

use super::daily;
use super::daily_changes::DailyChanges;
use super::repair;
use crate::catalog::{Definition, Late, ledger, notes, registry};
use crate::error::Error;
use crate::late::dirt::Dirt;
use crate::late::over::Over;
use crate::late::source_partitions;
use crate::late::waiting;
use crate::rules::calendar::{Day, days, stretches};

/// Repairs what notes for days up to `through` say, aggregates `again`, and deletes exactly the notes that were read;
/// snapshot rows changed. Notes are read before the source, so that none is deleted unseen.
pub fn settle_notes(
    definition: &Definition,
    start: Day,
    through: Day,
    newest: Day,
    over: &Over,
    again: &[Day],
) -> Result<i64, Error> {
    source_partitions::look(definition);
    let notes = waiting::notes(definition, through);
    let live = definition.first_live_day(start);
    drop_frozen(definition, &notes);
    // A note for every day is also for days that have been aggregated and have no snapshot yet.
    let known = ledger::newest_known(definition.target.oid).map_or(newest, |known| known.max(newest));
    let last = if notes.iter().any(|note| note.day.is_none()) { known } else { newest };
    let mut dirt = Dirt::of(definition, live, last, &notes);
    dirt.add_days(again.iter().copied());
    if definition.late == Late::Scan {
        let first = over.today.minus(definition.lookback).max(live);
        dirt.add_days(days(first, newest.min(over.today.minus(1))));
    }
    let everything = dirt.everything.then_some((live, newest));
    let changed = aggregate_and_repair(definition, dirt, over, everything)?;
    notes::delete(definition.target.oid, &notes);
    Ok(changed)
}

/// Late changes of frozen days are no corrections: they are counted, and their notes go with the others.
fn drop_frozen(definition: &Definition, notes: &[notes::Note]) {
    let Some(through) = definition.frozen_through else { return };
    let frozen = notes.iter().filter(|note| note.day.is_some_and(|day| day <= through)).count();
    if frozen > 0 {
        registry::count_frozen_changes(definition.target.oid, frozen as i64);
    }
}

/// Aggregates dirty days and keys again, and repairs; with `everything` all snapshots of that range are compared.
pub fn aggregate_and_repair(
    definition: &Definition,
    dirt: Dirt,
    over: &Over,
    everything: Option<(Day, Day)>,
) -> Result<i64, Error> {
    let Some(first) = dirt.first() else { return Ok(0) };
    let newest = ledger::newest_snapshot(definition.target.oid);
    // Changes are collected when there are snapshots that they could touch.
    let mut changes = DailyChanges::wanted(newest.is_some_and(|newest| newest >= first));
    for (from, to) in stretches(dirt.days.iter().copied()) {
        daily::aggregate(definition, from, to, over, &mut changes)?;
    }
    for (day, keys) in dirt.keys.iter().filter(|(day, _)| !dirt.days.contains(day)) {
        daily::aggregate_keys(definition, *day, *day, keys, &mut changes)?;
    }
    if let Some((from, to)) = everything {
        changes.add_everything(from, to);
    }
    repair::repair(definition, changes)
}
