//! pg_cumulate keeps cumulative tables: one row per key per day with newest-first arrays of the last days, advanced
//! inside the database. The words are in [`rules`].

mod analytics;
mod api;
mod backfill;
mod build;
mod catalog;
mod close;
mod daily;
mod definition;
mod error;
mod events;
mod fold;
mod guc;
mod late;
mod metric_history;
mod pg;
mod repair;
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
