//! Keys: those that go and come back, those that come late, and types whose equal values look different.

use crate::counts::{Counts, Form, cluster, day};
use pg_cumulate_tests::model::Ledger;
use pg_cumulate_tests::{Ask, Database};
use postgres::Client;

#[test]
fn a_key_that_expires_comes_back_with_nothing_of_its_past() {
    let form = Form { expire_idle: true, ..Form::with_windows(&[3, 2]).padded() };
    let (mut counts, mut ledger) = (Counts::new(form), Ledger::default());
    counts.insert(&[("a", 0, Some(5)), ("a", 1, None), ("a", 8, Some(2)), ("b", 2, Some(7))]);
    for number in [0, 1, 2, 3, 4, 8, 9, 6, 5, 7] {
        counts.close(day(number));
        ledger.close(day(number));
        counts.check(&ledger);
    }
    let rows = [
        "2024-12-01|{1,0,0}|{5,0,0}|5|5",
        "2024-12-02|{1,1,0}|{0,5,0}|5|5",
        "2024-12-03|{0,1,1}|{0,0,5}|5|0",
        "2024-12-04|{0,0,1}|{0,0,0}|0|0",
        "2024-12-09|{1,0,0}|{2,0,0}|2|2",
        "2024-12-10|{0,1,0}|{0,2,0}|2|2",
    ];
    assert_eq!(counts.rows("a"), rows);
    // A late event keeps it alive in between, and its deletion lets it expire again.
    counts.insert(&[("a", 5, Some(1))]);
    assert_eq!(counts.apply_late(), 3);
    counts.check(&ledger);
    counts.client.run("DELETE FROM source WHERE at = '2024-12-06'");
    assert_eq!(counts.apply_late(), 3);
    counts.check(&ledger);
    assert_eq!(counts.rows("a"), rows);
}

#[test]
fn a_key_first_seen_on_a_day_closed_out_of_order_begins_with_its_first_event() {
    let (mut counts, mut ledger) = (Counts::new(Form::with_windows(&[4])), Ledger::default());
    counts.insert(&[("a", 0, Some(1)), ("b", 4, Some(3)), ("c", 7, Some(9)), ("b", 6, Some(2))]);
    for number in [6, 0, 9, 4, 2, 7, 5, 8, 3, 1] {
        counts.close(day(number));
        ledger.close(day(number));
        counts.check(&ledger);
    }
    assert_eq!(
        counts.rows("b")[..4],
        [
            "2024-12-05|{1}|{3}|3",
            "2024-12-06|{0,1}|{0,3}|3",
            "2024-12-07|{1,0,1}|{2,0,3}|5",
            "2024-12-08|{0,1,0,1}|{0,2,0,3}|5",
        ]
    );
    // Its first day moves back over days that were closed after later ones.
    counts.insert(&[("b", 2, Some(1))]);
    counts.apply_late();
    counts.check(&ledger);
    assert_eq!(counts.rows("b")[0], "2024-12-03|{1}|{1}|1");
}

/// A database with a source of one day and one key column, and a table over it with a window of three days.
fn table_with_key(setup: &str, key_type: &str) -> (Database<'static>, Client) {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(&format!("{setup}; CREATE TABLE source (key {key_type}, at date)"));
    client.run(
        "SELECT cumulate.create_table('counts', 'source', 'at', '{key}', '{\"events\": \"count(*)\"}',
                                      windows => '{3}', start_date => '2024-12-01', time_zone => 'UTC')",
    );
    (database, client)
}

fn insert(client: &mut Client, key: &str, number: i64) {
    client.run(&format!("INSERT INTO source VALUES ({key}, '{}')", day(number)));
}

