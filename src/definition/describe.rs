//! A definition written as the call that would make it, with the names that the source's columns have today.

use super::blueprint::TimeType;
use crate::catalog::{Definition, schedules};
use crate::pg::body::Body;
use crate::pg::table::{self, Column, literal};
use crate::rules::metrics::{self, MetricForm};

/// What the source's columns are called today.
pub struct SourceNames {
    pub time: String,
    pub time_type: TimeType,
    pub keys: Vec<String>,
}

impl SourceNames {
    pub fn of(definition: &Definition, body: Option<&Body>) -> Self {
        let columns = table::Table::find(definition.source).map(|source| source.columns()).unwrap_or_default();
        let at = |index: usize| {
            let number = body.and_then(|body| body.column_number(index));
            columns.iter().find(|column| Some(column.number) == number)
        };
        let name_at =
            |index: usize, otherwise: &str| at(index).map_or(otherwise, |column| column.name.as_str()).to_owned();
        let keys = definition.keys.iter().enumerate();
        SourceNames {
            time: name_at(0, &definition.time_column),
            time_type: at(0).and_then(|column| TimeType::of(column.type_oid)).unwrap_or(TimeType::TimestampTz),
            keys: keys.map(|(index, key)| name_at(index + 1, &key.name)).collect(),
        }
    }
}

/// The filter with the names of today.
pub fn filter(definition: &Definition, body: Option<&Body>, time_type: TimeType) -> Option<String> {
    let typed = definition.filter.as_ref()?;
    let today = body.and_then(|body| body.conditions_before(time_type.range_conditions()));
    Some(today.unwrap_or_else(|| typed.clone()))
}

/// The create_table call.
pub fn describe(definition: &Definition) -> String {
    let body = definition.body();
    let source = table::Table::find(definition.source);
    let names = SourceNames::of(definition, body.as_ref());
    let keys: Vec<String> = names.keys.iter().map(|name| literal(name)).collect();
    let windows: Vec<String> = definition.windows.iter().map(|window| window.to_string()).collect();
    let filter = filter(definition, body.as_ref(), names.time_type).map(|filter| literal(&filter));
    let or_null = |value: Option<String>| value.unwrap_or_else(|| "NULL".to_owned());
    let (schedule, schedule_zone) = schedules::find(definition.target.oid);
    let arguments = [
        ("name", literal(&definition.target.sql())),
        ("source", literal(&source.map(|source| source.sql()).unwrap_or_default())),
        ("time_column", literal(&names.time)),
        ("keys", format!("ARRAY[{}]", keys.join(", "))),
        ("metrics", literal(&metrics::write(&forms(definition, body.as_ref())))),
        ("windows", format!("'{{{}}}'", windows.join(","))),
        ("start_date", or_null(definition.start.map(|day| format!("'{day}'")))),
        ("time_zone", literal(&definition.time_zone)),
        ("filter", or_null(filter)),
        ("shape", literal(definition.shape.name())),
        ("expire_idle", definition.expire_idle.to_string()),
        ("late", literal(definition.late.name())),
        ("lookback", definition.lookback.to_string()),
        ("partition_by", literal(definition.partition_by.name())),
        ("retention", or_null(definition.retention.as_deref().map(literal))),
        ("schedule", or_null(schedule.as_deref().map(literal))),
        ("daily", literal(&definition.daily.sql())),
    ];
    let lines: Vec<String> = arguments.iter().map(|(name, value)| format!("    {name} => {value}")).collect();
    let call = format!("SELECT cumulate.create_table(\n{});", lines.join(",\n"));
    match (schedule, schedule_zone) {
        (Some(schedule), Some(zone)) => {
            let arguments = [definition.target.sql(), schedule, zone].map(|text| literal(&text));
            format!("{call}\nSELECT cumulate.schedule({});", arguments.join(", "))
        }
        _ => call,
    }
}

/// The metrics with the expressions of today and the types that they have, which columns may have widened since.
pub fn forms(definition: &Definition, body: Option<&Body>) -> Vec<MetricForm> {
    let columns: Vec<Column> = definition.daily.columns();
    let modifiers = body.map(Body::modifiers).unwrap_or_default();
    // Behind the day, the keys and the number of events.
    let first = 2 + definition.keys.len();
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
