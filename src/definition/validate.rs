//! Every mistake in a definition, refused by name before anything is made.

use super::blueprint::PlannedMetric;
use crate::catalog::Late;
use crate::catalog::TimeType;
use crate::catalog::columns::total_type;
use crate::engine::daily;
use crate::error::Error;
use crate::pg::compare::Order;
use crate::pg::encoding::ServerText;
use crate::pg::expression::{self, named};
use crate::pg::identity;
use crate::pg::spi::Statement;
use crate::pg::table::{self, Column, LONGEST_NAME, Table};
use crate::pg::value;
use crate::rules::metrics::{MetricForm, Zero};
use crate::rules::schedule::Schedule;
use crate::rules::window::{LONGEST_WINDOW, Rollup};
use pgrx::pg_sys::{self, Oid};

pub fn name_length(name: &str) -> Result<(), Error> {
    let bytes = ServerText::of(name).bytes().len();
    if bytes > LONGEST_NAME { Err(Error::NameTooLong { name: name.to_owned(), bytes }) } else { Ok(()) }
}

pub fn windows(windows: &[Option<i32>]) -> Result<Vec<usize>, Error> {
    let refuse = |reason: String| Err(Error::Windows { reason });
    if windows.is_empty() {
        return refuse("the list is empty".to_owned());
    }
    let mut checked = Vec::new();
    for window in windows {
        let Some(days) = window else { return refuse("one of them is NULL".to_owned()) };
        let length = usize::try_from(*days).unwrap_or(0);
        if length == 0 || length > LONGEST_WINDOW {
            return refuse(format!("a window of {days} days is not between 1 and {LONGEST_WINDOW}"));
        }
        if checked.contains(&length) {
            return refuse(format!("{days} is listed twice"));
        }
        checked.push(length);
    }
    Ok(checked)
}

pub fn zone(zone: &str) -> Result<(), Error> {
    let known =
        Statement::new("SELECT FROM pg_catalog.pg_timezone_names WHERE pg_catalog.lower(name) = pg_catalog.lower($1)")
            .bind(zone)
            .exists();
    if known { Ok(()) } else { Err(Error::UnknownZone { zone: zone.to_owned() }) }
}

pub fn schedule(schedule: &str) -> Result<(), Error> {
    let refuse = |reason| Error::BadSchedule { schedule: schedule.to_owned(), reason };
    Schedule::parse(schedule).map(|_| ()).map_err(refuse)
}

pub fn lookback(days: i32) -> Result<(), Error> {
    let most = LONGEST_WINDOW as i64;
    if (0..=most).contains(&days.into()) {
        return Ok(());
    }
    Err(Error::NumberOutOfRange { argument: "lookback", given: days.into(), least: 0, most })
}

/// At least the longest window and a day are kept, also by a month that is February.
pub fn retention(retention: Option<&str>, windows: &[usize]) -> Result<(), Error> {
    let Some(retention) = retention else { return Ok(()) };
    let least = windows.iter().copied().max().unwrap_or(1) as i64 + 1;
    let enough = Statement::new("SELECT DATE '2001-03-01' - (DATE '2001-03-01' - $1::interval)::date >= $2")
        .bind(retention)
        .bind(least)
        .first(|row| row.get::<bool>(0))
        .flatten();
    if enough == Some(true) {
        return Ok(());
    }
    Err(Error::RetentionTooShort { retention: retention.to_owned(), least })
}

pub fn source(oid: Oid, owner: Oid, late: Late) -> Result<Table, Error> {
    let unknown = || Error::NotASource { source: oid.to_u32().to_string(), kind: "no relation".to_owned() };
    let source = Table::find(oid).ok_or_else(unknown)?;
    let refuse = |kind: String| Err(Error::NotASource { source: source.label(), kind });
    if !matches!(source.kind, 'r' | 'p' | 'v' | 'm' | 'f') {
        return refuse(source.kind_name().to_owned());
    }
    if source.schema == "pg_catalog" || source.schema == "information_schema" {
        return refuse("a system catalog".to_owned());
    }
    if source.name.starts_with("pg_temp") || source.schema.starts_with("pg_temp") {
        return refuse("a temporary table, which ends with its session".to_owned());
    }
    if !table::may_read(owner, oid) {
        return Err(Error::SourceDenied { source: source.sql(), owner: table::role_name(owner) });
    }
    daily::check_row_security(oid, owner)?;
    if late == Late::Trigger {
        noted_by_triggers(&source, owner)?;
    }
    Ok(source)
}

/// Triggers can be made on ordinary and partitioned tables of one's own, and see all rows unless children inherit.
fn noted_by_triggers(source: &Table, owner: Oid) -> Result<(), Error> {
    let refuse = |kind: &str| Err(Error::LateOnSource { source: source.label(), kind: kind.to_owned() });
    if !matches!(source.kind, 'r' | 'p') {
        return refuse(source.kind_name());
    }
    let has_children = source.kind == 'r'
        && Statement::new("SELECT FROM pg_catalog.pg_inherits WHERE inhparent = $1").bind(source.oid).exists();
    if has_children {
        return refuse("a table with inheritance children");
    }
    if !identity::is_member(owner, source.owner) {
        return refuse("owned by another role");
    }
    Ok(())
}

