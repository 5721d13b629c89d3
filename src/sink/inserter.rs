//! New rows of one table: straight into it where that is right, else through INSERT. Both give the same rows.

use super::{column_types, places_in, suitable};
use crate::pg::bulk::{BulkWriter, TableState, prepare_to_write};
use crate::pg::constraints::{Write, fire_now};
use crate::pg::lock;
use crate::pg::memory::Arena;
use crate::pg::spi::{Param, Prepared};
use crate::pg::table::{Table, ident};
use crate::pg::value::Made;
use pgrx::pg_sys::Oid;

/// Takes rows, values in the order of the columns that it was made for.
pub struct Inserter {
    way: Way,
    row: RowValues,
}

/// The values of a row.
pub type RowValues = Vec<Option<Made>>;

enum Way {
    Bulk { writer: BulkWriter, places: Vec<usize> },
    Sql { insert: Prepared, types: Vec<Oid>, arena: Arena },
}

impl Inserter {
    /// For rows of these columns. A partition's bounds are left to INSERT to check.
    pub fn open(table: &Table, columns: &[String]) -> Self {
        let direct = if table.is_partition { None } else { Self::direct(table, columns) };
        direct.unwrap_or_else(|| Self::sql(table, columns))
    }

    /// Straight into the table, where an INSERT of these columns would do nothing else. If it is a partition, the rows
    /// must fit into its bounds.
    pub fn direct(table: &Table, columns: &[String]) -> Option<Self> {
        // Nobody makes a trigger on it meanwhile.
        lock::as_writer(table.oid);
        (table.kind == 'r' && suitable::for_direct_write(table.oid, columns)).then(|| {
            prepare_to_write();
            Self::bulk(table.oid, places_in(table.oid, columns), TableState::InUse)
        })
    }

    /// Straight into a table where that is known to be right; `places` as [`places_in`] has them.
    pub fn bulk(table: Oid, places: Vec<usize>, state: TableState) -> Self {
        Inserter { way: Way::Bulk { writer: BulkWriter::open(table, state), places }, row: Vec::new() }
    }

    /// Through INSERT: for tables with triggers, rules, row security, generated columns, and foreign ones.
    pub fn sql(table: &Table, columns: &[String]) -> Self {
        let types = column_types(&table.columns(), columns);
        let names: Vec<String> = columns.iter().map(|name| ident(name)).collect();
        let numbers: Vec<String> = (1..=columns.len()).map(|number| format!("${number}")).collect();
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", table.sql(), names.join(", "), numbers.join(", "));
        fire_now(table, Write::Insert);
        let insert = Prepared::new(&sql, &types);
        Inserter { way: Way::Sql { insert, types, arena: Arena::new() }, row: Vec::new() }
    }

    /// Whether the query that the rows come from must not use parallel workers.
    pub fn needs_serial_query(&self) -> bool {
        matches!(self.way, Way::Sql { .. })
    }

    /// Writes one row; `fill` makes its values, in memory that lives until they are written. The rows that are there by
    /// it: none when a trigger of the table's keeps it out.
    pub fn write<E>(&mut self, fill: impl FnOnce(&mut RowValues) -> Result<(), E>) -> Result<i64, E> {
        let row = &mut self.row;
        row.clear();
        match &mut self.way {
            Way::Bulk { writer, places } => {
                writer.push(|fields| {
                    fill(row)?;
                    for (value, place) in row.iter().zip(places) {
                        if let Some(value) = value {
                            fields.set(*place, *value);
                        }
                    }
                    Ok(())
                })?;
                Ok(1)
            }
            Way::Sql { insert, types, arena } => {
                arena.enter(|| fill(row))?;
                let params: Vec<Param> =
                    row.iter().zip(types).map(|(value, oid)| Param { oid: *oid, value: *value }).collect();
                let rows = insert.run(&params);
                arena.reset();
                Ok(rows as i64)
            }
        }
    }

    /// Writes what is left.
    pub fn finish(self) {
        if let Way::Bulk { writer, .. } = self.way {
            writer.finish();
        }
    }
}
