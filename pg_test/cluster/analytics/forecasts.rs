//! Forecasts and back-tests: what is read, what is said of which key, and who may ask.

use crate::scene::cluster;
use pg_cumulate_tests::{Ask, Database};
use postgres::Client;

/// A shop of `keys` items over `days` days from a Monday on: item n sells about 5 n a day, more at weekends.
fn shop(database: &Database, keys: i32, days: i32, order: &str) -> Client {
    let mut client = database.connect();
    client.run(&format!(
        "CREATE TABLE sold (item integer, at date, pieces integer, price numeric(10,2), celsius double precision);
         INSERT INTO sold
         SELECT k, DATE '2024-01-01' + d,
                5 * k + (CASE WHEN d % 7 >= 5 THEN 3 * k ELSE 0 END) + (k * 7919 + d * 104729 + d * d * 31) % 5,
                (5 * k + (k * 7919 + d * 104729) % 7) * 1.25, 10 * sin(d / 20.0) + (k * 31 + d * 17) % 5 - 3
         FROM generate_series(1, {keys}) AS k, generate_series(0, {days} - 1) AS d WHERE d >= k % 3 {order};
         SELECT cumulate.create_table('items', 'sold', 'at', '{{item}}',
             '{{\"pieces\": \"sum(pieces)\", \"money\": \"sum(price)\", \"balance\": \"sum(price - 20)\",
               \"highest\": {{\"value\": \"max(price)\", \"rollup\": \"max\"}}, \"celsius\": {{\"value\": \"avg(celsius)\", \"rollup\": \"avg\"}},
               \"name\": {{\"value\": \"min(item::text)\", \"rollup\": \"none\"}}}}',
             start_date => '2024-01-01', time_zone => 'UTC', schedule => NULL);
         SELECT cumulate.cumulate_range('items', '2024-01-01', DATE '2024-01-01' + {days} - 1)"
    ));
    client
}

#[test]
fn each_key_is_forecast_and_then_all_together() {
    let database = cluster().database_with_extension();
    let mut client = shop(&database, 12, 100, "");
    let rows = client.lines(
        "SELECT key ->> 'item', min(day), max(day), count(*), bool_and(lower <= forecast AND forecast <= upper),
                bool_and(lower = floor(lower) AND upper = floor(upper) AND lower >= 0), min(method)
         FROM cumulate.forecast('items', 'pieces', horizon => 30) WITH ORDINALITY AS f
         GROUP BY key ORDER BY min(ordinality)",
    );
    let keys: Vec<String> = (1..=12).map(|key| key.to_string()).chain([String::new()]).collect();
    let expected: Vec<String> = keys.iter().map(|key| format!("{key}|2024-04-10|2024-05-09|30|t|t|blend")).collect();
    assert_eq!(rows, expected);
    // It is about right: weekends are higher, and the total is near the sum of the keys.
    let near = "SELECT abs(sum(forecast) FILTER (WHERE key IS NULL) / sum(forecast) FILTER (WHERE key IS NOT NULL) - 1) < 0.05,
                       avg(forecast) FILTER (WHERE extract(isodow FROM day) >= 6) > 1.4 * avg(forecast) FILTER (WHERE extract(isodow FROM day) < 6)
                FROM cumulate.forecast('items', 'pieces')";
    assert_eq!(client.lines(near), ["t|t"]);
}

#[test]
fn a_key_alone_and_the_total_alone_are_forecast_as_among_all() {
    let database = cluster().database_with_extension();
    let mut client = shop(&database, 5, 90, "");
    for (key, place) in [("{\"item\": 3}", "key = '{\"item\": 3}'"), ("{}", "key IS NULL")] {
        for function in
            ["forecast('items', 'money', key => {})", "anomalies('items', 'money', threshold => 0.01, key => {})"]
        {
            let of = |key: &str| format!("SELECT t FROM cumulate.{} AS t", function.replace("{}", key));
            let alone = client.lines(&of(&format!("'{key}'")));
            let among = client.lines(&format!("{} WHERE {place}", of("NULL")));
            assert_eq!(alone, among, "{function} {key}");
            assert!(!alone.is_empty());
        }
    }
    // A key that nobody has seen has no past.
    let unseen = client.lines("SELECT * FROM cumulate.forecast('items', 'money', 2, key => '{\"item\": 99}')");
    assert_eq!(unseen, ["{\"item\": 99}|2024-03-31||||", "{\"item\": 99}|2024-04-01||||"]);
    assert!(client.lines("SELECT * FROM cumulate.anomalies('items', 'money', key => '{\"item\": 99}')").is_empty());
}

