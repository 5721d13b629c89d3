//! The published pattern beside ours, row for row: plain SQL, with no function of cumulate.

use crate::pipeline::{Event, Pipeline, day};
use pg_cumulate_tests::Ask;

const TABLES: &str = "
    CREATE SCHEMA published;
    CREATE TABLE published.daily (
        product_id integer, num_sell integer, num_return integer, num_reorder integer, snapshot_date date);
    CREATE TABLE published.daily_cumulate (
        product_id integer, sell_array integer[], return_array integer[], reorder_array integer[],
        total_sell_7d bigint, total_return_7d bigint, total_reorder_7d bigint, snapshot_date date);";

/// The counts of one day.
const AGGREGATE: &str = "
    INSERT INTO published.daily
    SELECT product_id,
           count(*) FILTER (WHERE event_type = 'sell'),
           count(*) FILTER (WHERE event_type = 'return'),
           count(*) FILTER (WHERE event_type = 'reorder'),
           event_date
      FROM sales.events
     WHERE event_date = $1
     GROUP BY product_id, event_date";

/// Yesterday's snapshot and today's counts: the newest value in front, the oldest trimmed at 7.
const CUMULATE: &str = "
    WITH yesterday AS (SELECT * FROM published.daily_cumulate WHERE snapshot_date = $1::date - 1),
         today AS (SELECT * FROM published.daily WHERE snapshot_date = $1),
         combined AS (
             SELECT coalesce(y.product_id, t.product_id) AS product_id,
                    coalesce(t.num_sell, 0) || CASE WHEN cardinality(y.sell_array) = 7
                        THEN trim_array(y.sell_array, 1) ELSE y.sell_array END AS sell_array,
                    coalesce(t.num_return, 0) || CASE WHEN cardinality(y.return_array) = 7
                        THEN trim_array(y.return_array, 1) ELSE y.return_array END AS return_array,
                    coalesce(t.num_reorder, 0) || CASE WHEN cardinality(y.reorder_array) = 7
                        THEN trim_array(y.reorder_array, 1) ELSE y.reorder_array END AS reorder_array
               FROM yesterday AS y
               FULL OUTER JOIN today AS t ON t.product_id = y.product_id)
    INSERT INTO published.daily_cumulate
    SELECT product_id, sell_array, return_array, reorder_array,
           (SELECT sum(n) FROM unnest(sell_array) AS n),
           (SELECT sum(n) FROM unnest(return_array) AS n),
           (SELECT sum(n) FROM unnest(reorder_array) AS n),
           $1
      FROM combined";

const DIFFERENCES: &str = "
    WITH ours AS (
             SELECT product_id, sell_array, return_array, reorder_array,
                    total_sell_7d, total_return_7d, total_reorder_7d, snapshot_date
               FROM sales.daily_cumulate),
         theirs AS (SELECT * FROM published.daily_cumulate)
    (SELECT 'only ours', o.* FROM (TABLE ours EXCEPT ALL TABLE theirs) AS o)
    UNION ALL
    (SELECT 'only published', t.* FROM (TABLE theirs EXCEPT ALL TABLE ours) AS t)
    LIMIT 20";

#[test]
fn generated_retail_events_give_the_rows_of_the_published_pattern() {
    let mut pipeline = Pipeline::new();
    pipeline.generate(
        "events => 60000, products => 300, from_day => '2024-11-25', to_day => '2024-12-31',
         seed => 20241201, profile => 'retail'",
    );
    compare_december(&mut pipeline);
}

#[test]
fn generated_uniform_events_give_the_rows_of_the_published_pattern() {
    let mut pipeline = Pipeline::new();
    // About one event a product in ten days: most products are idle for longer than the window now and then.
    pipeline.generate("events => 3000, products => 900, from_day => '2024-12-01', to_day => '2024-12-31', seed => 7");
    compare_december(&mut pipeline);
}

#[test]
fn events_made_by_hand_give_the_rows_of_the_published_pattern() {
    let mut pipeline = Pipeline::new();
    pipeline.insert(HAND_MADE);
    compare_december(&mut pipeline);
}

/// Before the start, on the first and the last day, several on one day, idle for more than a window, days without any
/// event (4, 20 to 24), products that appear late, a product with one kind of event only.
const HAND_MADE: &[Event] = &[
    (1, "sell", -3),
    (1, "sell", 0),
    (1, "sell", 0),
    (1, "return", 1),
    (1, "sell", 7),
    (1, "sell", 8),
    (1, "reorder", 30),
    (2, "sell", -1),
    (2, "sell", 3),
    (2, "reorder", 3),
    (2, "sell", 15),
    (3, "return", 9),
    (3, "return", 25),
    (4, "sell", 30),
    (2_147_483_647, "sell", 5),
    (-7, "reorder", 6),
    (0, "sell", 6),
];

fn compare_december(pipeline: &mut Pipeline) {
    run_published_december(pipeline);
    pipeline.backfill(day(0), day(30));
    assert_eq!(pipeline.client.lines(DIFFERENCES), Vec::<String>::new());
    let days: i64 = pipeline.client.value("SELECT count(DISTINCT snapshot_date) FROM sales.daily_cumulate");
    assert_eq!(days, 31, "every day of December has a snapshot");
}

fn run_published_december(pipeline: &mut Pipeline) {
    pipeline.client.run(TABLES);
    for number in 0..31 {
        for command in [AGGREGATE, CUMULATE] {
            pipeline.client.execute(command, &[&day(number)]).expect("the published pattern is plain SQL");
        }
    }
}
