//! Days may be closed in any order: the rows are the same.

use crate::pipeline::{Pipeline, day};
use pg_cumulate_tests::Ask;
use pg_cumulate_tests::model::Ledger;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

const DAYS: i64 = 20;
const ORDERS: u32 = 6;

#[test]
fn any_order_of_closing_gives_the_same_rows() {
    let shuffled = Just((0..DAYS).collect::<Vec<_>>()).prop_shuffle();
    let config = Config { cases: ORDERS, rng_seed: RngSeed::Fixed(20), failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&shuffled, |order| close_in_order(&order)).unwrap();
}

#[test]
fn closing_backwards_gives_the_same_rows() {
    let backwards: Vec<i64> = (0..DAYS).rev().collect();
    close_in_order(&backwards).unwrap();
}

/// Checks after each day, so that a wrong base is seen before a later day hides it.
fn close_in_order(order: &[i64]) -> Result<(), TestCaseError> {
    let mut pipeline = Pipeline::new();
    let mut ledger = Ledger::default();
    pipeline.generate("events => 400, products => 30, from_day => '2024-11-28', to_day => '2024-12-20', seed => 11");
    for number in order {
        let reported = pipeline.close(day(*number));
        ledger.close(day(*number));
        let violations = pipeline.violations(&ledger);
        prop_assert!(violations.is_empty(), "after closing {}:\n{}", day(*number), violations.join("\n"));
        prop_assert_eq!(reported, rows_of(&mut pipeline, *number), "rows reported for {}", day(*number));
    }
    Ok(())
}

fn rows_of(pipeline: &mut Pipeline, number: i64) -> i64 {
    let sql = format!("SELECT count(*) FROM sales.daily_cumulate WHERE snapshot_date = '{}'", day(number));
    pipeline.client.value(&sql)
}