fn assert_verified(client: &mut Client) {
    assert_eq!(client.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
    assert_eq!(client.value::<i64>("SELECT count(*) FROM cumulate.note"), 0);
}

/// Two texts of one value: a key must not be two.
fn assert_one_key(key_type: &str, one: &str, other: &str) {
    let (_database, mut client) = table_with_key("", key_type);
    insert(&mut client, one, 0);
    insert(&mut client, other, 1);
    insert(&mut client, one, 2);
    insert(&mut client, other, 2);
    let arrays = "SELECT events_array FROM counts ORDER BY snapshot_date";
    client.run("SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-02')");
    client.run("SELECT cumulate.cumulate_day('counts', '2024-12-04')");
    client.run("SELECT cumulate.cumulate_day('counts', '2024-12-03')");
    assert_eq!(client.lines(arrays), ["{1}", "{1,1}", "{2,1,1}", "{0,2,1}"], "{key_type}");
    assert_verified(&mut client);
    // Noted in one form, stored in the other.
    insert(&mut client, other, 0);
    assert_eq!(client.value::<i64>("SELECT cumulate.apply_late('counts')"), 3, "{key_type}");
    client.run("DELETE FROM source WHERE at = '2024-12-02'");
    assert_eq!(client.value::<i64>("SELECT cumulate.apply_late('counts')"), 3, "{key_type}");
    assert_eq!(client.lines(arrays), ["{2}", "{0,2}", "{2,0,2}", "{0,2,0}"], "{key_type}");
    assert_verified(&mut client);
    client.run("SELECT cumulate.cumulate_day('counts', '2024-12-03')");
    assert_verified(&mut client);
}

#[test]
fn numeric_keys_1_0_and_1_00_are_one_key() {
    assert_one_key("numeric", "1.0", "1.00");
}

#[test]
fn equal_values_are_one_key_whatever_they_look_like() {
    assert_one_key("interval", "'1 day'", "'24 hours'");
    assert_one_key("character(6)", "'a'", "'a  '");
    assert_one_key("double precision", "'0'", "'-0'");
    assert_one_key("jsonb", "'{\"a\": 1.0}'", "'{\"a\": 1.00}'");
    assert_one_key("numrange", "'[1,2)'", "'[1.0,2.00)'");
    assert_one_key("timestamptz", "'2024-12-01 00:00+00'", "'2024-12-01 02:00+02'");
}

#[test]
fn composite_keys_that_read_alike_are_different_keys() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(
        "CREATE TABLE source (region text, product text, at date);
         INSERT INTO source VALUES ('a', 'bc', '2024-12-01'), ('ab', 'c', '2024-12-01'), ('ab', 'c', '2024-12-02'),
             ('', 'abc', '2024-12-02'), ('abc', '', '2024-12-02'), ('a,b', 'c', '2024-12-03'), ('a', 'b,c', '2024-12-03'),
             (NULL, 'c', '2024-12-02'), ('a', NULL, '2024-12-02');
         SELECT cumulate.create_table('counts', 'source', 'at', '{region,product}', '{\"events\": \"count(*)\"}',
                                      windows => '{3}', start_date => '2024-12-01', time_zone => 'UTC');
         SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-04')",
    );
    let last = "SELECT region, product, events_array FROM counts WHERE snapshot_date = '2024-12-03' ORDER BY 1, 2";
    let rows = ["|abc|{0,1}", "a|b,c|{1}", "a|bc|{0,0,1}", "a,b|c|{1}", "ab|c|{0,1,1}", "abc||{0,1}"];
    assert_eq!(client.lines(last), rows);
    let unkeyed = "SELECT day, unkeyed FROM cumulate.days WHERE unkeyed > 0";
    assert_eq!(client.lines(unkeyed), ["2024-12-02|2"]);
    // A late event of one key leaves the versions of all other rows alone.
    let others = "SELECT ctid, xmin, region, product, snapshot_date FROM counts WHERE (region, product) <> ('a', 'bc')";
    let before = client.lines(others);
    client.run("INSERT INTO source VALUES ('a', 'bc', '2024-12-02')");
    assert_eq!(client.value::<i64>("SELECT cumulate.apply_late('counts')"), 3);
    assert_eq!(client.lines(others), before);
    assert_verified(&mut client);
}

