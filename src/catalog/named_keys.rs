//! Keys that a caller names: a jsonb object of all key columns each, alone or in an array.

use super::Definition;
use crate::error::Error;
use crate::pg::spi::{Param, Statement};
use crate::pg::table::ident;
use crate::pg::value::{Datum, Image};
use pgrx::pg_sys;

/// The values of a key's columns.
pub type KeyValues = Vec<Image>;

/// Reads one key.
pub fn one(definition: &Definition, given: Datum) -> Result<KeyValues, Error> {
    match several(definition, given)?.as_slice() {
        [key] => Ok(key.clone()),
        _ => Err(refused(definition)),
    }
}

/// Reads keys, each of them once however often it is named; each must name every key column and nothing else.
pub fn several(definition: &Definition, given: Datum) -> Result<Vec<KeyValues>, Error> {
    let keys = &definition.keys;
    let ask = |sql: &str| Statement::new(sql).bind_param(Param { oid: pg_sys::JSONBOID, value: Some(given) });
    let names: Vec<String> = keys.iter().map(|key| key.name.clone()).collect();
    let strange = ask(&format!(
        "SELECT FROM {GIVEN} WHERE pg_catalog.jsonb_typeof(x) <> 'object' OR NOT EXISTS (
         SELECT FROM (SELECT pg_catalog.array_agg(name) AS names
                      FROM pg_catalog.jsonb_object_keys(
                          CASE pg_catalog.jsonb_typeof(x) WHEN 'object' THEN x ELSE '{{}}' END) AS name) AS given
         WHERE names OPERATOR(pg_catalog.<@) $2 AND names OPERATOR(pg_catalog.@>) $2)"
    ));
    if strange.bind(names).exists() {
        return Err(refused(definition));
    }
    let columns: Vec<String> = keys.iter().map(|key| format!("r.{}", ident(&key.name))).collect();
    let record = format!("pg_catalog.jsonb_populate_record(NULL::{}, x)", definition.daily.sql());
    let rows = ask(&format!("SELECT DISTINCT {} FROM {GIVEN}, {record} AS r", columns.join(", "))).map(|row| {
        let value = |(index, key): (usize, &super::Key)| Some(Image::of(key.layout, row.datum(index)?));
        keys.iter().enumerate().map(value).collect::<Option<KeyValues>>()
    });
    rows.into_iter().collect::<Option<Vec<KeyValues>>>().ok_or_else(|| refused(definition))
}

/// SQL: the objects of $1, one a row, as `x`.
const GIVEN: &str = "pg_catalog.jsonb_array_elements(
    CASE pg_catalog.jsonb_typeof($1) WHEN 'array' THEN $1 ELSE pg_catalog.jsonb_build_array($1) END) AS x";

fn refused(definition: &Definition) -> Error {
    Error::KeyForm {
        table: definition.target.label(),
        columns: definition.keys.iter().map(|key| key.name.clone()).collect(),
    }
}
