//! The law, for random definitions and random operations, over the wire.
//!
//! `PG_CUMULATE_LAW_SECONDS` is the time budget, `PG_CUMULATE_LAW_SEED` repeats a run, and `PG_CUMULATE_SOAK=1` asks
//! for the long form: a seed of its own and the full coverage.

mod action;
mod campaign;
mod case;
mod change;
mod coverage;
mod event;
mod form;
mod key;
mod metric;
mod moment;
mod operation;
mod schema;
mod source;
mod world;

#[test]
fn every_closed_clean_day_is_the_snapshot_of_the_law() {
    campaign::run();
}
