//! Rows of a table brought to what they should be: inserted, updated or deleted one by one, and only where they differ.

use super::inserter::Inserter;
use super::{column_types, suitable};
use crate::catalog::definition::SNAPSHOT_DATE;
use crate::catalog::{Definition, Key};
use crate::pg::array;
use crate::pg::constraints::{Write, fire_now};
use crate::pg::lock;
use crate::pg::spi::{Param, Prepared};
use crate::pg::table::{Table, ident};
use crate::pg::value::{Datum, Layout};
use crate::rules::calendar::Day;
use pgrx::pg_sys::{self, Oid};
use std::convert::Infallible;

/// What was done to the rows of a day and key; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Rows that were inserted, updated or deleted.
    pub rows: i64,
    /// By how many there are more.
    pub balance: i64,
}

/// Compares and writes rows of one table, whose key is the day and the key columns.
pub struct RowWriter {
    table: Table,
    keys: Vec<Key>,
    values: Vec<String>,
    types: Vec<Oid>,
    layouts: Vec<Layout>,
    likeness: Vec<Likeness>,
    /// Whether the rows are known to fit into the bounds of the table, a partition.
    within_bounds: bool,
    insert: Option<Inserter>,
    update: Option<Prepared>,
    delete: Option<Prepared>,
}

/// A row's day and key, and how often it is stored: once but for tables that have lost their key index.
pub struct RowKey<'a> {
    pub day: Day,
    pub keys: &'a [Datum<'a>],
    pub copies: i64,
}

impl RowWriter {
    /// A writer for a table with these value columns.
    pub fn new(definition: &Definition, table: &Table, values: Vec<String>) -> Self {
        let mut writer = RowWriter {
            table: table.clone(),
            keys: definition.keys.clone(),
            values,
            types: Vec::new(),
            layouts: Vec::new(),
            likeness: Vec::new(),
            within_bounds: false,
            insert: None,
            update: None,
            delete: None,
        };
        writer.types = column_types(&table.columns(), &writer.columns());
        writer.layouts = writer.types.iter().map(|oid| Layout::of(*oid)).collect();
        writer.likeness = writer.types[1 + writer.keys.len()..].iter().map(|oid| Likeness::of(*oid)).collect();
        writer
    }

    /// For a partition of the days that its rows are of.
    pub fn within_bounds(self) -> Self {
        RowWriter { within_bounds: true, ..self }
    }

    /// Day, keys and values.
    fn columns(&self) -> Vec<String> {
        let keys = self.keys.iter().map(|key| key.name.clone());
        std::iter::once(SNAPSHOT_DATE.to_owned()).chain(keys).chain(self.values.iter().cloned()).collect()
    }

    /// Brings one row from what is stored to what is expected.
    pub fn bring(
        &mut self,
        key: &RowKey,
        stored: Option<&[Option<Datum>]>,
        expected: Option<&[Option<Datum>]>,
    ) -> Change {
        match (stored, expected) {
            (None, None) => Change::default(),
            (None, Some(values)) => self.insert(key, values),
            (Some(_), None) => self.delete(key),
            (Some(_), Some(values)) if key.copies > 1 => {
                let (deleted, inserted) = (self.delete(key), self.insert(key, values));
                Change { rows: deleted.rows, balance: deleted.balance + inserted.balance }
            }
            (Some(stored), Some(values)) if self.agree(stored, values) => Change::default(),
            (Some(_), Some(values)) => self.update(key, values),
        }
    }

    fn update(&mut self, key: &RowKey, values: &[Option<Datum>]) -> Change {
        let known = self.update.take();
        let statement = known.unwrap_or_else(|| self.prepare(Write::Update, &self.update_sql(), &self.types));
        let rows = statement.run(&self.params(key, values)) as i64;
        self.update = Some(statement);
        Change { rows, balance: 0 }
    }

    fn delete(&mut self, key: &RowKey) -> Change {
        let width = 1 + self.keys.len();
        let known = self.delete.take();
        let types = &self.types[..width];
        let statement = known.unwrap_or_else(|| self.prepare(Write::Delete, &self.delete_sql(), types));
        let rows = statement.run(&self.params(key, &[])) as i64;
        self.delete = Some(statement);
        Change { rows, balance: -rows }
    }

    fn prepare(&self, write: Write, sql: &str, types: &[Oid]) -> Prepared {
        fire_now(&self.table, write);
        Prepared::new(sql, types)
    }

    fn insert(&mut self, key: &RowKey, values: &[Option<Datum>]) -> Change {
        let mut inserter = self.insert.take().unwrap_or_else(|| self.inserter());
        let layouts = self.layouts.iter();
        let Ok(rows) = inserter.write(|row| -> Result<(), Infallible> {
            let all = Self::row(key, values).zip(layouts);
            row.extend(all.map(|(value, layout)| value.map(|value| layout.copy(value))));
            Ok(())
        });
        self.insert = Some(inserter);
        Change { rows, balance: rows }
    }