#[test]
fn a_forecast_as_of_a_day_knows_nothing_of_what_came() {
    let database = cluster().database_with_extension();
    let mut client = shop(&database, 6, 110, "");
    let then = client.lines("SELECT f FROM cumulate.forecast('items', 'pieces', as_of => '2024-03-30') AS f");
    let other = cluster().database_with_extension();
    let mut early = shop(&other, 6, 90, "");
    assert_eq!(then, early.lines("SELECT f FROM cumulate.forecast('items', 'pieces') AS f"));
    assert_eq!(then.len(), 7 * 14);
    let refusal = client.refusal("SELECT * FROM cumulate.forecast('items', 'pieces', as_of => '2024-05-30')");
    assert_eq!(refusal.sqlstate, "55000");
}

#[test]
fn the_order_of_rows_on_disk_changes_no_digit() {
    let answers = ["", "ORDER BY 1 DESC, 2", "ORDER BY 2 DESC, 1", "ORDER BY md5(k::text || d)"].map(|order| {
        let database = cluster().database_with_extension();
        let mut client = shop(&database, 7, 100, order);
        client.run(&format!(
            "CREATE TABLE again AS SELECT * FROM items_daily AS x (k, n, p, m, b, h, c, t, d) {}",
            order.replace("2", "d").replace("1", "k")
        ));
        client.run("TRUNCATE items_daily; INSERT INTO items_daily SELECT * FROM again");
        let forecast = client.lines("SELECT f FROM cumulate.forecast('items', 'money') AS f");
        let anomalies = client.lines("SELECT a FROM cumulate.anomalies('items', 'money', threshold => 1) AS a");
        (forecast, anomalies, client.lines("SELECT b FROM cumulate.backtest('items', 'money') AS b"))
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert!(!answers[0].1.is_empty() && !answers[0].2.is_empty());
}

#[test]
fn the_collation_of_texts_changes_no_digit() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    // Any that orders letters before it looks at their case; a server without it has nothing to compare.
    let other = "SELECT quote_ident(collname) FROM pg_collation
                 WHERE collprovider IN ('c', 'i') AND collencoding IN (-1, 6) AND collname IN ('en_US', 'en_US.utf8', 'en-x-icu', 'de_DE.utf8', 'de-x-icu') LIMIT 1";
    let Some(other) = client.lines(other).pop() else { return };
    let mut of = |name: &str, collation: &str| {
        client.run(&format!(
            "CREATE TABLE sold_{name} (item text COLLATE {collation}, at date, price numeric);
             INSERT INTO sold_{name} SELECT chr(65 + k % 2 * 32 + k) || k, DATE '2024-01-01' + d, 1 + (d * d * k + d * 7 + k) % 97 / 7.0
             FROM generate_series(1, 20) AS k, generate_series(0, 99) AS d;
             SELECT cumulate.create_table('{name}', 'sold_{name}', 'at', '{{item}}', '{{\"money\": \"sum(price)\"}}', start_date => '2024-01-01', time_zone => 'UTC');
             SELECT cumulate.cumulate_range('{name}', '2024-01-01', '2024-04-09')"
        ));
        let first: String =
            client.value(&format!("SELECT key ->> 'item' FROM cumulate.forecast('{name}', 'money') LIMIT 1"));
        (
            first,
            client.lines(&format!(
                "SELECT f FROM cumulate.forecast('{name}', 'money') AS f ORDER BY key::text COLLATE \"C\", day"
            )),
        )
    };
    let (bytes, letters) = (of("bytes", "\"C\""), of("letters", &other));
    assert_ne!(bytes.0, letters.0);
    assert_eq!(bytes.1, letters.1);
}

#[test]
fn simple_methods_say_what_sql_says() {
    let database = cluster().database_with_extension();
    let mut client = shop(&database, 8, 100, "");
    // The weekday of the last week, and the weekday's mean with a half-life of two weeks.
    let methods = [
        ("seasonal_naive", "(array_agg(pieces ORDER BY snapshot_date DESC))[1]"),
        (
            "weekday_mean",
            "sum(pieces * 2 ^ ((snapshot_date - DATE '2024-04-09') / 14.0)) / sum(2 ^ ((snapshot_date - DATE '2024-04-09') / 14.0))",
        ),
    ];
    for (method, aggregate) in methods {
        let differences = client.lines(&format!(
            "SELECT f.key, f.day, f.forecast, x.v FROM cumulate.forecast('items', 'pieces', method => '{method}') AS f
             LEFT JOIN (SELECT item, extract(isodow FROM snapshot_date) AS weekday, {aggregate} AS v FROM items_daily GROUP BY 1, 2) AS x
                 ON x.item = (f.key ->> 'item')::integer AND x.weekday = extract(isodow FROM f.day)
             WHERE f.key IS NOT NULL AND (f.method <> '{method}' OR abs(f.forecast - x.v) < 1e-9) IS NOT TRUE"
        ));
        assert_eq!(differences, Vec::<String>::new(), "{method}");
    }
    // Errors of the naive method at four origins, a week apart.
    let rmsse = client.lines(
        "WITH o AS (SELECT DATE '2024-04-09' - 14 - 7 * i AS origin FROM generate_series(0, 3) AS i),
              s AS (SELECT item, origin, avg((pieces - before) ^ 2) AS scale
                    FROM (SELECT item, snapshot_date, pieces, lag(pieces) OVER (PARTITION BY item ORDER BY snapshot_date) AS before
                          FROM items_daily) AS d JOIN o ON snapshot_date <= origin GROUP BY 1, 2),
              e AS (SELECT d.item, origin, avg((d.pieces - w.pieces) ^ 2) AS error, avg(abs(d.pieces - w.pieces)) AS distance
                    FROM o JOIN items_daily d ON d.snapshot_date BETWEEN origin + 1 AND origin + 14
                    JOIN items_daily w ON w.item = d.item AND w.snapshot_date = origin - 6 + (d.snapshot_date - origin - 1) % 7 GROUP BY 1, 2)
         SELECT sqrt(sum(error) / sum(scale))::numeric(12,9), avg(distance)::numeric(12,9) FROM e JOIN s USING (item, origin)",
    );
    let tested = "SELECT rmsse::numeric(12,9), mae::numeric(12,9) FROM cumulate.backtest('items', 'pieces')
                  WHERE class = 'busy' AND method = 'seasonal_naive'";
    assert_eq!(client.lines(tested), rmsse);
}

#[test]
fn auto_takes_the_method_with_the_smallest_error_of_each_class() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    // Busy keys repeat their weeks to the piece; rare ones sell by luck.
    client.run(
        "CREATE TABLE sold (item integer, at date);
         INSERT INTO sold SELECT k, DATE '2024-01-01' + d FROM generate_series(1, 10) AS k, generate_series(0, 149) AS d,
             generate_series(1, 20 + (k * 13 + d % 7 * 29) % 17);
         INSERT INTO sold SELECT 100 + k, DATE '2024-01-01' + d FROM generate_series(1, 40) AS k, generate_series(0, 149) AS d
         WHERE d = k % 5 OR (k * 7919 + d * 104729 + d * d * k) % 9 = 0;
         SELECT cumulate.create_table('items', 'sold', 'at', '{item}', '{\"n\": \"count(*)\"}', start_date => '2024-01-01', time_zone => 'UTC');
         SELECT cumulate.cumulate_range('items', '2024-01-01', '2024-05-29')",
    );
    let best = "SELECT DISTINCT ON (class) class, method FROM cumulate.backtest('items', 'n') ORDER BY class, rmsse";
    assert_eq!(client.lines(best), ["busy|seasonal_naive", "sparse|blend"]);
    let chosen = "SELECT DISTINCT (key ->> 'item')::integer < 100, method FROM cumulate.forecast('items', 'n') WHERE key IS NOT NULL ORDER BY 1 DESC";
    assert_eq!(client.lines(chosen), ["t|seasonal_naive", "f|blend"]);
}

