//! Kills, cancels, shutdowns, locks: nothing is half done and nothing is left running.

use crate::scene::{HELD, LAUNCHERS, Plan, SOON, Scene, WORKER_PID, hold_at, kill};
use pg_cumulate_tests::{Ask, StopMode, eventually};
use std::time::{Duration, Instant};

/// A worker in the middle of catching up: it has committed days, and makes the snapshot of the ninth.
fn in_mid_run(name: &'static str, settings: &'static [&'static str]) -> Scene {
    let mut scene = Plan { clock: Some((name, "2024-12-21 12:00:00")), settings, ..Plan::default() }.stage();
    hold_at(&mut scene.client, "2024-12-09");
    scene.fill("2024-12-02", "2024-12-20");
    scene.wait_for("a run in its middle", HELD);
    assert_eq!(scene.newest_closed(), "2024-12-08");
    scene
}

fn finish(mut scene: Scene) {
    scene.client.run("DROP TRIGGER IF EXISTS held ON counts");
    scene.wait_until_closed("2024-12-20");
    scene.check();
    assert_eq!(scene.client.value::<i64>("SELECT count(*) FROM cumulate.run WHERE status = 'running'"), 0);
}

#[test]
fn a_worker_that_is_killed_is_followed_by_one_that_goes_on() {
    let mut scene = in_mid_run("killed", &[]);
    let pid = scene.client.value::<i32>(WORKER_PID);
    kill(pid);
    eventually(SOON, "the server to recover", || {
        scene.cluster.try_connect("stage").is_ok_and(|mut client| client.execute("SELECT 1", &[]).is_ok())
    });
    scene.reconnect();
    finish(scene);
}

#[test]
fn a_launcher_that_is_killed_comes_back() {
    let mut scene = in_mid_run("launcher-killed", &[]);
    let pid = scene.client.value::<i32>("SELECT cumulate_internal.launcher_pid()");
    kill(pid);
    eventually(SOON, "the server to recover", || {
        scene.cluster.try_connect("stage").is_ok_and(|mut client| client.execute("SELECT 1", &[]).is_ok())
    });
    scene.reconnect();
    scene.wait_for("the launcher", "SELECT cumulate_internal.launcher_pid() IS NOT NULL");
    assert_eq!(scene.client.value::<i64>(LAUNCHERS), 1);
    finish(scene);
}

#[test]
fn a_launcher_that_is_terminated_comes_back_alone_and_leaves_its_worker_at_work() {
    let mut scene = in_mid_run("launcher-terminated", &[]);
    let worker = scene.client.value::<i32>(WORKER_PID);
    for _ in 0..2 {
        let pid = scene.client.value::<i32>("SELECT cumulate_internal.launcher_pid()");
        scene.client.run(&format!("SELECT pg_terminate_backend({pid})"));
        scene.wait_for(
            "another launcher",
            &format!("SELECT coalesce(cumulate_internal.launcher_pid() <> {pid}, false)"),
        );
        assert_eq!(scene.client.value::<i64>(LAUNCHERS), 1);
    }
    // It is the same run still, and no other worker takes the table.
    assert_eq!(scene.client.value::<i32>(WORKER_PID), worker);
    scene
        .client
        .run(&format!("SELECT pg_cancel_backend(cumulate_internal.launcher_pid()), pg_cancel_backend({worker})"));
    finish(scene);
}

#[test]
fn a_run_that_is_cancelled_or_terminated_keeps_its_days_and_is_tried_again() {
    for (name, function) in [("cancelled", "pg_cancel_backend"), ("terminated", "pg_terminate_backend")] {
        let mut scene = in_mid_run(name, &[]);
        let pid = scene.client.value::<i32>(WORKER_PID);
        let began = Instant::now();
        scene.client.run(&format!("SELECT {function}({pid})"));
        scene.wait_for(
            "its end",
            &format!("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep'"),
        );
        assert!(began.elapsed() < Duration::from_secs(2));
        scene.wait_for(
            "the failed run",
            "SELECT count(*) = 1 FROM cumulate.runs WHERE status = 'failed' AND from_day = '2024-12-09'",
        );
        assert_eq!(
            scene.client.lines("SELECT from_day, to_day FROM cumulate.runs WHERE status = 'succeeded'"),
            ["2024-12-01|2024-12-08"]
        );
        finish(scene);
    }
}

#[test]
fn a_run_that_takes_too_long_is_cancelled() {
    let mut scene = in_mid_run("slow", &["cumulate.run_timeout = 2"]);
    scene.wait_for(
        "the failed run",
        "SELECT count(*) > 0 FROM cumulate.runs WHERE status = 'failed' AND sqlstate = '57014'",
    );
    finish(scene);
}

#[test]
fn a_fast_shutdown_does_not_wait_for_a_run_that_waits() {
    let mut scene = Plan { clock: Some(("shutdown", "2024-12-10 12:00:00")), ..Plan::default() }.stage();
    let mut holder = scene.cluster.connect("stage");
    holder.run("BEGIN; LOCK TABLE counts_daily IN ACCESS EXCLUSIVE MODE");
    scene.fill("2024-12-02", "2024-12-09");
    scene.wait_for("a run that waits", "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'pg_cumulate worker' AND wait_event_type = 'Lock'");
    let began = Instant::now();
    scene.cluster.stop(StopMode::Fast);
    assert!(began.elapsed() < Duration::from_secs(3), "it took {:?}", began.elapsed());
    scene.cluster.start();
    scene.reconnect();
    scene.wait_until_closed("2024-12-09");
    scene.check();
}

#[test]
fn a_locked_table_is_tried_again_and_holds_up_no_other() {
    let mut scene = Plan {
        clock: Some(("locked", "2024-12-10 12:00:00")),
        settings: &["cumulate.lock_timeout = '1s'"],
        ..Plan::default()
    }
    .stage();
    scene.client.run(&crate::scene::create_table("other", "UTC", "2024-12-01", "late => 'trigger'"));
    let mut holder = scene.cluster.connect("stage");
    holder.run("BEGIN; LOCK TABLE counts IN ACCESS EXCLUSIVE MODE");
    scene.fill("2024-12-02", "2024-12-09");
    scene.wait_for(
        "the other table",
        "SELECT count(*) = 9 FROM cumulate.days WHERE target = 'other'::regclass AND state = 'closed'",
    );
    scene.wait_for("the refused lock", "SELECT count(*) > 0 FROM cumulate.runs WHERE sqlstate = '55P03'");
    scene.wait_for(
        "the table to be left for a while",
        "SELECT state = 'retrying' AND failures > 0 FROM cumulate.schedules WHERE target = 'counts'::regclass",
    );
    holder.run("ROLLBACK");
    scene.wait_until_closed("2024-12-09");
    scene.check();
    assert_eq!(
        scene.client.lines("SELECT failures, retry_at FROM cumulate.schedules WHERE target = 'counts'::regclass"),
        ["0|"]
    );
}

#[test]
fn without_a_free_process_the_scheduler_waits_and_says_so() {
    // One for the launcher and one for logical replication's launcher: none is left.
    let mut scene = Plan {
        clock: Some(("crowded", "2024-12-10 12:00:00")),
        settings: &["max_worker_processes = 2"],
        ..Plan::default()
    }
    .stage();
    scene.fill("2024-12-02", "2024-12-09");
    scene.wait_for(
        "health to say so",
        "SELECT count(*) = 1 FROM cumulate.health() WHERE what LIKE '%max_worker_processes%'",
    );
    let said = scene.cluster.log().matches("all of max_worker_processes are in use").count();
    assert_eq!(said, 1, "it is said once");
    scene.cluster.add_conf("max_worker_processes = 8");
    scene.cluster.restart(StopMode::Fast);
    scene.reconnect();
    scene.wait_until_closed("2024-12-09");
    scene.check();
    assert_eq!(scene.client.lines("SELECT * FROM cumulate.health()"), [""; 0]);
}

#[test]
fn a_backfill_that_a_restart_cuts_short_is_finished_by_the_scheduler() {
    let mut scene = Plan { clock: Some(("backfill", "2024-12-21 12:00:00")), ..Plan::default() }.stage();
    scene.client.run("SELECT cumulate.pause('counts')");
    hold_at(&mut scene.client, "2024-12-09");
    scene.fill("2024-12-02", "2024-12-20");
    let mut filler = scene.cluster.connect("stage");
    let filling = std::thread::spawn(move || filler.batch_execute("CALL cumulate.backfill('counts')").is_err());
    scene.wait_for(
        "the backfill in its middle",
        "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
    );
    // While somebody runs it by hand the scheduler keeps away.
    scene.client.run("SELECT cumulate.resume('counts')");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(scene.client.lines("SELECT DISTINCT trigger FROM cumulate.runs"), ["backfill"]);
    scene.cluster.restart(StopMode::Fast);
    assert!(filling.join().expect("the session ends"));
    scene.reconnect();
    finish(scene);
}
