//! A key that a caller names, as a jsonb object of all key columns.

use super::Subject;
use crate::error::Error;
use crate::pg::spi::{Param, Statement};
use crate::pg::table::ident;
use crate::pg::value::Image;
use pgrx::pg_sys::{self, Datum, Oid};
use std::collections::BTreeSet;

/// The values of one key's columns.
pub struct KeyValue(Vec<(Oid, Image)>);

impl KeyValue {
    /// Binds them to a statement, as $1, $2 and so on.
    pub fn bind_to(&self, statement: Statement) -> Statement {
        let params = self.0.iter().map(|(oid, value)| Param { oid: *oid, value: Some(value.datum()) });
        params.fold(statement, Statement::bind_param)
    }
}

impl Subject {
    /// Reads a key, which must name every key column and nothing else.
    pub fn key(&self, given: Datum) -> Result<KeyValue, Error> {
        let keys = &self.definition.keys;
        let refused = || Error::KeyForm {
            table: self.definition.target.label(),
            columns: keys.iter().map(|key| key.name.clone()).collect(),
        };
        let ask = |sql: &str| Statement::new(sql).bind_param(Param { oid: pg_sys::JSONBOID, value: Some(given) });
        let names =
            "SELECT pg_catalog.jsonb_object_keys(CASE pg_catalog.jsonb_typeof($1) WHEN 'object' THEN $1 ELSE '{}' END)";
        let named: BTreeSet<String> = ask(names).map(|row| row.get(0).unwrap_or_default()).into_iter().collect();
        if named != keys.iter().map(|key| key.name.clone()).collect() {
            return Err(refused());
        }
        let columns = self.each_key(|_, key| format!("x.{}", ident(&key.name)));
        let record = format!("pg_catalog.jsonb_populate_record(NULL::{}, $1)", self.definition.daily.sql());
        let values = ask(&format!("SELECT {columns} FROM {record} AS x")).first(|row| {
            let columns = keys.iter().enumerate();
            let value = columns.map(|(index, key)| Some((key.layout.oid, Image::of(key.layout, row.datum(index)?))));
            value.collect::<Option<Vec<(Oid, Image)>>>()
        });
        values.flatten().map(KeyValue).ok_or_else(refused)
    }

    /// SQL: `x` is of the key that is bound to the statement.
    pub fn is_key(&self) -> String {
        let keys = self.definition.keys.iter().enumerate();
        let same = keys.map(|(index, key)| format!("x.{} {} ${}", ident(&key.name), key.equality, index + 1));
        same.collect::<Vec<_>>().join(" AND ")
    }
}
