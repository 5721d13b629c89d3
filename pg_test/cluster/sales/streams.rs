//! Random events and random operations against the model.

use crate::pipeline::{Event, Pipeline, day};
use pg_cumulate_tests::Ask;
use pg_cumulate_tests::model::Ledger;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// Days after the start that operations reach; events also come before it.
const DAYS: i64 = 24;
const CASES: u32 = 15;

#[derive(Debug, Clone)]
enum Operation {
    Insert(Vec<Event>),
    /// Deletes some of a product's events, the earliest first.
    Delete {
        product: i32,
        count: i64,
    },
    /// Moves a product's latest event to another day.
    Move {
        product: i32,
        to: i64,
    },
    Populate(i64),
    Close(i64),
    Backfill(i64, i64),
    ApplyLate,
    Restate(i64, i64),
}

#[test]
fn every_closed_clean_day_is_the_snapshot_of_the_law() {
    let config = Config {
        cases: CASES,
        rng_seed: RngSeed::Fixed(2024),
        failure_persistence: None,
        max_shrink_iters: 60,
        ..Config::default()
    };
    TestRunner::new(config).run(&vec(operation(), 5..25), |operations| follow(&operations)).unwrap();
}

fn follow(operations: &[Operation]) -> Result<(), TestCaseError> {
    let (mut pipeline, mut ledger) = (Pipeline::new(), Ledger::default());
    for operation in operations {
        carry_out(operation, &mut pipeline, &mut ledger);
        let violations = pipeline.violations(&ledger);
        prop_assert!(violations.is_empty(), "after {:?}:\n{}", operation, violations.join("\n"));
    }
    Ok(())
}

fn carry_out(operation: &Operation, pipeline: &mut Pipeline, ledger: &mut Ledger) {
    match operation {
        Operation::Insert(events) => {
            pipeline.insert(events);
            events.iter().for_each(|event| note(ledger, event.2));
        }
        Operation::Delete { product, count } => delete_earliest(pipeline, ledger, *product, *count),
        Operation::Move { product, to } => move_latest(pipeline, ledger, *product, *to),
        Operation::Populate(number) => {
            pipeline.client.run(&format!("SELECT sales.populate_day('{}')", day(*number)));
            note(ledger, *number);
        }
        Operation::Close(number) => {
            pipeline.close(day(*number));
            ledger.close(day(*number));
        }
        Operation::Backfill(from, to) => {
            pipeline.backfill(day(*from), day(*to));
            (*from..=*to).for_each(|number| ledger.close(day(number)));
        }
        Operation::ApplyLate => {
            pipeline.client.run("SELECT cumulate.apply_late('sales.daily_cumulate')");
            ledger.settle_all();
        }
        Operation::Restate(from, to) => {
            let (from, to) = (day(*from), day(*to));
            pipeline.client.run(&format!("SELECT cumulate.restate('sales.daily_cumulate', '{from}', '{to}')"));
            ledger.settle(from, to);
        }
    }
}

/// Rows before the start are not there as far as the law is concerned.
fn note(ledger: &mut Ledger, number: i64) {
    if number >= 0 {
        ledger.note(day(number));
    }
}

fn delete_earliest(pipeline: &mut Pipeline, ledger: &mut Ledger, product: i32, count: i64) {
    let gone = pipeline.client.query(
        "DELETE FROM sales.events WHERE event_id IN (
             SELECT event_id FROM sales.events WHERE product_id = $1 ORDER BY event_date, event_id LIMIT $2)
         RETURNING (event_date - '2024-12-01'::date)::bigint",
        &[&product, &count],
    );
    gone.unwrap().iter().for_each(|row| note(ledger, row.get(0)));
}

fn move_latest(pipeline: &mut Pipeline, ledger: &mut Ledger, product: i32, to: i64) {
    let moved = pipeline.client.query(
        "UPDATE sales.events AS e SET event_date = $2 FROM (
             SELECT event_id, event_date AS old_date FROM sales.events WHERE product_id = $1
              ORDER BY event_date DESC, event_id LIMIT 1) AS latest
          WHERE e.event_id = latest.event_id
         RETURNING (old_date - '2024-12-01'::date)::bigint",
        &[&product, &day(to)],
    );
    for row in moved.unwrap() {
        note(ledger, row.get(0));
        note(ledger, to);
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    let number = || 0..DAYS;
    let range = || (0..DAYS, 0..6i64).prop_map(|(from, length)| (from, (from + length).min(DAYS - 1)));
    prop_oneof![
        4 => vec(event(), 1..12).prop_map(Operation::Insert),
        1 => (product(), 1..3i64).prop_map(|(product, count)| Operation::Delete { product, count }),
        1 => (product(), number()).prop_map(|(product, to)| Operation::Move { product, to }),
        1 => number().prop_map(Operation::Populate),
        6 => number().prop_map(Operation::Close),
        1 => range().prop_map(|(from, to)| Operation::Backfill(from, to)),
        1 => Just(Operation::ApplyLate),
        1 => range().prop_map(|(from, to)| Operation::Restate(from, to)),
    ]
}

fn product() -> impl Strategy<Value = i32> {
    1..6i32
}

fn event() -> impl Strategy<Value = Event> {
    (product(), select(&["sell", "return", "reorder"][..]), -2..DAYS)
}
