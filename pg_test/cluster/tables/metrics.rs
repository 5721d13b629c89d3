//! Metrics: days without events, NULL, floating point, and windows longer than the history.

use crate::counts::{Counts, Form, cluster, day};
use pg_cumulate_tests::Ask;
use pg_cumulate_tests::model::Ledger;

#[test]
fn a_day_without_events_has_a_snapshot_that_is_one_day_older() {
    let (mut counts, mut ledger) = (Counts::new(Form::with_windows(&[3, 1])), Ledger::default());
    counts.insert(&[("a", 0, Some(4)), ("a", 1, Some(2)), ("b", 1, Some(1))]);
    assert_eq!(counts.close_range(day(0), day(1)), 3);
    for number in 2..5 {
        assert_eq!(counts.close(day(number)), 2);
    }
    (0..5).for_each(|number| ledger.close(day(number)));
    assert_eq!(
        counts.rows("a")[2..],
        ["2024-12-03|{0,1,1}|{0,2,4}|6|0", "2024-12-04|{0,0,1}|{0,0,2}|2|0", "2024-12-05|{0,0,0}|{0,0,0}|0|0"]
    );
    let days = "SELECT day, state, rows, events FROM cumulate.days WHERE day BETWEEN '2024-12-02' AND '2024-12-03'";
    assert_eq!(counts.client.lines(days), ["2024-12-02|closed|2|2", "2024-12-03|closed|2|0"]);
    counts.check(&ledger);
}

#[test]
fn a_metric_that_is_null_is_its_zero_and_its_event_still_counts() {
    let (mut counts, mut ledger) = (Counts::new(Form::with_windows(&[3])), Ledger::default());
    counts.insert(&[("a", 0, None), ("a", 1, Some(3)), ("a", 1, None), ("b", 2, None)]);
    counts.close_range(day(0), day(3));
    (0..4).for_each(|number| ledger.close(day(number)));
    assert_eq!(counts.rows("a")[..2], ["2024-12-01|{1}|{0}|0", "2024-12-02|{2,1}|{3,0}|3"]);
    assert_eq!(counts.rows("b"), ["2024-12-03|{1}|{0}|0", "2024-12-04|{0,1}|{0,0}|0"]);
    assert_eq!(counts.client.lines("SELECT amount FROM counts_daily WHERE key = 'b'"), [""]);
    counts.check(&ledger);
    // From NULL to 0 and back: the daily row changes, the snapshot does not.
    let versions = "SELECT ctid, xmin, key, snapshot_date FROM counts";
    let before = counts.client.lines(versions);
    for amount in ["0", "NULL"] {
        counts.client.run(&format!("UPDATE source SET amount = {amount} WHERE key = 'b'"));
        assert_eq!(counts.apply_late(), 0);
        assert_eq!(counts.client.lines(versions), before);
        counts.check(&ledger);
    }
}