#[test]
fn enums_domains_and_uuids_are_keys() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(
        "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
         CREATE DOMAIN code AS text CHECK (VALUE ~ '^[a-z]+$');
         CREATE TABLE source (feeling mood, code code, number uuid, at date);
         SELECT cumulate.create_table('counts', 'source', 'at', '{feeling,code,number}', '{\"events\": \"count(*)\"}',
                                      windows => '{3}', start_date => '2024-12-01', time_zone => 'UTC');
         INSERT INTO source VALUES
             ('ok', 'x', '00000000-0000-0000-0000-000000000001', '2024-12-01'),
             ('happy', 'x', '00000000-0000-0000-0000-000000000001', '2024-12-02'),
             ('sad', 'y', 'ffffffff-0000-0000-0000-000000000001', '2024-12-02'),
             ('sad', 'y', 'ffffffff-0000-0000-0000-000000000001', '2024-12-03');
         SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-03')",
    );
    let last = "SELECT feeling, code, left(number::text, 1), events_array FROM counts
                 WHERE snapshot_date = '2024-12-03' ORDER BY feeling, code";
    assert_eq!(client.lines(last), ["sad|y|f|{1,1}", "ok|x|0|{0,0,1}", "happy|x|0|{0,1}"]);
    client.run(
        "INSERT INTO source VALUES ('happy', 'x', '00000000-0000-0000-0000-000000000001', '2024-12-01');
         DELETE FROM source WHERE feeling = 'ok';
         ALTER TYPE mood ADD VALUE 'glad' BEFORE 'happy'",
    );
    client.run("INSERT INTO source VALUES ('glad', 'z', '00000000-0000-0000-0000-000000000001', '2024-12-02')");
    client.run("SELECT cumulate.apply_late('counts')");
    assert_eq!(client.lines(last), ["sad|y|f|{1,1}", "glad|z|0|{0,1}", "happy|x|0|{0,1,1}"]);
    assert_verified(&mut client);
}

/// Characters that do not compress, so that the length counts.
fn noise(bytes: usize) -> String {
    let md5 = "SELECT md5(number::text || 'noise')";
    format!("(SELECT left(string_agg(({md5}), '' ORDER BY number), {bytes}) FROM generate_series(1, 1000) AS number)")
}

#[test]
fn a_text_key_may_be_as_long_as_a_btree_takes() {
    let (_database, mut client) = table_with_key("", "text");
    insert(&mut client, &noise(2600), 0);
    insert(&mut client, "repeat('long but regular ', 2000)", 0);
    insert(&mut client, &format!("'x' || {}", noise(2600)), 1);
    client.run("SELECT cumulate.cumulate_day('counts', '2024-12-01')");
    client.run("SELECT cumulate.cumulate_range('counts', '2024-12-02', '2024-12-03')");
    insert(&mut client, &noise(2600), 1);
    assert_eq!(client.value::<i64>("SELECT cumulate.apply_late('counts')"), 2);
    let arrays = "SELECT events_array FROM counts WHERE snapshot_date = '2024-12-03' ORDER BY left(key, 1), 1";
    assert_eq!(client.lines(&arrays.replace("left(key, 1), 1", "events_array")), ["{0,0,1}", "{0,1}", "{0,1,1}"]);
    assert_verified(&mut client);
}

/// Every call that could write such a key.
const CLOSES: [&str; 9] = [
    "SELECT cumulate.cumulate_day(%, '2024-12-02')",
    "SELECT cumulate.cumulate_range(%, '2024-12-02', '2024-12-03')",
    "SELECT cumulate.populate_day(%, '2024-12-02')",
    "SELECT cumulate.restate(%, '2024-12-02', '2024-12-02')",
    "CALL cumulate.backfill(%, '2024-12-01', '2024-12-03')",
    "SELECT cumulate.apply_late(%)",
    "SELECT cumulate.freeze(%, '2024-12-02')",
    "SELECT cumulate.refresh(%)",
    "SELECT cumulate.restate(%, '2024-12-01', '2024-12-02', (SELECT jsonb_agg(jsonb_build_object('key', \"it's\")) FROM source))",
];

