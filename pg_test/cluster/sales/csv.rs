//! Real input: a CSV, loaded by COPY.

use crate::pipeline::{Pipeline, day};
use pg_cumulate_tests::Ask;
use pg_cumulate_tests::model::Ledger;
use std::io::Write;

const COPY: &str = "COPY sales.events (product_id, event_type, event_date) FROM STDIN (FORMAT csv, HEADER)";

fn load(pipeline: &mut Pipeline, csv: &str) -> Result<u64, postgres::Error> {
    let mut writer = pipeline.client.copy_in(COPY)?;
    writer.write_all(csv.as_bytes()).expect("the server reads what it is sent");
    writer.finish()
}

#[test]
fn a_csv_loaded_by_copy_is_closed_day_by_day() {
    let (mut pipeline, mut ledger) = (Pipeline::new(), Ledger::default());
    let csv = "product_id,event_type,event_date\n1,sell,2024-12-01\n1,sell,2024-12-01\n2,return,2024-12-02\n";
    assert_eq!(load(&mut pipeline, csv).unwrap(), 3);
    for number in 0..4 {
        pipeline.close(day(number));
        ledger.close(day(number));
    }
    pipeline.check(&ledger);
}

#[test]
fn a_csv_that_comes_late_is_repaired() {
    let (mut pipeline, mut ledger) = (Pipeline::new(), Ledger::default());
    pipeline.insert(&[(1, "sell", 0)]);
    pipeline.backfill(day(0), day(9));
    (0..=9).for_each(|number| ledger.close(day(number)));
    load(&mut pipeline, "product_id,event_type,event_date\n1,reorder,2024-12-03\n9,sell,2024-12-05\n").unwrap();
    let changed: i64 = pipeline.client.value("SELECT cumulate.apply_late('sales.daily_cumulate')");
    // Product 1 has a reorder within the window of days 3 to 9, product 9 is new in the snapshots of days 5 to 10.
    assert_eq!(changed, 7 + 6);
    pipeline.check(&ledger);
}

#[test]
fn a_csv_with_one_bad_line_is_refused_whole() {
    let mut pipeline = Pipeline::new();
    let bad = "product_id,event_type,event_date\n1,sell,2024-12-01\n1,gift,2024-12-01\n";
    let error = load(&mut pipeline, bad).unwrap_err();
    assert!(error.as_db_error().is_some(), "{error}");
    assert_eq!(pipeline.client.value::<i64>("SELECT count(*) FROM sales.events"), 0);
}
