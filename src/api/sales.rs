//! Mock events for the sales pipeline and tables like its own.

use super::{change, given};
use crate::events::{self, Order};
use crate::pg::function::{RawDate, Regclass, Text, text};
use pgrx::prelude::*;

#[pg_extern]
#[allow(clippy::too_many_arguments)]
fn generate_events(
    target: Option<Regclass>,
    events: default!(Option<i64>, "1000000"),
    products: default!(Option<i32>, "1000"),
    from_day: default!(Option<RawDate>, "'2024-01-01'"),
    to_day: default!(Option<RawDate>, "'2024-12-31'"),
    seed: default!(Option<i64>, "NULL"),
    profile: default!(Option<Text>, "'uniform'"),
) -> i64 {
    change(|| {
        events::write(Order {
            table: given("target", target)?.0,
            events: given("events", events)?,
            products: given("products", products)?,
            from: super::day("from_day", from_day)?,
            to: super::day("to_day", to_day)?,
            seed,
            profile: given("profile", text(profile))?,
        })
    })
}
