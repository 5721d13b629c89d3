//! Cumulative tables: made, advanced, verified, dropped.

use super::{change, day, given, optional_day};
use crate::catalog::{Definition, registry};
use crate::close::{self, Again};
use crate::definition::{self, Request, alter, describe};
use crate::error::Error;
use crate::pg::border::cross;
use crate::pg::function::{Integers, IntervalText, JsonText, RawDate, RawJsonb, Regclass, Text, Texts, text};
use crate::pg::identity::as_owner;
use crate::pg::settings::with_own_names;
use crate::pg::table::Table;
use crate::rules::version;
use crate::{freeze, restate, retention, verify};
use pgrx::prelude::*;

#[pg_extern]
#[allow(clippy::too_many_arguments)]
fn create_table(
    name: Option<Text>,
    source: Option<Regclass>,
    time_column: Option<Text>,
    keys: Option<Texts>,
    metrics: Option<JsonText>,
    windows: default!(Option<Integers>, "'{7}'"),
    start_date: default!(Option<RawDate>, "NULL"),
    time_zone: default!(Option<Text>, "NULL"),
    filter: default!(Option<Text>, "NULL"),
    shape: default!(Option<Text>, "'ragged'"),
    expire_idle: default!(Option<bool>, "false"),
    late: default!(Option<Text>, "'trigger'"),
    lookback: default!(Option<i32>, "1"),
    partition_by: default!(Option<Text>, "'month'"),
    retention: default!(Option<IntervalText>, "NULL"),
    schedule: default!(Option<Text>, "'@daily'"),
    daily: default!(Option<Text>, "NULL"),
    if_not_exists: default!(Option<bool>, "false"),
) -> Regclass {
    change(|| {
        let request = Request {
            name: given("name", text(name))?,
            source: given("source", source)?.0,
            time_column: given("time_column", text(time_column))?,
            keys: given("keys", keys)?.0.elements("keys")?,
            metrics: given("metrics", metrics)?.0,
            windows: given("windows", windows)?.0.elements("windows")?,
            start_date: optional_day("start_date", start_date)?,
            time_zone: text(time_zone),
            filter: text(filter),
            shape: given("shape", text(shape))?,
            expire_idle: given("expire_idle", expire_idle)?,
            late: given("late", text(late))?,
            lookback: given("lookback", lookback)?,
            partition_by: given("partition_by", text(partition_by))?,
            retention: retention.map(|interval| interval.0),
            schedule: text(schedule),
            daily: text(daily),
            if_not_exists: given("if_not_exists", if_not_exists)?,
        };
        Ok(Regclass(definition::create(request)?))
    })
}

#[pg_extern]
fn drop_table(target: Option<Regclass>, keep_data: default!(Option<bool>, "false")) {
    change(|| {
        let keep_data = given("keep_data", keep_data)?;
        definition::drop(given("target", target)?.0, keep_data)
    })
}

#[pg_extern]
fn forget(definition: Option<i64>) {
    change(|| definition::forget(given("definition", definition)?))
}

#[pg_extern]
fn alter_table(
    target: Option<Regclass>,
    late: default!(Option<Text>, "NULL"),
    lookback: default!(Option<i32>, "NULL"),
    retention: default!(Option<IntervalText>, "NULL"),
    filter: default!(Option<Text>, "NULL"),
) {
    change(|| {
        let retention = retention.map(|interval| interval.0);
        let changes = alter::Changes { late: text(late), lookback, retention, filter: text(filter) };
        alter::alter(&mut owned(target)?, changes)
    })
}

/// The version of the library that this server has loaded.
#[pg_extern(stable, parallel_safe)]
fn version() -> Text {
    Text(version::LIBRARY.to_owned())
}

#[pg_extern(stable)]
fn definition(target: Option<Regclass>) -> Text {
    cross(|| {
        let target = given("target", target)?.0;
        registry::check_known(target)?;
        let definition = Definition::known(target)?;
        Ok(Text(with_own_names(|| describe::describe(&definition))))
    })
}

