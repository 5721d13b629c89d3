//! Keys and metrics may have any name, also one that our own statements use.

use crate::counts::cluster;
use pg_cumulate_tests::{Ask, ident, literal};

/// Names of columns, aliases, tables, parameters and types in the statements of the engine, and what PostgreSQL calls a
/// column that has no name.
const NAMES: [&str; 64] = [
    "?i",
    "?first",
    "?present",
    "?has_events",
    "?day",
    "?kind",
    "?m0",
    "?m1",
    "?column?",
    "?",
    "??",
    "?m0_",
    "?day_",
    "?i_",
    "wanted",
    "t",
    "e",
    "k",
    "d",
    "x",
    "s",
    "c",
    "u",
    "a",
    "b",
    "n",
    "cells",
    "number",
    "name",
    "stored",
    "expected",
    "agree",
    "events",
    "day",
    "key",
    "keys",
    "from_day",
    "to_day",
    "history",
    "newest",
    "target",
    "source",
    "daily",
    "partition",
    "snapshot",
    "excluded",
    "old",
    "new",
    "date",
    "int4",
    "int8",
    "numeric",
    "array",
    "coalesce",
    "count",
    "unnest",
    "generate_series",
    "ctid_",
    "select",
    "user",
    "NEW",
    "Quoted \"name\"",
    "with space",
    "ä",
];

#[test]
fn any_name_will_do_for_a_key_and_for_a_metric() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    for (number, names) in NAMES.chunks(8).enumerate() {
        println!("{names:?}");
        let partition_by = ["month", "day", "none"][number % 3];
        let columns: Vec<String> = names.iter().map(|name| ident(name)).collect();
        let (keys, metrics): (Vec<String>, Vec<String>) =
            names.iter().map(|name| (literal(name), metric(name))).unzip();
        client.run(&format!(
            "CREATE TABLE source ({} text, at date, amount integer, plain integer);
             INSERT INTO source SELECT {} DATE '2024-12-01' + m % 7, m, m % 2 FROM generate_series(1, 40) AS m;
             SELECT cumulate.create_table('by_name', 'source', 'at', ARRAY[{}],
                 '{{\"#\": \"count(*)\", \"most\": {{\"value\": \"max(amount)\", \"rollup\": \"last\"}}}}',
                 windows => '{{3,2}}', start_date => '2024-12-01', time_zone => 'UTC', partition_by => '{partition_by}');
             SELECT cumulate.create_table('of_name', 'source', 'at', '{{plain}}', {},
                 windows => '{{3,2}}', start_date => '2024-12-01', time_zone => 'UTC', partition_by => '{partition_by}')",
            columns.join(" text, "),
            (0..names.len()).map(|place| format!("'k' || m % {}, ", place + 1)).collect::<String>(),
            keys.join(", "),
            literal(&format!("{{{}}}", metrics.join(", "))),
        ));
        for table in ["by_name", "of_name"] {
            client.run(&format!(
                "SELECT cumulate.cumulate_range('{table}', '2024-12-01', '2024-12-05');
                 SELECT cumulate.cumulate_day('{table}', '2024-12-06'); SELECT cumulate.cumulate_day('{table}', '2024-12-09')"
            ));
        }
        let late = names.iter().map(|_| "'late', ").collect::<String>();
        client.run(&format!(
            "INSERT INTO source VALUES ({late} '2024-12-03', 99, 1); DELETE FROM source WHERE amount = 8"
        ));
        for table in ["by_name", "of_name"] {
            let differences = format!("SELECT * FROM cumulate.verify('{table}')");
            assert!(client.value::<i64>(&format!("SELECT cumulate.apply_late('{table}')")) > 0);
            assert_eq!(client.lines(&differences), Vec::<String>::new());
            client.run(&format!("DELETE FROM {table} WHERE snapshot_date = '2024-12-03'"));
            assert_ne!(client.lines(&differences), Vec::<String>::new());
            assert!(
                client.value::<i64>(&format!("SELECT cumulate.restate('{table}', '2024-12-03', '2024-12-03')")) > 0
            );
            client.run(&format!("CALL cumulate.add_metric('{table}', 'added', '\"min(amount)\"')"));
            assert_eq!(client.lines(&differences), Vec::<String>::new());
        }
        client.run("SELECT cumulate.drop_table('by_name'); SELECT cumulate.drop_table('of_name'); DROP TABLE source");
    }
}

/// A metric of that name, in json.
fn metric(name: &str) -> String {
    format!("{name:?}: {{\"value\": \"max(amount)\", \"rollup\": \"max\"}}")
}
