//! What says how the scheduler is doing.

use crate::scene::{HELD, LAUNCHERS, Plan, SOON, hold_at};
use pg_cumulate_tests::{Ask, Cluster, eventually};
use std::time::Duration;

#[test]
fn without_preloading_all_else_works_and_health_names_the_line_to_add() {
    let cluster = Cluster::builder().without_preload().conf("cumulate.enabled = on").start();
    let mut client = cluster.connect("postgres");
    client.run("CREATE EXTENSION pg_cumulate; INSERT INTO sales.events (product_id, event_type, event_date) VALUES (1, 'sell', '2024-12-14')");
    client.run("SELECT sales.cumulate_day('2024-12-14')");
    assert_eq!(client.value::<i64>(LAUNCHERS), 0);
    let health = client.lines("SELECT severity, how_to_mend FROM cumulate.health() WHERE what LIKE 'no scheduler%'");
    assert_eq!(health, ["error|add pg_cumulate to shared_preload_libraries in postgresql.conf and restart the server"]);
    let refused = client.refusal("SELECT cumulate.run_now('sales.daily_cumulate')");
    assert_eq!(refused.sqlstate, "55000");
    assert!(refused.hint.is_some_and(|hint| hint.contains("shared_preload_libraries")));
    client.run("SELECT cumulate.schedule('sales.daily_cumulate', '@hourly')");
}

#[test]
fn without_a_process_for_the_launcher_health_says_what_to_raise() {
    // Logical replication's launcher has taken it.
    let mut scene = Plan { settings: &["max_worker_processes = 1"], ..Plan::default() }.stage();
    assert_eq!(scene.client.value::<i64>(LAUNCHERS), 0);
    let health = "SELECT severity, what, how_to_mend FROM cumulate.health() WHERE what LIKE '%launcher%'";
    assert_eq!(
        scene.client.lines(health),
        ["error|the scheduler's launcher was not started with the server\
          |raise max_worker_processes in postgresql.conf and restart the server"]
    );
    let refused = scene.client.refusal("SELECT cumulate.run_now('counts')");
    assert_eq!(refused.sqlstate, "55000");
    assert!(refused.hint.is_some_and(|hint| hint.contains("max_worker_processes")));
}

#[test]
fn health_switches_the_scheduler_on_where_it_was_switched_off() {
    let mut scene = Plan::default().stage();
    let health = "SELECT severity, how_to_mend FROM cumulate.health() WHERE what LIKE '%cumulate.enabled is off%'";
    for (off, on) in [
        ("ALTER SYSTEM SET cumulate.enabled = off", "ALTER SYSTEM SET cumulate.enabled = on; SELECT pg_reload_conf();"),
        ("ALTER DATABASE stage SET cumulate.enabled = off", "ALTER DATABASE stage RESET cumulate.enabled;"),
    ] {
        scene.client.run(off);
        scene.client.run("SELECT pg_reload_conf()");
        let mut told = Vec::new();
        eventually(SOON, "health to say so", || {
            scene.reconnect();
            told = scene.client.lines(health);
            !told.is_empty()
        });
        assert_eq!(told, [format!("warning|{on}")]);
        let refused = scene.client.refusal("SELECT cumulate.run_now('counts')");
        assert_eq!(refused.hint.as_deref(), Some(on));
        on.split_inclusive("; ").for_each(|statement| scene.client.run(statement));
        eventually(SOON, "health to be content", || {
            scene.reconnect();
            scene.client.lines(health).is_empty()
        });
    }
    // What a session sets for itself reaches no worker.
    scene.client.run("SET cumulate.enabled = off");
    assert_eq!(scene.client.lines("SELECT * FROM cumulate.health()"), [""; 0]);
    scene.client.run("SELECT cumulate.run_now('counts')");
}

