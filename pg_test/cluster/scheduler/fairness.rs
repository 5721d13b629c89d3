//! A table that is held or slow costs the others seconds, with one worker and with two.

use crate::scene::{SOON, server};
use pg_cumulate_tests::{Ask, Clock, Cluster, eventually};
use postgres::Client;
use std::time::{Duration, Instant};

/// What others may be kept waiting: a look a second, a moment at a held table or a batch of a slow one, and a machine
/// that has other things to do.
const MOMENTS: Duration = Duration::from_secs(9);

/// A database with tables over a source each, which have events of ten days that are over.
fn database(cluster: &Cluster, name: &str, tables: &[&str]) -> Client {
    cluster.connect("postgres").run(&format!("CREATE DATABASE {name} TEMPLATE template0"));
    let mut client = cluster.connect(name);
    client.run("CREATE EXTENSION pg_cumulate");
    for table in tables {
        client.run(&format!(
            "CREATE TABLE {table}_events (key text, at timestamptz);
             INSERT INTO {table}_events SELECT 'a', day FROM generate_series(now() - interval '10 days', now(), '1 day') day;
             SELECT cumulate.create_table('{table}', '{table}_events', 'at', '{{key}}', '{{\"events\": \"count(*)\"}}',
                 windows => '{{3}}', start_date => (now() AT TIME ZONE 'UTC')::date - 10, time_zone => 'UTC')"
        ));
    }
    eventually(SOON, "all days to be closed", || {
        client.value::<bool>(
            "SELECT count(*) FILTER (WHERE state <> 'closed' AND day < (clock_timestamp() AT TIME ZONE 'UTC')::date) = 0
                AND count(*) > 0 FROM cumulate.days",
        )
    });
    client
}

/// How long a late event of a table waits for its repair.
fn time_of_a_repair(client: &mut Client, table: &str) -> Duration {
    let began = Instant::now();
    let key = format!("late {:?}", began);
    client.run(&format!("INSERT INTO {table}_events VALUES ('{key}', now() - interval '3 days')"));
    eventually(SOON * 3, "the late event to be repaired", || {
        client.value::<bool>(&format!("SELECT count(*) > 0 FROM {table} WHERE key = '{key}'"))
    });
    began.elapsed()
}

/// Makes days of a table missing that are read from the source again.
fn forget_days(client: &mut Client, table: &str) {
    client.run(&format!("TRUNCATE {table}; DELETE FROM cumulate.ledger WHERE target = '{table}'::regclass"));
}

/// Every row of a table's snapshots takes some seconds.
fn slow_down(client: &mut Client, table: &str, seconds: &str) {
    client.run(&format!(
        "CREATE FUNCTION {table}_slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END';
         CREATE TRIGGER slow BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_slow()"
    ));
}

