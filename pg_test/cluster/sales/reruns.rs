//! Running a day again writes nothing: not by a return value, but by the WAL and by the versions of the rows.

use crate::pipeline::{Pipeline, day};
use pg_cumulate_tests::{Ask, Cluster};

/// A commit record, a few hint bits and a look at the catalog, but not one page of the table.
const NOTHING_WRITTEN: i64 = 8192;

const ROW_VERSIONS: &str = "
    SELECT tableoid::regclass, ctid, xmin, product_id, snapshot_date FROM sales.daily_cumulate
    UNION ALL
    SELECT tableoid::regclass, ctid, xmin, product_id, snapshot_date FROM sales.daily
    ORDER BY 1, 2";

/// The WAL position belongs to the whole server, so these tests have one to themselves, without background writers.
fn quiet_cluster() -> Cluster {
    Cluster::builder().conf("cumulate.enabled = off").conf("autovacuum = off").conf("checkpoint_timeout = '1h'").start()
}

fn closed_december(cluster: &Cluster) -> Pipeline<'_> {
    let mut pipeline = Pipeline::on(cluster);
    pipeline.generate("events => 20000, products => 500, from_day => '2024-12-01', to_day => '2024-12-31', seed => 3");
    pipeline.backfill(day(0), day(30));
    // What a first reader leaves behind (hint bits, statistics) is not the re-run's doing.
    pipeline.client.run("VACUUM ANALYZE");
    pipeline
}

#[test]
fn closing_a_day_again_writes_nothing() {
    let cluster = quiet_cluster();
    let mut pipeline = closed_december(&cluster);
    for number in [0, 14, 30] {
        assert_writes_nothing(&mut pipeline, &format!("SELECT sales.cumulate_day('{}')", day(number)));
    }
}

#[test]
fn a_backfill_of_closed_days_writes_nothing() {
    let cluster = quiet_cluster();
    let mut pipeline = closed_december(&cluster);
    assert_writes_nothing(&mut pipeline, "CALL sales.backfill('2024-12-01', '2024-12-31')");
}

#[test]
fn repairing_when_nothing_is_late_writes_nothing() {
    let cluster = quiet_cluster();
    let mut pipeline = closed_december(&cluster);
    assert_writes_nothing(&mut pipeline, "SELECT cumulate.apply_late('sales.daily_cumulate')");
}

fn assert_writes_nothing(pipeline: &mut Pipeline, command: &str) {
    // Once before the look, for what any first call of a session does.
    pipeline.client.run(command);
    let (versions, position) = (pipeline.client.lines(ROW_VERSIONS), wal_position(pipeline));
    pipeline.client.run(command);
    let written = wal_position(pipeline) - position;
    assert_eq!(pipeline.client.lines(ROW_VERSIONS), versions, "row versions after {command}");
    assert!(written < NOTHING_WRITTEN, "{command} wrote {written} bytes of WAL");
}

fn wal_position(pipeline: &mut Pipeline) -> i64 {
    pipeline.client.value("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint")
}
