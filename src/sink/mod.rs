//! Where snapshot rows go: straight into the table where that is right, else through INSERT. Both give the same rows.

pub mod changes;
pub mod inserter;
pub mod partition_writers;
pub mod partitions;
pub mod suitable;

use crate::catalog::Definition;
use crate::catalog::definition::SNAPSHOT_DATE;
use crate::catalog::notes;
use crate::error::Error;
use crate::pg::bulk::prepare_to_write;
use crate::pg::table::{Column, Table};
use crate::pg::value::Datum;
use crate::rules::calendar::Day;
use inserter::{Inserter, RowValues};
use partitions::Partitions;
use pgrx::pg_sys::Oid;
use std::collections::{HashMap, HashSet};

/// Takes the rows of new snapshots, day after day.
pub struct Sink {
    kind: Kind,
    partitions: Partitions,
    rows: i64,
    target: Oid,
    days: Option<(Day, Day)>,
}

enum Kind {
    Bulk {
        /// Of one partition, or of the whole table, and the days that it takes.
        writer: Option<(Inserter, (Day, Day))>,
        /// Where each value goes, by table: looked up before the query, which may be parallel.
        places: HashMap<Oid, Vec<usize>>,
    },
    Sql(Inserter),
}

impl Sink {
    /// Makes ready for the snapshots of these days, ascending: their partitions are made where they are missing.
    pub fn open(definition: &Definition, days: &[Day]) -> Self {
        let mut columns: Vec<String> = definition.keys.iter().map(|key| key.name.clone()).collect();
        columns.extend(definition.value_columns());
        columns.push(SNAPSHOT_DATE.to_owned());
        let partitions = Partitions::prepare(definition, days);
        let direct = partitions.are_plain(days) && suitable::for_direct_write(definition.target.oid, &columns);
        let kind = if direct {
            prepare_to_write();
            let places = days.iter().map(|day| partitions.leaf(*day).0).collect::<HashSet<_>>();
            let places = places.into_iter().map(|table| (table, places_in(table, &columns))).collect();
            Kind::Bulk { writer: None, places }
        } else {
            partitions.attach();
            Kind::Sql(Inserter::sql(&definition.target, &columns))
        };
        let days = days.first().copied().zip(days.last().copied());
        Sink { kind, partitions, rows: 0, target: definition.target.oid, days }
    }

    /// Whether the query that feeds the sink must not use parallel workers.
    pub fn needs_serial_query(&self) -> bool {
        matches!(self.kind, Kind::Sql(_))
    }

    /// Writes one row of the snapshot of `day`: keys, arrays and totals, made by `fill` in memory that lives until they
    /// are written.
    pub fn write(&mut self, day: Day, fill: impl FnOnce(&mut RowValues) -> Result<(), Error>) -> Result<(), Error> {
        self.rows += self.inserter(day).write(|row| {
            fill(row)?;
            row.push(Some(Datum::from(day.number())));
            Ok(())
        })?;
        Ok(())
    }

    fn inserter(&mut self, day: Day) -> &mut Inserter {
        let (writer, places) = match &mut self.kind {
            Kind::Sql(inserter) => return inserter,
            Kind::Bulk { writer, places } => (writer, places),
        };
        let full = writer.take_if(|(_, (first, last))| !(*first..=*last).contains(&day));
        if let Some((inserter, _)) = full {
            inserter.finish();
        }
        let (inserter, _) = writer.get_or_insert_with(|| {
            let (table, days) = self.partitions.leaf(day);
            let places = places.get(&table).cloned().unwrap_or_default();
            (Inserter::bulk(table, places, self.partitions.state_of(day)), days)
        });
        inserter
    }

    /// The partition that has all rows of a day and no others, where there is one.
    pub fn partition_of(&self, day: Day) -> Option<String> {
        self.partitions.of_day_alone(day)
    }

    /// Whether all rows go into a partition of one day that nobody sees yet.
    pub fn can_start_again(&self) -> bool {
        matches!(self.kind, Kind::Bulk { .. })
            && self.days.is_some_and(|(first, last)| first == last && self.partitions.is_unseen(first))
    }

    /// Takes back what has been written.
    pub fn start_again(&mut self) {
        if let Kind::Bulk { writer, .. } = &mut self.kind
            && let Some((inserter, _)) = writer.take()
        {
            inserter.finish();
        }
        self.partitions.empty();
        self.rows = 0;
    }

    /// Rows written so far.
    pub fn rows(&self) -> i64 {
        self.rows
    }

    /// Writes what is left and attaches the partitions that were made.
    pub fn finish(self) {
        if let Kind::Bulk { writer, .. } = self.kind {
            if let Some((inserter, _)) = writer {
                inserter.finish();
            }
            self.partitions.attach();
            // The table may be the source of another.
            if let Some((first, last)) = self.days {
                notes::note_days(self.target, first, last);
            }
        }
    }
}

/// The attribute index of each column in a table.
pub fn places_in(table: Oid, columns: &[String]) -> Vec<usize> {
    let present = Table::find(table).map(|table| table.columns()).unwrap_or_default();
    let place = |name: &String| present.iter().find(|column| column.name == *name).map_or(0, |column| column.number);
    columns.iter().map(|name| (place(name).max(1) - 1) as usize).collect()
}

/// The types of named columns.
pub fn column_types(present: &[Column], names: &[String]) -> Vec<Oid> {
    let type_of = |name: &String| present.iter().find(|column| column.name == *name).map(|column| column.type_oid);
    names.iter().map(|name| type_of(name).unwrap_or(Oid::INVALID)).collect()
}