fn both(test: impl Fn(&'static str, &[&str])) {
    test("one", &["cumulate.max_workers = 1", "max_prepared_transactions = 5"]);
    test("two", &["cumulate.max_workers = 2", "max_prepared_transactions = 5"]);
}

#[test]
fn writers_that_were_prepared_and_forgotten_hold_up_no_other_table() {
    both(|name, settings| {
        let clock = Clock::set_to(&format!("fairness-prepared-{name}"), "2024-12-10 23:30:00");
        let cluster = server(Some(&clock), settings);
        let mut client = database(&cluster, "stage", &["held_1", "held_2", "healthy"]);
        for table in ["held_1", "held_2"] {
            client
                .run(&format!("BEGIN; INSERT INTO {table}_events VALUES ('p', now()); PREPARE TRANSACTION '{table}'"));
        }
        clock.set("2024-12-11 00:00:01");
        let began = Instant::now();
        eventually(SOON * 3, "the healthy table's day", || {
            client.value::<bool>("SELECT count(*) = 1 FROM cumulate.days WHERE target = 'healthy'::regclass AND day = '2024-12-10' AND state = 'closed'")
        });
        assert!(began.elapsed() < MOMENTS, "{name}: it was closed after {:?}", began.elapsed());
        let repair = time_of_a_repair(&mut client, "healthy");
        assert!(repair < MOMENTS, "{name}: it was repaired after {repair:?}");
        // The held ones have what is there, and the next days, too.
        clock.set("2024-12-12 00:00:01");
        eventually(SOON, "snapshots of the held tables", || {
            client.value::<bool>("SELECT count(*) = 4 FROM cumulate.days WHERE target <> 'healthy'::regclass AND day >= '2024-12-10' AND state = 'open'")
        });
        client.run("COMMIT PREPARED 'held_1'");
        client.run("ROLLBACK PREPARED 'held_2'");
        eventually(SOON, "all days to be closed", || {
            client.value::<bool>("SELECT count(*) FILTER (WHERE state = 'closed') = 36 FROM cumulate.days")
        });
        for table in ["held_1", "held_2", "healthy"] {
            assert_eq!(client.lines(&format!("SELECT * FROM cumulate.verify('{table}')")), [""; 0], "{name}: {table}");
        }
    });
}

#[test]
fn locks_that_are_kept_hold_up_no_other_table() {
    both(|name, settings| {
        let cluster = server(None, settings);
        let mut client = database(&cluster, "stage", &["held_1", "held_2", "healthy"]);
        let mut holder = cluster.connect("stage");
        client.run("INSERT INTO held_1_events VALUES ('a', now() - interval '3 days'); INSERT INTO held_2_events VALUES ('a', now() - interval '3 days')");
        holder.run("BEGIN; LOCK TABLE held_1, held_2_daily IN ACCESS EXCLUSIVE MODE");
        for _ in 0..3 {
            let repair = time_of_a_repair(&mut client, "healthy");
            assert!(repair < MOMENTS, "{name}: it was repaired after {repair:?}");
        }
    });
}

#[test]
fn slow_tables_leave_at_their_next_batch_when_others_wait() {
    both(|name, settings| {
        let cluster = server(None, settings);
        let mut healthy = database(&cluster, "healthy", &["counts"]);
        let mut slow: Vec<Client> =
            ["slow_1", "slow_2"].map(|name| database(&cluster, name, &["slow", "quick"])).into_iter().collect();
        for client in &mut slow {
            client.run(
                "BEGIN; SELECT cumulate.drop_table('slow');
                 INSERT INTO slow_events SELECT 'a', day FROM generate_series(now() - interval '400 days', now(), '1 day') day;
                 SELECT cumulate.create_table('slow', 'slow_events', 'at', '{key}', '{\"events\": \"count(*)\"}',
                     windows => '{3}', start_date => (now() AT TIME ZONE 'UTC')::date - 400, time_zone => 'UTC')",
            );
            slow_down(client, "slow", "0.2");
            client.run("COMMIT");
        }
        eventually(SOON, "a slow run", || {
            slow[0].value::<bool>("SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        });
        for _ in 0..3 {
            let repair = time_of_a_repair(&mut healthy, "counts");
            assert!(repair < MOMENTS, "{name}: another database was repaired after {repair:?}");
            let repair = time_of_a_repair(&mut slow[1], "quick");
            assert!(repair < MOMENTS, "{name}: another table of the database was repaired after {repair:?}");
        }
        let done = |client: &mut Client| {
            client
                .value::<i64>("SELECT count(*) FROM cumulate.days WHERE target = 'slow'::regclass AND state = 'closed'")
        };
        let before: Vec<i64> = slow.iter_mut().map(done).collect();
        for (client, before) in slow.iter_mut().zip(before) {
            eventually(SOON, "the slow table to go on", || done(client) > before);
        }
    });
}

#[test]
fn statements_that_never_end_leave_the_last_worker_to_the_others() {
    let cluster = server(None, &["cumulate.max_workers = 2"]);
    let mut healthy = database(&cluster, "healthy", &["counts"]);
    let mut stuck: Vec<Client> =
        ["stuck_1", "stuck_2"].map(|name| database(&cluster, name, &["stuck", "quick"])).into_iter().collect();
    for client in &mut stuck {
        slow_down(client, "stuck", "600");
        forget_days(client, "stuck");
    }
    eventually(SOON, "a run that does not end", || {
        healthy.value::<bool>("SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    });
    for _ in 0..3 {
        let repair = time_of_a_repair(&mut healthy, "counts");
        assert!(repair < MOMENTS, "another database was repaired after {repair:?}");
        for client in &mut stuck {
            let repair = time_of_a_repair(client, "quick");
            assert!(repair < MOMENTS, "another table of the database was repaired after {repair:?}");
        }
    }
    // To be cut short for others is no failure.
    for client in &mut stuck {
        assert_eq!(client.lines("SELECT * FROM cumulate.runs WHERE status = 'failed'"), [""; 0]);
        client
            .run("CREATE OR REPLACE FUNCTION stuck_slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'");
    }
    healthy.run("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    for client in &mut stuck {
        eventually(SOON * 2, "the days to be closed", || {
            client.value::<bool>("SELECT count(*) = 20 AND bool_and(state = 'closed') FROM cumulate.days")
        });
        assert_eq!(client.lines("SELECT * FROM cumulate.verify('stuck')"), [""; 0]);
    }
}