#[test]
fn amounts_scale_levels_may_be_negative_and_averages_have_no_total() {
    let database = cluster().database_with_extension();
    let mut client = shop(&database, 9, 120, "");
    client.run(
        "CREATE VIEW cents AS SELECT item, at, price * 1024 AS price FROM sold;
         SELECT cumulate.create_table('cents_of_items', 'cents', 'at', '{item}', '{\"money\": \"sum(price)\"}', late => 'none',
             start_date => '2024-01-01', time_zone => 'UTC');
         SELECT cumulate.cumulate_range('cents_of_items', '2024-01-01', '2024-04-29')",
    );
    // Powers of two change no digit.
    let differences = "SELECT * FROM cumulate.forecast('items', 'money') AS a
        FULL JOIN cumulate.forecast('cents_of_items', 'money') AS b ON a.key IS NOT DISTINCT FROM b.key AND a.day = b.day
        WHERE (a.forecast * 1024, a.lower * 1024, a.upper * 1024, a.method) IS DISTINCT FROM (b.forecast, b.lower, b.upper, b.method)";
    assert_eq!(client.lines(&differences.replace("FULL JOIN", "JOIN")), Vec::<String>::new());
    assert_eq!(client.value::<i64>("SELECT count(*) FROM cumulate.forecast('cents_of_items', 'money')"), 10 * 14);
    // Temperatures: below zero, no whole numbers, nothing for all stations together.
    let celsius =
        "SELECT bool_or(key IS NULL), min(lower) < 0, bool_or(lower <> floor(lower)), bool_and(lower <= upper)
                   FROM cumulate.forecast('items', 'celsius')";
    assert_eq!(client.lines(celsius), ["f|t|t|t"]);
    assert_eq!(client.refusal("SELECT * FROM cumulate.forecast('items', 'celsius', key => '{}')").sqlstate, "0A000");
    assert_eq!(client.lines("SELECT DISTINCT class FROM cumulate.backtest('items', 'celsius')"), ["level"]);
    // Sums that can be negative.
    assert_eq!(
        client.lines("SELECT min(lower) < 0 FROM cumulate.forecast('items', 'balance', key => '{\"item\": 2}')"),
        ["t"]
    );
    // The largest of all keys.
    let highest = "SELECT count(*), bool_and(forecast > 40) FROM cumulate.forecast('items', 'highest', key => '{}')";
    assert_eq!(client.lines(highest), ["14|t"]);
}

