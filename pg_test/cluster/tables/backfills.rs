//! Backfills that are killed, watched, and run beside writers; how much memory one takes.

use crate::counts::{Counts, Form, cluster, day};
use pg_cumulate_tests::model::Ledger;
use pg_cumulate_tests::{Ask, Cluster, growth_while, wait_for};
use postgres::Client;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{sleep, spawn};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// A source of many keys in ninety days, and a table over it.
fn big(client: &mut Client, keys: i32, more: &str) {
    client.run(&format!(
        "CREATE TABLE source (key integer, at date, amount numeric);
         INSERT INTO source SELECT n % {keys}, DATE '2024-12-01' + n * 7919 % 90, n / 8.0
         FROM generate_series(1, {keys} * 25) AS n;
         SELECT cumulate.create_table('counts', 'source', 'at', '{{key}}',
             '{{\"events\": \"count(*)\", \"amount\": \"sum(amount)\"}}', windows => '{{7,3}}',
             start_date => '2024-12-01', time_zone => 'UTC', {more})"
    ));
}

const CALL: &str = "CALL cumulate.backfill('counts', '2024-12-01', '2025-02-28')";

fn pid(client: &mut Client) -> i32 {
    client.value("SELECT pg_backend_pid()")
}

fn wrong(client: &mut Client) -> Vec<String> {
    client.lines("SELECT * FROM cumulate.verify('counts') LIMIT 5")
}

#[test]
fn a_backfill_killed_at_random_points_leaves_closed_days_right_and_goes_on() {
    let cluster = Cluster::builder().conf("cumulate.enabled = off").conf("cumulate.create_sales = off").start();
    let database = cluster.database_with_extension();
    let name = database.name().to_owned();
    big(&mut database.connect(), 2500, "partition_by => 'month'");
    let (mut delay, mut kills, mut ended) = (0u64, 0, false);
    while !ended && kills < 40 {
        let mut victim = cluster.connect(&name);
        let target = pid(&mut victim);
        let running = spawn(move || victim.batch_execute(CALL).is_ok());
        // Spread over what a batch takes, the same on every run.
        delay = (delay * 137 + 61) % 300;
        sleep(Duration::from_millis(40 + delay));
        kills += 1;
        let starts = || cluster.log().matches("database system is ready to accept connections").count();
        let before = starts();
        let crash = kills % 3 == 0;
        if crash {
            let script = format!("kill -s KILL {target} 2>/dev/null || true");
            assert!(Command::new("sh").args(["-c", &script]).status().is_ok_and(|status| status.success()));
        } else {
            let _ = cluster.connect(&name).batch_execute(&format!("SELECT pg_terminate_backend({target})"));
        }
        ended = running.join().expect("the session returns");
        // A process that had ended before the signal came takes nothing down.
        if crash && !ended {
            wait_for(PATIENCE, "the server to be back", || (starts() > before).then_some(()));
        }
        let mut client = wait_for(PATIENCE, "a session", || cluster.try_connect(&name).ok());
        assert_eq!(wrong(&mut client), Vec::<String>::new(), "after kill {kills}");
        let gap = "SELECT count(*) FROM cumulate.days WHERE state <> 'closed'
                   AND day < (SELECT max(day) FROM cumulate.days WHERE state = 'closed')";
        assert_eq!(client.value::<i64>(gap), 0, "after kill {kills}");
    }
    let mut client = database.connect();
    let told = client.lines("SELECT DISTINCT message FROM cumulate.runs WHERE status = 'failed' ORDER BY 1");
    assert!(kills > 2 && told.iter().any(|message| message == "the process ended"), "{kills} kills: {told:?}");
    let where_it_stopped = "SELECT count(*) FROM cumulate.runs WHERE status = 'failed' AND message = 'the process ended'
                            AND (detail !~ '^It stopped at [-0-9]+; [0-9]+/90 days are closed and stay' OR hint !~ '^CALL')";
    assert_eq!(client.value::<i64>(where_it_stopped), 0);
    client.run(CALL);
    assert_eq!(client.value::<i64>("SELECT count(*) FROM cumulate.days WHERE state = 'closed'"), 90);
    assert_eq!(
        client.value::<i64>("SELECT count(*) FROM counts"),
        client.value::<i64>("SELECT sum(rows)::bigint FROM cumulate.days")
    );
    assert_eq!(wrong(&mut client), Vec::<String>::new());
}

