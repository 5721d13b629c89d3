//! A key that a caller names, as a jsonb object of all key columns.

use super::Subject;
use crate::catalog::named_keys;
use crate::error::Error;
use crate::pg::spi::{Param, Statement};
use crate::pg::table::ident;
use crate::pg::value::{Datum, Image};
use pgrx::pg_sys::{self, Oid};

/// The values of one key's columns.
pub struct KeyValue(Vec<(Oid, Image)>);

impl KeyValue {
    /// Binds them to a statement, as $1, $2 and so on.
    pub fn bind_to<'a>(&'a self, statement: Statement<'a>) -> Statement<'a> {
        let params = self.0.iter().map(|(oid, value)| Param { oid: *oid, value: Some(value.datum()) });
        params.fold(statement, Statement::bind_param)
    }

    pub fn into_columns(self) -> Box<[Image]> {
        self.0.into_iter().map(|(_, value)| value).collect()
    }
}

impl Subject {
    /// Whether jsonb is `{}`.
    pub fn is_empty_object(&self, given: Datum) -> bool {
        let given = Param { oid: pg_sys::JSONBOID, value: Some(given) };
        Statement::new("SELECT WHERE $1 = '{}'::jsonb").bind_param(given).exists()
    }

    /// Reads a key, which must name every key column and nothing else.
    pub fn key(&self, given: Datum) -> Result<KeyValue, Error> {
        let values = named_keys::one(&self.definition, given)?;
        let columns = self.definition.keys.iter().map(|key| key.layout.oid);
        Ok(KeyValue(columns.zip(values).collect()))
    }

    /// SQL: `x` is of the key that is bound to the statement.
    pub fn is_key(&self) -> String {
        let keys = self.definition.keys.iter().enumerate();
        let same = keys.map(|(index, key)| format!("x.{} {} ${}", ident(&key.name), key.equality, index + 1));
        same.collect::<Vec<_>>().join(" AND ")
    }
}
