//! The settings.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use std::time::Duration;

/// On: CREATE EXTENSION is expected to show something at once.
static CREATE_SALES: GucSetting<bool> = GucSetting::<bool>::new(true);

/// Long enough for a load to end, short enough that a forgotten session does not stop the days.
static LOCK_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(30_000);

pub fn lock_timeout() -> Duration {
    Duration::from_millis(LOCK_TIMEOUT.get().max(0) as u64)
}

pub fn register() {
    GucRegistry::define_int_guc(
        c"cumulate.lock_timeout",
        c"How long closing a day waits for transactions that are still writing to its source.",
        c"After that the day is left open, and settled by a later run.",
        &LOCK_TIMEOUT,
        0,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_bool_guc(
        c"cumulate.create_sales",
        c"Whether CREATE EXTENSION pg_cumulate makes the pipeline of schema sales.",
        c"Off leaves it to cumulate.create_sales_pipeline.",
        &CREATE_SALES,
        GucContext::Userset,
        GucFlags::default(),
    );
}
