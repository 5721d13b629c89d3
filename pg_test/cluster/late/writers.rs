//! Writers that are still there when their day is closed, and writers without rights on anything but the source.

use crate::{assert_law, pipeline};
use pg_cumulate_tests::{Ask, eventually};
use std::time::Duration;

#[test]
fn a_prepared_writer_keeps_its_days_open_until_it_has_ended() {
    let (database, mut client) = pipeline(10);
    let mut writer = database.connect();
    writer.run(
        "BEGIN;
         INSERT INTO sales.events (product_id, event_type, event_date) VALUES (7, 'sell', '2024-12-12');
         PREPARE TRANSACTION 'keeps a day open'",
    );
    client.run("SET cumulate.lock_timeout = '200ms'");
    client.run("SELECT sales.cumulate_day('2024-12-12')");
    let state = "SELECT state FROM cumulate.days WHERE day = '2024-12-12'";
    assert_eq!(client.lines(state), ["open"]);
    client.run("COMMIT PREPARED 'keeps a day open'");
    client.run("SELECT sales.cumulate_day('2024-12-13')");
    assert_eq!(client.lines(state), ["closed"]);
    assert_law(&mut client);
}

#[test]
fn a_caller_that_has_written_itself_does_not_wait_but_leaves_the_day_open() {
    let (database, mut client) = pipeline(10);
    let mut writer = database.connect();
    writer.run(
        "BEGIN;
         INSERT INTO sales.events (product_id, event_type, event_date) VALUES (7, 'sell', '2024-12-12');
         PREPARE TRANSACTION 'is not waited for'",
    );
    client.run(
        "SET statement_timeout = '10s';
         BEGIN;
         INSERT INTO sales.events (product_id, event_type, event_date) VALUES (8, 'sell', '2024-12-12');
         SELECT sales.cumulate_day('2024-12-12');
         COMMIT",
    );
    assert_eq!(client.lines("SELECT state FROM cumulate.days WHERE day = '2024-12-12'"), ["open"]);
    client.run("COMMIT PREPARED 'is not waited for'");
    client.run("SELECT sales.cumulate_day('2024-12-12')");
    assert_eq!(client.lines("SELECT state FROM cumulate.days WHERE day = '2024-12-12'"), ["closed"]);
    assert_law(&mut client);
}

#[test]
fn a_writer_that_began_today_is_not_waited_for_and_its_change_is_repaired() {
    let (database, mut client) = pipeline(10);
    let mut writer = database.connect();
    writer.run("BEGIN; INSERT INTO sales.events (product_id, event_type, event_date) VALUES (7, 'sell', '2024-12-11')");
    client.run("SELECT sales.cumulate_day('2024-12-11')");
    assert_eq!(client.lines("SELECT state FROM cumulate.days WHERE day = '2024-12-11'"), ["closed"]);
    writer.run("COMMIT");
    assert_eq!(client.value::<i64>("SELECT cumulate.apply_late('sales.daily_cumulate')"), 1);
    assert_law(&mut client);
}

#[test]
fn a_second_closer_of_the_same_day_waits_and_finds_nothing_to_do() {
    let (database, mut client) = pipeline(3);
    let mut second = database.connect();
    client.run("BEGIN; SELECT sales.cumulate_day('2024-12-05')");
    let name = database.name().to_owned();
    let waiting = std::thread::spawn(move || second.value::<i64>("SELECT sales.cumulate_day('2024-12-05')"));
    let mut look = database.connect();
    eventually(Duration::from_secs(10), "the second closer waits", || {
        look.value::<i64>(&format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event_type = 'Lock'"
        )) == 1
    });
    client.run("COMMIT");
    let rows = waiting.join().expect("the second closer succeeds");
    assert_eq!(
        rows,
        client.value::<i64>("SELECT count(*) FROM sales.daily_cumulate WHERE snapshot_date = '2024-12-05'")
    );
    assert_law(&mut client);
}

#[test]
fn readers_of_other_days_never_wait_for_a_close() {
    let (database, mut client) = pipeline(40);
    let mut reader = database.connect();
    reader.run("SET lock_timeout = '100ms'");
    // The second of these days needs a new partition.
    client.run("BEGIN; SELECT sales.cumulate_day('2025-01-31'), sales.cumulate_day('2025-02-01')");
    let rows: i64 = reader.value("SELECT count(*) FROM sales.daily_cumulate WHERE snapshot_date <= '2025-01-10'");
    assert!(rows > 0);
    assert_eq!(reader.value::<i64>("SELECT count(*) FROM sales.daily_cumulate WHERE snapshot_date = '2025-01-31'"), 0);
    client.run("COMMIT");
    assert!(reader.value::<i64>("SELECT count(*) FROM sales.daily_cumulate WHERE snapshot_date = '2025-02-01'") > 0);
}