#[test]
fn what_an_interrupted_backfill_has_read_is_not_read_again() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    big(&mut client, 4000, "partition_by => 'none'");
    let mut victim = database.connect();
    let target = pid(&mut victim);
    let running = spawn(move || victim.batch_execute(CALL).is_err());
    wait_for(PATIENCE, "the first batch", || {
        let done: Option<i32> = client.value("SELECT max(days_done) FROM cumulate.progress");
        done.filter(|days| *days > 0)
    });
    client.run(&format!("SELECT pg_terminate_backend({target})"));
    assert!(running.join().expect("the session returns"), "it was killed before its end");
    // A late change meanwhile is read, and nothing else.
    client.run("CREATE INDEX ON source (at, key); INSERT INTO source VALUES (17, '2025-02-20', 1)");
    let read = "SELECT seq_tup_read + coalesce((SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes
                                                WHERE relid = 'source'::regclass), 0)
                FROM pg_stat_user_tables WHERE relid = 'source'::regclass";
    client.run("SELECT pg_stat_force_next_flush()");
    let before: i64 = client.value(read);
    client.run(CALL);
    client.run("SELECT pg_stat_force_next_flush()");
    let rows = client.value::<i64>(read) - before;
    assert!(rows < 2000, "{rows} rows of the source were read again");
    assert_eq!(wrong(&mut client), Vec::<String>::new());
    assert_eq!(client.value::<i64>("SELECT count(*) FROM cumulate.days WHERE state = 'closed'"), 90);
}

#[test]
fn a_backfill_beside_writers_is_right_after_the_last_repair() {
    for more in ["partition_by => 'month'", "partition_by => 'day'", "partition_by => 'none'"] {
        let mut counts = Counts::new(Form { more, ..Form::with_windows(&[7, 3]) });
        counts.client.run(
            "INSERT INTO source (key, at, amount)
             SELECT 'key ' || n % 90, DATE '2024-12-01' + n % 60, n FROM generate_series(1, 20000) AS n",
        );
        static OVER: AtomicBool = AtomicBool::new(false);
        OVER.store(false, Ordering::Relaxed);
        let writers: Vec<_> = (0..3)
            .map(|number| {
                let mut writer = counts.database.connect();
                spawn(move || {
                    let mut writes = 0;
                    while !OVER.load(Ordering::Relaxed) {
                        writes += 1;
                        sleep(Duration::from_millis(4));
                        let (day, key) = ((writes * 17 + number * 7) % 60, (writes * 13 + number) % 95);
                        writer.run(&format!(
                            "INSERT INTO source (key, at, amount) VALUES ('key {key}', DATE '2024-12-01' + {day}, 5);
                             UPDATE source SET amount = amount + 1, at = DATE '2024-12-01' + ({day} * 7) % 60
                              WHERE id = {writes} * 11 + {number};
                             DELETE FROM source WHERE id = {writes} * 23 + {number}"
                        ));
                    }
                    writes
                })
            })
            .collect();
        for to in [20, 45, 59] {
            counts.client.run(&format!("CALL cumulate.backfill('counts', NULL, '{}')", day(to)));
        }
        OVER.store(true, Ordering::Relaxed);
        let writes: i64 = writers.into_iter().map(|writer| writer.join().expect("a writer ends")).sum();
        counts.apply_late();
        // Days that stayed open for a writer are settled.
        counts.client.run(&format!("CALL cumulate.backfill('counts', NULL, '{}')", day(59)));
        let mut ledger = Ledger::default();
        (0..60).for_each(|number| ledger.close(day(number)));
        counts.check(&ledger);
        assert!(writes > 20, "{writes} writes, {more}");
        assert_eq!(counts.client.value::<i64>("SELECT count(*) FROM cumulate.days WHERE state = 'closed'"), 60);
    }
}

