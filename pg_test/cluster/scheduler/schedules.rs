//! Schedules: when they fire, and from when on a day is due.

use crate::scene::Plan;
use pg_cumulate_tests::Ask;

#[test]
fn a_day_is_due_from_the_first_time_of_its_schedule_and_the_delay_on() {
    let plan = Plan {
        clock: Some(("due", "2024-12-10 12:00:00")),
        more: "schedule => '30 2 * * *'",
        settings: &["cumulate.min_delay = 60"],
        ..Plan::default()
    };
    let mut scene = plan.stage();
    scene.fill("2024-12-02", "2024-12-10");
    scene.wait_until_closed("2024-12-09");
    for (time, newest) in [
        ("2024-12-11 00:05:00", "2024-12-09"),
        ("2024-12-11 02:30:40", "2024-12-09"),
        ("2024-12-11 02:31:00", "2024-12-10"),
    ] {
        scene.set_clock(time);
        if newest == "2024-12-10" {
            scene.wait_until_closed(newest);
        } else {
            std::thread::sleep(std::time::Duration::from_secs(3));
            assert_eq!(scene.newest_closed(), newest, "at {time}");
        }
    }
    scene.check();
}

#[test]
fn a_schedule_goes_by_its_own_zone_and_can_be_taken_away() {
    let mut scene =
        Plan { clock: Some(("zone", "2024-12-10 12:00:00")), more: "schedule => NULL", ..Plan::default() }.stage();
    scene.fill("2024-12-02", "2024-12-10");
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(scene.client.lines("SELECT count(*) FROM cumulate.runs"), ["0"]);
    assert_eq!(scene.client.lines("SELECT schedule, next_run, state FROM cumulate.schedules"), ["||by hand"]);
    scene.client.run("SELECT cumulate.schedule('counts', '0 3 * * *', 'Asia/Tokyo')");
    scene.wait_until_closed("2024-12-08");
    assert_eq!(
        scene.client.lines("SELECT schedule, time_zone, next_run FROM cumulate.schedules"),
        ["0 3 * * *|Asia/Tokyo|2024-12-10 18:00:00+00"]
    );
    let definition = scene.client.lines("SELECT cumulate.definition('counts')").join("\n");
    assert!(
        definition.contains("schedule => '0 3 * * *'")
            && definition.ends_with("SELECT cumulate.schedule('public.counts', '0 3 * * *', 'Asia/Tokyo');"),
        "{definition}"
    );
    scene.check();
    scene.client.run("SELECT cumulate.unschedule('counts')");
    scene.set_clock("2024-12-12 12:00:00");
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(scene.newest_closed(), "2024-12-08");
    scene.client.run("SELECT cumulate.run_now('counts')");
    scene.wait_until_closed("2024-12-11");
    scene.check();
}

#[test]
fn next_runs_follow_the_clocks_of_their_zone() {
    let mut scene =
        Plan { clock: Some(("next", "2024-03-09 12:00:00")), start: "2024-03-01", ..Plan::default() }.stage();
    scene.client.run("SET timezone = 'America/New_York'");
    assert_eq!(
        scene.client.lines("SELECT cumulate.next_runs('30 2 * * *', 'America/New_York', 3)"),
        ["2024-03-10 03:00:00-04", "2024-03-11 02:30:00-04", "2024-03-12 02:30:00-04"]
    );
    scene.set_clock("2024-11-02 12:00:00");
    assert_eq!(
        scene.client.lines("SELECT cumulate.next_runs('30 1 * * *', 'America/New_York', 2)"),
        ["2024-11-03 01:30:00-04", "2024-11-04 01:30:00-05"]
    );
    // PostgreSQL's own calendar agrees on two years of the first Monday of each month.
    let wrong = scene.client.lines(
        "SELECT n, ts FROM (SELECT row_number() OVER (ORDER BY t) AS n, t FROM cumulate.next_runs('15 6 * * MON#1', 'Europe/Berlin', 24) t) AS a (n, ts)
         FULL JOIN (SELECT row_number() OVER (ORDER BY d) AS n, (d + time '06:15') AT TIME ZONE 'Europe/Berlin' AS ts
                    FROM generate_series(timestamp '2024-11-03', timestamp '2026-12-31', '1 day') d
                    WHERE extract(isodow FROM d) = 1 AND extract(day FROM d) <= 7 LIMIT 24) AS b USING (n, ts)
         WHERE a.n IS NULL OR b.n IS NULL",
    );
    assert_eq!(wrong, [""; 0]);
}