#[test]
fn a_key_longer_than_a_btree_takes_is_refused_by_its_day_with_the_filter_that_leaves_it_out() {
    for (index, call) in CLOSES.iter().enumerate() {
        let (_database, mut client) = table_with_key("", "text");
        client.run("ALTER TABLE counts RENAME TO \"o'clock\"; ALTER TABLE source RENAME key TO \"it's\"");
        let table = "'\"o''clock\"'";
        let call = call.replace('%', table);
        insert(&mut client, "'short'", 0);
        client.run(&format!("SELECT cumulate.cumulate_day({table}, '2024-12-01')"));
        if index >= 5 {
            client.run(&format!("SELECT cumulate.cumulate_day({table}, '2024-12-02')"));
        }
        insert(&mut client, &noise(if index == 0 { 2_700 } else { 10_000 }), 1);
        let refusal = client.refusal(&call);
        assert_eq!(refusal.sqlstate, "54000", "{refusal}");
        assert_eq!(refusal.message, "a key of \"public.o'clock\" is too long", "{refusal}");
        assert!(refusal.detail.as_deref().unwrap_or_default().contains("of a row of 2024-12-02"), "{refusal}");
        let days = "SELECT DISTINCT snapshot_date FROM counts_daily ORDER BY 1";
        assert_eq!(client.lines(days), ["2024-12-01"], "{call}");
        client.run(&refusal.hint.expect("a hint"));
        client.run(&call);
        assert_eq!(client.lines(days), ["2024-12-01"], "{call}");
        client.run(&format!("SELECT cumulate.cumulate_day({table}, '2024-12-03')"));
        assert_eq!(client.lines(&format!("SELECT * FROM cumulate.verify({table})")), Vec::<String>::new());
    }
}

#[test]
fn long_keys_of_any_type_can_be_left_out_as_the_refusal_says() {
    let (long, short) = (noise(9_000), noise(2_000));
    let keys = [
        ("bytea", format!("{long}::bytea"), "filter"),
        ("jsonb", format!("to_jsonb({long})"), "filter"),
        ("numeric", format!("translate({long}, 'abcdef', '123456')::numeric"), "filter"),
        ("numrange", format!("numrange(0, translate({long}, 'abcdef', '123456')::numeric)"), "DELETE"),
    ];
    for (key_type, value, by) in keys {
        let (_database, mut client) = table_with_key("", key_type);
        insert(&mut client, &value, 1);
        let refusal = client.refusal("SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-02')");
        assert_eq!(refusal.sqlstate, "54000", "{refusal}");
        let hint = refusal.hint.clone().expect("a hint");
        assert!(hint.contains(by), "{key_type}: {refusal}");
        client.run(&hint);
        client.run("SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-02')");
        assert_verified(&mut client);
    }
    // Two columns, of which each would do, beside a filter that is there.
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(&format!(
        "CREATE TABLE source (one text, other text, at date);
         INSERT INTO source VALUES ('a', 'b', '2024-12-01'), ('it''s', 'b', '2024-12-01'), ({short}, {short}, '2024-12-02');
         SELECT cumulate.create_table('counts', 'source', 'at', '{{one,other}}', '{{\"events\": \"count(*)\"}}',
             filter => $$one <> 'it''s'$$, windows => '{{3}}', start_date => '2024-12-01', time_zone => 'UTC')"
    ));
    let refusal = client.refusal("SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-02')");
    client.run(&refusal.hint.expect("a hint"));
    client.run("SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-02')");
    assert_eq!(client.lines("SELECT DISTINCT one FROM counts"), ["a"]);
    assert_verified(&mut client);
}

#[test]
fn what_else_is_too_long_or_too_much_is_no_key() {
    let (_database, mut client) = table_with_key("", "text");
    client.run(
        "CREATE FUNCTION picky(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
             $$ BEGIN RAISE program_limit_exceeded USING MESSAGE = 'not with me'; END $$;
         SELECT cumulate.create_table('picked', 'source', 'at', '{key}',
             '{\"picked\": {\"value\": \"max(picky(key))\", \"rollup\": \"max\"}}',
             start_date => '2024-12-01', time_zone => 'UTC');
         CREATE INDEX long ON counts_daily (key, (md5(key) || md5(key || 'x') || md5(key || 'y') || md5(key || 'z')))",
    );
    insert(&mut client, "'a'", 1);
    let calls = CLOSES.iter().filter(|call| !["apply_late", "freeze", "it's"].iter().any(|other| call.contains(other)));
    for call in calls {
        let refusal = client.refusal(&call.replace('%', "'picked'"));
        assert_eq!((refusal.sqlstate.as_str(), refusal.message.as_str()), ("54000", "not with me"), "{call}");
    }
    // An index of the user's own, whose rows are longer than the key's.
    insert(&mut client, &noise(2_650), 1);
    let refusal = client.refusal("SELECT cumulate.cumulate_day('counts', '2024-12-02')");
    assert_eq!(refusal.sqlstate, "54000", "{refusal}");
    assert!(refusal.message.contains("index \"long\""), "{refusal}");
}
