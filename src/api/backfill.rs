//! The steps of procedure cumulate.backfill, which commits between them.

use super::{change, failure, given, optional_day};
use crate::backfill;
use crate::catalog::Definition;
use crate::pg::function::{RawDate, Regclass, Text};
use crate::retention;
use pgrx::prelude::*;

#[pg_extern(sql = false)]
fn backfill_begin(target: Option<Regclass>, from_day: Option<RawDate>, to_day: Option<RawDate>) -> Option<i64> {
    change(|| {
        let mut definition = Definition::owned(given("target", target)?.0)?;
        let (from, to) = (optional_day("from_day", from_day)?, optional_day("to_day", to_day)?);
        backfill::begin(&mut definition, from, to)
    })
}

#[pg_extern(sql = false)]
fn backfill_step(run_id: Option<i64>) -> bool {
    change(|| backfill::step(given("run_id", run_id)?, i32::MAX))
}

#[pg_extern(sql = false)]
fn retention_step(target: Option<Regclass>) -> bool {
    change(|| Ok(retention::step(&mut Definition::owned(given("target", target)?.0)?)?.more))
}

#[pg_extern(sql = false)]
fn backfill_fail(
    run_id: Option<i64>,
    sqlstate: Option<Text>,
    message: Option<Text>,
    detail: Option<Text>,
    hint: Option<Text>,
) {
    change(|| {
        let run = given("run_id", run_id)?;
        backfill::fail(run, failure(sqlstate, message, detail, hint))
    })
}
