//! The table to name for changes of rows of a day: its partition where that can be written alone.

use super::changes::RowWriter;
use super::partitions::Partitions;
use crate::catalog::Definition;
use crate::pg::table::Table;
use crate::rules::calendar::Day;
use pgrx::pg_sys::Oid;
use std::collections::HashMap;

/// Partitions that new rows go straight into, as COPY has it: each holds a page and a batch of rows.
const MOST_DIRECT: usize = 32;

/// A writer for each partition that rows are changed in.
pub struct PartitionWriters<'a> {
    definition: &'a Definition,
    leaves: Leaves,
    writers: HashMap<Oid, RowWriter>,
}

impl<'a> PartitionWriters<'a> {
    /// For the definition's value columns.
    pub fn of(definition: &'a Definition) -> Self {
        PartitionWriters { definition, leaves: Leaves::of(definition), writers: HashMap::new() }
    }

    /// The writer for rows of a day.
    pub fn of_day(&mut self, day: Day) -> &mut RowWriter {
        let table = self.leaves.of_day(day);
        let definition = self.definition;
        let direct = table.oid != definition.target.oid && self.writers.len() < MOST_DIRECT;
        self.writers.entry(table.oid).or_insert_with(|| {
            let writer = RowWriter::new(definition, table, definition.value_columns());
            if direct { writer.within_bounds() } else { writer }
        })
    }

    /// Writes what is left, so that statements see it.
    pub fn settle(&mut self) {
        self.writers.drain().for_each(|(_, writer)| writer.finish());
    }
}

struct Leaves {
    target: Table,
    partitions: Partitions,
    /// Whether nothing else happens when rows are written through the parent.
    plain: bool,
    /// Partitions that were asked for; none where their rows are written through the parent.
    tables: HashMap<Oid, Option<Table>>,
}

impl Leaves {
    fn of(definition: &Definition) -> Self {
        let partitions = Partitions::prepare(definition, &[]);
        Leaves {
            target: definition.target.clone(),
            plain: partitions.is_parent_plain(),
            partitions,
            tables: HashMap::new(),
        }
    }

    fn of_day(&mut self, day: Day) -> &Table {
        if !self.plain {
            return &self.target;
        }
        let (oid, _) = self.partitions.leaf(day);
        let table = self.tables.entry(oid).or_insert_with(|| self.partitions.plain_table(day));
        table.as_ref().unwrap_or(&self.target)
    }
}