#[test]
fn days_of_an_empty_source_are_nothing_to_warn_of() {
    let mut scene = Plan { settings: &["cumulate.enabled = off"], ..Plan::default() }.stage();
    scene.client.run(
        "CREATE TABLE parts (key text, at timestamptz) PARTITION BY LIST (key);
         CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
         SELECT cumulate.create_table('parted', 'parts', 'at', '{key}', '{\"n\": \"count(*)\"}', start_date => '2024-12-01')",
    );
    let warned = "SELECT target FROM cumulate.health() WHERE what LIKE '%no closed snapshot' ORDER BY 1";
    assert_eq!(scene.client.lines(warned), [""; 0]);
    scene.client.run("INSERT INTO source VALUES ('a', '2024-12-02'); INSERT INTO parts VALUES ('a', '2024-12-02')");
    assert_eq!(scene.client.lines(warned), ["counts", "parted"]);
}

#[test]
fn an_extension_that_is_newer_than_the_library_is_left_alone_and_health_says_why() {
    let mut scene = Plan { clock: Some(("newer", "2024-12-21 12:00:00")), ..Plan::default() }.stage();
    scene.client.run("UPDATE pg_extension SET extversion = '99.0' WHERE extname = 'pg_cumulate'");
    scene.fill("2024-12-02", "2024-12-20");
    scene.client.run("SELECT cumulate.wake()");
    let said = "does not know the extension of version 99.0";
    eventually(SOON, "the scheduler to say why it does nothing", || scene.cluster.log().contains(said));
    assert_eq!(scene.client.lines("SELECT * FROM counts"), Vec::<String>::new());
    let health = "SELECT severity, how_to_mend FROM cumulate.health() WHERE what LIKE '%newer than the library%'";
    assert_eq!(scene.client.lines(health), ["error|restart the server"]);
    // Looks that nobody asks for are rare here, so that the log is not filled.
    std::thread::sleep(Duration::from_secs(3));
    assert!(scene.cluster.log().matches(said).count() <= 2, "{}", scene.cluster.log());
    let own = "UPDATE pg_extension SET extversion = default_version FROM pg_available_extensions
                WHERE extname = name AND name = 'pg_cumulate'";
    scene.client.run(&format!("{own}; SELECT cumulate.wake()"));
    scene.wait_until_closed("2024-12-20");
    scene.check();
}

#[test]
fn activity_progress_and_runs_show_what_is_done() {
    let mut scene = Plan { clock: Some(("shown", "2024-12-21 12:00:00")), ..Plan::default() }.stage();
    hold_at(&mut scene.client, "2024-12-09");
    scene.fill("2024-12-02", "2024-12-20");
    scene.wait_for("a run in its middle", HELD);
    let shown = scene.client.lines(
        "SELECT query FROM pg_stat_activity WHERE backend_type = 'pg_cumulate worker' AND wait_event = 'PgSleep'",
    );
    assert_eq!(shown, ["public.counts 2024-12-09 (9/20)"]);
    assert_eq!(
        scene.client.lines("SELECT target, trigger, current_day, days_done, days_total FROM cumulate.progress"),
        ["counts|schedule|2024-12-09|8|20"]
    );
    assert_eq!(scene.client.lines("SELECT state FROM cumulate.schedules"), ["running"]);
    // Somebody without rights on the server's processes sees the same.
    scene.client.run("CREATE ROLE reader LOGIN; GRANT SELECT ON counts TO reader");
    let mut reader = scene.cluster.connect_as("stage", "reader");
    assert_eq!(reader.lines("SELECT status FROM cumulate.runs WHERE status <> 'succeeded'"), ["running"]);
    scene.client.run("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_cumulate worker' AND wait_event = 'PgSleep'; DROP TRIGGER held ON counts");
    scene.wait_until_closed("2024-12-20");
    scene.check();
}

#[test]
fn the_launcher_does_not_grow() {
    let mut scene = Plan { clock: Some(("grows", "2024-12-10 12:00:00")), ..Plan::default() }.stage();
    let size = |pid: i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the launcher runs");
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("its memory").to_owned();
        line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<i64>().ok()).expect("a number")
    };
    let pid = scene.client.value::<i32>("SELECT cumulate_internal.launcher_pid()");
    let look_often = |scene: &mut crate::scene::Scene| {
        for _ in 0..150 {
            scene.client.run("SELECT cumulate.wake()");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    look_often(&mut scene);
    let before = size(pid);
    look_often(&mut scene);
    assert!(size(pid) - before < 64, "it grew by {} kB", size(pid) - before);
}
