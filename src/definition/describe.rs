//! A definition written as the call that would make it, with the names that the source's columns have today.

use super::blueprint::{Blueprint, PlannedMetric};
use crate::catalog::source_names::{SourceNames, filter, filter_of};
use crate::catalog::{Definition, schedules};
use crate::pg::body::Body;
use crate::pg::table::{self, Column, literal};
use crate::rules::metrics::{self, MetricForm};

/// The create_table call.
pub fn describe(definition: &Definition) -> String {
    let lines: Vec<String> =
        arguments(definition).into_iter().map(|(name, value)| format!("    {name} => {value}")).collect();
    let call = format!("SELECT cumulate.create_table(\n{});", lines.join(",\n"));
    match schedules::find(definition.target.oid) {
        (Some(schedule), Some(zone)) => {
            let arguments = [definition.target.sql(), schedule, zone].map(|text| literal(&text));
            format!("{call}\nSELECT cumulate.schedule({});", arguments.join(", "))
        }
        _ => call,
    }
}

/// An argument of create_table, and its value as SQL writes it.
type Argument = (&'static str, String);

/// The arguments that would make such a table.
fn arguments(definition: &Definition) -> [Argument; 17] {
    let body = definition.body();
    let source = table::Table::find(definition.source);
    let names = SourceNames::of(definition, body.as_ref());
    let (schedule, _) = schedules::find(definition.target.oid);
    [
        ("name", literal(&definition.target.sql())),
        ("source", literal(&source.map(|source| source.sql()).unwrap_or_default())),
        ("time_column", literal(&names.time)),
        ("keys", texts(&names.keys)),
        ("metrics", literal(&metrics::write(&forms(definition, body.as_ref())))),
        ("windows", numbers(&definition.windows)),
        ("start_date", or_null(definition.start.map(|day| day.to_string()))),
        ("time_zone", literal(&definition.time_zone)),
        ("filter", or_null(filter(definition, body.as_ref(), names.time_type))),
        ("shape", literal(definition.shape.name())),
        ("expire_idle", definition.expire_idle.to_string()),
        ("late", literal(definition.late.name())),
        ("lookback", definition.lookback.to_string()),
        ("partition_by", literal(definition.partition_by.name())),
        ("retention", or_null(definition.retention.clone())),
        ("schedule", or_null(schedule)),
        ("daily", literal(&definition.daily.sql())),
    ]
}

/// The same of what create_table was asked for.
fn asked(blueprint: &Blueprint, schedule: Option<&str>) -> [Argument; 17] {
    let body = blueprint.aggregate(String::new()).body(&blueprint.search_path);
    let first = FIRST_METRIC + blueprint.keys.len();
    let form = |(index, metric): (usize, &PlannedMetric)| {
        let mut form = metric.form.clone();
        if let Some(expression) = body.as_ref().and_then(|body| body.expression(first + index)) {
            form.body.value = expression;
        }
        form.body.element = Some(metric.element.clone());
        form
    };
    let forms: Vec<MetricForm> = blueprint.metrics.iter().enumerate().map(form).collect();
    let keys: Vec<String> = blueprint.keys.iter().map(|key| key.name.clone()).collect();
    [
        ("name", literal(&blueprint.sql())),
        ("source", literal(&blueprint.source.sql())),
        ("time_column", literal(&blueprint.time_column)),
        ("keys", texts(&keys)),
        ("metrics", literal(&metrics::write(&forms))),
        ("windows", numbers(&blueprint.windows)),
        ("start_date", or_null(blueprint.start.map(|day| day.to_string()))),
        ("time_zone", literal(&blueprint.time_zone)),
        ("filter", or_null(filter_of(blueprint.filter.as_ref(), body.as_ref(), blueprint.time_type))),
        ("shape", literal(blueprint.shape.name())),
        ("expire_idle", blueprint.expire_idle.to_string()),
        ("late", literal(blueprint.late.name())),
        ("lookback", blueprint.lookback.to_string()),
        ("partition_by", literal(blueprint.partition_by.name())),
        ("retention", or_null(blueprint.retention.clone())),
        ("schedule", or_null(schedule.map(str::to_owned))),
        ("daily", literal(&table::qualified(&blueprint.daily.0, &blueprint.daily.1))),
    ]
}

/// What a table has that create_table was asked for otherwise; a start date that was not asked for is whatever it is.
pub fn differences(definition: &Definition, blueprint: &Blueprint, schedule: Option<&str>) -> Vec<String> {
    let pairs = arguments(definition).into_iter().zip(asked(blueprint, schedule));
    let counts = |argument: &str| argument != "start_date" || blueprint.start.is_some();
    let unlike = pairs.filter(|((argument, is), (_, asked))| is != asked && counts(argument));
    unlike.map(|((argument, is), (_, asked))| format!("{argument} is {is}, not {asked}")).collect()
}

fn texts(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| literal(text)).collect();
    format!("ARRAY[{}]", texts.join(", "))
}

fn numbers(numbers: &[usize]) -> String {
    let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
    format!("'{{{}}}'", numbers.join(","))
}

fn or_null(text: Option<String>) -> String {
    text.map_or("NULL".to_owned(), |text| literal(&text))
}

/// Of the columns that the aggregate function selects, metrics come behind the day, the keys and the number of events.
const FIRST_METRIC: usize = 2;

/// The metrics with the expressions of today and the types that they have, which columns may have widened since.
pub fn forms(definition: &Definition, body: Option<&Body>) -> Vec<MetricForm> {
    let columns: Vec<Column> = definition.daily.columns();
    let modifiers = body.map(Body::modifiers).unwrap_or_default();
    let first = FIRST_METRIC + definition.keys.len();
    let describe = |(index, form): (usize, &MetricForm)| {
        let mut form = form.clone();
        if let Some(expression) = body.and_then(|body| body.expression(first + index)) {
            form.body.value = expression;
        }
        let daily = crate::catalog::definition::daily_column(&form);
        let column = columns.iter().find(|column| column.name == daily);
        form.body.element = column.map(|column| {
            table::type_sql(column.type_oid, modifiers.get(first + index).copied().unwrap_or(column.modifier))
        });
        form
    };
    definition.forms.iter().enumerate().map(describe).collect()
}
