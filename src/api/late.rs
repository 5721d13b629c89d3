//! The trigger function of sources, and who writes to them.

use super::given;
use crate::late::{collect, writers as late_writers};
use crate::pg::function::{NoRow, Regclass};
use crate::pg::trigger::Trigger;
use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

#[pg_extern(sql = false)]
fn note_late(call: pg_sys::FunctionCallInfo) -> NoRow {
    if let Some(trigger) = Trigger::of(call) {
        collect::note(&trigger);
    }
    NoRow
}

#[pg_extern(stable)]
#[allow(clippy::type_complexity)]
fn writers(
    target: Option<Regclass>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(pid, Option<i32>),
            name!(prepared, Option<String>),
            name!(began_at, Option<TimestampWithTimeZone>),
            name!(first_day, Option<Date>),
        ),
    >,
    ErrorReport,
> {
    let writers = late_writers::holding(given("target", target)?.0);
    let rows = writers.into_iter().map(|writer| {
        let first_day = writer.first_day.map(|day| Date::saturating_from_raw(day.number()));
        (writer.pid, writer.prepared, writer.began_at, first_day)
    });
    Ok(TableIterator::new(rows))
}
