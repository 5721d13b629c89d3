//! The rows that the fold reads: a base snapshot, the daily rows after it and, for a repair, the stored snapshots.

use crate::catalog::definition::SNAPSHOT_DATE;
use crate::catalog::{Definition, PartitionBy};
use crate::pg::array;
use crate::pg::receiver::Row;
use crate::pg::spi::{Param, Statement};
use crate::pg::table::{self, ident, type_sql};
use crate::pg::value::{Datum, Image, Layout};
use crate::rules::calendar::{Day, days, stretches_of};
use pgrx::pg_sys::Oid;

/// What a row of the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Base,
    Daily,
    Stored,
}

/// Keys that a repair is about; as arrays, one a key column.
pub type KeyArrays = [Param<'static>];

/// What to read.
pub struct Reading<'a> {
    pub definition: &'a Definition,
    /// The snapshot to start from.
    pub base: Option<Day>,
    /// The daily rows to go on with: first and last day.
    pub daily: (Day, Day),
    /// Snapshots to compare with, ascending.
    pub stored: &'a [Day],
    /// Only these keys; all when there is none.
    pub keys: Option<&'a KeyArrays>,
    /// Names of the value columns that are read, and their layouts.
    values: Vec<String>,
    pub value_layouts: Vec<Layout>,
    value_types: Vec<String>,
    /// Where each metric's array is among them.
    arrays: Vec<usize>,
}

/// Where the columns of a row of the stream are.
#[derive(Clone, Copy)]
pub struct Columns {
    keys: usize,
    values: usize,
}

const FIRST_KEY: usize = 2;

/// Days that a condition names; more are a range.
const MOST_NAMED: i32 = 128;

impl Columns {
    pub fn kind(self, row: &Row) -> Kind {
        match row.datum(0).map_or(0, |kind| kind.value()) {
            0 => Kind::Base,
            1 => Kind::Daily,
            _ => Kind::Stored,
        }
    }

    pub fn day(self, row: &Row) -> Day {
        row.get(1).unwrap_or_default()
    }

    /// Key columns are never NULL in daily and cumulative tables.
    pub fn key<'r>(self, row: &Row<'r>, index: usize) -> Datum<'r> {
        row.some(FIRST_KEY + index)
    }

    /// Arrays, or arrays and totals where stored snapshots are compared.
    pub fn value<'r>(self, row: &Row<'r>, index: usize) -> Option<Datum<'r>> {
        row.datum(FIRST_KEY + self.keys + index)
    }

    pub fn metric<'r>(self, row: &Row<'r>, index: usize) -> Option<Datum<'r>> {
        row.datum(FIRST_KEY + self.keys + self.values + index)
    }
}

impl<'a> Reading<'a> {
    pub fn new(
        definition: &'a Definition,
        base: Option<Day>,
        daily: (Day, Day),
        stored: &'a [Day],
        keys: Option<&'a KeyArrays>,
    ) -> Self {
        let arrays: Vec<String> = definition.metrics.iter().map(|metric| metric.array_column()).collect();
        // Totals are read only to be compared.
        let values = if stored.is_empty() { arrays.clone() } else { definition.value_columns() };
        let columns = definition.target.columns();
        let oid_of = |name: &String| {
            columns.iter().find(|column| column.name == *name).map_or(Oid::INVALID, |column| column.type_oid)
        };
        Reading {
            definition,
            base,
            daily,
            stored,
            keys,
            value_layouts: values.iter().map(|name| Layout::of(oid_of(name))).collect(),
            value_types: values.iter().map(|name| type_sql(oid_of(name), -1)).collect(),
            arrays: arrays.iter().map(|name| values.iter().position(|value| value == name).unwrap_or(0)).collect(),
            values,
        }
    }

    /// Where a metric's array is among the value columns.
    pub fn array_index(&self, metric: usize) -> usize {
        self.arrays[metric]
    }

    /// All rows, those of a key together.
    pub fn statement(&self) -> (Statement<'_>, Columns) {
        // By place: any name may be that of a key, too.
        let order = self.definition.key_places(FIRST_KEY);
        let branches = self.branches();
        let sql = if branches.len() == 1 {
            format!("{} ORDER BY {order}", branches[0])
        } else {
            // Each branch sorted for itself, most often by its index, so that they are only merged.
            let sorted: Vec<String> = branches.iter().map(|branch| format!("({branch} ORDER BY {order})")).collect();
            format!("{} ORDER BY {order}", sorted.join(" UNION ALL "))
        };
        let mut statement = Statement::new(&sql);
        for param in self.keys.unwrap_or_default() {
            statement = statement.bind_param(*param);
        }
        (statement, self.columns())
    }