    fn inserter(&self) -> Inserter {
        let (table, columns) = (&self.table, self.columns());
        lock::as_writer(table.oid);
        // Where the table is the source of another, triggers note the rows.
        if suitable::is_noted(table.oid) {
            return Inserter::sql(table, &columns);
        }
        let direct = if self.within_bounds { Inserter::direct(table, &columns) } else { None };
        direct.unwrap_or_else(|| Inserter::open(table, &columns))
    }

    /// Writes what is left: no statement sees all new rows before.
    pub fn finish(self) {
        if let Some(inserter) = self.insert {
            inserter.finish();
        }
    }

    fn agree(&self, stored: &[Option<Datum>], expected: &[Option<Datum>]) -> bool {
        self.likeness.iter().zip(stored.iter().zip(expected)).all(|(likeness, values)| match values {
            (None, None) => true,
            (Some(stored), Some(expected)) => likeness.agree(*stored, *expected),
            _ => false,
        })
    }

    fn row<'r>(key: &'r RowKey, values: &'r [Option<Datum<'r>>]) -> impl Iterator<Item = Option<Datum<'r>>> + 'r {
        let day = std::iter::once(Some(Datum::from(key.day.number())));
        day.chain(key.keys.iter().copied().map(Some)).chain(values.iter().copied())
    }

    fn params<'r>(&self, key: &'r RowKey, values: &'r [Option<Datum<'r>>]) -> Vec<Param<'r>> {
        Self::row(key, values).zip(&self.types).map(|(value, oid)| Param { oid: *oid, value }).collect()
    }

    /// Day and key columns against the first parameters.
    fn condition(&self) -> String {
        let keys = self.keys.iter().enumerate();
        let same = keys.map(|(index, key)| format!(" AND t.{} {} ${}", ident(&key.name), key.equality, index + 2));
        format!("t.{SNAPSHOT_DATE} = $1{}", same.collect::<String>())
    }

    fn delete_sql(&self) -> String {
        format!("DELETE FROM {} AS t WHERE {}", self.table.sql(), self.condition())
    }

    fn update_sql(&self) -> String {
        let first = self.keys.len() + 2;
        let values = self.values.iter().enumerate();
        let set: Vec<String> = values.map(|(index, name)| format!("{} = ${}", ident(name), first + index)).collect();
        format!("UPDATE {} AS t SET {} WHERE {}", self.table.sql(), set.join(", "), self.condition())
    }
}

/// When two values of a column count as the same. Sums of floating point numbers depend on the order of the rows, so
/// that a difference in the last digits says nothing.
enum Likeness {
    Bytes(Layout),
    Real,
    Double,
    Reals,
    Doubles,
}

/// Closer than the law asks, and far wider than what the order of rows changes.
const DOUBLE_TOLERANCE: f64 = 1e-12;
const REAL_TOLERANCE: f64 = 1e-6;

impl Likeness {
    fn of(oid: Oid) -> Self {
        match oid {
            pg_sys::FLOAT4OID => Likeness::Real,
            pg_sys::FLOAT8OID => Likeness::Double,
            pg_sys::FLOAT4ARRAYOID => Likeness::Reals,
            pg_sys::FLOAT8ARRAYOID => Likeness::Doubles,
            _ => Likeness::Bytes(Layout::of(oid)),
        }
    }

    fn agree(&self, left: Datum, right: Datum) -> bool {
        let real = |datum: Datum| f64::from(f32::from_bits(datum.value() as u32));
        let double = |datum: Datum| f64::from_bits(datum.value() as u64);
        match self {
            Likeness::Bytes(layout) => layout.same(left, right),
            Likeness::Real => close(real(left), real(right), REAL_TOLERANCE),
            Likeness::Double => close(double(left), double(right), DOUBLE_TOLERANCE),
            Likeness::Reals => arrays_close::<f32>(left, right, REAL_TOLERANCE),
            Likeness::Doubles => arrays_close::<f64>(left, right, DOUBLE_TOLERANCE),
        }
    }
}

fn close(left: f64, right: f64, tolerance: f64) -> bool {
    left == right
        || (left.is_nan() && right.is_nan())
        || (left - right).abs() <= tolerance * left.abs().max(right.abs())
}

fn arrays_close<T: array::Number + Into<f64>>(left: Datum, right: Datum, tolerance: f64) -> bool {
    let read = |array| {
        let mut elements: Vec<Option<T>> = Vec::new();
        array::read_fixed(array, usize::MAX, &mut elements).map(|()| elements)
    };
    let (Ok(left), Ok(right)) = (read(left), read(right)) else { return false };
    left.len() == right.len()
        && left.iter().zip(&right).all(|pair| match pair {
            (None, None) => true,
            (Some(left), Some(right)) => close((*left).into(), (*right).into(), tolerance),
            _ => false,
        })
}
