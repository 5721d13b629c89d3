//! The table to name for changes of rows of a day: its partition where that can be written alone.

use super::partitions::Partitions;
use crate::catalog::Definition;
use crate::pg::table::Table;
use crate::rules::calendar::Day;
use pgrx::pg_sys::Oid;
use std::collections::HashMap;

pub struct Leaves {
    target: Table,
    partitions: Partitions,
    tables: HashMap<Oid, Table>,
}

impl Leaves {
    pub fn of(definition: &Definition) -> Self {
        Leaves {
            target: definition.target.clone(),
            partitions: Partitions::prepare(definition, &[]),
            tables: HashMap::new(),
        }
    }

    pub fn of_day(&mut self, day: Day) -> &Table {
        if !self.partitions.are_plain() {
            return &self.target;
        }
        let (oid, _) = self.partitions.leaf(day);
        let target = &self.target;
        self.tables.entry(oid).or_insert_with(|| Table::find(oid).unwrap_or_else(|| target.clone()))
    }
}
