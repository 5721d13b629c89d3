//! Rows that a repair writes are the rows that differ, counted by their versions.

use crate::{assert_law, cluster, pipeline};
use pg_cumulate_tests::{Ask, Database};
use postgres::Client;

/// Repairs a change; panics unless exactly the rows that differ have new versions and are reported.
fn assert_touches_only_what_differs(client: &mut Client, table: &str, key: &str, change: &str) -> i64 {
    client.run(&format!(
        "DROP TABLE IF EXISTS before, after;
         CREATE TEMP TABLE before AS
             SELECT {key} AS key, snapshot_date AS day, t::text AS row, xmin::text AS version FROM {table} t"
    ));
    client.run(change);
    let reported: i64 = client.value(&format!("SELECT cumulate.apply_late('{table}')"));
    client.run(&format!(
        "CREATE TEMP TABLE after AS
             SELECT {key} AS key, snapshot_date AS day, t::text AS row, xmin::text AS version FROM {table} t"
    ));
    let mut rows_that = |condition: &str| -> i64 {
        client.value(&format!("SELECT count(*) FROM before b FULL JOIN after a USING (key, day) WHERE {condition}"))
    };
    let differing = rows_that("b.row IS DISTINCT FROM a.row");
    let written = rows_that("b.version IS DISTINCT FROM a.version");
    assert_eq!((written, reported), (differing, differing), "rows written and reported after: {change}");
    let differences = client.lines(&format!("SELECT * FROM cumulate.verify('{table}') LIMIT 20"));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    differing
}

/// As above, for sales.
fn assert_sales_touched(client: &mut Client, change: &str) -> i64 {
    let differing = assert_touches_only_what_differs(client, "sales.daily_cumulate", "product_id", change);
    assert_law(client);
    differing
}

/// A padded table over visits of three pages, with or without rows for those that are idle; 30 days are closed.
fn visits(expire_idle: bool) -> (Database<'static>, Client) {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(&format!(
        "CREATE TABLE visit (page text, day date);
         INSERT INTO visit VALUES
             ('home', '2024-05-01'), ('home', '2024-05-04'), ('help', '2024-05-10'), ('home', '2024-05-20');
         SELECT cumulate.create_table('visits', 'visit', 'day', '{{page}}', '{{\"n\": \"count(*)\"}}',
             windows => '{{2,7}}', start_date => '2024-05-01', time_zone => 'UTC', shape => 'padded',
             expire_idle => {expire_idle});
         SELECT cumulate.cumulate_range('visits', '2024-05-01', '2024-05-30')"
    ));
    (database, client)
}

/// Changes of visits, with the rows that a table with all keys and one without idle keys must write.
const CHANGES: [(&str, [i64; 2]); 7] = [
    // The same seven days either way.
    ("INSERT INTO visit VALUES ('help', '2024-05-11')", [7, 7]),
    // A first day that moves back: new rows up to the old first day, and counts in the window.
    ("INSERT INTO visit VALUES ('help', '2024-05-08')", [7, 7]),
    // A new key: a row of every later day, or of a window.
    ("INSERT INTO visit VALUES ('new', '2024-05-15')", [16, 7]),
    // A key that comes back between two windows.
    ("INSERT INTO visit VALUES ('home', '2024-05-13')", [7, 7]),
    ("DELETE FROM visit WHERE page = 'home' AND day = '2024-05-13'", [7, 7]),
    // A first day that moves on, and a key that goes.
    ("DELETE FROM visit WHERE page = 'help' AND day = '2024-05-08'", [7, 7]),
    ("DELETE FROM visit WHERE page = 'new'", [16, 7]),
];

#[test]
fn an_event_of_a_known_product_touches_one_window() {
    let (_database, mut client) = pipeline(40);
    let change = "INSERT INTO sales.events (product_id, event_type, event_date)
                  SELECT product_id, 'sell', '2024-12-20' FROM sales.daily WHERE snapshot_date = '2024-12-01' LIMIT 1";
    assert_eq!(assert_sales_touched(&mut client, change), 7);
}

#[test]
fn a_new_product_and_the_end_of_one_touch_all_later_days() {
    let (_database, mut client) = pipeline(40);
    let insert = "INSERT INTO sales.events (product_id, event_type, event_date) VALUES (900, 'sell', '2024-12-15')";
    assert_eq!(assert_sales_touched(&mut client, insert), 27);
    let delete = "DELETE FROM sales.events WHERE product_id = 900";
    assert_eq!(assert_sales_touched(&mut client, delete), 27);
}

#[test]
fn an_earlier_first_event_makes_rows_and_lengthens_arrays() {
    let (_database, mut client) = pipeline(40);
    let first = "INSERT INTO sales.events (product_id, event_type, event_date) VALUES (901, 'sell', '2024-12-15')";
    assert_sales_touched(&mut client, first);
    // Rows of five days more, and arrays lengthened on the six days until they are full.
    let earlier = "INSERT INTO sales.events (product_id, event_type, event_date) VALUES (901, 'sell', '2024-12-10')";
    assert_eq!(assert_sales_touched(&mut client, earlier), 11);
    let again = "DELETE FROM sales.events WHERE product_id = 901 AND event_date = '2024-12-10'";
    assert_eq!(assert_sales_touched(&mut client, again), 11);
}

