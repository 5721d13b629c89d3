//! A long call answers statement_timeout within a second, and what comes after it is right.

use crate::pipeline::{Pipeline, day};
use pg_cumulate_tests::{Ask, Cluster};
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(1);

#[test]
fn generating_a_hundred_million_events_can_be_cancelled() {
    let mut pipeline = Pipeline::new();
    let before = pipeline.digest();
    assert_cancelled(&mut pipeline, "SELECT sales.generate_events(events => 100000000, seed => 1)");
    assert_eq!(pipeline.digest(), before);
}

#[test]
fn a_total_of_fifty_million_numbers_can_be_cancelled() {
    let mut pipeline = Pipeline::new();
    pipeline.client.run(
        "CREATE TABLE histories (history numeric[]);
         INSERT INTO histories VALUES (array_fill(1::numeric, ARRAY[50000000]))",
    );
    // Bringing the array into memory is PostgreSQL's, and answers as it does: the second is for the sum.
    assert_cancelled_after(Duration::from_secs(1), &mut pipeline, "SELECT cumulate.total(history) FROM histories");
    assert_eq!(pipeline.client.lines("SELECT cumulate.total(history, 3000) FROM histories"), ["3000"]);
}

#[test]
fn a_backfill_can_be_cancelled_and_continued() {
    let cluster = Cluster::builder().conf("cumulate.enabled = off").start();
    let mut pipeline = Pipeline::on(&cluster);
    pipeline
        .generate("events => 1500000, products => 20000, from_day => '2024-12-01', to_day => '2025-02-28', seed => 1");
    assert_cancelled(&mut pipeline, "CALL sales.backfill('2024-12-01', '2025-02-28')");
    assert_sound(&mut pipeline);
    pipeline.backfill(day(0), day(2));
    let days: i64 = pipeline
        .client
        .value("SELECT count(DISTINCT snapshot_date) FROM sales.daily_cumulate WHERE snapshot_date <= '2024-12-03'");
    assert_eq!(days, 3);
    assert_sound(&mut pipeline);
}

/// The model would take long for so many rows.
fn assert_sound(pipeline: &mut Pipeline) {
    let wrong = pipeline.client.lines("SELECT * FROM cumulate.verify('sales.daily_cumulate') LIMIT 20");
    assert_eq!(wrong, Vec::<String>::new());
}

fn assert_cancelled(pipeline: &mut Pipeline, command: &str) {
    assert_cancelled_after(TIMEOUT, pipeline, command);
}

fn assert_cancelled_after(timeout: Duration, pipeline: &mut Pipeline, command: &str) {
    pipeline.client.run(&format!("SET statement_timeout = {}", timeout.as_millis()));
    let start = Instant::now();
    let refusal = pipeline.client.refusal(command);
    let taken = start.elapsed();
    pipeline.client.run("RESET statement_timeout");
    assert_eq!(refusal.sqlstate, "57014", "{refusal}");
    assert!(taken < timeout + PATIENCE, "{command} answered after {taken:?}");
}