#[test]
fn other_sessions_see_table_day_and_progress() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    big(&mut client, 3000, "partition_by => 'month'");
    let mut worker = database.connect();
    let target = pid(&mut worker);
    let (mut texts, mut progress) = (Vec::new(), Vec::new());
    let running = spawn(move || {
        worker.run(CALL);
        worker
    });
    while !running.is_finished() {
        texts.extend(
            client.lines(&format!("SELECT query FROM pg_stat_activity WHERE pid = {target} AND state = 'active'")),
        );
        let figures = "SELECT days_done BETWEEN 1 AND 90 AND days_total = 90 AND rows > 0 AND rows_per_second > 0
                              AND time_left >= '0' AND current_day = DATE '2024-12-01' + days_done
                       FROM cumulate.progress WHERE days_done > 0";
        progress.extend(client.lines(figures));
        sleep(Duration::from_millis(2));
    }
    let mut worker = running.join().expect("the backfill ends");
    let days = texts.iter().filter(|text| text.starts_with("public.counts 202") && text.ends_with("/90)"));
    let day_of = |text: &String| text.split(' ').nth(1).expect("a day").to_owned();
    let mut seen: Vec<String> = days.map(day_of).collect();
    seen.dedup();
    assert!(seen.len() > 5 && seen.is_sorted(), "{seen:?} {texts:?}");
    assert!(texts.iter().any(|text| text == "public.counts reads its source, 2024-12-01 to 2025-02-28"));
    assert!(progress.len() > 2 && progress.iter().all(|right| right == "t"), "{progress:?}");
    assert_eq!(client.lines(&format!("SELECT query LIKE 'CALL%' FROM pg_stat_activity WHERE pid = {target}")), ["t"]);
    assert_eq!(worker.value::<i64>("SELECT count(*) FROM cumulate.progress"), 0);
}

#[test]
fn a_failed_backfill_says_where_it_stopped() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(
        "CREATE TABLE source (key text, at date, amount bigint);
         INSERT INTO source SELECT 'a', DATE '2024-12-01' + n, 1 FROM generate_series(0, 29) AS n;
         UPDATE source SET amount = 9223372036854775807 WHERE at = '2024-12-20';
         SELECT cumulate.create_table('counts', 'source', 'at', '{key}',
             '{\"amount\": {\"value\": \"max(amount)\", \"type\": \"bigint\"}}',
             start_date => '2024-12-01', time_zone => 'UTC')",
    );
    let refusal = client.refusal("CALL cumulate.backfill('counts', '2024-12-01', '2024-12-30')");
    assert_eq!(refusal.sqlstate, "22003", "{refusal}");
    let runs = "SELECT status, from_day, to_day, days_done, sqlstate FROM cumulate.runs ORDER BY from_day";
    // What was committed succeeded.
    assert_eq!(client.lines(runs), ["succeeded|2024-12-01|2024-12-18|18|", "failed|2024-12-19|2024-12-30|0|22003"]);
    assert_eq!(client.value::<i64>("SELECT count(*) FROM cumulate.days WHERE state = 'closed'"), 18);
    client.run("UPDATE source SET amount = 2 WHERE at = '2024-12-20'");
    client.run("CALL cumulate.backfill('counts', '2024-12-01', '2024-12-30')");
    assert_eq!(client.value::<i64>("SELECT count(*) FROM cumulate.days WHERE state = 'closed'"), 30);
    assert_eq!(wrong(&mut client), Vec::<String>::new());
}

#[test]
fn memory_does_not_grow_with_the_rows() {
    let peak_of = |keys: i32| {
        let database = cluster().database_with_extension();
        let mut client = database.connect();
        big(&mut client, keys, "late => 'none'");
        let mut worker = database.connect();
        worker.run("SET work_mem = '4MB'; SET max_parallel_workers_per_gather = 0");
        let target = pid(&mut worker);
        let ((), growth) = growth_while(target, || worker.run(CALL));
        (client.value::<i64>("SELECT count(*) FROM counts"), growth)
    };
    let (few, small) = peak_of(400);
    let (many, large) = peak_of(8000);
    assert!(many > 15 * few, "{few} rows, then {many}");
    let growth = large.saturating_sub(small) >> 20;
    assert!(growth < 24, "{growth} MB more for {many} rows than for {few}; at the most {large} bytes");
}
