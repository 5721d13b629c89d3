//! The types that columns must have. Rows are written and read past the executor, which would convert a value to its
//! column's type, and round or cut it to its modifier: also when somebody has changed a table since, a column must have the
//! type of the values that come into it, and a modifier that keeps them.

use super::definition::{NUM_EVENTS, SNAPSHOT_DATE, missing};
use super::parts::{Defect, restate_all};
use super::{Definition, Key, Metric};
use crate::error::Error;
use crate::pg::modifier;
use crate::pg::table::{self, Column, Table, ident, type_sql};
use crate::rules::window::Rollup;
use pgrx::pg_sys::{self, Oid};

/// Refuses tables with columns of other types than the fold takes them for.
pub fn check_types(
    target: &Table,
    daily: &Table,
    keys: &[Key],
    metrics: &[Metric],
    windows: &[i32],
) -> Result<(), Error> {
    let mut expected: Vec<(&Table, String, Oid)> = Vec::new();
    for key in keys {
        expected.push((daily, key.name.clone(), key.layout.oid));
    }
    for table in [target, daily] {
        expected.push((table, SNAPSHOT_DATE.to_owned(), pg_sys::DATEOID));
    }
    expected.push((daily, NUM_EVENTS.to_owned(), pg_sys::INT8OID));
    for metric in metrics {
        let element = metric.element.oid;
        expected.push((daily, metric.daily_column.clone(), element));
        expected.push((target, metric.array_column(), table::array_type(element).unwrap_or(Oid::INVALID)));
        for window in windows.iter().filter(|_| metric.rollup != Rollup::None) {
            let total = total_type(metric.rollup, element).unwrap_or(Oid::INVALID);
            expected.push((target, metric.total_column(*window as usize), total));
        }
    }
    let (of_target, of_daily) = (target.columns(), daily.columns());
    for (table, name, oid) in expected {
        let columns = if table.oid == target.oid { &of_target } else { &of_daily };
        let found = columns.iter().find(|column| column.name == name);
        let type_oid = found.map(|column| column.type_oid);
        if type_oid != Some(oid) {
            let wanted = table::type_sql(oid, -1);
            return Err(missing(table, &format!("its column \"{name}\" is missing or not of type {wanted}")));
        }
    }
    Ok(())
}

/// The type of a total; None when the roll-up cannot be made of such elements.
pub fn total_type(rollup: Rollup, element: Oid) -> Option<Oid> {
    let whole = [pg_sys::INT2OID, pg_sys::INT4OID, pg_sys::INT8OID].contains(&element);
    let floating = [pg_sys::FLOAT4OID, pg_sys::FLOAT8OID].contains(&element);
    let numeric = element == pg_sys::NUMERICOID;
    match rollup {
        Rollup::Sum if whole => Some(pg_sys::INT8OID),
        Rollup::Avg if whole => Some(pg_sys::NUMERICOID),
        Rollup::Sum | Rollup::Avg if floating => Some(pg_sys::FLOAT8OID),
        Rollup::Sum | Rollup::Avg if numeric => Some(pg_sys::NUMERICOID),
        Rollup::Sum | Rollup::Avg => None,
        Rollup::Max | Rollup::Min | Rollup::Last | Rollup::None => Some(element),
    }
}

/// A column that by now rounds or cuts what comes into it, if there is one; `values` are the modifiers of what the aggregate function
/// selects: the day, keys, number of events, metrics.
pub fn coarse_column(definition: &Definition, values: &[i32]) -> Option<Defect> {
    let (daily, target) = (&definition.daily, &definition.target);
    let first_metric = 2 + definition.keys.len();
    let of_daily = daily_columns(definition, first_metric);
    let of_target = target_columns(definition, first_metric);
    let differs = |table: &Table, columns: Vec<(String, Option<usize>)>| {
        let present = table.columns();
        columns.into_iter().find_map(|(name, place)| {
            let of_values = place.map_or(-1, |place| values.get(place).copied().unwrap_or(-1));
            let column = present.iter().find(|column| column.name == name)?;
            let kept = modifier::keeps(column.type_oid, column.modifier, of_values);
            (!kept).then(|| defect(target, table, column, of_values))
        })
    };
    differs(daily, of_daily).or_else(|| differs(target, of_target))
}

/// Columns of the daily table, each with the place of its values.
fn daily_columns(definition: &Definition, first_metric: usize) -> Vec<(String, Option<usize>)> {
    let metrics = definition.metrics.iter().enumerate();
    let metrics = metrics.map(|(index, metric)| (metric.daily_column.clone(), Some(first_metric + index)));
    keys(definition).chain(metrics).collect()
}

/// Columns of the cumulative table; sums and means are of no value that comes in.
fn target_columns(definition: &Definition, first_metric: usize) -> Vec<(String, Option<usize>)> {
    let mut columns: Vec<_> = keys(definition).collect();
    for (index, metric) in definition.metrics.iter().enumerate() {
        let place = Some(first_metric + index);
        columns.push((metric.array_column(), place));
        let of_total = place.filter(|_| !matches!(metric.rollup, Rollup::Sum | Rollup::Avg));
        if metric.rollup != Rollup::None {
            columns.extend(definition.windows.iter().map(|window| (metric.total_column(*window), of_total)));
        }
    }
    columns
}

fn keys(definition: &Definition) -> impl Iterator<Item = (String, Option<usize>)> {
    definition.keys.iter().enumerate().map(|(index, key)| (key.name.clone(), Some(1 + index)))
}

fn defect(target: &Table, table: &Table, column: &Column, modifier: i32) -> Defect {
    let (name, was) = (&column.name, type_sql(column.type_oid, modifier));
    Defect {
        reason: format!("column \"{name}\" of {} has type {} by now, not {was}", table.sql(), column.type_sql()),
        remedy: format!("ALTER TABLE {} ALTER COLUMN {} TYPE {was}; {}", table.sql(), ident(name), restate_all(target)),
    }
}
