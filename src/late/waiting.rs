//! Days whose late changes wait to be repaired: they, and all days behind the first of them, are not clean.

use super::{collect, source_partitions};
use crate::catalog::Definition;
use crate::catalog::notes::{self, Note};
use crate::rules::calendar::{Day, days as days_of};
use std::collections::BTreeSet;

/// The notes for days up to `through`, and those for every day; what this very transaction has changed is among them.
pub fn notes(definition: &Definition, through: Day) -> Vec<Note> {
    collect::flush();
    notes::read(definition.target.oid, through)
}

/// The noted days from `start` to `through`; all of them where anything may have changed.
pub fn days(definition: &Definition, start: Day, through: Day) -> BTreeSet<Day> {
    collect::flush();
    let noted = notes::days(definition.target.oid, through);
    // What came or went with a partition is noted by the next run.
    if noted.contains(&None) || source_partitions::have_changed(definition) {
        return days_of(start, through).collect();
    }
    noted.into_iter().flatten().filter(|day| *day >= start).collect()
}
