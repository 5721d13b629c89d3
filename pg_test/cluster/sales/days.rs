//! Days of every kind: empty, with new products, changed before and after they were closed.

use crate::pipeline::{Pipeline, day};
use pg_cumulate_tests::Ask;
use pg_cumulate_tests::model::Ledger;

fn close_all(pipeline: &mut Pipeline, ledger: &mut Ledger, numbers: std::ops::Range<i64>) {
    for number in numbers {
        pipeline.close(day(number));
        ledger.close(day(number));
    }
}

fn row(pipeline: &mut Pipeline, product: i32, number: i64) -> Vec<String> {
    pipeline.client.lines(&format!(
        "SELECT sell_array, total_sell_7d FROM sales.daily_cumulate
          WHERE product_id = {product} AND snapshot_date = '{}'",
        day(number)
    ))
}

#[test]
fn a_day_without_events_still_has_a_snapshot() {
    let (mut pipeline, mut ledger) = (Pipeline::new(), Ledger::default());
    pipeline.insert(&[(1, "sell", 0), (1, "sell", 0), (2, "return", 0)]);
    close_all(&mut pipeline, &mut ledger, 0..10);
    assert_eq!(row(&mut pipeline, 1, 3), ["{0,0,0,2}|2"]);
    assert_eq!(row(&mut pipeline, 1, 9), ["{0,0,0,0,0,0,0}|0"]);
    pipeline.check(&ledger);
}

#[test]
fn closing_days_before_the_first_event_is_an_empty_snapshot() {
    let (mut pipeline, mut ledger) = (Pipeline::new(), Ledger::default());
    close_all(&mut pipeline, &mut ledger, 0..3);
    pipeline.insert(&[(1, "sell", 4)]);
    close_all(&mut pipeline, &mut ledger, 3..6);
    assert_eq!(row(&mut pipeline, 1, 5), ["{0,1}|1"]);
    pipeline.check(&ledger);
}

#[test]
fn a_product_that_appears_late_starts_with_a_short_array() {
    let (mut pipeline, mut ledger) = (Pipeline::new(), Ledger::default());
    pipeline.insert(&[(1, "sell", 0), (2, "sell", 6), (2, "sell", 8)]);
    close_all(&mut pipeline, &mut ledger, 0..9);
    assert_eq!(row(&mut pipeline, 2, 5), Vec::<String>::new());
    assert_eq!(row(&mut pipeline, 2, 6), ["{1}|1"]);
    assert_eq!(row(&mut pipeline, 2, 8), ["{1,0,1}|2"]);
    pipeline.check(&ledger);
}

#[test]
fn events_that_come_before_their_day_is_closed_count() {
    let (mut pipeline, mut ledger) = (Pipeline::new(), Ledger::default());
    pipeline.insert(&[(1, "sell", 0), (1, "sell", 5)]);
    close_all(&mut pipeline, &mut ledger, 0..3);
    pipeline.insert(&[(1, "sell", 5), (1, "sell", 4)]);
    close_all(&mut pipeline, &mut ledger, 3..7);
    assert_eq!(row(&mut pipeline, 1, 6), ["{0,2,1,0,0,0,1}|4"]);
    pipeline.check(&ledger);
}

#[test]
fn closing_a_changed_day_again_repairs_all_later_snapshots() {
    let (mut pipeline, mut ledger) = (Pipeline::new(), Ledger::default());
    pipeline.insert(&[(1, "sell", 0), (1, "sell", 5), (2, "sell", 9)]);
    close_all(&mut pipeline, &mut ledger, 0..15);
    pipeline.insert(&[(1, "sell", 3), (2, "return", 3), (3, "sell", 3)]);
    ledger.note(day(3));
    pipeline.check(&ledger);
    close_all(&mut pipeline, &mut ledger, 3..4);
    assert_eq!(row(&mut pipeline, 1, 4), ["{0,1,0,0,1}|2"]);
    assert_eq!(row(&mut pipeline, 3, 14), ["{0,0,0,0,0,0,0}|0"]);
    pipeline.check(&ledger);
}

#[test]
fn deleting_a_products_only_event_removes_it_from_all_snapshots() {
    let (mut pipeline, mut ledger) = (Pipeline::new(), Ledger::default());
    pipeline.insert(&[(1, "sell", 0), (2, "sell", 2)]);
    close_all(&mut pipeline, &mut ledger, 0..12);
    pipeline.client.run("DELETE FROM sales.events WHERE product_id = 2");
    close_all(&mut pipeline, &mut ledger, 2..3);
    assert_eq!(row(&mut pipeline, 2, 11), Vec::<String>::new());
    pipeline.check(&ledger);
}

#[test]
fn a_rolled_back_close_leaves_nothing() {
    let (mut pipeline, mut ledger) = (Pipeline::new(), Ledger::default());
    pipeline.insert(&[(1, "sell", 0), (1, "sell", 1)]);
    close_all(&mut pipeline, &mut ledger, 0..1);
    let before = pipeline.digest();
    pipeline.client.run("BEGIN");
    pipeline.close(day(1));
    pipeline.client.run("ROLLBACK");
    assert_eq!(pipeline.digest(), before);
    pipeline.check(&ledger);
}

#[test]
fn a_backfill_continues_where_an_earlier_one_ended() {
    let (mut pipeline, mut ledger) = (Pipeline::new(), Ledger::default());
    pipeline.generate("events => 500, products => 20, from_day => '2024-12-01', to_day => '2024-12-31', seed => 5");
    for (from, to) in [(0, 4), (12, 14), (2, 20)] {
        pipeline.backfill(day(from), day(to));
        (from..=to).for_each(|number| ledger.close(day(number)));
        pipeline.check(&ledger);
    }
}

#[test]
fn a_backfill_without_arguments_runs_from_the_start_to_yesterday() {
    let mut pipeline = Pipeline::new();
    pipeline.insert(&[(1, "sell", 0)]);
    pipeline.client.run("CALL sales.backfill()");
    let missing = pipeline.client.lines(
        "SELECT day::date FROM generate_series('2024-12-01', (now() AT TIME ZONE 'UTC')::date - 1, '1 day') AS day
          WHERE NOT EXISTS (SELECT FROM sales.daily_cumulate AS c WHERE c.snapshot_date = day)",
    );
    assert_eq!(missing, Vec::<String>::new());
    let latest: bool = pipeline
        .client
        .value("SELECT max(snapshot_date) = (now() AT TIME ZONE 'UTC')::date - 1 FROM sales.daily_cumulate");
    assert!(latest);
}
