//! What is due is done: from an old start, after downtime, across midnights, in any zone.

use crate::scene::Plan;
use pg_cumulate_tests::{Ask, StopMode};

#[test]
fn an_empty_source_waits_for_its_first_events_and_costs_nothing() {
    let mut scene = Plan { clock: Some(("empty", "2024-12-10 12:00:00")), ..Plan::default() }.stage();

    let next_id = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text";
    // Looks have taken place by then: the database is known, and looked at every second.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let before = scene.client.lines(next_id);
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!(scene.client.lines(next_id), before, "a look takes no transaction id");
    assert_eq!(scene.client.lines("SELECT count(*) FROM cumulate.run"), ["0"]);

    scene.insert("a b", "2024-12-03 12:00+00");
    scene.wait_until_closed("2024-12-09");
    scene.check();
    assert_eq!(
        scene.client.lines("SELECT trigger, from_day, to_day, days_done, days_total, status FROM cumulate.runs"),
        ["schedule|2024-12-01|2024-12-09|9|9|succeeded"]
    );
}

#[test]
fn days_missed_while_the_server_was_down_are_one_run() {
    let mut scene = Plan { clock: Some(("down", "2024-12-04 12:00:00")), ..Plan::default() }.stage();
    scene.fill("2024-12-02", "2024-12-04");
    scene.wait_until_closed("2024-12-03");
    scene.cluster.stop(StopMode::Fast);
    scene.set_clock("2024-12-07 00:00:05");
    scene.cluster.start();
    scene.reconnect();
    scene.wait_until_closed("2024-12-06");
    scene.check();
    assert_eq!(
        scene.client.lines("SELECT from_day, to_day FROM cumulate.runs ORDER BY run_id"),
        ["2024-12-01|2024-12-03", "2024-12-04|2024-12-06"]
    );
}

#[test]
fn a_year_is_caught_up_and_late_changes_are_repaired_at_the_next_look() {
    let mut scene =
        Plan { clock: Some(("year", "2025-03-01 12:00:00")), start: "2024-01-01", ..Plan::default() }.stage();
    scene.fill("2024-01-01", "2025-03-01");
    scene.wait_until_closed("2025-02-28");
    scene.insert("a late", "2024-02-29 23:59+00");
    scene.client.run("DELETE FROM source WHERE at::date = '2025-02-27'");
    scene.wait_until_closed("2025-02-28");
    scene.check();
    assert_eq!(
        scene.client.lines("SELECT count(*) FROM cumulate.runs WHERE trigger = 'late' AND status = 'succeeded'"),
        ["1"]
    );
}

#[test]
fn midnight_closes_the_day_in_zones_east_and_west() {
    for (name, zone, before, after, day) in [
        ("east", "Asia/Tokyo", "2024-12-10 14:59:40", "2024-12-10 15:00:01", "2024-12-10"),
        ("west", "America/Los_Angeles", "2024-12-11 07:59:40", "2024-12-11 08:00:01", "2024-12-10"),
    ] {
        let mut scene = Plan { clock: Some((name, before)), zone, start: "2024-12-08", ..Plan::default() }.stage();
        scene.insert("a b", "2024-12-09 12:00+00");
        scene.insert("a c", "2024-12-10 12:00+00");
        scene.wait_until_closed("2024-12-09");
        assert_eq!(scene.newest_closed(), "2024-12-09");
        scene.set_clock(after);
        scene.wait_until_closed(day);
        scene.check();
    }
}

#[test]
fn days_of_23_and_25_hours_end_when_the_clocks_say_so() {
    for (name, before, after, day) in [
        ("spring", "2024-03-11 03:59:40", "2024-03-11 04:00:01", "2024-03-10"),
        ("autumn", "2024-11-04 04:59:40", "2024-11-04 05:00:01", "2024-11-03"),
    ] {
        let start = if day == "2024-03-10" { "2024-03-08" } else { "2024-11-01" };
        let mut scene =
            Plan { clock: Some((name, before)), zone: "America/New_York", start, ..Plan::default() }.stage();
        scene.insert("a b", &format!("{day} 00:00 America/New_York"));
        scene.insert("a c", &format!("{day} 23:59 America/New_York"));
        scene.wait_until_closed(if day == "2024-03-10" { "2024-03-09" } else { "2024-11-02" });
        assert_ne!(scene.newest_closed(), day);
        scene.set_clock(after);
        scene.wait_until_closed(day);
        scene.check();
    }
}