#[test]
fn null_is_no_value_for_roll_ups_other_than_sum() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(
        "CREATE TABLE source (key text, at date, amount integer);
         INSERT INTO source VALUES ('a', '2024-12-01', 5), ('a', '2024-12-02', NULL), ('a', '2024-12-04', 3);
         SELECT cumulate.create_table('counts', 'source', 'at', '{key}', '{
                 \"top\": {\"value\": \"max(amount)\", \"rollup\": \"max\"},
                 \"low\": {\"value\": \"min(amount)\", \"rollup\": \"min\"},
                 \"mean\": {\"value\": \"sum(amount)\", \"rollup\": \"avg\"},
                 \"last\": {\"value\": \"max(amount)\", \"rollup\": \"last\"},
                 \"least\": {\"value\": \"min(amount)\", \"rollup\": \"min\", \"zero\": -1},
                 \"sum\": {\"value\": \"sum(amount)\", \"zero\": null}}',
             windows => '{2,4}', start_date => '2024-12-01', time_zone => 'UTC');
         SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-06')",
    );
    let row = |number: i64| {
        format!(
            "SELECT top_array, total_top_2d, total_top_4d, total_low_2d, total_low_4d, round(total_mean_2d, 2),
                    round(total_mean_4d, 2), total_last_2d, total_last_4d, least_array, total_least_4d,
                    sum_array, total_sum_2d
               FROM counts WHERE snapshot_date = '{}'",
            day(number)
        )
    };
    assert_eq!(client.lines(&row(1)), ["{NULL,5}|5|5|5|5|5.00|5.00|5|5|{-1,5}|-1|{NULL,5}|5"]);
    assert_eq!(client.lines(&row(3)), ["{3,NULL,NULL,5}|3|5|3|3|3.00|4.00|3|3|{3,-1,-1,5}|-1|{3,NULL,NULL,5}|3"]);
    assert_eq!(client.lines(&row(5)), ["{NULL,NULL,3,NULL}||3||3||3.00||3|{-1,-1,3,-1}|-1|{NULL,NULL,3,NULL}|"]);
    assert_eq!(client.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
}

const VERSIONS: &str = "
    SELECT tableoid::regclass, ctid, xmin FROM counts UNION ALL SELECT tableoid::regclass, ctid, xmin FROM counts_daily
    UNION ALL SELECT tableoid::regclass, ctid, xmin FROM cumulate.ledger ORDER BY 1, 2";

#[test]
fn the_order_of_floating_point_events_writes_nothing() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(
        "CREATE TABLE source (id integer PRIMARY KEY, key integer, at date, weight double precision, light real);
         INSERT INTO source SELECT n, n % 3, DATE '2024-12-01' + n % 5, n / 7.0 * 10.0 ^ (n % 9), n / 11.0
           FROM generate_series(1, 3000) AS n;
         SELECT cumulate.create_table('counts', 'source', 'at', '{key}', '{\"weight\": \"sum(weight)\",
                 \"mean\": {\"value\": \"avg(weight)\", \"rollup\": \"avg\"}, \"light\": \"sum(light)\"}',
             windows => '{3}', start_date => '2024-12-01', time_zone => 'UTC');
         SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-06')",
    );
    let sums = "SELECT string_agg(sum::text, ' ' ORDER BY key, at)
                  FROM (SELECT key, at, sum(weight) FROM source GROUP BY 1, 2) AS t (key, at, sum)";
    let (before, versions) = (client.value::<String>(sums), client.lines(VERSIONS));
    // The same rows in another order on disk, without a trigger that would note them.
    client.run("CREATE INDEX shuffled ON source (hashint4(id)); CLUSTER source USING shuffled");
    assert_ne!(client.value::<String>(sums), before, "the order must matter to the sums");
    for number in 0..6 {
        client.run(&format!("SELECT cumulate.cumulate_day('counts', '{}')", day(number)));
    }
    client.run("SELECT cumulate.restate('counts', '2024-12-01', '2024-12-06')");
    assert_eq!(client.lines(VERSIONS), versions);
    assert_eq!(client.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
}

#[test]
fn a_window_longer_than_the_history_holds_all_of_it() {
    for form in [Form::with_windows(&[3660, 7]), Form::with_windows(&[3660, 7]).padded()] {
        let (mut counts, mut ledger) = (Counts::new(form), Ledger::default());
        counts.insert(&[("a", 0, Some(4)), ("a", 3, Some(2)), ("b", 9, Some(1)), ("b", 25, Some(1))]);
        counts.close(day(30));
        counts.close_range(day(0), day(20));
        ledger.close(day(30));
        (0..=20).for_each(|number| ledger.close(day(number)));
        counts.check(&ledger);
        // A late event of the first day is in every snapshot.
        counts.insert(&[("b", 0, Some(5))]);
        assert_eq!(counts.apply_late(), 22);
        counts.check(&ledger);
    }
}
