//! The steps of procedure add_metric, which commits between them.

use super::given;
use crate::catalog::Definition;
use crate::definition::add_metric;
use crate::error::Failure;
use crate::pg::function::{JsonText, Regclass};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

#[pg_extern(sql = false)]
fn add_metric_begin(
    target: Option<Regclass>,
    name: Option<String>,
    metric: Option<JsonText>,
) -> Result<Option<i64>, ErrorReport> {
    let mut definition = Definition::owned(given("target", target)?.0)?;
    Ok(add_metric::begin(&mut definition, &given("name", name)?, &given("metric", metric)?.0)?)
}

#[pg_extern(sql = false)]
fn add_metric_fill(run_id: Option<i64>) -> Result<i64, ErrorReport> {
    Ok(add_metric::fill(given("run_id", run_id)?)?)
}

#[pg_extern(sql = false)]
fn add_metric_show(target: Option<Regclass>) -> Result<(), ErrorReport> {
    Ok(add_metric::show(&Definition::owned(given("target", target)?.0)?)?)
}

#[pg_extern(sql = false)]
fn add_metric_fail(
    run_id: Option<i64>,
    sqlstate: Option<String>,
    message: Option<String>,
    detail: Option<String>,
    hint: Option<String>,
) -> Result<(), ErrorReport> {
    let run = given("run_id", run_id)?;
    Ok(add_metric::fail(run, Failure { sqlstate, message, detail, hint })?)
}
