//! Keys that no index takes: refused before they are written, by the row's day and with what leaves such rows out.

use crate::catalog::Definition;
use crate::catalog::definition::SNAPSHOT_DATE;
use crate::catalog::source_names::{self, SourceNames};
use crate::error::Error;
use crate::pg::key_size::{self, LONGEST_KEY};
use crate::pg::spi::Statement;
use crate::pg::table::{self, ident, literal};
use crate::pg::value::Datum;
use crate::rules::calendar::Day;
use pgrx::pg_sys::{self, Oid};

/// Shorter keys need no closer look.
const SURELY_SHORT: usize = 2_000;

/// What must be known of a definition to judge its keys.
pub struct KeyLimit<'a> {
    definition: &'a Definition,
    /// The key columns whose values may be long.
    long: Vec<usize>,
}

impl<'a> KeyLimit<'a> {
    pub fn of(definition: &'a Definition) -> Self {
        let varies = |index: &usize| definition.keys[*index].layout.length == -1;
        KeyLimit { definition, long: (0..definition.keys.len()).filter(varies).collect() }
    }

    /// Refuses a key that the index of a daily or cumulative table would not take.
    pub fn check<'k>(&self, day: Day, key: impl Fn(usize) -> Datum<'k>) -> Result<(), Error> {
        let bytes: usize = self.long.iter().map(|index| key_size::bytes(key(*index))).sum();
        if bytes <= SURELY_SHORT {
            return Ok(());
        }
        let columns = self.definition.daily.columns();
        let number = |name: &str| columns.iter().find(|column| column.name == name).map_or(0, |column| column.number);
        let names = std::iter::once(SNAPSHOT_DATE).chain(self.definition.keys.iter().map(|key| key.name.as_str()));
        let numbers: Vec<i16> = names.map(number).collect();
        let keys = (0..self.definition.keys.len()).map(&key);
        let values: Vec<Datum<'k>> = std::iter::once(Datum::from(day.number())).chain(keys).collect();
        if key_size::fits(self.definition.daily.oid, &numbers, &values) {
            return Ok(());
        }
        let sizes = self.long.iter().map(|index| (key_size::bytes(key(*index)), *index));
        let (longest, index) = sizes.max().unwrap_or_default();
        Err(self.refusal(day, index, longest, bytes - longest))
    }

    fn refusal(&self, day: Day, index: usize, bytes: usize, others: usize) -> Error {
        let definition = self.definition;
        Error::KeyTooLong {
            table: definition.target.label(),
            day,
            column: definition.keys[index].name.clone(),
            bytes,
            remedy: remedy(definition, index, LONGEST_KEY.saturating_sub(others).clamp(1, bytes - 1)),
        }
    }
}

/// A filter that leaves such rows out, where it can be changed and the type has a length that never changes.
fn remedy(definition: &Definition, index: usize, most: usize) -> String {
    let body = definition.body();
    let names = SourceNames::of(definition, body.as_ref());
    let (column, type_oid) = (ident(&names.keys[index]), definition.keys[index].layout.oid);
    match length_of(&column, type_oid).filter(|_| definition.frozen_through.is_none()) {
        Some(length) => {
            let short = format!("{length} <= {most}");
            let filter = match source_names::filter(definition, body.as_ref(), names.time_type) {
                Some(filter) => format!("({filter}) AND {short}"),
                None => short,
            };
            let target = literal(&definition.target.sql());
            format!("SELECT cumulate.alter_table({target}, filter => {});", literal(&filter))
        }
        None => {
            let source = table::Table::find(definition.source).map(|source| source.sql()).unwrap_or_default();
            format!("DELETE FROM {source} WHERE pg_column_size({column}) > {most};")
        }
    }
}

/// SQL: the length of a column's text; None when its text depends on settings.
fn length_of(column: &str, type_oid: Oid) -> Option<String> {
    let plain = [pg_sys::TEXTOID, pg_sys::VARCHAROID, pg_sys::BPCHAROID, pg_sys::BYTEAOID];
    if plain.contains(&type_oid) {
        return Some(format!("octet_length({column})"));
    }
    let constant = "SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_proc p ON p.oid = t.typoutput
                    WHERE t.oid = $1 AND p.provolatile = 'i'";
    Statement::new(constant).bind(type_oid).exists().then(|| format!("octet_length({column}::text)"))
}
