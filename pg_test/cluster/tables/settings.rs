//! What a caller has set changes nothing of what the engine writes, and comes back to the caller as it was.

use crate::counts::cluster;
use pg_cumulate_tests::{Ask, Database, eventually};
use postgres::Client;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Values of settings that are texts. The test asks for each such setting that any user may set.
const TEXTS: [(&str, &[&str]); 18] = [
    ("DateStyle", &["ISO, DMY", "SQL, DMY", "SQL, MDY", "German", "Postgres, DMY", "Postgres, MDY"]),
    ("TimeZone", &["America/New_York", "Pacific/Kiritimati", "<X>+05:30"]),
    ("application_name", &["it's \\ \"me\""]),
    ("client_encoding", &["LATIN1", "SQL_ASCII", "EUC_JP"]),
    ("createrole_self_grant", &["set, inherit"]),
    ("default_table_access_method", &["heap"]),
    ("default_tablespace", &["pg_default"]),
    ("default_text_search_config", &["pg_catalog.simple"]),
    ("lc_monetary", &["C", "POSIX"]),
    ("lc_numeric", &["C", "POSIX"]),
    ("lc_time", &["C", "POSIX"]),
    // Of a session's start only.
    ("local_preload_libraries", &[]),
    ("plpgsql.extra_errors", &["all"]),
    ("plpgsql.extra_warnings", &["all"]),
    ("restrict_nonsystem_relation_kind", &["view", "foreign-table", "view, foreign-table"]),
    ("search_path", &["", "pg_catalog", "pg_temp, pg_catalog", "nowhere", "evil, pg_catalog, public"]),
    ("temp_tablespaces", &["pg_default"]),
    ("timezone_abbreviations", &["Australia", "India"]),
];

/// Settings of superusers, and some together, that any of the above would not show.
const MORE: [&[(&str, &str)]; 6] = [
    &[("session_replication_role", "replica")],
    &[("session_replication_role", "local")],
    &[("plpgsql.variable_conflict", "use_column")],
    &[("standard_conforming_strings", "off"), ("backslash_quote", "off"), ("escape_string_warning", "on")],
    &[
        ("debug_parallel_query", "on"),
        ("parallel_setup_cost", "0"),
        ("parallel_tuple_cost", "0"),
        ("min_parallel_table_scan_size", "0"),
        ("min_parallel_index_scan_size", "0"),
        ("max_parallel_workers_per_gather", "4"),
    ],
    &[("enable_sort", "off"), ("enable_hashagg", "off"), ("enable_indexscan", "off"), ("enable_mergejoin", "off")],
];

/// What must make a call fail, and with what.
const REFUSED: [(&str, &str, &str); 4] = [
    // Nothing else ends a statement that takes too long.
    ("statement_timeout", "1", "57014"),
    // Whoever says so wants nothing to be written.
    ("default_transaction_read_only", "on", "25006"),
    // Such a transaction does not see the writers that a close waits for.
    ("default_transaction_isolation", "repeatable read", "25001"),
    ("default_transaction_isolation", "serializable", "25001"),
];

/// What is not tried, by name and value, for no caller lives with it.
const LEFT_OUT: [(&str, &str); 4] = [
    // It ends the session with the first error.
    ("exit_on_error", "on"),
    // These belong to a transaction: default_transaction_isolation and its like are a session's.
    ("transaction_deferrable", ""),
    ("transaction_isolation", ""),
    ("transaction_read_only", ""),
];

