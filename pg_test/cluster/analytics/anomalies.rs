//! Anomalies: what is planted is found, in an order that says what happened, and what is usual is not.

use crate::scene::cluster;
use pg_cumulate_tests::{Ask, Database};
use postgres::Client;

/// A chain of thirty shops, 150 days from a Monday on, with about 100 customers each on weekdays and 160 at weekends.
fn chain(database: &Database) -> Client {
    let mut client = database.connect();
    client.run(
        "CREATE TABLE customers (shop text, at date, n integer);
         INSERT INTO customers
         SELECT 'shop ' || k, DATE '2024-01-01' + d,
                (CASE WHEN d % 7 >= 5 THEN 160 ELSE 100 END) + (hashint4(k * 1000 + d) % 14 + hashint4(k * 1000 + d + 77777) % 14)
         FROM generate_series(1, 30) AS k, generate_series(0, 149) AS d;
         SELECT cumulate.create_table('shops', 'customers', 'at', '{shop}', '{\"n\": \"sum(n)\"}', start_date => '2024-01-01', time_zone => 'UTC');
         SELECT cumulate.cumulate_range('shops', '2024-01-01', '2024-05-29')",
    );
    client
}

/// Changes rows of the source, and repairs what follows.
fn plant(client: &mut Client, change: &str) {
    client.run(change);
    client.run("SELECT cumulate.apply_late('shops')");
}

#[test]
fn what_is_planted_is_found_and_weekends_are_not() {
    let database = cluster().database_with_extension();
    let mut client = chain(&database);
    let all = "SELECT key ->> 'shop', day FROM cumulate.anomalies('shops', 'n')";
    assert_eq!(client.lines(all), Vec::<String>::new());
    plant(
        &mut client,
        "DELETE FROM customers WHERE shop = 'shop 3' AND at = '2024-04-10';
         UPDATE customers SET n = 2 * n WHERE shop = 'shop 7' AND at = '2024-04-20';
         UPDATE customers SET n = n / 3 WHERE shop = 'shop 9' AND at >= '2024-05-20';
         UPDATE customers SET n = n + (at - DATE '2024-01-01') / 3 WHERE shop = 'shop 20'",
    );
    let found = client.lines(
        "SELECT key ->> 'shop', day, value, expected BETWEEN 80 AND 190, value NOT BETWEEN lower AND upper, score::integer
         FROM cumulate.anomalies('shops', 'n') WHERE day < '2024-05-21'",
    );
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("shop 3|2024-04-10|0|t|t|-"), "{found:?}");
    assert!(found[1].starts_with("shop 7|2024-04-20|"), "{found:?}");
    assert!(found[2].starts_with("shop 9|2024-05-20|"), "{found:?}");
    let count = |client: &mut Client, more: &str| {
        client.value::<i64>(&format!(
            "SELECT count(*) FROM cumulate.anomalies('shops', 'n', to_day => '2024-05-20', {more})"
        ))
    };
    assert_eq!(count(&mut client, "direction => 'up'"), 1);
    assert_eq!(count(&mut client, "direction => 'down'"), 2);
    assert_eq!(count(&mut client, "min_expected => 140"), 1);
    assert_eq!(count(&mut client, "threshold => 1000"), 0);
    assert_eq!(count(&mut client, "key => '{\"shop\": \"shop 7\"}'"), 1);
    assert_eq!(count(&mut client, "key => '{}'"), 0);
}

#[test]
fn a_day_on_which_all_shops_are_closed_is_one_anomaly_of_all_together_and_comes_first() {
    let database = cluster().database_with_extension();
    let mut client = chain(&database);
    plant(
        &mut client,
        "DELETE FROM customers WHERE at = '2024-04-01'; UPDATE customers SET n = 3 * n WHERE shop = 'shop 2' AND at = '2024-04-03'",
    );
    let found = client.lines("SELECT day, key ->> 'shop', value FROM cumulate.anomalies('shops', 'n')");
    assert_eq!(found[0], "2024-04-01||0");
    assert_eq!(found.iter().filter(|line| line.contains("||")).count(), 1, "{found:?}");
    assert_eq!(found.iter().filter(|line| line.starts_with("2024-04-01")).count(), 31);
    assert!(found.last().is_some_and(|line| line.starts_with("2024-04-03|shop 2|")), "{found:?}");
    // The most surprising keys of a day come before the others.
    let falling = "SELECT count(*) FROM (SELECT abs(score) AS s, lag(abs(score)) OVER (ORDER BY ordinality) AS before
                   FROM cumulate.anomalies('shops', 'n') WITH ORDINALITY WHERE day = '2024-04-01' AND key IS NOT NULL) AS x WHERE s > before";
    assert_eq!(client.value::<i64>(falling), 0);
}

#[test]
fn a_days_anomaly_depends_neither_on_the_range_nor_on_later_days() {
    let database = cluster().database_with_extension();
    let mut client = chain(&database);
    let of = |range: &str| format!("SELECT a FROM cumulate.anomalies('shops', 'n', {range}, threshold => 1) AS a");
    let part = "WHERE day BETWEEN '2024-03-01' AND '2024-03-20'";
    let whole = client.lines(&format!("{} {part}", of("NULL, NULL")));
    assert!(whole.len() > 20);
    assert_eq!(client.lines(&of("'2024-03-01', '2024-03-20'")), whole);
    plant(&mut client, "UPDATE customers SET n = 50 * n - 300 WHERE at > '2024-03-20'");
    assert_eq!(client.lines(&format!("{} {part}", of("NULL, NULL"))), whole);
    assert_eq!(client.lines(&of("'2024-03-01', '2024-03-20'")), whole);
}

#[test]
fn rare_keys_are_suspicious_when_they_are_not_rare() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(
        "CREATE TABLE bought (item integer, at date);
         INSERT INTO bought SELECT k, DATE '2024-01-01' + d FROM generate_series(1, 200) AS k, generate_series(0, 199) AS d
         WHERE d = k % 20 OR hashint4(k * 1000 + d) % 12 = 0;
         INSERT INTO bought SELECT 17, '2024-06-01' FROM generate_series(1, 6);
         SELECT cumulate.create_table('items', 'bought', 'at', '{item}', '{\"n\": \"count(*)\"}', start_date => '2024-01-01', time_zone => 'UTC');
         SELECT cumulate.cumulate_range('items', '2024-01-01', '2024-07-18')",
    );
    let found = client
        .lines("SELECT key ->> 'item', day, upper < 6 FROM cumulate.anomalies('items', 'n') WHERE key IS NOT NULL");
    assert_eq!(found, ["17|2024-06-01|t"]);
}
