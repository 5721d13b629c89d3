//! A server whose scheduler works, and a cumulative table `counts` of the events per key, held against the model.

use pg_cumulate_tests::model::{Day, Definition, Entry, Metric, Rollup, Shape, Value, differences, snapshot};
use pg_cumulate_tests::{Ask, Clock, Cluster, Reader, eventually, literal};
use postgres::Client;
use std::collections::BTreeSet;
use std::time::Duration;

/// Long enough for a busy machine, short enough to end a test that hangs.
pub const SOON: Duration = Duration::from_secs(40);

/// The days in an array.
const WINDOW: usize = 3;

pub struct Scene {
    pub client: Client,
    pub cluster: Cluster,
    pub database: String,
    zone: String,
    start: Day,
    // Last, for the server reads its file until it has stopped.
    pub clock: Option<Clock>,
}

/// What is special about a scene.
pub struct Plan {
    /// A name for the clock's file, and the time of UTC at which the server starts; None for the machine's clock.
    pub clock: Option<(&'static str, &'static str)>,
    pub zone: &'static str,
    pub start: &'static str,
    /// Lines of postgresql.conf.
    pub settings: &'static [&'static str],
    /// More arguments of create_table.
    pub more: &'static str,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan { clock: None, zone: "UTC", start: "2024-12-01", settings: &[], more: "late => 'trigger'" }
    }
}

/// A server that looks every second, and waits for nobody.
pub fn server(clock: Option<&Clock>, settings: &[&str]) -> Cluster {
    let usual =
        ["cumulate.enabled = on", "cumulate.naptime = 1", "cumulate.min_delay = 0", "cumulate.create_sales = off"];
    let builder = usual.iter().chain(settings).fold(Cluster::builder(), |builder, line| builder.conf(line));
    let variables = clock.map(Clock::variables).unwrap_or_default();
    variables.iter().fold(builder, |builder, (name, value)| builder.env(name, value)).start()
}

impl Plan {
    /// A server with the table in a database of its own; nothing is due yet, for there are no events.
    pub fn stage(self) -> Scene {
        let clock = self.clock.map(|(name, time)| Clock::set_to(&format!("scheduler-{name}"), time));
        let cluster = server(clock.as_ref(), self.settings);
        cluster.connect("postgres").run("CREATE DATABASE stage TEMPLATE template0");
        let mut client = cluster.connect("stage");
        client.run("CREATE EXTENSION pg_cumulate; CREATE TABLE source (key text, at timestamptz)");
        client.run(&create_table("counts", self.zone, self.start, self.more));
        let start = self.start.parse().expect("a date");
        Scene { client, cluster, database: "stage".to_owned(), zone: self.zone.to_owned(), start, clock }
    }
}

pub fn create_table(name: &str, zone: &str, start: &str, more: &str) -> String {
    format!(
        "SELECT cumulate.create_table('{name}', 'source', 'at', '{{key}}', '{{\"events\": \"count(*)\"}}',
             windows => '{{{WINDOW}}}', start_date => '{start}', time_zone => {}, {more})",
        literal(zone)
    )
}

impl Scene {
    /// Adds one event of each key at a time such as `2024-12-03 12:00+00`.
    pub fn insert(&mut self, keys: &str, at: &str) {
        for key in keys.split_whitespace() {
            self.client.run(&format!("INSERT INTO source VALUES ('{key}', '{at}')"));
        }
    }

    /// Adds an event of key a at noon of each day of a range.
    pub fn fill(&mut self, from: &str, to: &str) {
        self.client.run(&format!(
            "INSERT INTO source SELECT 'a', day FROM generate_series(timestamptz '{from} 12:00+00', '{to} 12:00+00', '1 day') day"
        ));
    }

    pub fn newest_closed(&mut self) -> String {
        self.client
            .lines("SELECT max(day) FROM cumulate.days WHERE target = 'counts'::regclass AND state = 'closed'")
            .concat()
    }

    /// Waits until a day and all before it are closed and clean.
    pub fn wait_until_closed(&mut self, day: &str) {
        let missing = format!(
            "SELECT count(*) FROM cumulate.days WHERE target = 'counts'::regclass AND day <= '{day}' AND (state <> 'closed' OR notes > 0)"
        );
        let there = format!("SELECT count(*) FROM cumulate.days WHERE target = 'counts'::regclass AND day = '{day}'");
        eventually(SOON, &format!("{day} to be closed"), || {
            self.client.value::<i64>(&missing) == 0 && self.client.value::<i64>(&there) == 1
        });
    }

    pub fn wait_for(&mut self, what: &str, query: &str) {
        eventually(SOON, what, || self.client.value::<bool>(query));
    }