/// Values of every other setting that any user may set: the other boolean, every word, the smallest and largest number.
fn values(client: &mut Client) -> Vec<(String, String)> {
    let is_refused = |name: &str, value: &str| {
        LEFT_OUT.iter().any(|(other, bad)| *other == name && (bad.is_empty() || *bad == value))
            || REFUSED.iter().any(|(other, bad, _)| (*other, *bad) == (name, value))
    };
    let texts =
        client.lines("SELECT name FROM pg_settings WHERE context = 'user' AND vartype = 'string' ORDER BY name");
    let unknown: Vec<_> = texts.iter().filter(|name| !TEXTS.iter().any(|(known, _)| known == name)).collect();
    assert!(unknown.is_empty(), "say what these settings are tried with: {unknown:?}");
    let mut found: Vec<(String, String)> = client
        .query(
            // PostgreSQL's planner itself fails where costs are infinite.
            "SELECT name, replace(value, '1.79769e+308', '1e+10')
             FROM pg_settings, unnest(CASE vartype WHEN 'bool' THEN '{on,off}' WHEN 'enum' THEN enumvals
                                           ELSE ARRAY[min_val, max_val] END) AS value
             WHERE context = 'user' AND vartype <> 'string' AND value <> setting ORDER BY name, value",
            &[],
        )
        .expect("the settings")
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .filter(|(name, value): &(String, String)| !is_refused(name, value))
        .collect();
    // Not every version has all of them.
    for (name, values) in TEXTS.into_iter().filter(|(name, _)| texts.iter().any(|known| known == name)) {
        found.extend(values.iter().map(|value| (name.to_owned(), (*value).to_owned())));
    }
    found
}

/// Keys, times and values that are written and read in more than one way.
const SEED: &str = r#"
    CREATE SCHEMA trial;
    CREATE SCHEMA evil;
    CREATE FUNCTION evil.no(date, date) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
    CREATE OPERATOR evil.= (leftarg = date, rightarg = date, function = evil.no);
    CREATE FUNCTION evil.count(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 42::bigint';
    CREATE TABLE trial.seed (item text, code bytea, span interval, rate double precision, price numeric,
                             seen timestamptz, at timestamptz, late boolean);
    INSERT INTO trial.seed
    SELECT format(E'it''s \\ "%s" %s\n', n % 5, chr(220 + n % 3)), decode(lpad(to_hex(n % 4), 2, '0') || '5c27', 'hex'),
           make_interval(months => -1, days => n % 3, hours => n % 2), 1 / (3.0 + n % 4), 0.10 * n,
           timestamptz '2024-03-10 06:30+00' + n % 2 * interval '5 months', timestamptz '2024-03-05 04:30:00+00' + n % 97 * interval '1 hour',
           n % 9 = 0
    FROM generate_series(1, 300) n;
"#;

const CREATE: &str = r#"SELECT cumulate.create_table($$trial."Counts"$$, $$trial.source$$, $$at$$,
    $${item,code,span,rate,seen}$$,
    $${"n": "count(*) FILTER (WHERE item ~ 'it''s \\\\')", "spent": {"value": "sum(price)", "rollup": "avg"},
       "top": {"value": "max(rate)", "rollup": "max"}, "longest": {"value": "max(span)", "rollup": "max", "zero": "-1 mon"},
       "bytes": {"value": "string_agg(item, '\\' ORDER BY item)", "rollup": "last"}}$$,
    windows => $${2,4}$$, start_date => $$2024-03-05$$::date, time_zone => $$America/New_York$$,
    filter => $$(item = NULL) IS NULL AND seen > timestamptz '2024-03-01 00:00+00'$$, retention => $$P2M$$::interval,
    schedule => NULL)"#;

/// Everything that a table of any kind goes through; differences that verify finds.
fn live(client: &mut Client) -> Vec<String> {
    client.run(CREATE);
    client.run("SELECT cumulate.cumulate_day($$trial.\"Counts\"$$, $$2024-03-06$$::date)");
    client.run("CALL cumulate.backfill($$trial.\"Counts\"$$, NULL, $$2024-03-08$$::date)");
    client.run("INSERT INTO trial.source SELECT * FROM trial.seed WHERE late AND price > 4");
    client.run("DELETE FROM trial.source WHERE price < 3; UPDATE trial.source SET rate = rate / 7 WHERE price > 28");
    let mut found = client.lines("SELECT cumulate.apply_late($$trial.\"Counts\"$$) > 0");
    client.run("INSERT INTO trial.source SELECT * FROM trial.seed WHERE late");
    client.run("SELECT cumulate.restate($$trial.\"Counts\"$$, $$2024-03-05$$::date, $$2024-03-07$$::date)");
    client.run(
        "CALL cumulate.add_metric($$trial.\"Counts\"$$, $$low$$, $${\"value\": \"min(price)\", \"rollup\": \"min\"}$$)",
    );
    found.extend(client.lines("SELECT count(*) FROM cumulate.verify($$trial.\"Counts\"$$)"));
    found.push(client.refusal("SELECT cumulate.cumulate_day($$trial.\"Counts\"$$, $$2024-03-01$$::date)").sqlstate);
    found
}

