//! Metrics of numbers, in SQL over daily rows that are called `x`.

use super::Subject;
use crate::catalog::Metric;
use crate::error::Error;
use crate::pg::table::{ident, literal, type_sql};
use crate::rules::window::Rollup;
use pgrx::pg_sys::{self, Oid};

/// A metric whose values are numbers.
pub struct Numbers<'a> {
    pub metric: &'a Metric,
}

const NUMBERS: [Oid; 6] =
    [pg_sys::INT2OID, pg_sys::INT4OID, pg_sys::INT8OID, pg_sys::FLOAT4OID, pg_sys::FLOAT8OID, pg_sys::NUMERICOID];

impl Subject {
    /// The metric that the caller named.
    pub fn numbers(&self) -> Result<Numbers<'_>, Error> {
        let metric = self.metric.as_ref().ok_or(Error::NullArgument { argument: "metric" })?;
        if !NUMBERS.contains(&metric.element.oid) {
            let type_name = type_sql(metric.element.oid, metric.modifier);
            return Err(Error::NotANumber {
                metric: metric.name.clone(),
                type_name,
                table: self.definition.target.sql(),
            });
        }
        Ok(Numbers { metric })
    }
}

impl Numbers<'_> {
    /// The value of a daily row; NULL is not known.
    pub fn value(&self) -> String {
        // real is summed and shown as double precision, as in totals.
        let wide = if self.metric.element.oid == pg_sys::FLOAT4OID { "::float8" } else { "" };
        format!("x.{}{wide}", ident(&self.metric.daily_column))
    }

    /// The value as arrays have it, with the metric's zero for NULL.
    pub fn cell(&self) -> String {
        match self.metric.zero {
            Some(_) => format!("coalesce({}, {})", self.value(), self.zero()),
            None => self.value(),
        }
    }

    /// The value of a day without events.
    pub fn zero(&self) -> String {
        let zero = self.metric.zero.as_ref().map_or("NULL".to_owned(), |zero| literal(zero));
        format!("{zero}::{}", type_sql(self.metric.element.oid, self.metric.modifier))
    }

    /// The roll-up of the cells of one key on the days that `condition` is true for.
    pub fn over_days(&self, condition: &str) -> Result<String, Error> {
        let cell = self.cell();
        Ok(match self.metric.rollup {
            Rollup::Sum => format!("sum({cell}) FILTER (WHERE {condition})"),
            Rollup::Max => format!("max({cell}) FILTER (WHERE {condition})"),
            Rollup::Min => format!("min({cell}) FILTER (WHERE {condition})"),
            Rollup::Avg => format!("avg({cell}) FILTER (WHERE {condition})"),
            Rollup::Last => format!(
                "(pg_catalog.array_agg({cell} ORDER BY x.snapshot_date DESC) FILTER (WHERE {condition} AND {cell} IS NOT NULL))[1]"
            ),
            Rollup::None => return Err(self.no_rollup("several days")),
        })
    }

    /// The roll-up of the cells of all keys on one day.
    pub fn over_keys(&self) -> Result<String, Error> {
        let cell = self.cell();
        Ok(match self.metric.rollup {
            Rollup::Sum => format!("sum({cell})"),
            Rollup::Max => format!("max({cell})"),
            Rollup::Min => format!("min({cell})"),
            Rollup::Avg | Rollup::Last | Rollup::None => return Err(self.no_rollup("all keys together")),
        })
    }

    fn no_rollup(&self, of: &'static str) -> Error {
        Error::NoRollup { metric: self.metric.name.clone(), rollup: self.metric.rollup.name(), of }
    }
}
