//! Partitions of a cumulative table that users detach, drop, empty and make themselves: no table is stuck by them.

use crate::counts::{Counts, Form, day};
use pg_cumulate_tests::Ask;
use pg_cumulate_tests::model::{Day, Ledger};

const PARTITIONED: [&str; 2] = ["partition_by => 'month'", "partition_by => 'day'"];

/// Days 0 to `last` closed, with keys that come early, late and often.
fn closed(more: &'static str, last: i64) -> (Counts, Ledger) {
    let (mut counts, mut ledger) = (Counts::new(Form { more, ..Form::with_windows(&[7]) }), Ledger::default());
    counts.insert(&[("a", 0, Some(1)), ("b", 1, Some(2)), ("c", 20, None)]);
    for number in (1..80).step_by(3) {
        counts.insert(&[("often", number, Some(number))]);
    }
    counts.close_range(day(0), day(last));
    (0..=last).for_each(|number| ledger.close(day(number)));
    (counts, ledger)
}

/// The partitions of days 0 to 30, as they are called.
fn december(counts: &mut Counts) -> Vec<String> {
    counts
        .client
        .lines("SELECT relid FROM pg_partition_tree('counts') WHERE relid::text LIKE 'counts_202412%' ORDER BY 1")
}

/// One command for each partition of December.
fn each_december(counts: &mut Counts, command: &str) {
    for partition in december(counts) {
        counts.client.run(&command.replace('%', &partition));
    }
}

fn states(counts: &mut Counts) -> Vec<String> {
    counts.client.lines(
        "SELECT state, count(*), min(day), max(day) FROM cumulate.days WHERE day <= '2025-01-10' GROUP BY 1 ORDER BY 1",
    )
}

fn partitions(counts: &mut Counts) -> Vec<String> {
    counts.client.lines("SELECT relid FROM pg_partition_tree('counts') WHERE isleaf ORDER BY relid::text")
}

const LATE: [&str; 5] = [
    "SELECT cumulate.apply_late('counts')",
    "SELECT cumulate.cumulate_day('counts', '2025-01-11')",
    "CALL cumulate.backfill('counts', NULL, '2025-01-11')",
    "SELECT cumulate.restate('counts', '2024-12-01', '2025-01-09')",
    "SELECT cumulate.freeze('counts', '2025-01-05')",
];

#[test]
fn days_whose_partition_is_gone_count_as_dropped_and_late_events_of_theirs_are_repaired_in_what_is_left() {
    for more in PARTITIONED {
        for (index, gone) in ["ALTER TABLE counts DETACH PARTITION %", "DROP TABLE %"].iter().enumerate() {
            for call in LATE.iter().skip(index).step_by(2) {
                println!("{more}: {gone}, {call}");
                let (mut counts, mut ledger) = closed(more, 40);
                each_december(&mut counts, gone);
                let told = counts.client.lines("SELECT what FROM cumulate.health() WHERE what LIKE '%no partition%'");
                assert!(told[0].starts_with("31 days, the first 2024-12-01,"), "{told:?}");
                counts.insert(&[("a", 3, Some(5)), ("new", 29, Some(7)), ("b", 35, Some(1))]);
                counts.client.run(call);
                if call.contains("2025-01-11") {
                    ledger.close(day(41));
                }
                ledger.drop_before(day(31));
                assert_eq!(states(&mut counts)[1], "dropped|31|2024-12-01|2024-12-31");
                counts.check(&ledger);
                let told = counts.client.lines("SELECT what FROM cumulate.health() WHERE what LIKE '%no partition%'");
                assert_eq!(told, Vec::<String>::new());
                let waits = counts.client.lines("SELECT day FROM cumulate.note WHERE day < '2025-01-10'");
                assert_eq!(waits, Vec::<String>::new(), "{call}");
            }
        }
    }
}

#[test]
fn the_newest_snapshots_may_be_gone_too_and_are_made_again_when_they_are_named() {
    for more in PARTITIONED {
        let (mut counts, mut ledger) = closed(more, 35);
        for partition in partitions(&mut counts).iter().filter(|name| name.starts_with("counts_2025")) {
            counts.client.run(&format!("ALTER TABLE counts DETACH PARTITION {partition}"));
        }
        counts.insert(&[("b", 33, Some(1))]);
        counts.close(day(36));
        let mut kept = Ledger::default();
        (0..=30).chain([36]).for_each(|number| kept.close(day(number)));
        counts.check(&kept);
        // The detached tables keep their names, and nobody minds.
        counts.close(day(33));
        kept.close(day(33));
        counts.check(&kept);
        counts.client.run("SELECT cumulate.alter_table('counts', retention => '0')");
        counts.client.run(&format!("CALL cumulate.backfill('counts', NULL, '{}')", day(36)));
        ledger.close(day(36));
        counts.check(&ledger);
    }
}

#[test]
fn a_partition_that_comes_back_is_compared_before_its_days_count_again() {
    for more in PARTITIONED {
        let (mut counts, mut ledger) = closed(more, 40);
        let detached = december(&mut counts);
        each_december(&mut counts, "ALTER TABLE counts DETACH PARTITION %");
        counts.insert(&[("a", 3, Some(5)), ("new", 29, Some(7))]);
        counts.apply_late();
        for partition in &detached {
            let first: Day = match partition.len() {
                13 => day(0),
                _ => Day::parse_from_str(&partition[7..], "%Y%m%d").expect("a day"),
            };
            let past = if partition.len() == 13 { day(31) } else { first.succ_opt().expect("a day") };
            counts.client.run(&format!(
                "ALTER TABLE counts ATTACH PARTITION {partition} FOR VALUES FROM ('{first}') TO ('{past}')"
            ));
        }
        counts.client.run("SELECT cumulate.alter_table('counts', retention => '0')");
        counts.client.run(&format!("CALL cumulate.backfill('counts', NULL, '{}')", day(41)));
        ledger.close(day(41));
        counts.check(&ledger);
    }
}

