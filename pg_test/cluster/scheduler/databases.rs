//! Databases come, go and differ: all are served, none is held up.

use crate::scene::{Plan, SOON, create_table, hold_at, server};
use pg_cumulate_tests::{Ask, Cluster, eventually};
use postgres::Client;
use std::time::{Duration, Instant};

/// A database with a table that has a day to close for each of the last ten.
fn populate(cluster: &Cluster, name: &str) -> Client {
    cluster.connect("postgres").run(&format!("CREATE DATABASE {name} TEMPLATE template0"));
    let mut client = cluster.connect(name);
    client.run(
        "CREATE EXTENSION pg_cumulate; CREATE TABLE source (key text, at timestamptz);
         INSERT INTO source SELECT 'a', day FROM generate_series(now() - interval '10 days', now(), '1 day') day",
    );
    client.run(
        &create_table("counts", "UTC", "2024-12-01", "late => 'trigger'")
            .replace("'2024-12-01'", "(now() AT TIME ZONE 'UTC')::date - 10"),
    );
    client
}

fn wait_until_served(client: &mut Client) {
    eventually(SOON, "all days to be closed", || {
        client.value::<bool>("SELECT count(*) FILTER (WHERE state = 'closed') >= 10 AND count(*) FILTER (WHERE state <> 'closed') = 0 FROM cumulate.days")
    });
    assert_eq!(client.lines("SELECT * FROM cumulate.verify('counts')"), [""; 0]);
}

#[test]
fn databases_can_be_dropped_renamed_and_copied_at_any_time_by_their_owners() {
    let cluster = server(None, &[]);
    let mut client = populate(&cluster, "model");
    wait_until_served(&mut client);
    drop(client);
    cluster.connect("postgres").run("CREATE ROLE builder LOGIN CREATEDB; ALTER DATABASE model OWNER TO builder");
    let launcher = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_cumulate launcher'";
    let mut admin = cluster.connect_as("postgres", "builder");
    let before = cluster.connect("postgres").value::<i32>(launcher);
    for round in 0..10 {
        for command in [
            format!("CREATE DATABASE copy_{round} TEMPLATE model"),
            format!("ALTER DATABASE copy_{round} RENAME TO renamed_{round}"),
            format!("DROP DATABASE renamed_{round}"),
        ] {
            let began = Instant::now();
            admin.run(&command);
            assert!(began.elapsed() < Duration::from_secs(5), "{command} took {:?}", began.elapsed());
        }
    }
    assert_eq!(cluster.connect("postgres").value::<i32>(launcher), before, "the launcher went on");
}

#[test]
fn a_copy_of_a_database_is_served_like_its_model() {
    let cluster = server(None, &[]);
    let mut client = populate(&cluster, "model");
    wait_until_served(&mut client);
    client.run("SELECT cumulate.pause('counts'); INSERT INTO source VALUES ('late', now() - interval '3 days')");
    drop(client);
    cluster.connect("postgres").run("CREATE DATABASE copy TEMPLATE model");
    let mut copy = cluster.connect("copy");
    copy.run("SELECT cumulate.resume('counts')");
    eventually(SOON, "the late change in the copy", || {
        copy.value::<bool>("SELECT count(*) > 0 FROM counts WHERE key = 'late'")
    });
    assert_eq!(cluster.connect("model").lines("SELECT key FROM counts WHERE key = 'late'"), [""; 0]);
}

