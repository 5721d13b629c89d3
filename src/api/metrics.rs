//! The steps of procedure add_metric, which commits between them.

use super::{change, failure, given};
use crate::catalog::Definition;
use crate::definition::add_metric;
use crate::pg::function::{JsonText, Regclass, Text, text};
use pgrx::prelude::*;

#[pg_extern(sql = false)]
fn add_metric_begin(target: Option<Regclass>, name: Option<Text>, metric: Option<JsonText>) -> Option<i64> {
    change(|| {
        let mut definition = Definition::owned(given("target", target)?.0)?;
        add_metric::begin(&mut definition, &given("name", text(name))?, &given("metric", metric)?.0)
    })
}

#[pg_extern(sql = false)]
fn add_metric_fill(run_id: Option<i64>) -> i64 {
    change(|| add_metric::fill(given("run_id", run_id)?))
}

#[pg_extern(sql = false)]
fn add_metric_show(target: Option<Regclass>) {
    change(|| add_metric::show(&Definition::owned(given("target", target)?.0)?))
}

#[pg_extern(sql = false)]
fn add_metric_fail(
    run_id: Option<i64>,
    sqlstate: Option<Text>,
    message: Option<Text>,
    detail: Option<Text>,
    hint: Option<Text>,
) {
    change(|| {
        let run = given("run_id", run_id)?;
        add_metric::fail(run, failure(sqlstate, message, detail, hint))
    })
}
