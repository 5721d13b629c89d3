//! A standby runs nothing; promoted, it takes over.

use crate::scene::{LAUNCHERS, Plan, SOON};
use pg_cumulate_tests::{Ask, eventually};

/// Every function that writes.
const WRITES: [&str; 28] = [
    "SELECT cumulate.create_table('more', %, 'snapshot_date', '{key}', '{\"n\": \"count(*)\"}')",
    "SELECT cumulate.alter_table(%, late => 'none')",
    "SELECT cumulate.drop_table(%)",
    "SELECT cumulate.forget(1)",
    "SELECT cumulate.populate_day(%, '2024-12-03')",
    "SELECT cumulate.cumulate_day(%, '2024-12-03')",
    "SELECT cumulate.cumulate_range(%, '2024-12-02', '2024-12-03')",
    "SELECT cumulate.restate(%, '2024-12-02', '2024-12-03')",
    "SELECT cumulate.apply_late(%)",
    "SELECT cumulate.refresh(%)",
    "SELECT cumulate.freeze(%, '2024-12-02')",
    "SELECT cumulate.apply_retention(%)",
    "CALL cumulate.backfill(%)",
    "CALL cumulate.add_metric(%, 'more', '\"count(*)\"')",
    "SELECT cumulate.schedule(%)",
    "SELECT cumulate.unschedule(%)",
    "SELECT cumulate.run_now(%)",
    "SELECT cumulate.pause(%)",
    "SELECT cumulate.resume(%)",
    "SELECT cumulate.create_sales_pipeline('shop')",
    "SELECT cumulate.generate_events(%, 10)",
    "SELECT cumulate_internal.backfill_begin(%, NULL, NULL)",
    "SELECT cumulate_internal.backfill_step(1)",
    "SELECT cumulate_internal.backfill_fail(1, '', '', '', '')",
    "SELECT cumulate_internal.retention_step(%)",
    "SELECT cumulate_internal.add_metric_begin(%, 'more', '\"count(*)\"')",
    "SELECT cumulate_internal.add_metric_fill(1)",
    "SELECT cumulate_internal.add_metric_show(%)",
];

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
    for write in WRITES {
        let refused = reader.refusal(&write.replace('%', "'counts'"));
        assert_eq!(refused.sqlstate, "25006", "{write}: {refused}");
    }
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