#[test]
fn a_change_that_changes_nothing_writes_nothing() {
    let (_database, mut client) = pipeline(20);
    let change = "UPDATE sales.events SET product_id = product_id WHERE event_date = '2024-12-05'";
    assert_eq!(assert_sales_touched(&mut client, change), 0);
}

#[test]
fn padded_rows_are_touched_only_where_they_differ() {
    for (index, expire_idle) in [false, true].into_iter().enumerate() {
        let (_database, mut client) = visits(expire_idle);
        for (change, rows) in CHANGES {
            let touched = assert_touches_only_what_differs(&mut client, "visits", "page", change);
            assert_eq!(touched, rows[index], "expire_idle => {expire_idle}: {change}");
        }
    }
}

#[test]
fn more_changed_keys_than_are_remembered_are_repaired_all_the_same() {
    let (_database, mut client) = visits(false);
    // The last of them is one too many, and on another day than the first: neither may be forgotten.
    let change =
        "INSERT INTO visit SELECT 'page ' || n, DATE '2024-05-21' + n / 25001 * 8 FROM generate_series(0, 50000) n";
    assert_eq!(assert_touches_only_what_differs(&mut client, "visits", "page", change), 10 * 25_001 + 2 * 25_000);
}

#[test]
fn new_rows_of_a_repair_are_late_changes_where_their_table_is_the_source_of_another() {
    let (_database, mut client) = visits(false);
    for (name, source) in [("pages", "visits_daily"), ("rows", "visits")] {
        client.run(&format!(
            "SELECT cumulate.create_table('{name}', '{source}', 'snapshot_date', '{{page}}', '{{\"n\": \"count(*)\"}}',
                                          start_date => '2024-05-01', time_zone => 'UTC');
             SELECT cumulate.cumulate_range('{name}', '2024-05-01', '2024-05-30')"
        ));
    }
    client.run("INSERT INTO visit VALUES ('late', '2024-05-15')");
    assert_eq!(client.value::<i64>("SELECT cumulate.apply_late('visits')"), 16);
    let noted =
        client.lines("SELECT DISTINCT target::text, day FROM cumulate.note WHERE day IS NOT NULL ORDER BY 1, 2");
    assert_eq!(noted.len(), 1 + 16, "a row of the daily table and 16 snapshots: {noted:?}");
    for name in ["pages", "rows"] {
        assert_eq!(client.value::<i64>(&format!("SELECT cumulate.apply_late('{name}')")), 16);
        assert_eq!(client.lines(&format!("SELECT * FROM cumulate.verify('{name}')")), Vec::<String>::new());
    }
}

#[test]
fn snapshots_are_late_changes_where_a_table_above_or_below_theirs_is_the_source_of_another() {
    let (_database, mut client) = visits(false);
    client.run(
        "SELECT cumulate.create_table('low', 'visit', 'day', '{page}', '{\"n\": \"count(*)\"}',
             start_date => '2024-05-01', time_zone => 'UTC', partition_by => 'none');
         CREATE TABLE high (LIKE low) PARTITION BY LIST (page);
         ALTER TABLE high ATTACH PARTITION low FOR VALUES IN ('home', 'help');
         SELECT cumulate.cumulate_day('low', '2024-05-01')",
    );
    for (name, source, start) in [("above", "high", "2024-05-01"), ("below", "visits_202405", "2024-05-20")] {
        client.run(&format!(
            "SELECT cumulate.create_table('{name}', '{source}', 'snapshot_date', '{{page}}', '{{\"n\": \"count(*)\"}}',
                 start_date => '{start}', time_zone => 'UTC');
             SELECT cumulate.cumulate_range('{name}', '{start}', '2024-05-31')"
        ));
    }
    client.run(
        "SELECT cumulate.cumulate_range('low', '2024-05-01', '2024-05-31');
         SELECT cumulate.cumulate_day('visits', '2024-05-31')",
    );
    for name in ["above", "below"] {
        assert!(client.value::<i64>(&format!("SELECT cumulate.apply_late('{name}')")) > 0, "{name} is repaired");
        assert_eq!(client.lines(&format!("SELECT * FROM cumulate.verify('{name}')")), Vec::<String>::new());
    }
}

#[test]
fn a_window_longer_than_a_statement_looks_through_is_repaired_whole() {
    for partition_by in ["day", "month", "none"] {
        let database = cluster().database_with_extension();
        let mut client = database.connect();
        client.run(&format!(
            "CREATE TABLE visit (page text, day date);
             INSERT INTO visit SELECT 'home', day FROM generate_series('2024-01-01'::date, '2024-05-30', '3 days') AS day;
             SELECT cumulate.create_table('visits', 'visit', 'day', '{{page}}', '{{\"n\": \"count(*)\"}}',
                 windows => '{{100}}', start_date => '2024-01-01', time_zone => 'UTC', partition_by => '{partition_by}');
             SELECT cumulate.cumulate_range('visits', '2024-01-01', '2024-05-30')"
        ));
        for (change, rows) in [
            ("INSERT INTO visit VALUES ('home', '2024-01-11')", 100),
            ("INSERT INTO visit VALUES ('help', '2024-01-11')", 141),
            ("DELETE FROM visit WHERE page = 'help'", 141),
        ] {
            let touched = assert_touches_only_what_differs(&mut client, "visits", "page", change);
            assert_eq!(touched, rows, "partition_by => {partition_by}: {change}");
        }
    }
}