#[test]
fn a_role_that_may_only_insert_loads_the_source() {
    let (database, mut client) = pipeline(3);
    client.run(
        "CREATE ROLE loader LOGIN;
         GRANT USAGE ON SCHEMA sales TO loader;
         GRANT INSERT ON sales.events TO loader",
    );
    let mut loader = database.connect_as("loader");
    loader.run("INSERT INTO sales.events (product_id, event_type, event_date) VALUES (1, 'sell', '2024-12-02')");
    assert_eq!(loader.refusal("SELECT cumulate.apply_late('sales.daily_cumulate')").sqlstate, "42501");
    assert_eq!(
        loader.refusal("INSERT INTO cumulate.note (target, pid, noted_at) VALUES (0, 0, now())").sqlstate,
        "42501"
    );
    assert!(client.value::<i64>("SELECT cumulate.apply_late('sales.daily_cumulate')") > 0);
    assert_law(&mut client);
    drop(loader);
    client.run("DROP OWNED BY loader; DROP ROLE loader");
}

#[test]
fn a_writer_that_a_drop_waits_for_leaves_no_note() {
    let (database, mut client) = pipeline(3);
    let mut writer = database.connect();
    writer.run("BEGIN; INSERT INTO sales.events (product_id, event_type, event_date) VALUES (7, 'sell', '2024-12-02')");
    std::thread::scope(|scope| {
        let mut dropper = database.connect();
        let dropping = scope.spawn(move || dropper.run("SELECT cumulate.drop_table('sales.daily_cumulate')"));
        eventually(Duration::from_secs(20), "the drop to wait", || {
            client.value("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'sales.events'::regclass")
        });
        writer.run("COMMIT");
        dropping.join().expect("the table is dropped");
    });
    assert_eq!(client.lines("SELECT target::oid, day, key FROM cumulate.note"), [""; 0]);
}

#[test]
fn a_drop_waits_for_who_goes_through_the_partitions_of_a_source_and_not_the_other_way_round() {
    let (database, mut client) = pipeline(1);
    client.run(
        "CREATE TABLE parted (key text, at date) PARTITION BY LIST (key);
         CREATE TABLE parted_a PARTITION OF parted FOR VALUES IN ('a');
         CREATE TABLE parted_b PARTITION OF parted FOR VALUES IN ('b')",
    );
    for (first, second) in [("a", "b"), ("b", "a")] {
        client.run("SELECT cumulate.create_table('counts', 'parted', 'at', '{key}', '{\"events\": \"count(*)\"}')");
        let mut writer = database.connect();
        writer.run(&format!("BEGIN; INSERT INTO parted VALUES ('{first}', '2024-12-01')"));
        std::thread::scope(|scope| {
            let mut dropper = database.connect();
            let dropping = scope.spawn(move || dropper.attempt("SELECT cumulate.drop_table('counts')"));
            eventually(Duration::from_secs(20), "the drop to wait", || {
                client.value("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'")
            });
            writer.run(&format!("SELECT * FROM parted_{second}; COMMIT"));
            assert_eq!(dropping.join().expect("the session goes on"), Ok(()));
        });
    }
}

#[test]
fn a_call_of_the_engine_locks_a_partitioned_source_from_the_top_down_as_truncate_does() {
    let (_database, mut client) = pipeline(1);
    client.run(
        "CREATE TABLE parted (key text, at date) PARTITION BY LIST (key);
         CREATE TABLE parted_a PARTITION OF parted FOR VALUES IN ('a');
         SELECT cumulate.create_table('counts', 'parted', 'at', '{key}', '{\"events\": \"count(*)\"}');
         INSERT INTO parted VALUES ('a', '2024-12-01');
         SELECT cumulate.cumulate_day('counts', '2024-12-01')",
    );
    for look in
        ["SELECT cumulate.apply_late('counts')", "SELECT * FROM cumulate.days", "SELECT * FROM cumulate.health()"]
    {
        client.run(&format!("BEGIN; {look}"));
        let locked = client.lines(
            "SELECT relation::regclass FROM pg_locks
             WHERE pid = pg_backend_pid() AND relation IN ('parted'::regclass, 'parted_a'::regclass) ORDER BY 1",
        );
        client.run("ROLLBACK");
        assert_ne!(locked, ["parted_a"], "{look}");
    }
}
