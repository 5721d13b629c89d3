//! A database with the sales pipeline, and its rows held against the model.

use chrono::Days;
use pg_cumulate_tests::model::{Day, Definition, Entry, Ledger, Metric, Rollup, Shape, Value, differences, snapshot};
use pg_cumulate_tests::{Ask, Cluster, Database, Reader};
use postgres::Client;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::OnceLock;

/// The metrics of sales.daily_cumulate, in the order of its columns.
const METRICS: [&str; 3] = ["sell", "return", "reorder"];

/// The server of most tests; nothing but the test itself closes days there.
pub fn cluster() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| Cluster::builder().conf("cumulate.enabled = off").start())
}

/// A database with the pipeline, and a session of its owner.
pub struct Pipeline<'c> {
    pub client: Client,
    _database: Database<'c>,
}

/// An event by hand: product, type, day counted from 2024-12-01 (so 0 is the first day).
pub type Event = (i32, &'static str, i64);

impl Pipeline<'_> {
    /// On the shared server.
    pub fn new() -> Pipeline<'static> {
        Pipeline::on(cluster())
    }

    pub fn on(cluster: &Cluster) -> Pipeline<'_> {
        let database = cluster.database_with_extension();
        Pipeline { client: database.connect(), _database: database }
    }

    pub fn insert(&mut self, events: &[Event]) {
        if !events.is_empty() {
            self.client.run(&insert_command(events));
        }
    }

    pub fn generate(&mut self, arguments: &str) -> i64 {
        self.client.value(&format!("SELECT sales.generate_events({arguments})"))
    }

    /// Closes a day and returns the number of rows that the function reports.
    pub fn close(&mut self, day: Day) -> i64 {
        self.client.value(&format!("SELECT sales.cumulate_day('{day}')"))
    }

    pub fn backfill(&mut self, from: Day, to: Day) {
        self.client.run(&format!("CALL sales.backfill('{from}', '{to}')"));
    }

    /// Panics unless every closed, clean day is the snapshot of the law, no other day has rows, and verify is empty.
    pub fn check(&mut self, ledger: &Ledger) {
        let found = self.violations(ledger);
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    /// Every violation of the law, as text.
    pub fn violations(&mut self, ledger: &Ledger) -> Vec<String> {
        let (definition, events) = (definition(), self.events());
        let mut stored = self.reader().snapshots(&mut self.client).expect("the table can be read");
        let mut found = Vec::new();
        for day in ledger.clean() {
            let expected = snapshot(&definition, &events, day);
            found.extend(differences(day, &METRICS, &expected, &stored.remove(&day).unwrap_or_default()));
        }
        let strays = stored.keys().filter(|day| !ledger.closed().contains(day));
        found.extend(strays.map(|day| format!("{day}: never closed, but has rows")));
        found.extend(self.client.lines("SELECT * FROM cumulate.verify('sales.daily_cumulate')"));
        found
    }

    fn reader(&self) -> Reader {
        Reader {
            table: "sales.daily_cumulate".to_owned(),
            keys: vec!["product_id::text".to_owned()],
            metrics: METRICS.iter().map(|name| ((*name).to_owned(), vec![7])).collect(),
        }
    }

    fn events(&mut self) -> Vec<Entry<String>> {
        let sql = "SELECT product_id::text, event_date, event_type FROM sales.events";
        let rows = self.client.query(sql, &[]).expect("the events can be read");
        let entry = |row: &postgres::Row| Entry { key: Some(vec![row.get(0)]), day: row.get(1), event: row.get(2) };
        rows.iter().map(entry).collect()
    }

    /// What every table of both schemas holds, to see that a refused call changed nothing.
    pub fn digest(&mut self) -> BTreeMap<String, String> {
        let tables = self.client.lines(
            "SELECT c.oid::regclass FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
              WHERE n.nspname IN ('sales', 'cumulate') AND c.relkind IN ('r', 'p') AND NOT c.relispartition",
        );
        let digest = |table: String| {
            let sql = format!("SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {table} AS t");
            (table, self.client.lines(&sql).concat())
        };
        tables.into_iter().map(digest).collect()
    }
}

/// The days from 2024-12-01 on: 0 is the first.
pub fn day(number: i64) -> Day {
    let first = Day::from_ymd_opt(2024, 12, 1).expect("a day of the calendar");
    if number < 0 { first - Days::new(number.unsigned_abs()) } else { first + Days::new(number.unsigned_abs()) }
}

pub fn insert_command(events: &[Event]) -> String {
    let mut sql = "INSERT INTO sales.events (product_id, event_type, event_date) VALUES ".to_owned();
    for (index, (product, kind, number)) in events.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(sql, "{comma}({product}, '{kind}', '{}')", day(*number)).expect("a text can be written to");
    }
    sql
}

fn definition() -> Definition<String> {
    Definition {
        start: day(0),
        windows: vec![7],
        shape: Shape::Ragged,
        expire_idle: false,
        filter: Box::new(|_| true),
        metrics: METRICS.iter().map(|kind| count_of(kind)).collect(),
    }
}

fn count_of(kind: &'static str) -> Metric<String> {
    let count = move |events: &[&String]| {
        let count = events.iter().filter(|event| event.as_str() == kind).count();
        Value::integer(count.try_into().expect("a count fits"))
    };
    Metric { name: kind.to_owned(), of_day: Box::new(count), rollup: Rollup::Sum, zero: Value::integer(0) }
}