    /// Connects again, after the server was restarted.
    pub fn reconnect(&mut self) {
        self.client = self.cluster.connect(&self.database);
    }

    /// Sets the clock and waits for nothing.
    pub fn set_clock(&self, time: &str) {
        self.clock.as_ref().expect("a clock of the test's").set(time);
    }

    /// Panics unless all closed days equal the model, verify is empty, no run is left running, and each closed day was
    /// closed by exactly one run that succeeded.
    pub fn check(&mut self) {
        self.check_rows();
        let wrong = self.client.lines(
            "SELECT d.day, count(r.run_id) FROM cumulate.days d
             LEFT JOIN cumulate.runs r ON r.target = d.target AND r.status = 'succeeded' AND d.day BETWEEN r.from_day AND r.to_day
             WHERE d.target = 'counts'::regclass AND d.state = 'closed' GROUP BY d.target, d.day HAVING count(r.run_id) <> 1 ORDER BY 1",
        );
        assert!(wrong.is_empty(), "closed by another number of runs than one: {wrong:?}\n{}", self.runs());
    }

    /// As `check`, where days have been closed again with good reason.
    pub fn check_rows(&mut self) {
        self.wait_for("no run to be under way", "SELECT count(*) = 0 FROM cumulate.runs WHERE status = 'running'");
        let expected_events = self.events();
        let definition = definition(self.start);
        let reader = Reader {
            table: "counts".to_owned(),
            keys: vec!["key::text".to_owned()],
            metrics: vec![("events".to_owned(), vec![WINDOW])],
        };
        let mut stored = reader.snapshots(&mut self.client).expect("the table can be read");
        let closed = self.closed_days();
        assert!(!closed.is_empty(), "no day is closed\n{}", self.runs());
        let mut found = Vec::new();
        for day in &closed {
            let rows = stored.remove(day).unwrap_or_default();
            found.extend(differences(*day, &["events"], &snapshot(&definition, &expected_events, *day), &rows));
        }
        found.extend(stored.keys().map(|day| format!("{day}: never closed, but has rows")));
        found.extend(self.client.lines("SELECT * FROM cumulate.verify('counts') LIMIT 20"));
        assert!(found.is_empty(), "{}\n{}", found.join("\n"), self.runs());
    }

    pub fn runs(&mut self) -> String {
        self.client.lines("SELECT run_id, trigger, from_day, to_day, days_done, status, sqlstate, message FROM cumulate.runs ORDER BY run_id").join("\n")
    }

    fn closed_days(&mut self) -> BTreeSet<Day> {
        let rows = self
            .client
            .query("SELECT day FROM cumulate.days WHERE target = 'counts'::regclass AND state = 'closed'", &[]);
        rows.expect("the ledger can be read").iter().map(|row| row.get(0)).collect()
    }

    /// The source, its days cut by PostgreSQL in a plain query.
    fn events(&mut self) -> Vec<Entry<()>> {
        let sql = format!("SELECT key, (at AT TIME ZONE {})::date FROM source", literal(&self.zone));
        let rows = self.client.query(&sql, &[]).expect("the source can be read");
        let key = |row: &postgres::Row| row.get::<_, Option<String>>(0).map(|key| vec![key]);
        rows.iter().map(|row| Entry { key: key(row), day: row.get(1), event: () }).collect()
    }
}

fn definition(start: Day) -> Definition<()> {
    Definition {
        start,
        windows: vec![WINDOW],
        shape: Shape::Ragged,
        expire_idle: false,
        filter: Box::new(|()| true),
        metrics: vec![Metric {
            name: "events".to_owned(),
            of_day: Box::new(|events| Value::integer(events.len().try_into().expect("a count fits"))),
            rollup: Rollup::Sum,
            zero: Value::integer(0),
        }],
    }
}

/// Has the worker stop inside the transaction that makes the snapshot of a day, until `release` or its end.
pub fn hold_at(client: &mut Client, day: &str) {
    client.run(&format!(
        "CREATE OR REPLACE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NEW; END';
         CREATE TRIGGER held BEFORE INSERT ON counts FOR EACH ROW WHEN (NEW.snapshot_date = '{day}') EXECUTE FUNCTION held()"
    ));
}

/// Workers in the middle of a run.
pub const HELD: &str =
    "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'pg_cumulate worker' AND wait_event = 'PgSleep'";

pub const WORKER_PID: &str =
    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_cumulate worker' AND wait_event = 'PgSleep' LIMIT 1";

pub const LAUNCHERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_cumulate launcher'";

pub fn kill(pid: i32) {
    let sent = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().expect("kill can be run");
    assert!(sent.success());
}
