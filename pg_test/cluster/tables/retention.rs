//! Retention: old snapshots go, daily rows stay, and every day that is left is right.

use crate::counts::{Counts, Form, cluster, day};
use crate::programs::{Scratch, dump, program, succeed};
use pg_cumulate_tests::model::{Day, Ledger};
use pg_cumulate_tests::{Ask, Cluster, eventually};
use postgres::Client;
use std::time::Duration;

const PARTITIONS: [&str; 3] = ["partition_by => 'month'", "partition_by => 'day'", "partition_by => 'none'"];

/// Says that snapshots are kept from that day on.
fn keep_from(client: &mut Client, day: Day) {
    client.run(&format!(
        "SELECT cumulate.alter_table('counts',
             retention => make_interval(days => (now() AT TIME ZONE 'UTC')::date - DATE '{day}'))"
    ));
}

fn apply(client: &mut Client) -> i64 {
    client.value("SELECT cumulate.apply_retention('counts')")
}

/// Keys that come early, late, once and often, with closed days from 0 to `last`.
fn closed(form: Form, last: i64) -> (Counts, Ledger) {
    let (mut counts, mut ledger) = (Counts::new(form), Ledger::default());
    counts.insert(&[("early", 0, Some(1)), ("early", 44, Some(2)), ("once", 3, None), ("late", 41, Some(3))]);
    for number in (2..60).step_by(3) {
        counts.insert(&[("often", number, Some(number))]);
    }
    counts.close_range(day(0), day(last));
    (0..=last).for_each(|number| ledger.close(day(number)));
    (counts, ledger)
}

fn forms() -> Vec<Form> {
    let of = |more| {
        let ragged = Form { more, ..Form::with_windows(&[7, 3]) };
        let padded = ragged.clone().padded();
        [Form { expire_idle: true, ..padded.clone() }, padded, ragged]
    };
    PARTITIONS.into_iter().flat_map(of).collect()
}

#[test]
fn old_snapshots_go_daily_rows_stay_and_later_days_are_right() {
    for form in forms() {
        let (mut counts, mut ledger) = closed(form.clone(), 50);
        let daily = "SELECT count(*), md5(string_agg(d::text, ' ' ORDER BY d::text)) FROM counts_daily AS d";
        let before = counts.client.lines(daily);
        keep_from(&mut counts.client, day(40));
        assert_eq!(apply(&mut counts.client), 40, "{form:?}");
        assert_eq!(apply(&mut counts.client), 0, "{form:?}");
        ledger.drop_before(day(40));
        counts.check(&ledger);
        assert_eq!(counts.client.lines(daily), before, "{form:?}");
        let states = "SELECT state, count(*), sum(rows) = 0 FROM cumulate.days WHERE day <= '2025-01-20' GROUP BY 1";
        assert_eq!(counts.client.lines(&format!("{states} ORDER BY 1")), ["closed|11|f", "dropped|40|t"]);
        let work = "SELECT min(day) FROM cumulate.plan('counts')";
        assert_eq!(counts.client.lines(work), ["2025-01-21"], "a dropped day is no gap");
        // Late changes of dropped days change what is left, and bring nothing back.
        counts.insert(&[("early", 36, Some(9)), ("new", 1, Some(4)), ("new", 39, Some(5))]);
        counts.client.run("DELETE FROM source WHERE key = 'once'");
        counts.apply_late();
        counts.check(&ledger);
        for number in [55, 52] {
            counts.close(day(number));
            ledger.close(day(number));
            counts.check(&ledger);
        }
        counts.restate(day(0), day(10));
        counts.client.run("SELECT cumulate.populate_day('counts', '2024-12-04')");
        counts.check(&ledger);
    }
}

#[test]
fn a_dropped_day_is_not_closed_again() {
    let (mut counts, mut ledger) = closed(Form::with_windows(&[7]), 50);
    keep_from(&mut counts.client, day(20));
    apply(&mut counts.client);
    ledger.drop_before(day(20));
    let refusal = counts.client.refusal("SELECT cumulate.cumulate_day('counts', '2024-12-05')");
    assert_eq!(refusal.sqlstate, "55000");
    assert!(refusal.hint.expect("a hint").contains("2024-12-21"));
    // In a range it counts as done.
    counts.close_range(day(0), day(53));
    counts.client.run("CALL cumulate.backfill('counts', '2024-12-01', '2025-01-24')");
    (51..=54).for_each(|number| ledger.close(day(number)));
    counts.check(&ledger);
}

