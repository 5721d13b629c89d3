//! Partitions of a source that come and go: attaching, detaching and dropping one fires no trigger.

use super::triggers;
use crate::catalog::{Definition, Late, notes, registry};
use crate::pg::lock;
use crate::pg::spi::Statement;
use crate::pg::table::{Table, ident};
use crate::pg::value::local_day;
use crate::rules::calendar::Day;
use pgrx::pg_sys::Oid;

/// Partitions of a source, each with the trigger that was made for it when it was attached.
type Leaves = Vec<(Oid, Oid)>;

/// Compares the source's partitions with those that were there last time, and notes the days that may have changed with
/// them. A partition that was detached and attached again has new triggers.
pub fn look(definition: &Definition) {
    let target = definition.target.oid;
    if definition.late == Late::Trigger && !is_partitioned(definition) && triggers::has_children(definition.source) {
        // Rows of inheritance children fire no trigger of their parent.
        notes::note_everything(target);
    }
    let Some((known, present)) = changed(definition) else { return };
    // Before a trigger locks a partition.
    lock::as_reader(definition.source);
    triggers::make_missing_truncate(definition.id, definition.source);
    if known.iter().all(|leaf| present.contains(leaf)) {
        for (table, _) in present.iter().filter(|leaf| !known.contains(leaf)) {
            if let Some((first, last)) = days_in(definition, *table) {
                notes::note_days_of(target, first, last);
            }
        }
    } else {
        // What went away with it, or while it was away, is not known.
        notes::note_everything(target);
    }
    registry::record_leaves(target, &present);
}

/// Whether partitions have come or gone since the last look.
pub fn have_changed(definition: &Definition) -> bool {
    changed(definition).is_some()
}

/// Partitions with their triggers, those of the last look and those of now, when they are not the same.
fn changed(definition: &Definition) -> Option<(Leaves, Leaves)> {
    if definition.late != Late::Trigger || !is_partitioned(definition) {
        return None;
    }
    let known = registry::leaves(definition.target.oid);
    let present = triggers::leaf_triggers(definition.id, definition.source);
    (known != present).then_some((known, present))
}

fn is_partitioned(definition: &Definition) -> bool {
    Table::find(definition.source).is_some_and(|source| source.kind == 'p')
}

/// Remembers the partitions that are there when a definition is made.
pub fn remember(target: Oid, id: i64, source: Oid) {
    registry::record_leaves(target, &triggers::leaf_triggers(id, source));
}

/// The first and last day in a partition.
fn days_in(definition: &Definition, table: Oid) -> Option<(Day, Day)> {
    let table = Table::find(table)?;
    let columns = table.columns();
    let name = super::collect::time_column(definition)?;
    let time = columns.iter().find(|column| column.name == name)?;
    let finite = format!("pg_catalog.isfinite({})", ident(&name));
    Statement::new(&format!(
        "SELECT pg_catalog.min({name}), pg_catalog.max({name}) FROM {} WHERE {finite}",
        table.sql(),
        name = ident(&name)
    ))
    .first(|row| {
        let day = |index| local_day(row.datum(index)?, time.type_oid, &definition.time_zone);
        Some((day(0)?, day(1)?))
    })
    .flatten()
}
