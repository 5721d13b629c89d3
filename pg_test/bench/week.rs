//! Ten days of events of many products, of which a third has events on a day: the data of the rows about one day.

use crate::contest::Bench;
use crate::pattern::{METRICS, metrics};
use pg_cumulate_tests::model::{Day, Definition, Entry, Metric, Rollup, Shape, Value, differences, snapshot};
use pg_cumulate_tests::{Ask, Database, Reader};
use postgres::Client;

pub const FIRST: &str = "2024-06-01";
pub const YESTERDAY: &str = "2024-06-09";
pub const TODAY: &str = "2024-06-10";

/// A database with table `events` and nothing else.
pub fn database(bench: &Bench) -> Database<'_> {
    let database = bench.cluster.database_with_extension();
    database.connect().run(&format!(
        "CREATE TABLE events (product_id integer NOT NULL, event_type text NOT NULL, event_date date NOT NULL);
         CREATE FUNCTION dice(product integer, day integer, throw integer) RETURNS integer LANGUAGE sql IMMUTABLE
         RETURN (hashint8extended((product::bigint << 20) + day * 16 + throw, 0) & 2147483647)::integer;
         INSERT INTO events
         SELECT product, (ARRAY['sell', 'return', 'reorder'])[1 + dice(product, day, n) % 3], DATE '{FIRST}' + day
           FROM generate_series(0, 9) AS day, generate_series(1, {}) AS product, generate_series(1, 2) AS n
          WHERE dice(product, day, 15) % 100 < 35 AND (n = 1 OR dice(product, day, 14) % 3 = 0);
         CREATE INDEX ON events (event_date)",
        bench.scale.keys
    ));
    database.connect().run("VACUUM ANALYZE events");
    database
}

/// A cumulative table over the events.
pub fn create(client: &mut Client, name: &str, more: &str) {
    client.run(&format!(
        "SELECT cumulate.create_table('{name}', 'events', 'event_date', '{{product_id}}', '{}',
                                      start_date => '{FIRST}', time_zone => 'UTC', {more})",
        metrics()
    ));
}

/// Panics unless the table's snapshot of today is the model's.
pub fn check_with_model(client: &mut Client, table: &str) {
    let sql = "SELECT product_id::text, event_date, event_type FROM events";
    let rows = client.query(sql, &[]).expect("the events can be read");
    let entry = |row: postgres::Row| Entry { key: Some(vec![row.get(0)]), day: row.get(1), event: row.get(2) };
    let events: Vec<Entry<String>> = rows.into_iter().map(entry).collect();
    let today: Day = TODAY.parse().expect("a day of the calendar");
    let expected = snapshot(&definition(), &events, today);
    let reader = Reader {
        table: format!("(SELECT * FROM {table} WHERE snapshot_date = '{TODAY}') AS today"),
        keys: vec!["product_id::text".to_owned()],
        metrics: METRICS.iter().map(|name| ((*name).to_owned(), vec![7])).collect(),
    };
    let stored = reader.snapshots(client).expect("the table can be read").remove(&today).unwrap_or_default();
    let found = differences(today, &METRICS, &expected, &stored);
    assert!(found.is_empty(), "{} differences from the model, such as {}", found.len(), found[0]);
}

fn definition() -> Definition<String> {
    let count_of = |kind: &'static str| {
        let count = move |events: &[&String]| {
            let count = events.iter().filter(|event| event.as_str() == kind).count();
            Value::integer(count.try_into().expect("a count fits"))
        };
        Metric { name: kind.to_owned(), of_day: Box::new(count), rollup: Rollup::Sum, zero: Value::integer(0) }
    };
    Definition {
        start: FIRST.parse().expect("a day of the calendar"),
        windows: vec![7],
        shape: Shape::Ragged,
        expire_idle: false,
        filter: Box::new(|_| true),
        metrics: METRICS.iter().map(|kind| count_of(kind)).collect(),
    }
}