    fn columns(&self) -> Columns {
        Columns { keys: self.definition.keys.len(), values: self.values.len() }
    }

    fn branches(&self) -> Vec<String> {
        let snapshot: Vec<String> = self.values.iter().map(|column| format!("t.{}", ident(column))).collect();
        let no_metrics = self.nulls(self.definition.metrics.iter().map(|metric| type_sql(metric.element.oid, -1)));
        let target = self.definition.target.sql();
        let mut branches = Vec::new();
        if let Some(base) = self.base {
            let from = self.days_of(&target, base, base);
            branches.push(self.select(0, (base, base), &snapshot.join(", "), &no_metrics, &from));
        }
        let metrics: Vec<String> =
            self.definition.metrics.iter().map(|metric| format!("t.{}", ident(&metric.daily_column))).collect();
        let no_values = self.nulls(self.value_types.iter().cloned());
        let from = self.days_of(&self.definition.daily.sql(), self.daily.0, self.daily.1);
        branches.push(self.select(1, self.daily, &no_values, &metrics.join(", "), &from));
        for stretch in self.stored_stretches() {
            let from = self.days_of(&target, stretch.0, stretch.1);
            branches.push(self.select(2, stretch, &snapshot.join(", "), &no_metrics, &from));
        }
        branches
    }

    /// Of some keys cut as the table is, so that each part is looked up in its own partition.
    fn stored_stretches(&self) -> Vec<(Day, Day)> {
        let partition_by = self.definition.partition_by;
        stretches_of(self.stored.iter().copied(), |left, right| match partition_by {
            _ if self.keys.is_none() => true,
            PartitionBy::Month => left.month_start() == right.month_start(),
            PartitionBy::Day => false,
            PartitionBy::None => true,
        })
    }

    fn select(&self, kind: u8, (first, last): (Day, Day), values: &str, metrics: &str, from: &str) -> String {
        let keys = self.definition.key_list("t.");
        // The day is the last column of a row: where it is known, those before it need not be taken apart.
        let day = if first == last { format!("DATE '{first}'") } else { format!("t.{SNAPSHOT_DATE}") };
        format!("SELECT {kind}, {day}, {keys}, {values}, {metrics} {from}")
    }

    fn nulls(&self, types: impl Iterator<Item = String>) -> String {
        types.map(|name| format!("NULL::{name}")).collect::<Vec<_>>().join(", ")
    }

    /// FROM and WHERE for the rows of a table in a range of days, of the wanted keys.
    fn days_of(&self, table: &str, from: Day, to: Day) -> String {
        let count = to.since(from) + 1;
        let range = match self.keys {
            _ if count == 1 => format!("t.{SNAPSHOT_DATE} = DATE '{from}'"),
            // Named one by one, days and key together are looked up in the index.
            Some(_) if count <= MOST_NAMED => {
                let named: Vec<String> = days(from, to).map(|day| format!("DATE '{day}'")).collect();
                format!("t.{SNAPSHOT_DATE} = ANY (ARRAY[{}])", named.join(", "))
            }
            _ => format!("t.{SNAPSHOT_DATE} BETWEEN DATE '{from}' AND DATE '{to}'"),
        };
        let Some(keys) = self.keys else { return format!("FROM {table} t WHERE {range}") };
        let lists: Vec<String> = (1..=keys.len()).map(|number| format!("pg_catalog.unnest(${number})")).collect();
        let names = table::idents(self.definition.keys.iter().map(|key| key.name.as_str()));
        let same: Vec<String> = self.definition.keys.iter().map(|key| key.equal("t.", "wanted.")).collect();
        format!(
            "FROM ROWS FROM ({}) AS wanted ({names}) JOIN {table} t ON {range} AND {}",
            lists.join(", "),
            same.join(" AND ")
        )
    }
}

/// Keys as arrays, one a key column.
pub fn key_arrays(definition: &Definition, keys: &[Vec<Image>]) -> Vec<Param<'static>> {
    let columns = definition.keys.iter().enumerate();
    columns
        .map(|(index, key)| {
            let elements: Vec<Option<Image>> = keys.iter().map(|key| Some(key[index].clone())).collect();
            Param {
                oid: table::array_type(key.layout.oid).unwrap_or(Oid::INVALID),
                value: Some(array::write_any(key.layout, &elements)),
            }
        })
        .collect()
}