#[test]
fn late_changes_and_time_zones_leave_what_a_table_made_afterwards_would_say() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    let table = |name: &str, more: &str| {
        format!(
            "SELECT cumulate.create_table('{name}', 'sold', 'at', '{{item}}', '{{\"n\": \"count(*)\", \"money\": \"sum(price)\"}}',
                 start_date => '2024-01-01', time_zone => 'Asia/Kathmandu', {more});
             SELECT cumulate.cumulate_range('{name}', '2024-01-01', '2024-04-19')"
        )
    };
    // A sale every 47 minutes: some belong to another day in Kathmandu than in UTC.
    client.run(
        "CREATE TABLE sold (item integer, at timestamptz, price numeric);
         INSERT INTO sold SELECT i % 9 * (i * i % 5), TIMESTAMPTZ '2024-01-01 00:00+00' + i * interval '47 minutes', 1 + i % 13 / 4.0
         FROM generate_series(1, 3400) AS i",
    );
    client.run(&table("followed", "windows => '{3}'"));
    client.run(
        "DELETE FROM sold WHERE item = 12 OR at::date = '2024-02-11';
         UPDATE sold SET at = at - interval '9 days', price = price * 2 WHERE item = 8;
         INSERT INTO sold SELECT 77, TIMESTAMPTZ '2024-01-20 18:20+00' + i * interval '1 day', 3 FROM generate_series(0, 60) AS i;
         SELECT cumulate.apply_late('followed')",
    );
    client.run(&table("anew", "windows => '{5,28}', shape => 'padded', expire_idle => true"));
    for call in [
        "forecast({}, 'n')",
        "forecast({}, 'money', 30, as_of => '2024-03-31')",
        "backtest({}, 'n')",
        "backtest({}, 'money', 7, 9)",
        "anomalies({}, 'n', threshold => 0.5)",
        "anomalies({}, 'money', threshold => 0.5)",
    ] {
        let mut of = |name: &str| {
            client.lines(&format!("SELECT a FROM cumulate.{} AS a", call.replace("{}", &format!("'{name}'"))))
        };
        let followed = of("followed");
        assert!(!followed.is_empty(), "{call}");
        assert_eq!(followed, of("anew"), "{call}");
    }
}

