//! Questions about keys and days, answered from the daily table.
//!
//! An answer reads the ledger, the notes and the daily table as they are at one moment. It asks for rights that the
//! caller has on the cumulative table; the daily table is read as its owner.

pub mod activity;
pub mod anomalies;
pub mod forecast;
mod key;
mod numbered;
mod numbers;
mod range;
pub mod ranking;
mod reading;
pub mod series;

use crate::catalog::definition::SNAPSHOT_DATE;
use crate::catalog::{Definition, Key, Metric};
use crate::error::Error;
use crate::late::collect;
use crate::pg::identity::as_owner;
use crate::pg::spi::{Statement, in_one_snapshot};
use crate::pg::table::{self, ident, literal};
use crate::rules::calendar::{Day, days};
use crate::rules::window::Rollup;
use pgrx::pg_sys::Oid;

/// A cumulative table that the caller asks about, and may.
pub struct Subject {
    pub definition: Definition,
    /// The metric that the caller named.
    pub metric: Option<Metric>,
}

/// Runs `work` on a cumulative table with its owner's rights, after a look at those of the caller: SELECT on the key
/// columns and on those of the metric.
pub fn about<T>(
    target: Oid,
    metric: Option<&str>,
    work: impl FnOnce(&Subject) -> Result<T, Error>,
) -> Result<T, Error> {
    // What this transaction has noted so far is to be seen, too.
    collect::flush();
    in_one_snapshot(|| {
        let definition = Definition::find(target)?;
        let metric = metric.map(|name| metric_of(&definition, name)).transpose()?;
        let subject = Subject { definition, metric };
        subject.check_reader()?;
        as_owner(subject.definition.target.owner, || work(&subject))
    })
}

fn metric_of(definition: &Definition, name: &str) -> Result<Metric, Error> {
    let found = definition.metrics.iter().find(|metric| metric.name == name).cloned();
    found.ok_or_else(|| Error::UnknownMetric {
        metric: name.to_owned(),
        table: definition.target.label(),
        metrics: definition.metrics.iter().map(|metric| metric.name.clone()).collect(),
    })
}

impl Subject {
    /// Refuses a caller who could not read the same from the cumulative table.
    fn check_reader(&self) -> Result<(), Error> {
        let (target, role) = (&self.definition.target, table::role_name(table::current_role()));
        if Statement::new("SELECT WHERE pg_catalog.row_security_active($1)").bind(target.oid).exists() {
            return Err(Error::ReaderRowSecurity { table: target.sql(), role });
        }
        let denied = |grant: String| Err(Error::ReaderDenied { table: target.sql(), role, grant });
        let schema = Statement::new("SELECT WHERE pg_catalog.has_schema_privilege($1, 'USAGE')");
        if !schema.bind(target.schema.as_str()).exists() {
            return denied(format!("USAGE ON SCHEMA {}", ident(&target.schema)));
        }
        let columns = self.columns();
        let unreadable = Statement::new(
            "SELECT FROM pg_catalog.unnest($2) AS name WHERE NOT pg_catalog.has_column_privilege($1, name, 'SELECT')",
        );
        if unreadable.bind(target.oid).bind(columns.clone()).exists() {
            let columns = table::idents(columns.iter().map(String::as_str));
            return denied(format!("SELECT ({columns}) ON {}", target.sql()));
        }
        Ok(())
    }

    /// Columns of the cumulative table that say as much as an answer: the keys, and the metric's array and totals.
    fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = self.definition.keys.iter().map(|key| key.name.clone()).collect();
        if let Some(metric) = &self.metric {
            columns.push(metric.array_column());
            if metric.rollup != Rollup::None {
                columns.extend(self.definition.windows.iter().map(|window| metric.total_column(*window)));
            }
        }
        columns
    }

    /// FROM and WHERE: the daily rows of a range of days, as `x`.
    fn daily_rows(&self, from: Day, to: Day) -> String {
        let daily = self.definition.daily.sql();
        format!("FROM {daily} AS x WHERE x.{SNAPSHOT_DATE} BETWEEN DATE '{from}' AND DATE '{to}'")
    }

    /// The same, named day by day: with the key behind it each is looked up in the index.
    fn daily_rows_of_days(&self, from: Day, to: Day) -> String {
        let daily = self.definition.daily.sql();
        let named: Vec<String> = days(from, to).map(|day| format!("'{day}'")).collect();
        format!("FROM {daily} AS x WHERE x.{SNAPSHOT_DATE} = ANY (ARRAY[{}]::date[])", named.join(", "))
    }

    /// The key columns of `x` under names that no column of a user is in the way of: k1, k2 and so on.
    fn keys_renamed(&self) -> String {
        self.each_key(|number, key| format!("x.{} AS k{number}", ident(&key.name)))
    }

    /// Their places, to group by: a name could be that of a user's column, too.
    fn key_places(&self) -> String {
        self.each_key(|number, _| number.to_string())
    }

    /// These names, to order by.
    fn new_key_names(&self) -> String {
        self.each_key(|number, _| format!("k{number}"))
    }

    /// SQL for a key as jsonb, from these names, or from others with numbers.
    fn key_json(&self, names: &str) -> String {
        let parts = self.each_key(|number, key| format!("{}, {names}{number}", literal(&key.name)));
        format!("pg_catalog.jsonb_build_object({parts})")
    }

    fn each_key(&self, write: impl Fn(usize, &Key) -> String) -> String {
        let keys = self.definition.keys.iter().enumerate();
        keys.map(|(index, key)| write(index + 1, key)).collect::<Vec<_>>().join(", ")
    }
}
