//! Partitions of a source that come and go, and tables that inherit from it: no trigger of the source fires for these.

use super::triggers;
use crate::catalog::{Definition, Late, notes, registry};
use crate::pg::lock;
use crate::pg::message::warning;
use crate::pg::spi::Statement;
use crate::pg::table::{Table, ident};
use crate::pg::value::local_day;
use crate::rules::calendar::Day;
use pgrx::pg_sys::Oid;

/// A source, its partitions, and tables that inherit from it, each with its note triggers and the transactions that have
/// last changed them; an empty text where rows are not noted.
type Leaves = Vec<(Oid, String)>;

/// Compares the source's partitions and their triggers with those that were there last time, and notes the days that may
/// have changed with them. A partition that was detached and attached again has new triggers, and one that was disabled
/// for a while has been changed.
pub fn look(definition: &Definition) {
    look_for_crash(definition);
    if definition.late != Late::Trigger {
        return;
    }
    let target = definition.target.oid;
    let known = registry::leaves(target);
    let leaves = || triggers::leaves(definition.id, definition.source);
    let mut present = leaves();
    if known == present && are_noted(&present) {
        return;
    }
    // Before a trigger locks a partition.
    lock::as_reader(definition.source);
    triggers::make_missing_truncate(definition.id, definition.source);
    present = leaves();
    if !are_noted(&present) || !known.iter().all(|leaf| present.contains(leaf)) {
        // What went away, or changed while nobody noted it, is not known, nor what happens where there is no trigger.
        notes::note_everything(target);
    } else if !known.is_empty() {
        for (table, _) in present.iter().filter(|leaf| !known.contains(leaf)) {
            if let Some((first, last)) = days_in(definition, *table) {
                notes::note_days_of(target, first, last);
            }
        }
    }
    if known != present {
        registry::record_leaves(target, &present);
    }
}

fn are_noted(leaves: &Leaves) -> bool {
    leaves.iter().all(|(_, triggers)| !triggers.is_empty())
}

/// Unlogged tables are empty after a crash, as if they had been truncated.
fn look_for_crash(definition: &Definition) {
    let target = &definition.target;
    if registry::may_be_emptied(target.oid) {
        warning!("a crash may have emptied what {} is made of: all days are read again", target.label());
        notes::note_everything(target.oid);
    }
    registry::witness(target.oid);
}

/// Whether some have come, gone or changed since the last look, or may have been emptied.
pub fn have_changed(definition: &Definition) -> bool {
    let target = definition.target.oid;
    registry::may_be_emptied(target)
        || definition.late == Late::Trigger && registry::leaves_have_changed(target, definition.id, definition.source)
}

/// Remembers the partitions that are there when the triggers are made.
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