#[test]
fn too_little_history_is_null() {
    let database = cluster().database_with_extension();
    let mut client = shop(&database, 6, 60, "");
    // Item 3 comes on the first day, item 1 a day later, item 2 two days later.
    let forecast = |day: i32| {
        format!(
            "SELECT key ->> 'item', bool_and(forecast IS NULL), bool_and(lower IS NULL) FROM cumulate.forecast('items', 'pieces',
             as_of => DATE '2024-01-01' + {day} - 1) WHERE (key ->> 'item')::integer <= 3 GROUP BY 1 ORDER BY 1"
        )
    };
    assert_eq!(client.lines(&forecast(13)), ["1|t|t", "2|t|t", "3|t|t"]);
    assert_eq!(client.lines(&forecast(14)), ["1|t|t", "2|t|t", "3|f|t"]);
    assert_eq!(client.lines(&forecast(16)), ["1|f|t", "2|f|t", "3|f|t"]);
    // Bounds: back-tests of 14 days from keys with 21.
    assert_eq!(client.lines(&forecast(34)), ["1|f|t", "2|f|t", "3|f|t"]);
    assert_eq!(client.lines(&forecast(37)), ["1|f|f", "2|f|f", "3|f|f"]);
    let alone =
        "SELECT bool_and(lower IS NULL) FROM cumulate.forecast('lonely', 'n', as_of => DATE '2024-01-01' + {} - 1)";
    client.run(
        "CREATE TABLE one (key integer, at date); INSERT INTO one SELECT 1, DATE '2024-01-01' + d FROM generate_series(0, 79) AS d, generate_series(0, d * d % 11);
         SELECT cumulate.create_table('lonely', 'one', 'at', '{key}', '{\"n\": \"count(*)\"}', start_date => '2024-01-01', time_zone => 'UTC');
         SELECT cumulate.cumulate_range('lonely', '2024-01-01', '2024-03-20')",
    );
    assert_eq!(client.lines(&alone.replace("{}", "41")), ["t"]);
    assert_eq!(client.lines(&alone.replace("{}", "56")), ["f"]);
    assert!(client.lines("SELECT * FROM cumulate.backtest('items', 'pieces', 50)").is_empty());
}

#[test]
fn one_key_that_is_stored_in_two_ways_is_one_key() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(
        "CREATE TABLE sold (price numeric, at date);
         INSERT INTO sold SELECT CASE WHEN d % 2 = 0 THEN 1.5 ELSE 1.50 END, DATE '2024-01-01' + d FROM generate_series(0, 59) AS d, generate_series(0, d % 5);
         INSERT INTO sold SELECT 7, DATE '2024-01-01' + d FROM generate_series(0, 59) AS d;
         SELECT cumulate.create_table('prices', 'sold', 'at', '{price}', '{\"n\": \"count(*)\"}', start_date => '2024-01-01', time_zone => 'UTC');
         SELECT cumulate.cumulate_range('prices', '2024-01-01', '2024-02-29')",
    );
    assert_eq!(client.value::<i64>("SELECT count(DISTINCT price::text) FROM prices_daily"), 3);
    assert_eq!(
        client.lines(
            "SELECT key ->> 'price', min(forecast) > 0 FROM cumulate.forecast('prices', 'n') GROUP BY 1 ORDER BY 1"
        ),
        ["1.5|t", "7|t", "|t"]
    );
    assert_eq!(
        client.lines("SELECT count(*) FROM cumulate.forecast('prices', 'n', key => '{\"price\": 1.500}')"),
        ["14"]
    );
}

#[test]
fn too_many_keys_are_an_error_that_says_what_helps() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(
        "CREATE TABLE sold (item text, at date);
         INSERT INTO sold SELECT 'item ' || k, DATE '2024-01-01' + k % 20 FROM generate_series(1, 3000) AS k;
         SELECT cumulate.create_table('items', 'sold', 'at', '{item}', '{\"n\": \"count(*)\"}', start_date => '2024-01-01', time_zone => 'UTC');
         SELECT cumulate.cumulate_range('items', '2024-01-01', '2024-01-30');
         SET cumulate.forecast_memory = '1MB'",
    );
    for call in ["forecast('items', 'n')", "backtest('items', 'n')", "anomalies('items', 'n', threshold => 1)"] {
        client.run("SET cumulate.forecast_memory = '1MB'");
        let refusal = client.refusal(&format!("SELECT * FROM cumulate.{call}"));
        assert_eq!(refusal.sqlstate, "53200", "{call}: {refusal}");
        let mut hints = 0;
        while let Err(refusal) = client.attempt(&format!("SELECT * FROM cumulate.{call}")) {
            client.run(&refusal.hint.expect("a hint"));
            hints += 1;
            assert!(hints < 5, "{call}");
        }
    }
}

