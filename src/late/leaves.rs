//! Partitions of a source that come and go, and tables that inherit from it: no trigger of the source fires for these.

use super::triggers;
use crate::catalog::{Definition, Late, notes, registry};
use crate::pg::lock;
use crate::pg::spi::Statement;
use crate::pg::table::{Table, ident};
use crate::pg::value::local_day;
use crate::rules::calendar::Day;
use pgrx::pg_sys::Oid;

/// Partitions of a source, each with the trigger that was made for it when it was attached; or tables that inherit from
/// it, which have none.
type Leaves = Vec<(Oid, Oid)>;

/// Compares the source's partitions with those that were there last time, and notes the days that may have changed with
/// them. A partition that was detached and attached again has new triggers.
pub fn look(definition: &Definition) {
    if definition.late != Late::Trigger {
        return;
    }
    let (known, present) = known_and_present(definition);
    let without_trigger = |leaf: &(Oid, Oid)| leaf.1 == Oid::INVALID;
    if known == present && !present.iter().any(without_trigger) {
        return;
    }
    let target = definition.target.oid;
    // Before a trigger locks a partition.
    lock::as_reader(definition.source);
    triggers::make_missing_truncate(definition.id, definition.source);
    if known.iter().all(|leaf| present.contains(leaf)) && !present.iter().any(without_trigger) {
        for (table, _) in present.iter().filter(|leaf| !known.contains(leaf)) {
            if let Some((first, last)) = days_in(definition, *table) {
                notes::note_days_of(target, first, last);
            }
        }
    } else {
        // What went away with it, or while it was away, is not known, nor what happens where there is no trigger.
        notes::note_everything(target);
    }
    if known != present {
        registry::record_leaves(target, &present);
    }
}

/// Whether some have come or gone since the last look.
pub fn have_changed(definition: &Definition) -> bool {
    definition.late == Late::Trigger && {
        let (known, present) = known_and_present(definition);
        known != present
    }
}

/// Those of the last look, and those of now.
fn known_and_present(definition: &Definition) -> (Leaves, Leaves) {
    (registry::leaves(definition.target.oid), triggers::leaves(definition.id, definition.source))
}

/// Remembers the partitions that are there when a definition is made.
pub fn remember(target: Oid, id: i64, source: Oid) {
    registry::record_leaves(target, &triggers::leaves(id, source));
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
