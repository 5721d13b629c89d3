//! Tests that run inside a backend: functions of schema tests, each called in a transaction that is rolled back.
//! A test fails by an error.
#![allow(unsafe_code)] // The macros of pgrx expand to it.

use pgrx::prelude::*;

mod arrays;
mod borders;
mod engine;
mod identity;

/// Every test, so that SQL sees it.
#[pg_schema]
mod tests {
    use super::*;

    macro_rules! tests {
        ($($module:ident :: $name:ident),* $(,)?) => {$(
            #[pg_extern]
            fn $name() {
                $module::$name();
            }
        )*};
    }

    tests! {
        arrays::arrays_are_read_through_short_and_long_headers,
        arrays::arrays_with_nulls_keep_them,
        arrays::text_arrays_survive_a_round_trip,
        arrays::elements_of_every_width_and_alignment_survive_a_round_trip,
        arrays::images_are_equal_when_their_bytes_are,
        borders::an_error_of_a_comparator_drops_what_rust_owns,
        borders::values_are_compared_as_an_index_does,
        borders::a_value_is_never_read_as_of_another_type,
        engine::one_pass_and_day_by_day_give_the_same_rows,
        engine::both_sinks_give_the_same_rows,
        engine::a_tiny_work_mem_gives_the_same_rows,
        engine::a_statement_stops_when_its_closure_breaks,
        identity::the_owner_cannot_be_escaped,
        identity::settings_are_pinned_and_restored,
    }
}

/// Runs SQL of a test.
fn sql(text: &str) {
    crate::pg::spi::Statement::new(text).run();
}

/// A test's one number.
fn number(text: &str) -> i64 {
    crate::pg::spi::Statement::new(text).first(|row| row.get::<i64>(0)).flatten().unwrap_or(-1)
}
