//! The trigger function of sources.

use crate::late::collect;
use crate::pg::function::NoRow;
use crate::pg::trigger::Trigger;
use pgrx::pg_sys;
use pgrx::prelude::*;

#[pg_extern(
    sql = "CREATE FUNCTION cumulate.note_late() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME', 'note_late_wrapper';"
)]
fn note_late(call: pg_sys::FunctionCallInfo) -> NoRow {
    if let Some(trigger) = Trigger::of(call) {
        collect::note(&trigger);
    }
    NoRow
}