#[test]
fn a_working_run_leaves_its_database_at_its_next_batch() {
    let mut scene = Plan { clock: Some(("leaves", "2025-12-01 12:00:00")), ..Plan::default() }.stage();
    // Every day takes a moment, so that there is a run to interrupt for a while.
    scene.client.run(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END';
         CREATE TRIGGER slow BEFORE INSERT ON counts FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    scene.fill("2024-12-01", "2025-11-30");
    scene.wait_for("a run", "SELECT count(*) > 0 FROM cumulate.progress WHERE days_done > 0");
    let mut admin = scene.cluster.connect("postgres");
    let database = scene.database.clone();
    // Our own session goes, too.
    scene.client = scene.cluster.connect("postgres");
    admin.run(&format!("ALTER DATABASE {database} RENAME TO elsewhere"));
    scene.database = "elsewhere".to_owned();
    scene.reconnect();
    assert!(
        scene.client.value::<i64>("SELECT count(*) FROM cumulate.days WHERE state = 'missing'") > 0,
        "the run was not over"
    );
    scene.client.run("DROP TRIGGER slow ON counts");
    scene.wait_until_closed("2025-11-30");
    scene.check();
}

#[test]
fn one_broken_database_of_five_holds_up_no_other() {
    let cluster = server(None, &["cumulate.max_workers = 1"]);
    let mut broken = populate(&cluster, "broken");
    wait_until_served(&mut broken);
    // Its owner has made the extension's tables unreadable in a way that fails each look.
    broken.run(
        "SET allow_system_table_mods = on; ALTER TABLE cumulate.schedule RENAME COLUMN wanted_at TO was_wanted_at",
    );
    let mut others: Vec<Client> = (1..=4).map(|number| populate(&cluster, &format!("sound_{number}"))).collect();
    others.iter_mut().for_each(wait_until_served);
    let complaints = || cluster.log().matches("pg_cumulate could not look for what is due").count();
    eventually(SOON, "the broken database to be noticed", || complaints() > 0);
    broken.run(
        "SET allow_system_table_mods = on; ALTER TABLE cumulate.schedule RENAME COLUMN was_wanted_at TO wanted_at",
    );
    broken.run("INSERT INTO source VALUES ('late', now() - interval '3 days')");
    eventually(SOON, "the mended database", || {
        broken.value::<bool>("SELECT count(*) > 0 FROM counts WHERE key = 'late'")
    });
    assert!(complaints() < 12, "it is said ever more rarely: {}", complaints());
}

#[test]
fn a_slow_database_leaves_a_worker_to_the_others() {
    let cluster = server(None, &[]);
    let mut slow = populate(&cluster, "slow");
    wait_until_served(&mut slow);
    let day: String = slow.lines("SELECT max(day) - 5 FROM cumulate.days").concat();
    slow.run(&format!(
        "DELETE FROM counts WHERE snapshot_date = '{day}'; DELETE FROM cumulate.ledger WHERE day = '{day}'"
    ));
    hold_at(&mut slow, &day);
    eventually(SOON, "the held run", || slow.value::<bool>(crate::scene::HELD));
    wait_until_served(&mut populate(&cluster, "quick"));
    slow.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_cumulate worker' AND wait_event = 'PgSleep'");
    slow.run("DROP TRIGGER held ON counts");
    wait_until_served(&mut slow);
}

#[test]
fn what_an_owner_sets_for_the_database_changes_no_run() {
    let mut scene =
        Plan { clock: Some(("settings", "2024-12-10 03:00:00")), zone: "America/New_York", ..Plan::default() }.stage();
    scene.client.run(
        "CREATE SCHEMA evil;
         CREATE FUNCTION evil.no(date, date) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
         CREATE OPERATOR evil.= (leftarg = date, rightarg = date, function = evil.no);
         CREATE FUNCTION evil.count(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 42::bigint';
         ALTER DATABASE stage SET search_path = evil, pg_catalog, public;
         ALTER DATABASE stage SET timezone = 'Asia/Tokyo';
         ALTER DATABASE stage SET default_transaction_read_only = on;
         ALTER DATABASE stage SET default_transaction_isolation = 'serializable';
         ALTER DATABASE stage SET statement_timeout = '1ms';
         ALTER DATABASE stage SET lock_timeout = '1ms';
         ALTER DATABASE stage SET datestyle = 'SQL, DMY';
         ALTER DATABASE stage SET standard_conforming_strings = off;
         ALTER DATABASE stage SET quote_all_identifiers = on;
         ALTER DATABASE stage SET transform_null_equals = on;
         ALTER DATABASE stage SET exit_on_error = on;
         ALTER DATABASE stage SET session_replication_role = 'replica'",
    );
    scene.fill("2024-12-02", "2024-12-09");
    // In New York it is the ninth.
    scene.wait_until_closed("2024-12-08");
    assert_eq!(scene.newest_closed(), "2024-12-08");
    scene.check();
}

#[test]
fn the_scheduler_can_be_off_in_one_database() {
    let mut scene = Plan { clock: Some(("off", "2024-12-10 12:00:00")), ..Plan::default() }.stage();
    scene.client.run("ALTER DATABASE stage SET cumulate.enabled = off");
    // A worker that has connected before goes by what was set then.
    std::thread::sleep(Duration::from_secs(2));
    scene.fill("2024-12-02", "2024-12-09");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(scene.client.lines("SELECT * FROM cumulate.runs"), [""; 0]);
    scene.reconnect();
    assert_eq!(
        scene.client.lines("SELECT count(*) FROM cumulate.health() WHERE what LIKE '%cumulate.enabled is off%'"),
        ["1"]
    );
    assert_eq!(scene.client.refusal("SELECT cumulate.run_now('counts')").sqlstate, "55000");
    scene.client.run("ALTER DATABASE stage RESET cumulate.enabled");
    scene.wait_until_closed("2024-12-09");
    scene.check();
}

#[test]
fn the_extension_can_be_dropped_made_again_and_kept() {
    let mut scene = Plan { clock: Some(("extension", "2024-12-10 12:00:00")), ..Plan::default() }.stage();
    scene.fill("2024-12-02", "2024-12-08");
    scene.wait_until_closed("2024-12-09");
    scene.client.run("BEGIN; DROP EXTENSION pg_cumulate; ROLLBACK");
    scene.insert("late", "2024-12-05 12:00+00");
    scene.wait_until_closed("2024-12-09");
    scene.check();
    scene.client.run("DROP EXTENSION pg_cumulate");
    scene.insert("unseen", "2024-12-05 12:00+00");
    scene.client.run("CREATE EXTENSION pg_cumulate");
    scene.client.run(&create_table("counts", "UTC", "2024-12-01", "daily => 'counts_daily'"));
    scene.wait_until_closed("2024-12-09");
    scene.check();
    assert_eq!(scene.client.lines("SELECT count(*) > 0 FROM counts WHERE key = 'unseen'"), ["t"]);
}

#[test]
fn dropping_the_extension_waits_for_nobody_for_long() {
    let mut scene = Plan { clock: Some(("dropped", "2024-12-21 12:00:00")), ..Plan::default() }.stage();
    hold_at(&mut scene.client, "2024-12-09");
    scene.fill("2024-12-02", "2024-12-20");
    scene.wait_for("a run in its middle", crate::scene::HELD);
    let pid = scene.client.value::<i32>(crate::scene::WORKER_PID);
    let mut other = scene.cluster.connect("stage");
    let dropping = std::thread::spawn(move || other.run("DROP EXTENSION pg_cumulate; DROP TRIGGER held ON counts"));
    std::thread::sleep(Duration::from_secs(1));
    scene.client.run(&format!("SELECT pg_cancel_backend({pid})"));
    dropping.join().expect("the extension is dropped");
    assert_eq!(scene.client.lines("SELECT max(snapshot_date) FROM counts"), ["2024-12-08"]);
    assert!(!scene.cluster.log().contains("PANIC"));
    scene.wait_for(
        "the worker to leave",
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_cumulate worker'",
    );
    let log = scene.cluster.log();
    // Nothing but what this test did itself while the extension was still there.
    let lamented = log.lines().filter(|line| line.contains("pg_cumulate could not") && !line.contains("(57014)"));
    assert_eq!(lamented.collect::<Vec<_>>(), [""; 0], "nobody asks any more how the run ended");
}