/// The rows, and what is known of the table.
fn rows(client: &mut Client) -> Vec<String> {
    client.lines(
        r#"SELECT c::text FROM trial."Counts" c UNION ALL SELECT d::text FROM trial."Counts_daily" d
           UNION ALL SELECT l.day || ' ' || l.state || ' ' || l.rows FROM cumulate.days l
           UNION ALL SELECT cumulate.definition('trial."Counts"')
           UNION ALL SELECT pg_get_functiondef('trial."Counts_rows"'::regproc) ORDER BY 1"#,
    )
}

/// What a caller has set, by all settings; those that count what happens are left out.
fn all(client: &mut Client) -> Vec<String> {
    client.lines("SELECT name, setting FROM pg_settings ORDER BY name")
}

/// A table's life with these settings, and its life after it was forgotten and adopted: what was found on the way.
fn life(client: &mut Client, settings: &[(&str, &str)]) -> [Vec<String>; 4] {
    let set = |client: &mut Client| {
        for (name, value) in settings {
            client
                .execute("SELECT set_config($1, $2, false)", &[name, value])
                .expect("a setting that any user may set");
        }
    };
    client.run(
        "CREATE TABLE trial.source (LIKE trial.seed); INSERT INTO trial.source SELECT * FROM trial.seed WHERE NOT late",
    );
    set(client);
    let before = all(client);
    let on_the_way = live(client);
    assert_eq!(all(client), before, "settings of the caller");
    client.run("RESET ALL");
    let lived = rows(client);
    set(client);
    client.run("SELECT cumulate.drop_table($$trial.\"Counts\"$$, keep_data => true)");
    client.run(
        &CREATE
            .replace("windows =>", "daily => $$trial.\"Counts_daily\"$$, windows =>")
            .replace("\"bytes\":", "\"low\": {\"value\": \"min(price)\", \"rollup\": \"min\"}, \"bytes\":"),
    );
    client.run("SELECT cumulate.apply_late($$trial.\"Counts\"$$)");
    client.run("CALL cumulate.backfill($$trial.\"Counts\"$$, NULL, $$2024-03-08$$::date)");
    let differences = client.lines("SELECT count(*) FROM cumulate.verify($$trial.\"Counts\"$$)");
    client.run("RESET ALL");
    let adopted = rows(client);
    client.run("SELECT cumulate.drop_table($$trial.\"Counts\"$$); DROP TABLE trial.source");
    [on_the_way, lived, differences, adopted]
}

/// A session with rows to count, in a database of its own.
fn session() -> (Database<'static>, Client) {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(SEED);
    client.run("LOAD 'plpgsql'");
    (database, client)
}

