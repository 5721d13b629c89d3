//! Type modifiers: whichever way a row is written, it is the same.

use crate::counts::cluster;
use pg_cumulate_tests::{Ask, Database};
use postgres::Client;

/// A table over numbers and names of limited length; its day 0 to 2 are closed.
fn table(metrics: &str) -> (Database<'static>, Client) {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(&format!(
        "CREATE TABLE source (key varchar(5), at date, amount numeric);
         INSERT INTO source SELECT 'k' || n % 3, DATE '2024-12-01' + n % 4, n + 0.123 FROM generate_series(1, 40) AS n;
         SELECT cumulate.create_table('counts', 'source', 'at', '{{key}}', '{metrics}', windows => '{{3}}',
             start_date => '2024-12-01', time_zone => 'UTC');
         SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-03')"
    ));
    (database, client)
}

const SUM: &str = r#"{"spent": "sum(amount)"}"#;
const LARGEST: &str = r#"{"spent": {"value": "max(amount)", "rollup": "max"}}"#;

#[test]
fn a_declared_modifier_is_that_of_every_value_however_it_is_written() {
    let metrics = r#"{"spent": {"value": "sum(amount)", "type": "numeric(10,1)"},
                      "largest": {"value": "max(amount)", "type": "numeric(10,2)", "rollup": "max"},
                      "first": {"value": "min(key)", "type": "varchar(2)", "rollup": "min"}}"#;
    let (_database, mut client) = table(metrics);
    client.run(
        "SELECT cumulate.cumulate_day('counts', '2024-12-04');
         INSERT INTO source VALUES ('k1', '2024-12-02', 7.777), ('new', '2024-12-02', 1.25);
         SELECT cumulate.apply_late('counts')",
    );
    assert_eq!(client.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
    let scales = "SELECT DISTINCT scale(spent), scale(largest), length(first) FROM counts_daily";
    assert_eq!(client.lines(scales), ["1|2|2"]);
    let scales = "SELECT DISTINCT scale(spent_array[1]), scale(total_largest_3d) FROM counts WHERE spent_array[1] > 0";
    assert_eq!(client.lines(scales), ["1|2"]);
}

#[test]
fn a_table_whose_columns_would_round_or_cut_is_incomplete_until_they_are_as_they_were() {
    let changes = [
        (SUM, "counts_daily", "spent", "numeric(10,1)", "numeric"),
        (SUM, "counts_daily", "key", "character varying(3)", "character varying(5)"),
        (SUM, "counts", "key", "character varying(3)", "character varying(5)"),
        (SUM, "counts", "total_spent_3d", "numeric(10,1)", "numeric"),
        (SUM, "counts", "spent_array", "numeric(10,1)[]", "numeric[]"),
        (LARGEST, "counts", "total_spent_3d", "numeric(12,1)", "numeric"),
    ];
    for (metrics, table_name, column, changed, was) in changes {
        let (_database, mut client) = table(metrics);
        client.run(&format!("DROP VIEW counts_latest; ALTER TABLE {table_name} ALTER COLUMN {column} TYPE {changed}"));
        let close = "SELECT cumulate.cumulate_day('counts', '2024-12-04')";
        let refusal = client.refusal(close);
        assert_eq!(refusal.sqlstate, "55000", "{refusal}");
        let reason = format!("column \"{column}\" of public.{table_name} has type {changed} by now, not {was}");
        assert!(refusal.detail.as_deref().unwrap_or_default().contains(&reason[1..]), "{refusal}");
        let health = client.lines("SELECT what FROM cumulate.health() WHERE target = 'counts'");
        assert!(health.iter().any(|what| what.contains(&reason)), "{health:?}");
        client.run(&refusal.hint.expect("a hint"));
        client.run(close);
        assert_eq!(client.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
    }
}

#[test]
fn a_column_that_takes_more_than_it_gets_is_no_fault() {
    let (_database, mut client) = table(r#"{"spent": {"value": "sum(amount)", "type": "numeric(10,1)"}}"#);
    client.run(
        "DROP VIEW counts_latest; ALTER TABLE counts_daily ALTER COLUMN spent TYPE numeric;
         ALTER TABLE counts ALTER COLUMN spent_array TYPE numeric(20,1)[];
         ALTER TABLE counts_daily ALTER COLUMN key TYPE varchar; ALTER TABLE counts ALTER COLUMN key TYPE varchar(20)",
    );
    client.run("CALL cumulate.add_metric('counts', 'events', '\"count(*)\"')");
    client.run(
        "INSERT INTO source VALUES ('k1', '2024-12-02', 7.777), ('new', '2024-12-04', 1.25);
         SELECT cumulate.cumulate_day('counts', '2024-12-04')",
    );
    assert_eq!(client.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
    assert_eq!(client.lines("SELECT DISTINCT scale(spent) FROM counts_daily"), ["1"]);
}
