//! The engine, in ways that only the inside can choose.

use super::{number, sql};
use crate::pg::spi::Statement;
use std::ops::ControlFlow;

/// A source of text keys with awkward letters, and a cumulative table over it.
fn make(name: &str) {
    sql("CREATE SCHEMA IF NOT EXISTS lab");
    sql("CREATE TABLE IF NOT EXISTS lab.sold (item text, price numeric, sold_on date)");
    if number("SELECT count(*) FROM lab.sold") == 0 {
        sql("INSERT INTO lab.sold
             SELECT 'it''s \"' || (n % 23) || E'\\n', (n % 7) * 1.10, DATE '2024-03-01' + (n * n) % 40
             FROM generate_series(1, 700) n");
    }
    sql(&format!(
        "SELECT cumulate.create_table('lab.{name}', 'lab.sold', 'sold_on', '{{item}}',
             '{{\"sold\": \"count(*)\", \"spent\": \"sum(price)\", \"top\": {{\"value\": \"max(price)\", \"rollup\": \"max\"}}}}',
             windows => '{{3,7}}', start_date => '2024-03-01', time_zone => 'UTC')"
    ));
}

fn same(left: &str, right: &str) {
    for (one, other) in [(left, right), (right, left)] {
        let extra = number(&format!(
            "SELECT count(*) FROM (SELECT item, sold_array, spent_array, top_array, total_sold_3d, total_sold_7d,
                 total_spent_7d, total_top_3d, snapshot_date FROM lab.{one}
             EXCEPT ALL SELECT item, sold_array, spent_array, top_array, total_sold_3d, total_sold_7d,
                 total_spent_7d, total_top_3d, snapshot_date FROM lab.{other}) AS extra"
        ));
        assert_eq!(extra, 0, "rows of {one} that {other} does not have");
    }
    assert!(number(&format!("SELECT count(*) FROM lab.{left}")) > 700);
    assert_eq!(number(&format!("SELECT count(*) FROM cumulate.verify('lab.{left}')")), 0);
}

fn close_at_once(name: &str) {
    sql(&format!("SELECT cumulate.cumulate_range('lab.{name}', '2024-03-01', '2024-04-15')"));
}

pub fn one_pass_and_day_by_day_give_the_same_rows() {
    make("at_once");
    close_at_once("at_once");
    make("by_day");
    sql("SELECT cumulate.cumulate_day('lab.by_day', DATE '2024-03-01' + n) FROM generate_series(0, 45) n");
    same("at_once", "by_day");
}

pub fn both_sinks_give_the_same_rows() {
    make("bulk");
    close_at_once("bulk");
    make("by_insert");
    sql("CREATE FUNCTION lab.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$");
    sql("CREATE TRIGGER nothing BEFORE INSERT ON lab.by_insert FOR EACH ROW EXECUTE FUNCTION lab.nothing()");
    close_at_once("by_insert");
    same("bulk", "by_insert");
}

pub fn a_tiny_work_mem_gives_the_same_rows() {
    make("roomy");
    close_at_once("roomy");
    make("tight");
    sql("SET LOCAL work_mem = '64kB'");
    close_at_once("tight");
    same("roomy", "tight");
}

pub fn a_statement_stops_when_its_closure_breaks() {
    let mut seen = 0;
    let done = Statement::new("SELECT 1 / (5 - n) FROM generate_series(1, 10) n").each_until(|_| {
        seen += 1;
        Ok(if seen == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    assert!(done.is_ok());
    assert_eq!(seen, 4);
}
