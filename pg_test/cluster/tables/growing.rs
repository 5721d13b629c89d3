//! A table that keeps its snapshots for ever says when it is made how fast it will grow.

use crate::counts::cluster;
use pg_cumulate_tests::{Ask, Database};
use postgres::{Client, NoTls};
use std::sync::{Arc, Mutex};

/// A session, and what it is told.
struct Told {
    client: Client,
    notices: Arc<Mutex<Vec<(String, String)>>>,
    _database: Database<'static>,
}

impl Told {
    /// 3,000 keys with an event on each of 33 days, loaded a moment ago.
    fn new() -> Told {
        let database = cluster().database_with_extension();
        let notices = Arc::new(Mutex::new(Vec::new()));
        let heard = notices.clone();
        let mut config = cluster().config(database.name());
        config.notice_callback(move |notice| {
            let hint = notice.hint().unwrap_or_default().to_owned();
            heard.lock().expect("one at a time").push((notice.message().to_owned(), hint));
        });
        let mut client = config.connect(NoTls).expect("a session");
        client.run(
            "CREATE TABLE event (number integer, name text, amount numeric, day date);
             INSERT INTO event SELECT key, 'customer number ' || key, key * 1.25, DATE '2024-05-01' + day
             FROM generate_series(1, 3000) AS key, generate_series(0, 32) AS day",
        );
        Told { client, notices, _database: database }
    }

    /// Makes a table; the notice with its hint.
    fn create(&mut self, source: &str, keys: &str, more: &str) -> Option<(String, String)> {
        self.notices.lock().expect("one at a time").clear();
        self.client.run(&format!(
            "SELECT cumulate.create_table('grown', '{source}', 'day', '{keys}', '{{\"n\": \"count(*)\", \"spent\": \"sum(amount)\"}}',
                 time_zone => 'UTC' {more})"
        ));
        self.notices.lock().expect("one at a time").pop()
    }
}

#[test]
fn what_is_said_of_rows_and_bytes_a_day_is_about_what_a_day_takes() {
    for (keys, more) in [
        ("{number}", ""),
        ("{number,name}", ", windows => '{7,28}'"),
        ("{name}", ", windows => '{3}', partition_by => 'day'"),
    ] {
        let mut told = Told::new();
        let (message, hint) = told.create("event", keys, more).expect("a notice");
        let said = message.strip_prefix("public.grown keeps all snapshots for ever: about ").expect(&message);
        let said = said.strip_suffix(" more each day").expect(&message);
        let (rows, size) = said.split_once(" rows and ").expect(said);
        assert_eq!(rows, "3000");
        let (number, unit) = size.split_once(' ').expect(size);
        let unit = if unit == "kB" { 1e3 } else { 1e6 };
        let said = number.parse::<f64>().expect(number) * unit;
        assert_eq!(hint, "To drop old ones: SELECT cumulate.alter_table('public.grown', retention => '90 days');");
        // Five days with full arrays.
        let size = "SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_partition_tree('grown')";
        told.client.run("SELECT cumulate.cumulate_range('grown', '2024-05-01', '2024-05-31')");
        let before: i64 = told.client.value(size);
        told.client.run("SELECT cumulate.cumulate_range('grown', '2024-06-01', '2024-06-05')");
        let taken = (told.client.value::<i64>(size) - before) as f64 / 5.0;
        assert!((0.7..1.4).contains(&(said / taken)), "{keys}: {said} bytes a day are said, {taken} are taken");
    }
}

#[test]
fn nothing_is_said_of_a_table_that_drops_snapshots_of_a_small_one_and_of_one_without_events() {
    let mut told = Told::new();
    let silent = |told: &mut Told, source: &str, more: &str| {
        let notice = told.create(source, "{number}", more);
        assert_eq!(notice, None, "{source} {more}");
        told.client.run("SELECT cumulate.drop_table('grown')");
    };
    silent(&mut told, "event", ", retention => '1 year'");
    told.client.run(
        "CREATE TABLE small AS SELECT * FROM event WHERE number <= 300; CREATE TABLE empty AS TABLE event WITH NO DATA",
    );
    silent(&mut told, "small", "");
    silent(&mut told, "empty", "");
}

#[test]
fn of_a_large_source_the_planner_says_how_many_keys_there_are_and_a_view_is_not_read_at_all() {
    let mut told = Told::new();
    // Rows without a key are read, too.
    told.client.run("INSERT INTO event SELECT NULL, name, amount, day FROM event WHERE number <= 300");
    // Of 3,000 keys the first 100,000 rows of 198,000 have 1,516.
    told.client.run(
        "CREATE TABLE sorted AS SELECT e.* FROM event e, generate_series(1, 2) ORDER BY number IS NOT NULL, number; ANALYZE sorted, event;
         CREATE FUNCTION broken(day date) RETURNS date LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$read$$; END';
         CREATE VIEW broken AS SELECT number, broken(day) AS day, amount FROM event",
    );
    let (message, _) = told.create("sorted", "{number}", "").expect("a notice");
    assert!(message.contains("about 3000 rows"), "{message}");
    told.client.run("SELECT cumulate.drop_table('grown')");
    let (message, _) = told.create("broken", "{number}", ", late => 'none'").expect("a notice");
    assert!(message.contains("about 3000 rows"), "{message}");
}
