//! The settings.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};

/// On: CREATE EXTENSION is expected to show something at once.
static CREATE_SALES: GucSetting<bool> = GucSetting::<bool>::new(true);

pub fn register() {
    GucRegistry::define_bool_guc(
        c"cumulate.create_sales",
        c"Whether CREATE EXTENSION pg_cumulate makes the pipeline of schema sales.",
        c"Off leaves it to cumulate.create_sales_pipeline.",
        &CREATE_SALES,
        GucContext::Userset,
        GucFlags::default(),
    );
}
