//! Partitions of a source that come and go: attaching, detaching and dropping one fires no trigger.

use super::triggers;
use crate::catalog::{Definition, Late, notes, registry};
use crate::pg::lock;
use crate::pg::spi::Statement;
use crate::pg::table::{Table, ident};
use crate::pg::value::local_day;
use crate::rules::calendar::Day;
use pgrx::pg_sys::Oid;

/// Compares the source's partitions with those that were there last time, and notes the days that may have changed with
/// them. A partition that was detached, changed and attached again has new triggers.
pub fn look(definition: &Definition) {
    if definition.late != Late::Trigger {
        return;
    }
    let target = definition.target.oid;
    if Table::find(definition.source).is_none_or(|source| source.kind != 'p') {
        if triggers::has_children(definition.source) {
            // Rows of inheritance children fire no trigger of their parent.
            notes::note_everything(target);
        }
        return;
    }
    let known = registry::leaves(target);
    let present = triggers::leaf_triggers(definition.id, definition.source);
    if known == present {
        return;
    }
    // Before a trigger locks a partition.
    lock::as_reader(definition.source);
    triggers::make_missing_truncate(definition.id, definition.source);
    if known.iter().any(|leaf| !present.contains(leaf) && !present.iter().any(|(table, _)| *table == leaf.0)) {
        // What went away with it is not known.
        notes::note_everything(target);
    }
    for (table, _) in present.iter().filter(|leaf| !known.contains(leaf)) {
        if let Some((first, last)) = days_in(definition, *table) {
            notes::note_days_of(target, first, last);
        }
    }
    registry::record_leaves(target, &present);
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
