//! add_metric: afterwards a table is the same as one that had the metric from the start.

use crate::counts::{cluster, today_at_noon};
use pg_cumulate_tests::{Ask, Database, literal};
use postgres::Client;
use std::time::{Duration, Instant};

/// Metrics that come later: name, and what it maps to.
const ADDED: [(&str, &str); 6] = [
    ("spent", r#""sum(amount)""#),
    ("highest", r#"{"value": "max(amount)", "rollup": "max", "type": "numeric(10,2)"}"#),
    ("kinds", r#"{"value": "string_agg(DISTINCT kind, ',' ORDER BY kind)", "rollup": "none"}"#),
    ("mean", r#"{"value": "avg(weight)", "rollup": "avg", "daily": "mean_weight"}"#),
    ("last kind", r#"{"value": "min(kind)", "rollup": "last", "zero": "none", "daily": "Kind of \"day\""}"#),
    ("small", r#"{"value": "count(*) FILTER (WHERE amount < 3 OR is_rare(kind))", "type": "smallint"}"#),
];

/// What is special about both tables.
const FORMS: [&str; 6] = [
    "windows => '{7,2}', partition_by => 'month'",
    "windows => '{3}', partition_by => 'day', filter => 'weight > 0.5 AND kind <> ''d'' AND amount IS NOT NULL'",
    "windows => '{5,1}', partition_by => 'none', shape => 'padded'",
    "windows => '{4}', partition_by => 'day', shape => 'padded', expire_idle => true",
    "windows => '{28,7}', partition_by => 'month', shape => 'padded', expire_idle => true, filter => 'is_rare(kind)'",
    "windows => '{7}', partition_by => 'month', late => 'scan', lookback => 0",
];

const FIRST: &str = r#"{"events": "count(*)", "weight": "sum(weight)"}"#;

/// A source with rows of forty days, some of them not even of the table.
fn source() -> Database<'static> {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(
        "CREATE SCHEMA shop;
         SET search_path = shop, public;
         CREATE FUNCTION shop.is_rare(kind text) RETURNS boolean IMMUTABLE RETURN kind IN ('c', 'd');
         CREATE TABLE shop.source (at timestamptz, kind text, amount numeric(10,2), weight double precision,
                                   region integer, item text);
         INSERT INTO shop.source
         SELECT '2024-12-01 00:00+00'::timestamptz + n * interval '61 minutes', chr(97 + n * 7 % 5),
                nullif(n % 13, 5) / 4.0, 1.0 / (n % 7 + 1), n % 3, nullif('item ' || n * n % 11, 'item 4')
         FROM generate_series(1, 940) AS n WHERE n % 97 > 20",
    );
    database
}

fn create(client: &mut Client, name: &str, metrics: &str, form: &str) {
    client.run(&format!(
        "SELECT cumulate.create_table('shop.{name}', 'shop.source', 'at', '{{region,item}}', {},
             start_date => '2024-12-02', time_zone => 'America/New_York', {form})",
        literal(metrics)
    ));
}

fn add(client: &mut Client, table: &str, (name, metric): (&str, &str)) {
    client.run(&format!("CALL cumulate.add_metric('shop.{table}', {}, {})", literal(name), literal(metric)));
}

fn all_metrics() -> String {
    let added: Vec<String> = ADDED.iter().map(|(name, metric)| format!("{}: {metric}", quoted(name))).collect();
    format!("{}, {}}}", FIRST.trim_end_matches('}'), added.join(", "))
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// All rows of a table with its columns by name, whatever their order.
fn rows(client: &mut Client, table: &str) -> Vec<String> {
    client.lines(&format!("SELECT to_jsonb(t) FROM shop.{table} AS t ORDER BY to_jsonb(t)::text"))
}

fn assert_same(client: &mut Client, added: &str, whole: &str, what: &str) {
    for suffix in ["", "_daily", "_latest"] {
        let (left, right) = (rows(client, &format!("{added}{suffix}")), rows(client, &format!("{whole}{suffix}")));
        assert!(!left.is_empty() && left == right, "{what}: {suffix}: {:?} {:?}", left.first(), right.first());
    }
    for table in [added, whole] {
        let wrong = client.lines(&format!("SELECT * FROM cumulate.verify('shop.{table}') LIMIT 5"));
        assert_eq!(wrong, Vec::<String>::new(), "{what}: {table}");
    }
}

#[test]
fn a_table_with_added_metrics_equals_one_that_had_them_from_the_start() {
    for form in FORMS {
        let database = source();
        let mut client = database.connect();
        client.run("SET search_path = shop, public");
        create(&mut client, "added", FIRST, form);
        create(&mut client, "whole", &all_metrics(), form);
        for table in ["added", "whole"] {
            client.run(&format!("SELECT cumulate.cumulate_range('shop.{table}', '2024-12-02', '2024-12-30')"));
            client.run(&format!("SELECT cumulate.cumulate_day('shop.{table}', '2025-01-03')"));
        }
        let others = "SELECT md5(string_agg((region, item, events_array, weight_array, snapshot_date)::text, ' '
                             ORDER BY snapshot_date, region, item)) FROM shop.added";
        let before = client.lines(others);
        ADDED.iter().for_each(|metric| add(&mut client, "added", *metric));
        assert_eq!(client.lines(others), before, "{form}: the others are untouched");
        assert_same(&mut client, "added", "whole", form);
        let definition: String = client.value("SELECT cumulate.definition('shop.added')");
        let whole: String = client.value("SELECT cumulate.definition('shop.whole')");
        assert_eq!(definition.replace("shop.added", "shop.whole"), whole);
        // What comes later is the same, too: new days, late changes, other roles' search paths.
        client.run(
            "RESET search_path;
             UPDATE shop.source SET amount = amount + 1, kind = 'c' WHERE at < '2024-12-20' AND region = 1;
             DELETE FROM shop.source WHERE item = 'item 9';
             INSERT INTO shop.source VALUES ('2024-12-05 12:00+00', 'b', 7, 3, 9, 'new')",
        );
        for table in ["added", "whole"] {
            client.run(&format!(
                "SELECT cumulate.restate('shop.{table}', '2024-12-02', '2025-01-03');
                 SELECT cumulate.cumulate_range('shop.{table}', '2025-01-01', '2025-01-05')"
            ));
        }
        assert_same(&mut client, "added", "whole", form);
    }
}

#[test]
fn names_that_changed_since_and_hostile_search_paths_do_no_harm() {
    let database = source();
    let mut client = database.connect();
    client.run("SET search_path = shop, public");
    create(&mut client, "added", FIRST, FORMS[1]);
    create(&mut client, "whole", &all_metrics(), FORMS[1]);
    for table in ["added", "whole"] {
        client.run(&format!("SELECT cumulate.cumulate_range('shop.{table}', '2024-12-02', '2024-12-30')"));
    }
    client.run(
        "ALTER TABLE shop.source RENAME COLUMN region TO area;
         ALTER TABLE shop.source RENAME COLUMN at TO happened;
         ALTER TABLE shop.source RENAME TO things;
         CREATE SCHEMA evil;
         CREATE FUNCTION evil.count() RETURNS bigint IMMUTABLE RETURN 666;
         CREATE FUNCTION evil.sum(double precision) RETURNS double precision IMMUTABLE RETURN 666;
         CREATE FUNCTION evil.is_not_equal(text, text) RETURNS boolean IMMUTABLE RETURN false;
         CREATE OPERATOR evil.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.is_not_equal);
         SET search_path = evil, shop, public, pg_catalog",
    );
    // The expression is read by the caller's path, as create_table does; the others stay what they were.
    client.run("SET search_path = shop, evil, public");
    ADDED.iter().for_each(|metric| add(&mut client, "added", *metric));
    assert_same(&mut client, "added", "whole", "renamed");
    client.run("SET search_path = shop, pg_catalog, evil");
    let definition: String = client.value("SELECT cumulate.definition('shop.added')");
    assert!(definition.contains("keys => ARRAY['area', 'item']") && definition.contains("AND"), "{definition}");
}

#[test]
fn dropped_and_frozen_days_and_days_that_are_only_filled() {
    let database = source();
    let mut client = database.connect();
    client.run("SET search_path = shop, public");
    create(&mut client, "added", FIRST, FORMS[0]);
    create(&mut client, "whole", &all_metrics(), FORMS[0]);
    for table in ["added", "whole"] {
        client.run(&format!(
            "SELECT cumulate.cumulate_range('shop.{table}', '2024-12-02', '2024-12-30');
             SELECT cumulate.populate_day('shop.{table}', '2025-01-02');
             SELECT cumulate.alter_table('shop.{table}',
                 retention => make_interval(days => (now() AT TIME ZONE 'America/New_York')::date - DATE '2024-12-20'));
             SELECT cumulate.apply_retention('shop.{table}')"
        ));
    }
    add(&mut client, "added", ADDED[0]);
    ADDED[1..].iter().for_each(|metric| add(&mut client, "added", *metric));
    assert_same(&mut client, "added", "whole", "dropped days");
    for table in ["added", "whole"] {
        client.run(&format!("SELECT cumulate.cumulate_range('shop.{table}', '2024-12-31', '2025-01-04')"));
    }
    assert_same(&mut client, "added", "whole", "days filled ahead");
    client.run(
        "SELECT cumulate.freeze('shop.added', '2025-01-01'); DELETE FROM shop.source WHERE at < '2025-01-01 23:00-05'",
    );
    add(&mut client, "added", ("again", r#""count(*)""#));
    let frozen = "SELECT DISTINCT again_array FROM shop.added WHERE snapshot_date = '2025-01-01'";
    assert_eq!(client.lines(frozen), ["{0,0,0,0,0,0,0}"], "the metric's zero");
    assert_eq!(client.lines("SELECT * FROM cumulate.verify('shop.added')"), Vec::<String>::new());
}

#[test]
fn a_table_without_days_and_one_of_today() {
    let (zone, today) = today_at_noon();
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run("CREATE TABLE source (key text, at date, amount integer)");
    client.run(&format!(
        "SELECT cumulate.create_table('counts', 'source', 'at', '{{key}}', '{{\"events\": \"count(*)\"}}',
             time_zone => '{zone}')"
    ));
    client.run("CALL cumulate.add_metric('counts', 'amount', '\"sum(amount)\"')");
    client.run(&format!(
        "INSERT INTO source VALUES ('a', DATE '{today}' - 2, 3), ('a', '{today}', 4);
         SELECT cumulate.cumulate_range('counts', DATE '{today}' - 2, '{today}')"
    ));
    client.run("CALL cumulate.add_metric('counts', 'most', '{\"value\": \"max(amount)\", \"rollup\": \"max\"}')");
    assert_eq!(
        client.lines("SELECT events_array, amount_array, most_array, total_most_7d FROM counts ORDER BY snapshot_date"),
        ["{1}|{3}|{3}|3", "{0,1}|{0,3}|{NULL,3}|3", "{1,0,1}|{4,0,3}|{4,NULL,3}|4"]
    );
}

#[test]
fn late_changes_that_wait_are_repaired_with_all_metrics() {
    let database = source();
    let mut client = database.connect();
    client.run("SET search_path = shop, public");
    create(&mut client, "added", FIRST, FORMS[0]);
    create(&mut client, "whole", &all_metrics(), FORMS[0]);
    for table in ["added", "whole"] {
        client.run(&format!("SELECT cumulate.cumulate_range('shop.{table}', '2024-12-02', '2024-12-30')"));
    }
    client.run(
        "INSERT INTO shop.source VALUES ('2024-12-05 12:00+00', 'b', 7, 3, 9, 'new'),
                                        ('2024-12-28 12:00+00', 'c', 8, 3, 1, 'item 1');
         DELETE FROM shop.source WHERE item = 'item 9';
         UPDATE shop.source SET amount = 5 WHERE at < '2024-12-09' AND region = 0",
    );
    ADDED.iter().for_each(|metric| add(&mut client, "added", *metric));
    client.run("SELECT cumulate.apply_late('shop.added'); SELECT cumulate.apply_late('shop.whole')");
    assert_same(&mut client, "added", "whole", "late changes");
}

#[test]
fn readers_never_wait_and_never_see_half() {
    let database = source();
    let mut client = database.connect();
    client.run("SET search_path = shop, public");
    client.run(
        "INSERT INTO shop.source SELECT at, kind, amount, weight, region, 'more ' || n
                FROM shop.source, generate_series(1, 60) AS n",
    );
    create(&mut client, "added", FIRST, FORMS[0]);
    client.run("SELECT cumulate.cumulate_range('shop.added', '2024-12-02', '2025-01-05')");
    let mut reader = database.connect();
    reader.run("SET lock_timeout = '1s'");
    let adding = std::thread::spawn(move || {
        let began = Instant::now();
        add(&mut client, "added", ADDED[0]);
        began.elapsed()
    });
    let mut looks = Vec::new();
    while !adding.is_finished() {
        let began = Instant::now();
        let there =
            "SELECT count(*) FROM pg_attribute WHERE attrelid = 'shop.added'::regclass AND attname = 'spent_array'";
        if reader.value::<i64>(there) == 1 {
            let look = "SELECT count(*) FILTER (WHERE spent_array IS NULL) || ' of ' || count(*) FROM shop.added";
            looks.push((reader.value::<String>(look), began.elapsed()));
        }
        reader.run("SELECT count(*) FROM shop.added_latest");
    }
    let taken = adding.join().expect("the metric is added");
    let all = reader.value::<String>("SELECT count(*) || ' of ' || count(*) FROM shop.added");
    let none = reader.value::<String>("SELECT 0 || ' of ' || count(*) FROM shop.added");
    assert!(looks.iter().all(|(look, _)| *look == all || *look == none), "{looks:?}");
    let slowest = looks.iter().map(|(_, time)| *time).max().expect("the reader has looked");
    assert!(looks.len() > 5 && slowest < taken / 2, "{} looks, the slowest {slowest:?} of {taken:?}", looks.len());
}

#[test]
fn who_reads_for_long_is_not_waited_for_by_others_and_nothing_is_left() {
    let database = source();
    let mut client = database.connect();
    client.run("SET search_path = shop, public; SET cumulate.lock_timeout = '1s'");
    create(&mut client, "added", FIRST, FORMS[0]);
    client.run("SELECT cumulate.cumulate_range('shop.added', '2024-12-02', '2024-12-30')");
    let columns =
        "SELECT count(*) FROM pg_attribute WHERE attrelid IN ('shop.added'::regclass, 'shop.added_daily'::regclass)";
    let before = client.lines(columns);
    let mut old = database.connect();
    old.run("BEGIN; SELECT count(*) FROM shop.added_202412");
    let call = format!("CALL cumulate.add_metric('shop.added', 'spent', {})", literal(ADDED[0].1));
    let refusal = client.refusal(&call);
    assert_eq!(refusal.sqlstate, "55P03", "{refusal}");
    assert_eq!(client.lines(columns), before);
    old.run("COMMIT");
    client.run(refusal.hint.as_deref().expect("the call again"));
    client.run(&call);
    assert_eq!(client.lines("SELECT * FROM cumulate.verify('shop.added')"), Vec::<String>::new());
    assert_eq!(client.lines("SELECT trigger, status FROM cumulate.runs"), ["manual|succeeded"]);
}

/// A metric that fails at its first row of December 20.
const OVERFLOWING: &str = r#"{"value": "sum(1000 / (date_part('day', at AT TIME ZONE 'UTC') - 20))::smallint"}"#;

#[test]
fn a_failed_add_leaves_everything_as_it_was() {
    let database = source();
    let mut client = database.connect();
    client.run("SET search_path = shop, public");
    create(&mut client, "added", FIRST, FORMS[0]);
    client.run("SELECT cumulate.cumulate_range('shop.added', '2024-12-02', '2024-12-30')");
    let state = "SELECT attrelid::regclass, attname FROM pg_attribute
                 WHERE attrelid IN ('shop.added'::regclass, 'shop.added_daily'::regclass, 'shop.added_latest'::regclass)
                   AND attnum > 0 AND NOT attisdropped
                 UNION ALL SELECT NULL, cumulate.definition('shop.added')
                 UNION ALL SELECT NULL, adding::text FROM cumulate.definition
                 UNION ALL SELECT NULL, pg_get_functiondef('shop.added_rows'::regproc) ORDER BY 1, 2";
    let (before, rows_before) = (client.lines(state), rows(&mut client, "added"));
    let refusal = client.refusal(&format!("CALL cumulate.add_metric('shop.added', 'odd', {})", literal(OVERFLOWING)));
    assert_eq!(refusal.sqlstate, "22012", "{refusal}");
    client.run("CREATE VIEW shop.uses AS SELECT * FROM shop.added_rows('2024-12-02', '2024-12-03')");
    let call = format!("CALL cumulate.add_metric('shop.added', 'spent', {})", literal(ADDED[0].1));
    assert_eq!(client.refusal(&call).sqlstate, "2BP01");
    client.run("DROP VIEW shop.uses");
    assert_eq!((client.lines(state), rows(&mut client, "added")), (before, rows_before));
    let runs = "SELECT trigger, status, sqlstate FROM cumulate.runs ORDER BY run_id";
    assert_eq!(client.lines(runs), ["manual|failed|22012", "manual|failed|2BP01"]);
    client.run(&call);
    assert_eq!(client.lines("SELECT * FROM cumulate.verify('shop.added')"), Vec::<String>::new());
}

#[test]
fn a_killed_add_is_seen_and_done_again() {
    let database = source();
    let mut client = database.connect();
    client.run("SET search_path = shop, public");
    create(&mut client, "added", FIRST, FORMS[0]);
    create(&mut client, "whole", &all_metrics(), FORMS[0]);
    for table in ["added", "whole"] {
        client.run(&format!("SELECT cumulate.cumulate_range('shop.{table}', '2024-12-02', '2024-12-30')"));
    }
    let mut killed = database.connect();
    killed.run("SET search_path = shop, public");
    // The first of its transactions, and then its process ends.
    killed.run(&format!("SELECT cumulate_internal.add_metric_begin('shop.added', 'spent', {})", literal(ADDED[0].1)));
    let call = format!("CALL cumulate.add_metric('shop.added', 'highest', {})", literal(ADDED[1].1));
    assert_eq!(client.refusal(&call).sqlstate, "55006", "one after another");
    let pid: i32 = killed.value("SELECT pg_backend_pid()");
    drop(killed);
    let gone = format!("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid})");
    pg_cumulate_tests::eventually(Duration::from_secs(20), "the session to end", || client.value(&gone));
    // Meanwhile all works without the metric.
    client.run("SELECT cumulate.cumulate_range('shop.added', '2024-12-31', '2025-01-02')");
    client.run("SELECT cumulate.cumulate_range('shop.whole', '2024-12-31', '2025-01-02')");
    let mend = "SELECT how_to_mend FROM cumulate.health() WHERE what LIKE 'metric spent%'";
    let mend: String = client.value(mend);
    client.run(&mend);
    ADDED[1..].iter().for_each(|metric| add(&mut client, "added", *metric));
    assert_same(&mut client, "added", "whole", "after a kill");
    assert_eq!(client.value::<i64>("SELECT count(*) FROM cumulate.health() WHERE what LIKE 'metric%'"), 0);
}

#[test]
fn only_the_owner_adds_and_what_he_adds_runs_with_his_rights() {
    let database = source();
    let mut client = database.connect();
    client.run(
        "DO $$ BEGIN CREATE ROLE metric_owner LOGIN; CREATE ROLE metric_other LOGIN; EXCEPTION WHEN duplicate_object THEN END $$;
         ALTER TABLE shop.source OWNER TO metric_owner;
         GRANT ALL ON SCHEMA shop TO metric_owner, metric_other",
    );
    let mut owner = database.connect_as("metric_owner");
    owner.run("SET search_path = shop, public");
    create(&mut owner, "added", FIRST, FORMS[0]);
    owner.run("SELECT cumulate.cumulate_range('shop.added', '2024-12-02', '2024-12-30')");
    owner.run("REVOKE EXECUTE ON FUNCTION shop.added_rows FROM PUBLIC; GRANT EXECUTE ON FUNCTION shop.added_rows TO metric_other");
    let rights = "SELECT proacl::text FROM pg_proc WHERE proname = 'added_rows'";
    let granted = owner.lines(rights);
    let mut other = database.connect_as("metric_other");
    let call = format!("CALL cumulate.add_metric('shop.added', 'spent', {})", literal(ADDED[0].1));
    assert_eq!(other.refusal(&call).sqlstate, "42501");
    add(&mut owner, "added", ADDED[0]);
    add(&mut client, "added", ADDED[2]);
    assert_eq!(owner.lines("SELECT * FROM cumulate.verify('shop.added')"), Vec::<String>::new());
    let owners = "SELECT DISTINCT pg_get_userbyid(proowner) FROM pg_proc WHERE proname = 'added_rows'";
    assert_eq!(owner.lines(owners), ["metric_owner"]);
    assert_eq!(owner.lines(rights), granted);
}
