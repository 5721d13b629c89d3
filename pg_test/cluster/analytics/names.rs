//! Names and values that nobody expects, and key types of every kind.

use crate::scene::cluster;
use pg_cumulate_tests::{Ask, literal};

#[test]
fn hostile_names_and_keys_are_only_names_and_keys() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(
        r#"CREATE SCHEMA "My ""Schema"; CREATE TABLE "My ""Schema"."Select" (k1 text, "v" text, "it's; --" date, "value" integer);
           INSERT INTO "My ""Schema"."Select" VALUES ('it''s', '"', '2024-12-01', 4), ('it''s', '"', '2024-12-02', 1), ('ключ', E'\n', '2024-12-02', 7);
           SELECT cumulate.create_table('"My ""Schema"."Odd ''name"', '"My ""Schema"."Select"', 'it''s; --', '{v,k1}',
               '{"x": {"value": "sum(value)", "daily": "day"}, "Total \"x\"": "count(*)"}', start_date => '2024-12-01', time_zone => 'UTC');
           SELECT cumulate.cumulate_range('"My ""Schema"."Odd ''name"', '2024-12-01', '2024-12-03')"#,
    );
    let target = literal(r#""My ""Schema"."Odd 'name""#);
    let mut lines = |call: &str| client.lines(&format!("SELECT * FROM cumulate.{}", call.replace("{t}", &target)));
    assert_eq!(lines("growth({t}, '3')"), ["2024-12-01|2024-12-03|2|2|0|0|0|"]);
    assert_eq!(lines("active_keys({t}, metric => 'Total \"x\"')").len(), 3);
    let top = lines("top({t}, 'x')");
    assert_eq!(
        top,
        [r#"1|{"v": "\n", "k1": "ключ"}|7|0.5833333333333334"#, r#"2|{"v": "\"", "k1": "it's"}|5|0.4166666666666667"#]
    );
    assert_eq!(lines(r#"movers({t}, 'x', '2024-12-02', 1, 1)"#), [r#"1|{"v": "\n", "k1": "ключ"}|7|0|7"#]);
    let key = r#"E'{"k1": "it\'s", "v": "\\""}'"#;
    assert_eq!(
        lines(&format!("series({{t}}, 'Total \"x\"', {key})")),
        ["2024-12-01|1", "2024-12-02|1", "2024-12-03|0"]
    );
}

/// A type, and two values of it whose order is that of the list.
const KEY_TYPES: [(&str, &str, &str); 12] = [
    ("integer", "-1", "2"),
    ("bigint", "5", "9007199254740993"),
    ("numeric", "1.10", "20"),
    ("double precision", "-0.5", "0.1"),
    ("text COLLATE \"C\"", "B", "a"),
    ("varchar(9)", "a", "b"),
    ("char(4)", "a", "ab"),
    ("uuid", "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"),
    ("timestamptz", "2024-01-01 00:00:00+00", "2024-01-01 00:00:00.000001+00"),
    ("boolean", "false", "true"),
    ("bytea", "\\x00", "\\x0001"),
    ("inet", "10.0.0.1", "10.0.0.0/8"),
];

#[test]
fn keys_of_every_type_are_told_apart_and_found_again() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run("SET timezone = 'Asia/Kathmandu'");
    for (number, (key_type, one, other)) in KEY_TYPES.iter().enumerate() {
        client.run(&format!(
            "CREATE TABLE source_{number} (key {key_type}, at date);
             INSERT INTO source_{number} VALUES ({one}, '2024-12-01'), ({other}, '2024-12-01'), ({other}, '2024-12-03'), ({one}, '2024-12-02');
             SELECT cumulate.create_table('counts_{number}', 'source_{number}', 'at', '{{key}}', '{{\"n\": \"count(*)\"}}',
                                          start_date => '2024-12-01', time_zone => 'UTC');
             SELECT cumulate.cumulate_range('counts_{number}', '2024-12-01', '2024-12-04')",
            one = literal(one),
            other = literal(other)
        ));
        let growth = format!("SELECT active, new, retained, churned FROM cumulate.growth('counts_{number}', 'day')");
        assert_eq!(client.lines(&growth), ["2|2|0|0", "1|0|1|1", "1|0|0|1", "0|0|0|1"], "{key_type}");
        // What top shows is what series takes.
        let found = client.lines(&format!(
            "SELECT t.rank, s.value FROM cumulate.top('counts_{number}', 'n') AS t,
                    LATERAL cumulate.series('counts_{number}', 'n', t.key, '2024-12-03', '2024-12-03') AS s ORDER BY 1"
        ));
        assert_eq!(found.len(), 2, "{key_type}");
        assert_eq!(found.iter().filter(|line| line.ends_with("|1")).count(), 1, "{key_type}: {found:?}");
    }
}

#[test]
fn keys_that_are_equal_with_other_bytes_are_one_key() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(
        "CREATE TABLE source (key numeric, at date);
         INSERT INTO source VALUES (1.0, '2024-12-01'), (1.00, '2024-12-02'), (2, '2024-12-02'), (1.000, '2024-12-02');
         SELECT cumulate.create_table('counts', 'source', 'at', '{key}', '{\"n\": \"count(*)\"}', start_date => '2024-12-01', time_zone => 'UTC');
         SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-02')",
    );
    assert_eq!(client.lines("SELECT active, new, retained FROM cumulate.growth('counts', 'day')"), ["1|1|0", "2|1|1"]);
    let key = "SELECT value FROM cumulate.series('counts', 'n', '{\"key\": 1.0000}')";
    assert_eq!(client.lines(key), ["1", "2"]);
}
