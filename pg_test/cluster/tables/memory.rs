//! Nothing that is read for a row outlives it, and what is held for many days fits into work_mem: a call takes no more
//! memory for many keys than for few, also where each array lies out of line.

use crate::counts::cluster;
use pg_cumulate_tests::{Ask, growth_while};

/// Keys of the small and of the large table. Each has three arrays, about 9 kB of them.
const FEW: i32 = 400;
const MANY: i32 = 4000;
/// Bytes that a call may take more than one over few keys; one array of each key that is kept is more.
const MOST: u64 = 8 << 20;

/// What is special about a measured call.
struct Way {
    /// More arguments of create_table.
    table: &'static str,
    /// What happens before, to events of all keys on the first day and of every third on the second.
    before: &'static str,
    call: &'static str,
}

const CLOSE_FIRST: &str = "SELECT cumulate.cumulate_day('counts', '2024-12-01')";
const CLOSE_SECOND: &str = "SELECT cumulate.cumulate_day('counts', '2024-12-02')";

/// Bytes that the call takes at the most.
fn growth(way: &Way, keys: i32) -> u64 {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(&format!(
        "CREATE TABLE source (key integer, at date, amount numeric, score float8);
         CREATE INDEX ON source (at, key);
         INSERT INTO source SELECT n, '2024-12-01', n / 8.0, n / 7.0 FROM generate_series(1, {keys}) AS n;
         INSERT INTO source SELECT n, '2024-12-02', n / 8.0, n / 7.0 FROM generate_series(1, {keys}, 3) AS n;
         SELECT cumulate.create_table('counts', 'source', 'at', '{{key}}',
             '{{\"events\": {{\"value\": \"count(*)\", \"type\": \"bigint\"}}, \"amount\": \"sum(amount)\",
               \"score\": \"sum(score)\"}}', windows => '{{365}}', start_date => '2024-12-01', time_zone => 'UTC',
             {});
         ALTER TABLE counts ALTER events_array SET STORAGE EXTERNAL, ALTER amount_array SET STORAGE EXTERNAL,
                            ALTER score_array SET STORAGE EXTERNAL;
         {}",
        way.table, way.before,
    ));
    client.run("VACUUM ANALYZE");
    let mut session = database.connect();
    session.run("SET work_mem = '1MB'; SET max_parallel_workers_per_gather = 0");
    let pid = session.value("SELECT pg_backend_pid()");
    let ((), growth) = growth_while(pid, || session.run(way.call));
    let last = "SELECT max(cardinality(amount_array)), count(*) >= 400 FROM counts_latest";
    assert_eq!(client.lines(last), ["365|t"], "{}", way.call);
    growth
}

fn assert_flat(way: &Way) {
    let (small, large) = (growth(way, FEW), growth(way, MANY));
    assert!(
        large < small + MOST,
        "{} of a table with {}: {small} bytes for {FEW} keys, {large} for {MANY}",
        way.call,
        way.table
    );
}

#[test]
fn a_close_by_key_forgets_each_row() {
    let table = "shape => 'padded', partition_by => 'none'";
    assert_flat(&Way { table, before: CLOSE_FIRST, call: CLOSE_SECOND });
}

#[test]
fn a_close_in_step_forgets_each_row() {
    let table = "shape => 'padded', partition_by => 'day'";
    assert_flat(&Way { table, before: CLOSE_FIRST, call: CLOSE_SECOND });
}

#[test]
fn a_close_through_triggers_forgets_each_row() {
    let before = "SELECT cumulate.cumulate_day('counts', '2024-12-01');
                  CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
                  CREATE TRIGGER pass BEFORE INSERT OR UPDATE ON counts FOR EACH ROW EXECUTE FUNCTION pass()";
    assert_flat(&Way { table: "shape => 'padded', partition_by => 'none'", before, call: CLOSE_SECOND });
}

#[test]
fn ranges_and_backfills_forget_each_row() {
    let table = "shape => 'padded', partition_by => 'month'";
    let call = "SELECT cumulate.cumulate_range('counts', '2024-12-02', '2024-12-04')";
    assert_flat(&Way { table, before: CLOSE_FIRST, call });
    let call = "CALL cumulate.backfill('counts', '2024-12-02', '2024-12-03')";
    assert_flat(&Way { table, before: CLOSE_FIRST, call });
}

#[test]
fn a_first_day_with_more_keys_than_fit_is_not_held() {
    let call = "SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-03')";
    assert_flat(&Way { table: "shape => 'padded'", before: "", call });
}

#[test]
fn one_short_array_does_not_stand_for_all() {
    let before = "INSERT INTO source VALUES (0, '2025-12-02', 1, 1);
                  SELECT cumulate.cumulate_day('counts', '2025-12-02')";
    let call = "SELECT cumulate.cumulate_range('counts', '2025-12-03', '2025-12-04')";
    assert_flat(&Way { table: "shape => 'ragged'", before, call });
}

#[test]
fn repairs_forget_each_row() {
    let table = "shape => 'padded', partition_by => 'month'";
    let before = "SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-03');
                  UPDATE source SET amount = amount + 1 WHERE at = '2024-12-02'";
    assert_flat(&Way { table, before, call: "SELECT cumulate.apply_late('counts')" });
    let before = "SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-03')";
    assert_flat(&Way { table, before, call: "SELECT cumulate.restate('counts', '2024-12-01', '2024-12-03')" });
}

#[test]
fn a_new_metric_forgets_each_row() {
    let table = "shape => 'padded', partition_by => 'month'";
    let call = "CALL cumulate.add_metric('counts', 'most', '\"max(amount)\"')";
    assert_flat(&Way { table, before: CLOSE_FIRST, call });
}

#[test]
fn verify_forgets_each_row() {
    let table = "shape => 'padded', partition_by => 'month'";
    assert_flat(&Way { table, before: CLOSE_FIRST, call: "SELECT FROM cumulate.verify('counts')" });
}