#[test]
fn whatever_a_caller_has_set_a_table_gets_the_same_rows() {
    let (mut _database, mut client) = session();
    let expected = life(&mut client, &[]);
    assert_eq!(expected[0], ["t", "0", "22023"]);
    assert!(expected[1].len() > 200, "{} rows", expected[1].len());
    let each = values(&mut client);
    let each = each.iter().map(|(name, value)| vec![(name.as_str(), value.as_str())]);
    let (mut tried, mut wrong) = (0, Vec::new());
    for settings in each.chain(MORE.iter().map(|settings| settings.to_vec())) {
        println!("{settings:?}");
        tried += 1;
        match catch_unwind(AssertUnwindSafe(|| life(&mut client, &settings))) {
            Ok(found) if found == expected => {}
            Ok(found) => wrong.push(format!("{settings:?}: {:?}", first_difference(&found, &expected))),
            Err(_) => {
                wrong.push(format!("{settings:?}: see above"));
                (_database, client) = session();
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 150, "{tried} values were tried");
}

fn first_difference<'a>(found: &'a [Vec<String>], expected: &'a [Vec<String>]) -> Option<(&'a String, &'a String)> {
    let (found, expected) = (found.iter().flatten(), expected.iter().flatten());
    found.zip(expected).find(|(found, expected)| found != expected)
}

#[test]
fn what_must_make_a_call_fail_leaves_everything_as_it_was() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(SEED);
    client.run("CREATE TABLE trial.source (LIKE trial.seed); INSERT INTO trial.source SELECT * FROM trial.seed");
    client.run(CREATE);
    client.run("SELECT cumulate.cumulate_range($$trial.\"Counts\"$$, $$2024-03-05$$::date, $$2024-03-06$$::date)");
    client.run("DELETE FROM trial.source WHERE price < 3");
    let expected = rows(&mut client);
    for (name, value, sqlstate) in REFUSED {
        client.run("SET quote_all_identifiers = on; SET DateStyle = 'SQL, DMY'");
        let before = all(&mut client);
        client.run(&format!("SET {name} = '{value}'"));
        // However quick it is, it takes longer than the timeout.
        let call = "SELECT cumulate.cumulate_day($$trial.\"Counts\"$$, $$2024-03-07$$::date), pg_sleep(1)";
        assert_eq!(client.refusal(call).sqlstate, sqlstate, "{name}");
        eventually(Duration::from_secs(20), "the end of the setting", || {
            client.attempt(&format!("RESET {name}")).is_ok()
        });
        assert_eq!(all(&mut client), before, "{name}");
        client.run("RESET ALL");
        assert_eq!(rows(&mut client), expected, "{name}");
    }
}

#[test]
fn a_call_whose_error_is_caught_leaves_the_callers_settings_as_they_were() {
    let (_database, mut client) = session();
    client.run("CREATE TABLE trial.source (LIKE trial.seed)");
    client.run(CREATE);
    client.run("SET quote_all_identifiers = on; SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Tokyo'; BEGIN");
    client.run("SET LOCAL IntervalStyle = 'iso_8601'");
    let before = all(&mut client);
    client.run(
        "DO $do$ BEGIN PERFORM cumulate.cumulate_day($$trial.\"Counts\"$$, $$2023-01-01$$::date);
         EXCEPTION WHEN invalid_parameter_value THEN NULL; END $do$",
    );
    assert_eq!(all(&mut client), before);
    client.run("COMMIT");
}

#[test]
fn an_index_that_may_give_some_rows_only_gives_all_of_them() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(
        "CREATE TABLE source (key integer, tags text[], at date);
         INSERT INTO source SELECT n % 10, '{x}', '2024-03-05' FROM generate_series(1, 40000) n;
         CREATE INDEX ON source USING gin (tags) WITH (fastupdate = off);
         SET enable_seqscan = off; SET gin_fuzzy_search_limit = 1000",
    );
    let some: i64 = client.value("SELECT count(*) FROM source WHERE tags @> '{x}'");
    assert!(some < 40_000, "PostgreSQL gives some rows only");
    client.run(
        "SELECT cumulate.create_table('counts', 'source', 'at', '{key}', '{\"n\": \"count(*)\"}', filter => $$tags @> '{x}'$$,
             start_date => '2024-03-05', time_zone => 'UTC', late => 'none', schedule => NULL);
         SELECT cumulate.cumulate_day('counts', '2024-03-05')",
    );
    assert_eq!(client.value::<i64>("SELECT sum(total_n_7d)::bigint FROM counts"), 40_000);
    assert_eq!(client.lines("SELECT * FROM cumulate.verify('counts')"), [""; 0]);
}
