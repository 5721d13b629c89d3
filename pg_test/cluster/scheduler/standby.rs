//! A standby runs nothing; promoted, it takes over.

use crate::scene::{LAUNCHERS, Plan, SOON};
use pg_cumulate_tests::{Ask, eventually};

#[test]
fn a_standby_waits_and_takes_over_when_it_is_promoted() {
    let plan = Plan {
        clock: Some(("standby", "2024-12-04 12:00:00")),
        settings: &["wal_level = replica", "max_wal_senders = 4", "hot_standby = on"],
        ..Plan::default()
    };
    let mut scene = plan.stage();
    scene.fill("2024-12-02", "2024-12-04");
    scene.wait_until_closed("2024-12-03");
    let mut standby = scene.cluster.standby();
    let mut reader = standby.connect("stage");
    assert_eq!(reader.value::<i64>(LAUNCHERS), 0);
    assert_eq!(reader.lines("SELECT max(snapshot_date) FROM counts_latest"), ["2024-12-03"]);
    assert_eq!(reader.lines("SELECT * FROM cumulate.health()"), [""; 0]);
    let refused = reader.refusal("SELECT cumulate.run_now('counts')");
    assert_eq!((refused.sqlstate.as_str(), refused.hint.as_deref()), ("25006", Some("Connect to the primary.")));
    assert_eq!(reader.refusal("SELECT cumulate.cumulate_day('counts', '2024-12-03')").sqlstate, "25006");
    scene.cluster.kill_group();
    scene.set_clock("2024-12-07 12:00:00");
    standby.promote();
    let clock = scene.clock.take();
    let mut client = standby.connect("stage");
    eventually(SOON, "the launcher", || client.value::<i64>(LAUNCHERS) == 1);
    std::mem::swap(&mut scene.cluster, &mut standby);
    scene.client = client;
    scene.wait_until_closed("2024-12-06");
    scene.check();
    drop(scene);
    drop(clock);
}
