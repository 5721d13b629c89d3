//! The settings.

use crate::pg::board::MOST_WORKERS;
use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use std::time::Duration;

/// On: CREATE EXTENSION is expected to show something at once.
static CREATE_SALES: GucSetting<bool> = GucSetting::<bool>::new(true);

/// Long enough for a load to end, short enough that a forgotten session does not stop the days.
static LOCK_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(30_000);

/// On: days advance by themselves.
static ENABLED: GucSetting<bool> = GucSetting::<bool>::new(true);

/// As often as autovacuum looks.
static NAPTIME: GucSetting<i32> = GucSetting::<i32>::new(60);

/// Few, for each takes one of max_worker_processes.
static MAX_WORKERS: GucSetting<i32> = GucSetting::<i32>::new(2);

/// Transactions that were about to commit when a day ended have done so by then.
static MIN_DELAY: GucSetting<i32> = GucSetting::<i32>::new(30);

/// No run of any size takes this long unless something is wrong.
static RUN_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(3600);

/// A quarter of a year.
static RUN_HISTORY_AGE: GucSetting<i32> = GucSetting::<i32>::new(90 * 24 * 60);

static RUN_HISTORY_ROWS: GucSetting<i32> = GucSetting::<i32>::new(1000);

/// Some 600,000 keys of a year.
static FORECAST_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(1024);

/// In bytes.
pub fn forecast_memory() -> usize {
    (FORECAST_MEMORY.get().max(1) as usize) << 20
}

pub fn enabled() -> bool {
    ENABLED.get()
}

pub fn naptime() -> Duration {
    Duration::from_secs(NAPTIME.get().max(1) as u64)
}

pub fn max_workers() -> usize {
    MAX_WORKERS.get().max(1) as usize
}

/// In seconds.
pub fn min_delay() -> i64 {
    i64::from(MIN_DELAY.get())
}

pub fn run_timeout() -> Option<Duration> {
    let seconds = RUN_TIMEOUT.get().max(0) as u64;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// Age in seconds, and rows of each table.
pub fn run_history() -> (i64, i32) {
    (i64::from(RUN_HISTORY_AGE.get()) * 60, RUN_HISTORY_ROWS.get())
}

pub fn lock_timeout() -> Duration {
    Duration::from_millis(LOCK_TIMEOUT.get().max(0) as u64)
}

pub fn register() {
    register_scheduler();
    GucRegistry::define_int_guc(
        c"cumulate.lock_timeout",
        c"How long closing a day waits for transactions that still write to the source.",
        c"After that the day stays open, and a later close settles it. add_metric and retention wait as long for a moment without readers.",
        &LOCK_TIMEOUT,
        0,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"cumulate.forecast_memory",
        c"How much memory a forecast, a back-test or a look for anomalies may take.",
        c"Before it takes more it fails with an error that says how many keys there are.",
        &FORECAST_MEMORY,
        1,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_MB,
    );
    GucRegistry::define_bool_guc(
        c"cumulate.create_sales",
        c"Whether CREATE EXTENSION pg_cumulate makes the sales pipeline in schema sales.",
        c"Without it, cumulate.create_sales_pipeline makes the pipeline.",
        &CREATE_SALES,
        GucContext::Userset,
        GucFlags::default(),
    );
}

/// What launcher and workers go by; all but the first are the whole server's.
fn register_scheduler() {
    GucRegistry::define_bool_guc(
        c"cumulate.enabled",
        c"Whether the scheduler works on the tables of a database.",
        c"It can be set for one database: ALTER DATABASE ... SET cumulate.enabled = off.",
        &ENABLED,
        GucContext::Suset,
        GucFlags::default(),
    );
    let server_wide = |name, short, long, setting, least, most, unit| {
        GucRegistry::define_int_guc(name, short, long, setting, least, most, GucContext::Sighup, unit);
    };
    server_wide(
        c"cumulate.naptime",
        c"How often the scheduler looks at each database.",
        c"Work that is due is done at the next look.",
        &NAPTIME,
        1,
        i32::MAX / 1000,
        GucFlags::UNIT_S,
    );
    server_wide(
        c"cumulate.max_workers",
        c"How many workers of the scheduler run at once.",
        c"Each takes one of max_worker_processes while it runs.",
        &MAX_WORKERS,
        1,
        MOST_WORKERS as i32,
        GucFlags::default(),
    );
    server_wide(
        c"cumulate.min_delay",
        c"How long after the time of its schedule a day is closed.",
        c"By then, transactions that were about to commit when the day ended have ended.",
        &MIN_DELAY,
        0,
        24 * 3600,
        GucFlags::UNIT_S,
    );
    server_wide(
        c"cumulate.run_timeout",
        c"How long a run of the scheduler may take; 0 means no limit.",
        c"A run that takes longer is cancelled and has failed; days that it has committed stay closed.",
        &RUN_TIMEOUT,
        0,
        i32::MAX / 1000,
        GucFlags::UNIT_S,
    );
    server_wide(
        c"cumulate.run_history_age",
        c"How long runs that have ended are kept in cumulate.runs.",
        c"The scheduler removes older ones.",
        &RUN_HISTORY_AGE,
        1,
        i32::MAX / 60,
        GucFlags::UNIT_MIN,
    );
    server_wide(
        c"cumulate.run_history_rows",
        c"How many runs of each table are kept in cumulate.runs.",
        c"The scheduler removes older ones.",
        &RUN_HISTORY_ROWS,
        1,
        i32::MAX,
        GucFlags::default(),
    );
}
