//! The steps of procedure cumulate.backfill, which commits between them.

use super::{given, optional_day};
use crate::backfill;
use crate::catalog::Definition;
use crate::error::Failure;
use crate::pg::function::{RawDate, Regclass};
use crate::retention;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

#[pg_extern(sql = false)]
fn backfill_begin(
    target: Option<Regclass>,
    from_day: Option<RawDate>,
    to_day: Option<RawDate>,
) -> Result<Option<i64>, ErrorReport> {
    let mut definition = Definition::owned(given("target", target)?.0)?;
    let (from, to) = (optional_day("from_day", from_day)?, optional_day("to_day", to_day)?);
    Ok(backfill::begin(&mut definition, from, to)?)
}

#[pg_extern(sql = false)]
fn backfill_step(run_id: Option<i64>) -> Result<bool, ErrorReport> {
    Ok(backfill::step(given("run_id", run_id)?)?)
}

#[pg_extern(sql = false)]
fn retention_step(target: Option<Regclass>) -> Result<bool, ErrorReport> {
    Ok(retention::step(&mut Definition::owned(given("target", target)?.0)?)?.more)
}

#[pg_extern(sql = false)]
fn backfill_fail(
    run_id: Option<i64>,
    sqlstate: Option<String>,
    message: Option<String>,
    detail: Option<String>,
    hint: Option<String>,
) -> Result<(), ErrorReport> {
    let run = given("run_id", run_id)?;
    Ok(backfill::fail(run, Failure { sqlstate, message, detail, hint })?)
}
