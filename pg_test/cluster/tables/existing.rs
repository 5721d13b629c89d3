//! create_table for a table that may be there: a script that makes it can run again, whatever has been renamed meanwhile.

use crate::counts::cluster;
use pg_cumulate_tests::{Ask, Database};
use postgres::Client;

const METRICS: &str = r#"'{"n": "count(*)", "spent": {"value": "sum(amount)::integer", "rollup": "max", "zero": 0},
                           "kinds": {"value": "count(DISTINCT lower(kind))", "type": "integer", "daily": "kinds today"}}'"#;

fn shop() -> (Client, Database<'static>) {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(
        "SET TimeZone = 'Europe/Berlin';
         CREATE TABLE sale (customer integer, region text, amount numeric(10, 2), kind text, at timestamptz);
         INSERT INTO sale VALUES (1, 'north', 5, 'a', '2024-05-01 12:00+00')",
    );
    (client, database)
}

/// The call of the script; the last of equal arguments is taken.
fn create(more: &str, metrics: &str) -> String {
    let mut arguments = vec![
        ("name", "'daily'".to_owned()),
        ("source", "'sale'".to_owned()),
        ("time_column", "'at'".to_owned()),
        ("keys", "'{customer,region}'".to_owned()),
        ("metrics", metrics.to_owned()),
        ("windows", "'{7,28}'".to_owned()),
        ("filter", "'amount > 0  and kind<>''x'''".to_owned()),
        ("retention", "'1 year'".to_owned()),
        ("if_not_exists", "true".to_owned()),
    ];
    for pair in more.split(';').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once(" => ").expect("an argument");
        arguments.retain(|(known, _)| *known != name);
        arguments.push((name, value.to_owned()));
    }
    let arguments: Vec<String> = arguments.iter().map(|(name, value)| format!("{name} => {value}")).collect();
    format!("SELECT cumulate.create_table({})", arguments.join(", "))
}

#[test]
fn the_same_call_again_changes_nothing_and_returns_the_table() {
    let (mut client, _database) = shop();
    let call = create("", METRICS);
    assert_eq!(client.lines(&call), ["daily"]);
    client.run("SELECT cumulate.cumulate_day('daily', '2024-05-01')");
    let objects = "SELECT oid, xmin::text FROM pg_class UNION ALL SELECT oid, xmin::text FROM pg_proc UNION ALL
                   SELECT tableoid, xmin::text FROM cumulate.definition UNION ALL SELECT tableoid, xmin::text FROM cumulate.schedule ORDER BY 1, 2";
    let before = client.lines(objects);
    // The first closed day has fixed the start date; neither that nor another way of writing the same is a difference.
    for call in [
        &call,
        &create(
            "start_date => '2024-05-01';time_zone => 'Europe/Berlin';late => 'trigger';daily => 'public.daily_daily'",
            METRICS,
        ),
        &create("filter => '(amount > 0) AND \"kind\" != ''x''::text'", &METRICS.replace("count(*)", "COUNT( * )")),
    ] {
        assert_eq!(client.lines(call), ["daily"], "{call}");
        assert_eq!(client.lines(objects), before, "{call}");
    }
    // Under the names of today.
    client.run("ALTER TABLE sale RENAME COLUMN amount TO price; ALTER TABLE sale RENAME COLUMN at TO sold_at; ALTER TABLE sale RENAME TO sold");
    let renamed = create("source => 'sold';time_column => 'sold_at'", METRICS).replace("amount", "price");
    assert_eq!(client.lines(&renamed), ["daily"]);
    assert_eq!(client.refusal(&call).sqlstate, "42P01");
}

#[test]
fn a_table_of_another_definition_is_refused_with_all_that_differs() {
    let (mut client, _database) = shop();
    client.run(&create("", METRICS));
    let others = [
        ("windows => '{7}'", "Its windows is '{7,28}', not '{7}'."),
        (
            "shape => 'padded';partition_by => 'day'",
            "Its shape is 'ragged', not 'padded'; its partition_by is 'month', not 'day'.",
        ),
        ("start_date => '2024-01-01'", "Its start_date is NULL, not '2024-01-01'."),
        ("time_zone => 'UTC'", "Its time_zone is 'Europe/Berlin', not 'UTC'."),
        ("filter => NULL", "Its filter is '(amount > (0)::numeric) AND (kind <> ''x''::text)', not NULL."),
        (
            "retention => '2 years';late => 'scan'",
            "Its late is 'trigger', not 'scan'; its retention is '1 year', not '2 years'.",
        ),
        ("schedule => NULL;lookback => 3", "Its lookback is 1, not 3; its schedule is '@daily', not NULL."),
        ("keys => '{customer}'", "Its keys is ARRAY['customer', 'region'], not ARRAY['customer']."),
        (
            "shape => 'padded';expire_idle => true",
            "Its shape is 'ragged', not 'padded'; its expire_idle is false, not true.",
        ),
        ("daily => 'other'", "Its daily is 'public.daily_daily', not 'public.other'."),
    ];
    for (more, detail) in others {
        let refusal = client.refusal(&create(more, METRICS));
        let parts = (refusal.sqlstate.as_str(), refusal.detail.as_deref().unwrap_or_default());
        assert_eq!(parts, ("42P07", detail), "{more}");
        assert_eq!(refusal.hint.as_deref(), Some("Compare with SELECT cumulate.definition('public.daily');"));
    }
    for (is, asked) in [
        ("max", "min"),
        ("count(*)", "count(kind)"),
        (r#""zero": 0"#, r#""zero": 1"#),
        ("::integer", "::bigint"),
        ("kinds today", "kinds"),
    ] {
        let refusal = client.refusal(&create("", &METRICS.replace(is, asked)));
        let detail = refusal.detail.unwrap_or_default();
        assert!(refusal.sqlstate == "42P07" && detail.starts_with("Its metrics is "), "{asked}: {detail}");
    }
    // Without if_not_exists the same definition is as wrong as before.
    assert_eq!(client.refusal(&create("if_not_exists => false", METRICS)).message, "\"public.daily\" already exists");
}

#[test]
fn a_name_that_no_cumulative_table_has_is_made_or_taken_over_as_ever() {
    let (mut client, _database) = shop();
    client.run(&create("", METRICS));
    client.run(
        "SELECT cumulate.cumulate_day('daily', '2024-05-01'); SELECT cumulate.drop_table('daily', keep_data => true)",
    );
    assert_eq!(client.lines(&create("", METRICS)), ["daily"]);
    client.run("CREATE VIEW taken AS SELECT 1");
    assert_eq!(client.refusal(&create("name => 'taken'", METRICS)).sqlstate, "42809");
    client.run("CREATE ROLE existing_other; GRANT ALL ON SCHEMA public, cumulate TO existing_other; GRANT ALL ON sale TO existing_other; SET ROLE existing_other");
    let refusal = client.refusal(&create("late => 'none'", METRICS));
    assert_eq!(refusal.sqlstate, "42501", "{}", refusal.message);
    client.run("RESET ROLE; REVOKE ALL ON SCHEMA public, cumulate FROM existing_other; REVOKE ALL ON sale FROM existing_other; DROP ROLE existing_other");
}