#[test]
fn empty_snapshots_may_lose_their_partition_too() {
    for more in PARTITIONED {
        let mut counts = Counts::new(Form { more, ..Form::with_windows(&[7]) });
        counts.close_range(day(0), day(33));
        each_december(&mut counts, "DROP TABLE %");
        counts.insert(&[("a", 30, Some(5))]);
        counts.apply_late();
        let mut ledger = Ledger::default();
        (31..=33).for_each(|number| ledger.close(day(number)));
        counts.check(&ledger);
    }
}

/// Partitions that users make, before days 0 to 75 are closed and after days 0 to 3 are.
const OWN: [(&str, &str); 11] = [
    ("up to infinity", "CREATE TABLE own PARTITION OF counts FOR VALUES FROM ('2025-01-10') TO ('infinity')"),
    ("up to MAXVALUE", "CREATE TABLE own PARTITION OF counts FOR VALUES FROM ('2025-01-10') TO (MAXVALUE)"),
    ("from MINVALUE", "CREATE TABLE own PARTITION OF counts FOR VALUES FROM (MINVALUE) TO ('2024-11-20')"),
    ("from -infinity", "CREATE TABLE own PARTITION OF counts FOR VALUES FROM ('-infinity') TO ('2024-11-20')"),
    (
        "in the middle of months",
        "CREATE TABLE own PARTITION OF counts FOR VALUES FROM ('2025-01-10') TO ('2025-01-11');
         CREATE TABLE other PARTITION OF counts FOR VALUES FROM ('2025-01-20') TO ('2025-02-03')",
    ),
    ("for the rest", "CREATE TABLE own PARTITION OF counts DEFAULT"),
    (
        "partitioned again by days, with gaps",
        "CREATE TABLE own PARTITION OF counts FOR VALUES FROM ('2025-01-10') TO ('2025-02-20') PARTITION BY RANGE (snapshot_date);
         CREATE TABLE own_first PARTITION OF own FOR VALUES FROM ('2025-01-10') TO ('2025-01-12');
         CREATE TABLE own_later PARTITION OF own FOR VALUES FROM ('2025-01-20') TO ('2025-02-20') PARTITION BY LIST (key)",
    ),
    (
        "partitioned again by keys, of which some are missing",
        "CREATE TABLE own PARTITION OF counts FOR VALUES FROM ('2025-01-01') TO ('infinity') PARTITION BY LIST (key);
         CREATE TABLE own_a PARTITION OF own FOR VALUES IN ('a', 'c')",
    ),
    (
        "partitioned again by hashes",
        "CREATE TABLE own PARTITION OF counts FOR VALUES FROM ('2025-01-10') TO (MAXVALUE) PARTITION BY HASH (key);
         CREATE TABLE own_0 PARTITION OF own FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE own_1 PARTITION OF own FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
    ),
    (
        "for the rest, partitioned again by days",
        "CREATE TABLE own PARTITION OF counts DEFAULT PARTITION BY RANGE (snapshot_date);
         CREATE TABLE own_first PARTITION OF own FOR VALUES FROM ('2025-01-10') TO ('2025-01-12')",
    ),
    (
        "for the rest, with rows",
        "CREATE TABLE own PARTITION OF counts DEFAULT; INSERT INTO counts VALUES ('stray', '{4}', '{4}', 4, 4, '2025-01-15')",
    ),
];

#[test]
fn partitions_that_users_have_made_take_the_days_that_are_theirs() {
    for more in PARTITIONED {
        for (name, commands) in OWN {
            println!("{more}: {name}");
            let (mut counts, mut ledger) = closed(more, 3);
            counts.client.run(commands);
            counts.close_range(day(4), day(44));
            counts.close(day(46));
            counts.close(day(70));
            counts.close(day(45));
            (4..=46).chain([70]).for_each(|number| ledger.close(day(number)));
            counts.check(&ledger);
            counts.insert(&[("a", 2, Some(1)), ("d", 41, Some(2))]);
            counts.client.run("DELETE FROM source WHERE key = 'b'");
            counts.apply_late();
            counts.check(&ledger);
            counts.client.run(&format!(
                "SELECT cumulate.alter_table('counts', retention => make_interval(days => current_date - DATE '{}'))",
                day(50)
            ));
            counts.client.run("SELECT cumulate.apply_retention('counts')");
            ledger.drop_before(day(50));
            counts.check(&ledger);
        }
    }
}

#[test]
fn a_name_that_is_taken_or_too_long_keeps_no_partition_from_being_made() {
    let mut counts = Counts::new(Form::with_windows(&[7]));
    counts.insert(&[("a", 0, Some(1)), ("b", 33, Some(2))]);
    counts.client.run("CREATE TABLE counts_202412 (mine integer); CREATE VIEW counts_202412_2 AS SELECT 1 AS one");
    counts.close_range(day(0), day(30));
    assert_eq!(partitions(&mut counts), ["counts_202412_3"]);
    let long = "ä".repeat(31);
    counts.client.run(&format!("ALTER TABLE counts RENAME TO {long}"));
    counts.client.run(&format!("SELECT cumulate.cumulate_range('{long}', '{}', '{}')", day(31), day(62)));
    counts.client.run(&format!("ALTER TABLE {long} RENAME TO counts"));
    let mut ledger = Ledger::default();
    (0..=62).for_each(|number| ledger.close(day(number)));
    counts.check(&ledger);
    let named = ["202501", "202502"].map(|suffix| format!("\"{}_{suffix}\"", "ä".repeat(28)));
    assert_eq!(partitions(&mut counts)[..2], named);
}