#[test]
fn the_longest_window_and_a_day_stay_however_old_they_are() {
    let (mut counts, mut ledger) = closed(Form::with_windows(&[7, 3]), 50);
    keep_from(&mut counts.client, day(500));
    assert_eq!(apply(&mut counts.client), 43 + 449, "43 snapshots, and the days since the newest that have none");
    ledger.drop_before(day(43));
    counts.check(&ledger);
    counts.client.run(&format!("CALL cumulate.backfill('counts', NULL, '{}')", day(505)));
    let days = "SELECT min(snapshot_date), count(DISTINCT snapshot_date) FROM counts";
    assert_eq!(counts.client.lines(days), [format!("{}|6", day(500))], "backfill has dropped the rest");
    assert_eq!(counts.client.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
}

#[test]
fn a_new_table_with_a_retention_makes_no_snapshot_that_it_would_drop() {
    let mut counts = Counts::new(Form { more: "late => 'none'", ..Form::with_windows(&[7]) });
    counts.insert(&[("a", 0, Some(1)), ("b", 30, Some(2)), ("a", 95, Some(3))]);
    keep_from(&mut counts.client, day(90));
    counts.client.run(&format!("CALL cumulate.backfill('counts', NULL, '{}')", day(100)));
    let run = "SELECT from_day, to_day, days_done, days_total, status FROM cumulate.runs";
    assert_eq!(counts.client.lines(run), [format!("{}|{}|11|11|succeeded", day(90), day(100))]);
    let mut ledger = Ledger::default();
    (90..=100).for_each(|number| ledger.close_without_notes(day(number)));
    counts.check(&ledger);
    assert_eq!(counts.client.value::<i64>("SELECT count(*) FROM cumulate.days WHERE state = 'dropped'"), 90);
}

#[test]
fn days_that_were_left_out_count_for_those_that_are_closed_by_hand() {
    let mut counts = Counts::new(Form { more: "late => 'none'", ..Form::with_windows(&[7]) });
    counts.insert(&[("a", 0, Some(1)), ("b", 88, Some(2)), ("a", 89, Some(3)), ("c", 90, Some(4))]);
    keep_from(&mut counts.client, day(90));
    // Nobody has read the days before: they have no snapshot, and will not get one.
    assert_eq!(apply(&mut counts.client), 90);
    counts.close(day(90));
    let mut ledger = Ledger::default();
    ledger.close_without_notes(day(90));
    counts.check(&ledger);
}

#[test]
fn partitions_that_are_old_are_dropped_and_others_lose_rows() {
    let (mut counts, _) = closed(Form::with_windows(&[7]), 70);
    let partitions = "SELECT relid FROM pg_partition_tree('counts') WHERE isleaf ORDER BY relid::text";
    assert_eq!(counts.client.lines(partitions), ["counts_202412", "counts_202501", "counts_202502"]);
    let oid = counts.client.lines("SELECT 'counts_202501'::regclass::oid");
    keep_from(&mut counts.client, day(40));
    apply(&mut counts.client);
    assert_eq!(counts.client.lines(partitions), ["counts_202501", "counts_202502"]);
    assert_eq!(counts.client.lines("SELECT 'counts_202501'::regclass::oid"), oid);
    assert_eq!(counts.client.lines("SELECT min(snapshot_date) FROM counts"), [day(40).to_string()]);
    // What a user has built on a partition keeps that, empty.
    counts.client.run("CREATE VIEW january AS SELECT * FROM counts_202501");
    keep_from(&mut counts.client, day(63));
    apply(&mut counts.client);
    assert_eq!(counts.client.lines(partitions), ["counts_202501", "counts_202502"]);
    assert_eq!(counts.client.lines("SELECT min(snapshot_date) FROM counts"), [day(63).to_string()]);
    assert_eq!(counts.client.value::<i64>("SELECT count(*) FROM january"), 0);
}

#[test]
fn rows_from_before_the_start_are_not_ours_to_drop() {
    let mut counts = Counts::new(Form { start: day(10), ..Form::with_windows(&[7]) });
    counts.insert(&[("a", 12, Some(1))]);
    counts.close_range(day(10), day(60));
    counts.client.run("INSERT INTO counts (key, snapshot_date) VALUES ('kept', '2024-12-02')");
    keep_from(&mut counts.client, day(40));
    assert_eq!(apply(&mut counts.client), 30);
    assert_eq!(
        counts.client.lines("SELECT key, snapshot_date FROM counts WHERE snapshot_date < '2025-01-10'"),
        ["kept|2024-12-02"]
    );
}

#[test]
fn a_longer_retention_makes_days_missing_again_and_backfill_makes_them_from_the_daily_table() {
    for more in PARTITIONS {
        let (mut counts, mut ledger) = closed(Form { more, ..Form::with_windows(&[7]) }, 50);
        keep_from(&mut counts.client, day(40));
        apply(&mut counts.client);
        counts.insert(&[("new", 2, Some(1))]);
        keep_from(&mut counts.client, day(30));
        let missing = "SELECT min(day) FILTER (WHERE state = 'missing'), count(*) FILTER (WHERE state = 'dropped')
                       FROM cumulate.days WHERE day < '2025-01-15'";
        assert_eq!(counts.client.lines(missing), [format!("{}|30", day(30))]);
        counts.client.run("SELECT cumulate.alter_table('counts', retention => '0')");
        assert_eq!(counts.client.lines(missing), ["2024-12-01|0"]);
        assert_eq!(counts.client.lines("SELECT retention FROM cumulate.definition"), [""]);
        counts.client.run(&format!("CALL cumulate.backfill('counts', NULL, '{}')", day(50)));
        ledger.settle_all();
        counts.check(&ledger);
    }
}

#[test]
fn frozen_days_that_were_dropped_stay_dropped() {
    let (mut counts, _) = closed(Form::with_windows(&[7]), 50);
    counts.client.run(&format!("SELECT cumulate.freeze('counts', '{}')", day(20)));
    counts.client.run("DELETE FROM source WHERE at <= '2024-12-21'");
    keep_from(&mut counts.client, day(30));
    apply(&mut counts.client);
    counts.client.run("SELECT cumulate.alter_table('counts', retention => '0')");
    counts.client.run(&format!("CALL cumulate.backfill('counts', NULL, '{}')", day(52)));
    let states = "SELECT state, count(*), min(day) FROM cumulate.days WHERE day <= '2025-01-22' GROUP BY 1 ORDER BY 1";
    assert_eq!(counts.client.lines(states), [format!("closed|32|{}", day(21)), "dropped|21|2024-12-01".to_owned()]);
    assert_eq!(counts.client.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
    counts.client.run(&format!("SELECT cumulate.freeze('counts', '{}')", day(40)));
    assert_eq!(
        counts.client.lines("SELECT events_array FROM counts WHERE key = 'once' AND snapshot_date = '2025-01-22'"),
        ["{0,0,0,0,0,0,0}"]
    );
}

#[test]
fn readers_do_not_wait_behind_a_drop_that_waits_for_another_reader() {
    let (mut counts, _) = closed(Form::with_windows(&[7]), 70);
    keep_from(&mut counts.client, day(40));
    let mut old = counts.database.connect();
    old.run("BEGIN; SELECT count(*) FROM counts");
    let mut dropping = counts.database.connect();
    dropping.run("SET cumulate.lock_timeout = '3s'");
    let mut reader = counts.database.connect();
    reader.run("SET lock_timeout = '200ms'");
    let waits = std::thread::spawn(move || {
        let days = apply(&mut dropping);
        (dropping, days)
    });
    let mut reads = 0;
    while !waits.is_finished() {
        reader.run("SELECT count(*) FROM counts; SELECT count(*) FROM counts_latest");
        reads += 1;
    }
    let (mut dropping, days) = waits.join().expect("the call ends");
    assert!(reads > 10, "{reads} reads");
    // The rows of January's days are deleted; December's partition stays, and its days with it.
    assert_eq!(days, 9);
    assert_eq!(dropping.lines("SELECT min(snapshot_date) FROM counts"), ["2024-12-01"]);
    assert_eq!(dropping.value::<i64>("SELECT count(*) FROM cumulate.days WHERE state = 'dropped'"), 9);
    old.run("COMMIT");
    assert_eq!(apply(&mut dropping), 31);
    assert_eq!(dropping.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
}

#[test]
fn an_older_snapshot_that_reads_later_sees_no_half() {
    let (mut counts, _) = closed(Form { more: PARTITIONS[2], ..Form::with_windows(&[7]) }, 50);
    let mut reader = counts.database.connect();
    let look = "SELECT count(*), min(snapshot_date) FROM counts";
    reader.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
    let before = reader.lines(look);
    keep_from(&mut counts.client, day(40));
    assert_eq!(apply(&mut counts.client), 40);
    assert_eq!(reader.lines(look), before);
    reader.run("COMMIT");
    assert_ne!(reader.lines(look), before);
}

#[test]
fn a_rolled_back_drop_leaves_everything() {
    for more in PARTITIONS {
        let (mut counts, ledger) = closed(Form { more, ..Form::with_windows(&[7]) }, 50);
        counts.client.run("BEGIN");
        keep_from(&mut counts.client, day(40));
        apply(&mut counts.client);
        counts.client.run("ROLLBACK");
        counts.check(&ledger);
        assert_eq!(counts.client.value::<i64>("SELECT count(*) FROM cumulate.days WHERE state = 'closed'"), 51);
    }
}

#[test]
fn a_dump_keeps_what_was_dropped() {
    let (cluster_of_dump, scratch) = (Cluster::builder().conf("cumulate.enabled = off").start(), Scratch::new());
    let mut client = cluster_of_dump.connect("postgres");
    ["restored", "kept"].iter().for_each(|name| client.run(&format!("CREATE DATABASE {name} TEMPLATE template0")));
    let mut kept = cluster_of_dump.connect("kept");
    kept.run(
        "CREATE EXTENSION pg_cumulate;
         CREATE TABLE source (key text, at date, amount integer);
         INSERT INTO source SELECT 'key ' || n % 7, DATE '2024-12-01' + n % 40, n FROM generate_series(1, 200) AS n",
    );
    kept.run(&Form::with_windows(&[7]).create_table());
    kept.run("SELECT cumulate.cumulate_range('counts', '2024-12-01', '2025-01-20')");
    keep_from(&mut kept, day(35));
    apply(&mut kept);
    let look = "SELECT day, state, rows FROM cumulate.days WHERE day < '2025-01-25' ORDER BY 1";
    let before = kept.lines(look);
    dump(&cluster_of_dump, "postgres", "kept", &["-Fc"], &scratch.file("custom"));
    let mut restore = program("pg_restore", &cluster_of_dump, "postgres");
    succeed(restore.args(["-d", "restored", "--exit-on-error"]).arg(scratch.file("custom")));
    let mut restored = cluster_of_dump.connect("restored");
    assert_eq!(restored.lines(look), before);
    restored.run("SELECT cumulate.cumulate_range('counts', '2024-12-01', '2025-01-22')");
    assert_eq!(restored.lines("SELECT min(snapshot_date) FROM counts"), [day(35).to_string()]);
    assert_eq!(restored.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
    assert_eq!(apply(&mut restored), 0);
}

#[test]
fn february_has_28_days() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run("CREATE TABLE source (key text, at date, amount integer)");
    let with = |windows: &[usize]| Form { more: "retention => '1 month'", ..Form::with_windows(windows) };
    assert_eq!(client.refusal(&with(&[28]).create_table()).sqlstate, "22023");
    client.run(&with(&[27]).create_table());
    for wrong in ["-1 day", "7 days", "27 days"] {
        let call = format!("SELECT cumulate.alter_table('counts', retention => '{wrong}')");
        assert_eq!(client.refusal(&call).sqlstate, "22023", "{wrong}");
    }
    client.run("SELECT cumulate.alter_table('counts', retention => '28 days')");
}

#[test]
fn two_who_change_different_settings_at_once_change_both() {
    let cluster = Cluster::builder().start();
    let mut client = cluster.connect("postgres");
    client.run("CREATE EXTENSION pg_cumulate");
    let mut other = cluster.connect("postgres");
    client.run("BEGIN; SELECT cumulate.alter_table('sales.daily_cumulate', lookback => 3)");
    std::thread::scope(|scope| {
        let waits =
            scope.spawn(|| other.run("SELECT cumulate.alter_table('sales.daily_cumulate', retention => '60 days')"));
        eventually(Duration::from_secs(20), "the second to wait for the first", || {
            client.value::<i64>("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0
        });
        client.run("COMMIT");
        waits.join().expect("the second is not refused");
    });
    let settings =
        "SELECT lookback, retention FROM cumulate.definition WHERE target = 'sales.daily_cumulate'::regclass";
    assert_eq!(client.lines(settings), ["3|60 days"]);
}
