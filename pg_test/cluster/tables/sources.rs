//! Sources that are no ordinary tables, with late changes that no trigger notes.

use crate::counts::{Counts, Form, today_at_noon};
use pg_cumulate_tests::Ask;
use pg_cumulate_tests::model::{Day, Ledger, Shape};

/// A kind of source: what makes it, and what makes it show what has been written.
struct Kind {
    name: &'static str,
    commands: &'static str,
    refresh: &'static str,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "a view",
        commands: "CREATE TABLE stored (key text, at date, cents integer, hidden boolean DEFAULT false);
                   CREATE VIEW source AS SELECT key, at, cents AS amount FROM stored WHERE NOT hidden",
        refresh: "",
    },
    Kind {
        name: "a materialized view",
        commands: "CREATE TABLE stored (key text, at date, cents integer);
                   CREATE MATERIALIZED VIEW source AS SELECT key, at, cents AS amount FROM stored",
        refresh: "REFRESH MATERIALIZED VIEW source",
    },
    Kind {
        name: "a partitioned table",
        commands: "CREATE TABLE source (key text, at date, amount integer) PARTITION BY HASH (key);
                   CREATE TABLE leaf_1 PARTITION OF source FOR VALUES WITH (MODULUS 2, REMAINDER 0);
                   CREATE TABLE leaf_2 (amount integer, at date, key text);
                   ALTER TABLE source ATTACH PARTITION leaf_2 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
                   CREATE VIEW stored AS SELECT key, at, amount AS cents FROM source",
        refresh: "",
    },
    Kind {
        name: "an inheritance parent",
        commands: "CREATE TABLE source (key text, at date, amount integer);
                   CREATE TABLE heir () INHERITS (source);
                   CREATE VIEW stored AS SELECT key, at, amount AS cents FROM heir",
        refresh: "",
    },
];

/// A table over a source of that kind, and the day that is today there.
fn table_over(kind: &Kind, more: &'static str) -> (Counts, Day) {
    let (zone, today) = today_at_noon();
    let start = today - chrono::TimeDelta::days(10);
    let form = Form { zone, start, more, shape: Shape::Ragged, ..Form::with_windows(&[4]) };
    (Counts::over(kind.commands, form), today)
}

fn write(counts: &mut Counts, kind: &Kind, key: &str, day: Day, amount: i64) {
    counts.client.run(&format!("INSERT INTO stored VALUES ('{key}', '{day}', {amount})"));
    counts.client.run(kind.refresh);
}

fn days_ago(today: Day, days: i64) -> Day {
    today - chrono::TimeDelta::days(days)
}

#[test]
fn without_notes_a_late_change_is_seen_when_its_day_is_restated() {
    for kind in &KINDS {
        println!("{}", kind.name);
        let (mut counts, today) = table_over(kind, "late => 'none'");
        let (mut ledger, ago) = (Ledger::default(), |days| days_ago(today, days));
        write(&mut counts, kind, "a", ago(9), 5);
        write(&mut counts, kind, "b", ago(5), 2);
        counts.close_range(ago(10), ago(1));
        (1..=10).for_each(|days| ledger.close_without_notes(ago(days)));
        counts.check(&ledger);
        write(&mut counts, kind, "b", ago(7), 3);
        write(&mut counts, kind, "c", ago(6), 4);
        [ago(7), ago(6)].into_iter().for_each(|day| ledger.note(day));
        assert_eq!(counts.apply_late(), 0, "{}", kind.name);
        counts.check_clean_days(&ledger);
        counts.restate(ago(7), ago(6));
        ledger.settle_all();
        counts.check(&ledger);
    }
}

#[test]
fn a_scan_repairs_the_days_of_its_lookback() {
    for kind in &KINDS {
        println!("{}", kind.name);
        let (mut counts, today) = table_over(kind, "late => 'scan', lookback => 3");
        let (mut ledger, ago) = (Ledger::default(), |days| days_ago(today, days));
        write(&mut counts, kind, "a", ago(9), 5);
        write(&mut counts, kind, "b", ago(2), 2);
        counts.close_range(ago(10), ago(2));
        (2..=10).for_each(|days| ledger.close_without_notes(ago(days)));
        counts.check(&ledger);
        // Within the lookback, found by the close of the next day.
        write(&mut counts, kind, "a", ago(3), 1);
        write(&mut counts, kind, "c", ago(2), 1);
        counts.close(ago(1));
        ledger.close_without_notes(ago(1));
        counts.check(&ledger);
        // And by apply_late.
        write(&mut counts, kind, "b", ago(3), 7);
        assert!(counts.apply_late() > 0, "{}", kind.name);
        counts.check(&ledger);
        // Outside it, found by restate alone.
        write(&mut counts, kind, "b", ago(6), 7);
        assert_eq!(counts.apply_late(), 0, "{}", kind.name);
        ledger.note(ago(6));
        counts.check_clean_days(&ledger);
        counts.restate(ago(6), ago(6));
        ledger.settle_all();
        counts.check(&ledger);
    }
}

#[test]
fn only_tables_are_noted_by_triggers() {
    for kind in KINDS.iter().filter(|kind| kind.name != "a partitioned table") {
        let database = crate::counts::cluster().database_with_extension();
        let mut client = database.connect();
        client.run(kind.commands);
        let refusal = client.refusal(&Form::with_windows(&[4]).create_table());
        assert_eq!(refusal.sqlstate, "42809", "{}: {refusal}", kind.name);
        assert!(refusal.hint.is_some_and(|hint| hint.contains("scan")), "{}", kind.name);
    }
}
