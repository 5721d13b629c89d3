//! Rows that a repair writes are the rows that differ, counted by their versions.

use crate::{assert_law, pipeline};
use pg_cumulate_tests::Ask;
use postgres::Client;

const ROWS: &str = "SELECT product_id, snapshot_date, sell_array::text, return_array::text, reorder_array::text,
    total_sell_7d, total_return_7d, total_reorder_7d FROM";

/// Repairs a change; panics unless exactly the rows that differ have new versions and are reported.
fn assert_touches_only_what_differs(client: &mut Client, change: &str) -> i64 {
    client.run("DROP TABLE IF EXISTS before; CREATE TEMP TABLE before AS SELECT *, xmin::text AS version FROM sales.daily_cumulate");
    client.run(change);
    let reported: i64 = client.value("SELECT cumulate.apply_late('sales.daily_cumulate')");
    let differing: i64 = client.value(&format!(
        "SELECT count(DISTINCT (product_id, snapshot_date)) FROM (
             (({ROWS} before) EXCEPT ({ROWS} sales.daily_cumulate))
             UNION ALL (({ROWS} sales.daily_cumulate) EXCEPT ({ROWS} before))) AS rows"
    ));
    let untouched: i64 = client.value(
        "SELECT count(*) FROM before b JOIN sales.daily_cumulate c USING (product_id, snapshot_date)
         WHERE c.xmin::text = b.version",
    );
    let gone: i64 = client.value(
        "SELECT count(*) FROM before b WHERE NOT EXISTS (SELECT FROM sales.daily_cumulate c
         WHERE c.product_id = b.product_id AND c.snapshot_date = b.snapshot_date)",
    );
    let new: i64 = client.value(
        "SELECT count(*) FROM sales.daily_cumulate c WHERE NOT EXISTS (SELECT FROM before b
         WHERE c.product_id = b.product_id AND c.snapshot_date = b.snapshot_date)",
    );
    let before: i64 = client.value("SELECT count(*) FROM before");
    let updated = before - gone - untouched;
    assert_eq!(updated + gone + new, differing, "rows written after: {change}");
    assert_eq!(reported, differing, "rows reported after: {change}");
    assert_law(client);
    differing
}

#[test]
fn an_event_of_a_known_product_touches_one_window() {
    let (_database, mut client) = pipeline(40);
    let change = "INSERT INTO sales.events (product_id, event_type, event_date)
                  SELECT product_id, 'sell', '2024-12-20' FROM sales.daily WHERE snapshot_date = '2024-12-01' LIMIT 1";
    assert_eq!(assert_touches_only_what_differs(&mut client, change), 7);
}

#[test]
fn a_new_product_and_the_end_of_one_touch_all_later_days() {
    let (_database, mut client) = pipeline(40);
    let insert = "INSERT INTO sales.events (product_id, event_type, event_date) VALUES (900, 'sell', '2024-12-15')";
    assert_eq!(assert_touches_only_what_differs(&mut client, insert), 27);
    let delete = "DELETE FROM sales.events WHERE product_id = 900";
    assert_eq!(assert_touches_only_what_differs(&mut client, delete), 27);
}

#[test]
fn an_earlier_first_event_makes_rows_and_lengthens_arrays() {
    let (_database, mut client) = pipeline(40);
    let first = "INSERT INTO sales.events (product_id, event_type, event_date) VALUES (901, 'sell', '2024-12-15')";
    assert_touches_only_what_differs(&mut client, first);
    // Rows of five days more, and arrays lengthened on the six days until they are full.
    let earlier = "INSERT INTO sales.events (product_id, event_type, event_date) VALUES (901, 'sell', '2024-12-10')";
    assert_eq!(assert_touches_only_what_differs(&mut client, earlier), 11);
    let again = "DELETE FROM sales.events WHERE product_id = 901 AND event_date = '2024-12-10'";
    assert_eq!(assert_touches_only_what_differs(&mut client, again), 11);
}

#[test]
fn a_change_that_changes_nothing_writes_nothing() {
    let (_database, mut client) = pipeline(20);
    let change = "UPDATE sales.events SET product_id = product_id WHERE event_date = '2024-12-05'";
    assert_eq!(assert_touches_only_what_differs(&mut client, change), 0);
}