#[test]
fn answers_can_be_cancelled() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(
        "CREATE TABLE sold (item integer, at date);
         INSERT INTO sold SELECT k, DATE '2024-01-01' + k % 20 FROM generate_series(1, 60000) AS k;
         SELECT cumulate.create_table('items', 'sold', 'at', '{item}', '{\"n\": \"count(*)\"}', start_date => '2024-01-01', time_zone => 'UTC',
             partition_by => 'none', windows => '{1}', shape => 'padded', expire_idle => true);
         SELECT cumulate.cumulate_range('items', '2024-01-01', '2024-12-01')",
    );
    for call in ["forecast('items', 'n')", "backtest('items', 'n')", "anomalies('items', 'n')"] {
        client.run("SET statement_timeout = '300ms'");
        let begun = std::time::Instant::now();
        assert_eq!(client.refusal(&format!("SELECT count(*) FROM cumulate.{call}")).sqlstate, "57014", "{call}");
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{call}: {:?}", begun.elapsed());
        client.run("RESET statement_timeout");
    }
}

#[test]
fn wrong_arguments_are_refused() {
    let database = cluster().database_with_extension();
    let mut client = shop(&database, 2, 30, "");
    let cases = [
        ("forecast('items', 'pieces', 0)", "22023", "horizon 0 is out of range"),
        ("forecast('items', 'pieces', 91)", "22023", "horizon 91 is out of range"),
        ("forecast('items', 'pieces', NULL)", "22004", "horizon must not be null"),
        ("forecast('items', 'pieces', method => 'prophet')", "22023", "unknown method \"prophet\""),
        ("forecast('items', 'pieces', method => NULL)", "22004", "method must not be null"),
        ("forecast('items', 'pieces', level => 1)", "22023", "level 1 is out of range"),
        ("forecast('items', 'pieces', level => 'NaN')", "22023", "level NaN is out of range"),
        (
            "forecast('items', 'pieces', key => '{\"article\": 1}')",
            "22023",
            "key does not name the key columns of \"public.items\"",
        ),
        ("forecast('items', 'pieces', key => '[]')", "22023", "key does not name the key columns of \"public.items\""),
        ("forecast('items', 'name')", "42804", "metric \"name\" has type text, which is not a type of numbers"),
        ("forecast('items', 'sales')", "42703", "metric \"sales\" of \"public.items\" does not exist"),
        ("forecast('items', 'pieces', as_of => 'infinity')", "22008", "as_of must be a finite date"),
        (
            "forecast('items', 'pieces', as_of => '2023-12-31')",
            "22023",
            "day 2023-12-31 is before the start of \"public.items\"",
        ),
        ("forecast('items', 'pieces', as_of => '9999-12-31')", "22023", "day 9999-12-31 is in the future"),
        ("backtest('items', 'pieces', origins => 27)", "22023", "origins 27 is out of range"),
        ("anomalies('items', 'pieces', threshold => 0)", "22023", "threshold 0 is out of range"),
        ("anomalies('items', 'pieces', threshold => 'infinity')", "22023", "threshold inf is out of range"),
        ("anomalies('items', 'pieces', direction => 'sideways')", "22023", "unknown direction \"sideways\""),
        ("anomalies('items', 'pieces', min_expected => -1)", "22023", "min_expected -1 is out of range"),
        ("anomalies('items', 'celsius', key => '{}')", "0A000", "metric \"celsius\" has no value of all keys together"),
        ("anomalies('sold', 'pieces')", "42809", "\"public.sold\" is not a cumulative table"),
    ];
    for (call, sqlstate, message) in cases {
        let refusal = client.refusal(&format!("SELECT * FROM cumulate.{call}"));
        assert_eq!((refusal.sqlstate.as_str(), refusal.message.as_str()), (sqlstate, message), "{call}");
        assert!(refusal.detail.is_some() && refusal.hint.is_some(), "{call}");
    }
}
