//! pg_cumulate keeps cumulative tables: one row per key per day with newest-first arrays of the last days, advanced
//! inside the database. The words are in [`rules`].
//!
//! Each line uses those below it, and none above:
//!
//! - [`api`]: what SQL calls
//! - [`definition`]: tables made, changed and dropped
//! - [`scheduler`]: days advance by themselves
//! - [`close`], [`restate`], [`backfill`], [`freeze`], [`retention`], [`verify`], [`analytics`], [`events`]:
//!   what users ask for
//! - [`engine`]: source to daily table, daily table to snapshots, and snapshots repaired
//! - [`fold`]: yesterday's arrays and today's values to today's arrays; [`sink`]: rows into tables; [`late`]: late changes
//! - [`catalog`]: the extension's own tables
//! - [`pg`]: PostgreSQL; [`rules`]: the rules, which cannot see it

mod analytics;
mod api;
mod backfill;
mod catalog;
mod close;
mod definition;
mod engine;
mod error;
mod events;
mod fold;
mod freeze;
mod guc;
mod late;
mod notify;
mod pg;
mod restate;
mod retention;
mod rules;
mod scheduler;
mod sink;
mod verify;

#[cfg(feature = "pg_test")]
#[path = "../pg_test/in_backend/mod.rs"]
mod in_backend;

pgrx::pg_module_magic!(name, version);

pgrx::extension_sql_file!("../sql/catalog.sql", name = "catalog", bootstrap);
pgrx::extension_sql_file!("../sql/internal.sql", name = "internal", requires = ["catalog"]);
pgrx::extension_sql_file!("../sql/arrays.sql", name = "arrays", requires = ["catalog"]);
pgrx::extension_sql_file!("../sql/analytics.sql", name = "analytics", requires = ["catalog"]);
pgrx::extension_sql_file!("../sql/forecast.sql", name = "forecast", requires = ["catalog"]);
pgrx::extension_sql_file!(
    "../sql/views.sql",
    name = "views",
    requires = ["internal", api::late::writers, api::scheduler::next_runs]
);
pgrx::extension_sql_file!("../sql/backfill.sql", name = "backfill", requires = ["views"]);
pgrx::extension_sql_file!("../sql/add_metric.sql", name = "add_metric", requires = ["views"]);
pgrx::extension_sql_file!("../sql/sales.sql", name = "sales", requires = ["catalog"]);
pgrx::extension_sql_file!("../sql/finish.sql", name = "finish", finalize);

#[pgrx::pg_guard]
#[allow(unsafe_code, non_snake_case)]
pub extern "C-unwind" fn _PG_init() {
    guc::register();
    late::collect::register();
    scheduler::register();
}

/// The body of the launcher's process.
#[pgrx::pg_guard]
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_cumulate_launcher(_argument: pgrx::pg_sys::Datum) {
    scheduler::launcher::main();
}

/// The body of a worker's process; which, says its argument.
#[pgrx::pg_guard]
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_cumulate_worker(argument: pgrx::pg_sys::Datum) {
    scheduler::worker::main(argument);
}