#[pg_extern]
fn populate_day(target: Option<Regclass>, day: Option<RawDate>) -> i64 {
    change(|| {
        let mut definition = owned(target)?;
        let day = super::day("day", day)?;
        restate::populate(&mut definition, day)
    })
}

#[pg_extern]
fn cumulate_day(target: Option<Regclass>, day: Option<RawDate>) -> i64 {
    change(|| {
        let mut definition = owned(target)?;
        let day = super::day("day", day)?;
        close::close(&mut definition, day, day, Again::Named)
    })
}

#[pg_extern]
fn cumulate_range(target: Option<Regclass>, from_day: Option<RawDate>, to_day: Option<RawDate>) -> i64 {
    change(|| {
        let mut definition = owned(target)?;
        let (from, to) = (day("from_day", from_day)?, day("to_day", to_day)?);
        close::close(&mut definition, from, to, Again::Unclosed)
    })
}

#[pg_extern]
fn refresh(target: Option<Regclass>) -> i64 {
    change(|| close::refresh(&mut owned(target)?))
}

#[pg_extern]
fn restate(
    target: Option<Regclass>,
    from_day: Option<RawDate>,
    to_day: Option<RawDate>,
    keys: default!(Option<RawJsonb>, "NULL"),
) -> i64 {
    change(|| {
        let mut definition = owned(target)?;
        let (from, to) = (day("from_day", from_day)?, day("to_day", to_day)?);
        match &keys {
            Some(keys) => restate::restate_keys(&mut definition, from, to, keys.0.datum()),
            None => restate::restate(&mut definition, from, to),
        }
    })
}

#[pg_extern]
fn freeze(target: Option<Regclass>, through: Option<RawDate>) {
    change(|| {
        let mut definition = owned(target)?;
        freeze::freeze(&mut definition, day("through", through)?)
    })
}

#[pg_extern]
fn apply_retention(target: Option<Regclass>) -> i64 {
    change(|| retention::apply(&mut owned(target)?))
}

#[pg_extern]
fn apply_late(target: Option<Regclass>) -> i64 {
    change(|| {
        let mut definition = owned(target)?;
        restate::apply_late(&mut definition)
    })
}

#[pg_extern]
#[allow(clippy::type_complexity)]
fn verify(
    target: Option<Regclass>,
    from_day: default!(Option<RawDate>, "NULL"),
    to_day: default!(Option<RawDate>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(snapshot_date, pgrx::datum::Date),
        name!(key, Option<RawJsonb>),
        name!(column_name, Text),
        name!(stored, Option<Text>),
        name!(expected, Option<Text>),
    ),
> {
    cross(|| {
        let definition = owned(target)?;
        let (from, to) = (optional_day("from_day", from_day)?, optional_day("to_day", to_day)?);
        let differences = as_owner(definition.target.owner, || verify::differences(&definition, from, to))?;
        let rows = differences.into_iter().map(|difference| {
            let date = pgrx::datum::Date::saturating_from_raw(difference.day.number());
            (
                date,
                difference.key.map(RawJsonb),
                Text(difference.column),
                difference.stored.map(Text),
                difference.expected.map(Text),
            )
        });
        Ok(TableIterator::new(rows))
    })
}

/// What is wrong with the parts of a table that the caller may watch.
#[pg_extern(sql = false)]
fn defects(target: Option<Regclass>) -> TableIterator<'static, (name!(what, Text), name!(how_to_mend, Text))> {
    cross(|| {
        let target = given("target", target)?.0;
        let watched = Table::find(target).is_some_and(|table| registry::may_watch(&table));
        let defects = if watched { Definition::defects(target) } else { Vec::new() };
        Ok(TableIterator::new(defects.into_iter().map(|defect| (Text(defect.reason), Text(defect.remedy)))))
    })
}

fn owned(target: Option<Regclass>) -> Result<Definition, Error> {
    Definition::owned(given("target", target)?.0)
}
