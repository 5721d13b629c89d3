//! A source's columns by the names that they have today, as the aggregate function keeps them through renames.

use super::Definition;
use super::time_type::TimeType;
use crate::pg::body::Body;
use crate::pg::table::Table;

/// What the source's columns are called today.
pub struct SourceNames {
    pub time: String,
    pub time_type: TimeType,
    pub keys: Vec<String>,
}

impl SourceNames {
    pub fn of(definition: &Definition, body: Option<&Body>) -> Self {
        let columns = Table::find(definition.source).map(|source| source.columns()).unwrap_or_default();
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
    filter_of(definition.filter.as_ref(), body, time_type)
}

pub fn filter_of(typed: Option<&String>, body: Option<&Body>, time_type: TimeType) -> Option<String> {
    let analysed = body.and_then(|body| body.conditions_before(time_type.range_conditions()));
    typed.map(|typed| analysed.unwrap_or_else(|| typed.clone()))
}