#[test]
fn a_clock_that_jumps_ahead_is_followed_and_one_that_steps_back_reopens() {
    let mut scene = Plan { clock: Some(("jumps", "2024-12-04 12:00:00")), ..Plan::default() }.stage();
    scene.fill("2024-12-02", "2024-12-04");
    scene.wait_until_closed("2024-12-03");
    scene.set_clock("2024-12-08 12:00:00");
    scene.wait_until_closed("2024-12-07");
    scene.check();
    scene.set_clock("2024-12-06 12:00:00");
    scene.wait_for("days ahead to be open", "SELECT count(*) = 2 FROM cumulate.days WHERE state = 'open'");
    // Today again: no note tells of it.
    scene.insert("b", "2024-12-06 11:00+00");
    assert_eq!(scene.client.value::<i64>("SELECT count(*) FROM cumulate.note"), 0);
    scene.set_clock("2024-12-08 12:00:00");
    scene.wait_until_closed("2024-12-07");
    scene.check_rows();
}

#[test]
fn today_closed_by_hand_is_settled_after_midnight() {
    let mut scene = Plan { clock: Some(("today", "2024-12-04 12:00:00")), ..Plan::default() }.stage();
    scene.fill("2024-12-02", "2024-12-03");
    scene.wait_until_closed("2024-12-03");
    scene.insert("b", "2024-12-04 11:00+00");
    scene.client.run("SELECT cumulate.cumulate_day('counts', '2024-12-04')");
    scene.insert("c", "2024-12-04 11:00+00");
    scene.set_clock("2024-12-05 00:00:02");
    scene.wait_until_closed("2024-12-04");
    scene.check();
}

#[test]
fn a_writer_that_is_open_over_midnight_leaves_its_day_open_until_it_ends() {
    let mut scene = Plan {
        clock: Some(("writer", "2024-12-04 23:59:30")),
        settings: &["cumulate.lock_timeout = '500ms'"],
        ..Plan::default()
    }
    .stage();
    scene.fill("2024-12-02", "2024-12-04");
    scene.wait_until_closed("2024-12-03");
    let mut writer = scene.cluster.connect("stage");
    writer.run("BEGIN; INSERT INTO source VALUES ('w', '2024-12-04 23:00+00')");
    scene.set_clock("2024-12-05 00:00:05");
    scene.wait_for(
        "the day to be open",
        "SELECT count(*) = 1 FROM cumulate.days WHERE day = '2024-12-04' AND state = 'open'",
    );
    let runs = "SELECT count(*) FROM cumulate.runs";
    let before = scene.client.lines(runs);
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(scene.client.lines(runs), before, "nobody tries again while the writer is there");
    writer.run("COMMIT");
    scene.wait_until_closed("2024-12-04");
    scene.check_rows();
}

#[test]
fn a_run_can_be_asked_for_between_the_times_of_a_schedule() {
    let plan = Plan {
        clock: Some(("asked", "2024-12-10 12:00:00")),
        settings: &["cumulate.naptime = 3600"],
        more: "schedule => '0 0 1 1 *'",
        ..Plan::default()
    };
    let mut scene = plan.stage();
    scene.fill("2024-12-02", "2024-12-09");
    scene.client.run("SELECT cumulate.run_now('counts')");
    let asked = std::time::Instant::now();
    scene.wait_for("the run to begin", "SELECT count(*) = 1 FROM cumulate.runs");
    assert!(asked.elapsed().as_secs() < 2, "it began after {:?}", asked.elapsed());
    scene.wait_until_closed("2024-12-09");
    scene.check();
    scene.client.run("SELECT cumulate.run_now('counts')");
    scene.wait_for(
        "a run without work",
        "SELECT count(*) = 1 FROM cumulate.runs WHERE trigger = 'manual' AND days_total = 0 AND status = 'succeeded'",
    );
}

#[test]
fn a_scan_takes_place_at_each_time_of_the_schedule() {
    let plan = Plan {
        clock: Some(("scan", "2024-12-10 11:59:50")),
        more: "late => 'scan', lookback => 2, schedule => '@hourly'",
        ..Plan::default()
    };
    let mut scene = plan.stage();
    scene.fill("2024-12-02", "2024-12-09");
    scene.wait_until_closed("2024-12-09");
    scene.insert("late", "2024-12-09 12:00+00");
    scene.set_clock("2024-12-10 12:00:01");
    scene.wait_for("the scan", "SELECT count(*) = 1 FROM counts WHERE key = 'late'");
    scene.check();
}
