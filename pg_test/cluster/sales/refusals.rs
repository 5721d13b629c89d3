//! Bad input: a clear error with its SQLSTATE, and nothing changed.

use crate::pipeline::{Pipeline, day};
use pg_cumulate_tests::Ask;

/// A call and the SQLSTATE that fits it.
type Case = (&'static str, &'static str);

const NULL: &str = "22004";
const INVALID: &str = "22023";
const OUT_OF_RANGE: &str = "22003";
const DATE_OUT_OF_RANGE: &str = "22008";

const CALLS: &[Case] = &[
    ("SELECT sales.cumulate_day(NULL)", NULL),
    ("SELECT sales.cumulate_day('infinity')", DATE_OUT_OF_RANGE),
    ("SELECT sales.cumulate_day('-infinity')", DATE_OUT_OF_RANGE),
    ("SELECT sales.cumulate_day('0044-03-15 BC')", DATE_OUT_OF_RANGE),
    ("SELECT sales.cumulate_day('5874897-12-31')", DATE_OUT_OF_RANGE),
    ("SELECT sales.cumulate_day((now() AT TIME ZONE 'UTC')::date + 1)", INVALID),
    ("SELECT sales.cumulate_day('2024-11-30')", INVALID),
    ("SELECT sales.populate_day(NULL)", NULL),
    ("SELECT sales.populate_day('infinity')", DATE_OUT_OF_RANGE),
    ("SELECT sales.populate_day('2024-11-30')", INVALID),
    ("CALL sales.backfill('2024-12-05', '2024-12-01')", INVALID),
    ("CALL sales.backfill('2024-11-30', '2024-12-01')", INVALID),
    ("CALL sales.backfill('infinity', NULL)", DATE_OUT_OF_RANGE),
    ("CALL sales.backfill(NULL, '5874897-12-31')", DATE_OUT_OF_RANGE),
    ("SELECT sales.generate_events(events => -1)", INVALID),
    ("SELECT sales.generate_events(events => 0)", INVALID),
    ("SELECT sales.generate_events(events => 9223372036854775807)", INVALID),
    ("SELECT sales.generate_events(products => 0)", INVALID),
    ("SELECT sales.generate_events(products => -5)", INVALID),
    ("SELECT sales.generate_events(events => NULL)", NULL),
    ("SELECT sales.generate_events(from_day => NULL)", NULL),
    ("SELECT sales.generate_events(events => 10, from_day => '2024-12-02', to_day => '2024-12-01')", INVALID),
    ("SELECT sales.generate_events(events => 10, from_day => '-infinity')", DATE_OUT_OF_RANGE),
    ("SELECT sales.generate_events(events => 10, to_day => '5874897-12-31')", DATE_OUT_OF_RANGE),
    ("SELECT sales.generate_events(events => 10, profile => 'wholesale')", INVALID),
    ("SELECT cumulate.shift('{{1,2},{3,4}}'::integer[], 1, 7)", "2202E"),
    ("SELECT cumulate.shift('{1,2}'::integer[], 1, 0)", INVALID),
    ("SELECT cumulate.shift('{1,2}'::integer[], 1, 3661)", INVALID),
    ("SELECT cumulate.total('{{1,2},{3,4}}'::integer[])", "2202E"),
    ("SELECT cumulate.total('{1,2}'::integer[], 0)", INVALID),
    ("SELECT cumulate.total('{1,2}'::integer[], 3661)", INVALID),
    ("SELECT cumulate.total('{9223372036854775807,1}'::bigint[])", OUT_OF_RANGE),
];

/// Refused by the table itself.
const EVENTS: &[Case] = &[
    ("INSERT INTO sales.events (product_id, event_type, event_date) VALUES (1, 'gift', '2024-12-01')", "23514"),
    ("INSERT INTO sales.events (product_id, event_type, event_date) VALUES (NULL, 'sell', '2024-12-01')", "23502"),
    ("INSERT INTO sales.events (product_id, event_type, event_date) VALUES (1, NULL, '2024-12-01')", "23502"),
    ("INSERT INTO sales.events (product_id, event_type, event_date) VALUES (1, 'sell', NULL)", "23502"),
];