fn column<'a>(source: &Table, columns: &'a [Column], name: &str) -> Result<&'a Column, Error> {
    columns.iter().find(|column| column.name == name).ok_or_else(|| {
        let names: Vec<String> = columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        Error::UnknownColumn { column: name.to_owned(), table: source.label(), columns: names.join(", ") }
    })
}

pub fn time_column(source: &Table, columns: &[Column], name: &str) -> Result<(String, TimeType), Error> {
    let column = column(source, columns, name)?;
    let wrong = || Error::TimeColumnType { column: name.to_owned(), type_name: column.type_sql() };
    let kind = TimeType::of(column.type_oid).ok_or_else(wrong)?;
    Ok((column.name.clone(), kind))
}

pub fn keys(source: &Table, columns: &[Column], names: &[Option<String>]) -> Result<Vec<Column>, Error> {
    let mut keys: Vec<Column> = Vec::new();
    for name in names {
        let name = name.as_deref().ok_or(Error::NoKeys)?;
        let column = column(source, columns, name)?;
        if keys.iter().any(|key| key.name == name) {
            return Err(Error::DuplicateName { name: name.to_owned(), kind: "key" });
        }
        // Changed keys travel as arrays of them, which arrays and rows cannot.
        let travels = table::array_type(column.type_oid).is_some() && !table::is_composite(column.type_oid);
        if !Order::exists(column.type_oid) || !travels {
            return Err(Error::KeyType { column: name.to_owned(), type_name: column.type_sql() });
        }
        keys.push(column.clone());
    }
    if keys.is_empty() { Err(Error::NoKeys) } else { Ok(keys) }
}

pub fn metrics(source: &Table, keys: &[Column], forms: Vec<MetricForm>) -> Result<Vec<PlannedMetric>, Error> {
    forms.into_iter().map(|form| metric(source, keys, form)).collect()
}

pub fn metric(source: &Table, keys: &[Column], form: MetricForm) -> Result<PlannedMetric, Error> {
    let what = format!("metric \"{}\"", form.name);
    if form.name.is_empty() || form.body.daily.as_deref() == Some("") {
        return Err(Error::MetricsForm { reason: "a metric has no name".to_owned() });
    }
    let rollup = Rollup::from_name(&form.body.rollup).ok_or_else(|| Error::UnknownChoice {
        argument: "rollup",
        given: form.body.rollup.clone(),
        allowed: Rollup::NAMES.to_vec(),
    })?;
    let group = table::idents(keys.iter().map(|key| key.name.as_str()));
    let rest = format!("FROM {} GROUP BY {group}", source.sql());
    let analysis = expression::analyse(&what, &form.body.value, &rest)?;
    if !analysis.aggregates {
        return Err(Error::NotAnAggregate { metric: form.name, expression: form.body.value });
    }
    let (oid, modifier) = element_type(&what, &form, (analysis.type_oid, analysis.modifier), &rest)?;
    let total = total_type_sql(&form, rollup, oid, modifier)?;
    if let Zero::Text(zero) = &form.body.zero {
        let type_name = table::type_sql(oid, modifier);
        named(&what, || {
            value::from_text(oid, modifier, &ServerText::of(zero));
            Ok(())
        })
        .map_err(|_| Error::ZeroValue { metric: form.name.clone(), zero: zero.clone(), type_name })?;
    }
    Ok(PlannedMetric { rollup, element: table::type_sql(oid, modifier), total, form })
}

/// The element type: the declared one, to which the expression must convert, or the expression's own.
fn element_type(what: &str, form: &MetricForm, own: (Oid, i32), rest: &str) -> Result<(Oid, i32), Error> {
    let unknown = |name: &str| Error::UnknownType { metric: form.name.clone(), type_name: name.to_owned() };
    let (oid, modifier) = match &form.body.element {
        Some(name) => table::type_named(name).ok_or_else(|| unknown(name))?,
        None => own,
    };
    if table::array_type(oid).is_none() {
        return Err(unknown(form.body.element.as_deref().unwrap_or(&table::type_sql(oid, modifier))));
    }
    if form.body.element.is_some() {
        let cast = format!("(\n{}\n)::{}", form.body.value, table::type_sql(oid, modifier));
        expression::analyse(what, &cast, rest)?;
    }
    Ok((oid, modifier))
}

fn total_type_sql(form: &MetricForm, rollup: Rollup, element: Oid, modifier: i32) -> Result<String, Error> {
    let type_name = table::type_sql(element, modifier);
    let ordered = !matches!(rollup, Rollup::Max | Rollup::Min) || Order::exists(element);
    match total_type(rollup, element).filter(|_| ordered) {
        Some(total) if total == element && !matches!(rollup, Rollup::Sum | Rollup::Avg) => Ok(type_name),
        Some(total) => Ok(table::type_sql(total, -1)),
        None => Err(Error::NotSummable { metric: form.name.clone(), type_name }),
    }
}

pub fn filter(source: &Table, filter: &str) -> Result<(), Error> {
    let analysis = expression::analyse("filter", filter, &format!("FROM {}", source.sql()))?;
    if analysis.aggregates {
        return Err(Error::NotOneExpression {
            what: "filter".to_owned(),
            expression: filter.to_owned(),
            reason: "it has an aggregate".to_owned(),
        });
    }
    if analysis.type_oid != pg_sys::BOOLOID {
        let type_name = table::type_sql(analysis.type_oid, analysis.modifier);
        return Err(Error::FilterType { expression: filter.to_owned(), type_name });
    }
    Ok(())
}
