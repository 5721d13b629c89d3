//! The trigger function of sources, and who writes to them.

use super::given;
use crate::late::{collect, writers as late_writers};
use crate::pg::border::cross;
use crate::pg::function::{Instant, NoRow, Regclass, Text};
use crate::pg::trigger::Trigger;
use pgrx::pg_sys;
use pgrx::prelude::*;

#[pg_extern(sql = false)]
fn note_late(call: pg_sys::FunctionCallInfo) -> NoRow {
    cross(|| {
        if let Some(trigger) = Trigger::of(call) {
            collect::note(&trigger);
        }
        Ok(NoRow)
    })
}

#[pg_extern(stable)]
#[allow(clippy::type_complexity)]
fn writers(
    target: Option<Regclass>,
) -> TableIterator<
    'static,
    (
        name!(pid, Option<i32>),
        name!(prepared, Option<Text>),
        name!(began_at, Option<Instant>),
        name!(first_day, Option<Date>),
    ),
> {
    cross(|| {
        let writers = late_writers::holding(given("target", target)?.0);
        let rows = writers.into_iter().map(|writer| {
            let first_day = writer.first_day.map(|day| Date::saturating_from_raw(day.number()));
            (writer.pid, writer.prepared.map(Text), writer.began_at.map(Instant), first_day)
        });
        Ok(TableIterator::new(rows))
    })
}