#[test]
fn bad_input_is_refused_with_its_sqlstate_and_changes_nothing() {
    let mut pipeline = pipeline_with_history();
    let before = pipeline.digest();
    let wrong: Vec<String> = CALLS.iter().chain(EVENTS).filter_map(|case| complaint(&mut pipeline, case)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(pipeline.digest(), before);
}

#[test]
fn every_refusal_of_ours_says_the_facts_and_what_to_do() {
    let mut pipeline = pipeline_with_history();
    let mut silent = Vec::new();
    for (call, _) in CALLS {
        if let Err(refusal) = pipeline.client.attempt(call)
            && (refusal.detail.is_none() || refusal.hint.is_none())
        {
            silent.push(format!("{call}\n{refusal}"));
        }
    }
    assert!(silent.is_empty(), "without DETAIL or HINT:\n{}", silent.join("\n"));
}

#[test]
fn closing_in_an_older_snapshot_is_refused() {
    let mut pipeline = pipeline_with_history();
    let before = pipeline.digest();
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        pipeline.client.run(&format!("BEGIN ISOLATION LEVEL {level}"));
        let refusal = pipeline.client.refusal("SELECT sales.cumulate_day('2024-12-03')");
        pipeline.client.run("ROLLBACK");
        assert_eq!(refusal.sqlstate, "25001", "{level}: {refusal}");
        assert!(refusal.hint.is_some(), "{level}: {refusal}");
    }
    assert_eq!(pipeline.digest(), before);
}

#[test]
fn a_backfill_in_a_transaction_block_is_refused_and_names_cumulate_range() {
    let mut pipeline = pipeline_with_history();
    let before = pipeline.digest();
    pipeline.client.run("BEGIN");
    let refusal = pipeline.client.refusal("CALL cumulate.backfill('sales.daily_cumulate')");
    pipeline.client.run("ROLLBACK");
    assert!(refusal.to_string().contains("cumulate_range"), "{refusal}");
    assert_eq!(pipeline.digest(), before);
}

fn pipeline_with_history() -> Pipeline<'static> {
    let mut pipeline = Pipeline::new();
    // What is not refused must not work for ever.
    pipeline.client.run("SET statement_timeout = '10s'");
    pipeline.insert(&[(1, "sell", 0), (2, "return", 1)]);
    pipeline.backfill(day(0), day(1));
    pipeline
}

fn complaint(pipeline: &mut Pipeline, (call, sqlstate): &Case) -> Option<String> {
    match pipeline.client.attempt(call) {
        Ok(()) => Some(format!("not refused: {call}")),
        Err(refusal) if refusal.sqlstate != *sqlstate => Some(format!("{call}\n  expected {sqlstate}, got {refusal}")),
        Err(_) => None,
    }
}

#[test]
fn a_pipeline_has_the_name_that_it_is_given_whatever_letters_that_has() {
    let mut pipeline = Pipeline::new();
    let names = ["o''brien", "a\"b", "back\\slash", "$body$", "$sql$", "per%1$I", "Ünï code", "select"];
    for name in names {
        let client = &mut pipeline.client;
        client.run(&format!("SELECT cumulate.create_sales_pipeline('{name}')"));
        let schema = format!("\"{}\"", name.replace("''", "'").replace('"', "\"\""));
        client.run(&format!(
            "SELECT {schema}.generate_events(100, 5, '2024-12-01', '2024-12-03', 1);
             SELECT {schema}.populate_day('2024-12-01'); SELECT {schema}.cumulate_day('2024-12-01')"
        ));
        client.run(&format!("CALL {schema}.backfill('2024-12-01', '2024-12-03')"));
        let days = format!("SELECT count(DISTINCT snapshot_date) FROM {schema}.daily_cumulate");
        assert_eq!(client.value::<i64>(&days), 3, "{name}");
        // Once more: what is there is taken over.
        let table = format!("'{}.daily_cumulate'", schema.replace('\'', "''"));
        client.run(&format!("SELECT cumulate.drop_table({table}, keep_data => true)"));
        client.run(&format!("SELECT cumulate.create_sales_pipeline('{name}')"));
    }
}
