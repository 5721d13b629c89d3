//! A cumulative table `counts` over a small source, held against the model.

use pg_cumulate_tests::model::{Day, Definition, Entry, Ledger, Metric, Rollup, Shape, Value, differences, snapshot};
use pg_cumulate_tests::{Ask, Cluster, Database, Reader, literal};
use postgres::Client;
use std::sync::OnceLock;

/// The server of most tests; nothing but the test itself closes days there.
pub fn cluster() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| Cluster::builder().conf("cumulate.enabled = off").conf("cumulate.create_sales = off").start())
}

/// The days from 2024-12-01 on: 0 is the first.
pub fn day(number: i64) -> Day {
    Day::from_ymd_opt(2024, 12, 1).expect("a day of the calendar") + chrono::TimeDelta::days(number)
}

/// A zone in which it is about noon, so that the day does not change under a test, and the day that is today there.
pub fn today_at_noon() -> (String, Day) {
    let mut client = cluster().connect("postgres");
    let hour: i32 = client.value("SELECT extract(hour FROM now() AT TIME ZONE 'UTC')::integer");
    // The sign in these names is the other way round: Etc/GMT-3 is three hours ahead.
    let zone = format!("Etc/GMT{:+}", hour - 12);
    let today = client.query_one(&format!("SELECT (now() AT TIME ZONE '{zone}')::date"), &[]).expect("a date").get(0);
    (zone, today)
}

/// What is special about a table. Its metrics are the events and the sum of their amounts.
#[derive(Debug, Clone)]
pub struct Form {
    /// The type of the time column.
    pub time: &'static str,
    pub zone: String,
    pub start: Day,
    pub windows: Vec<usize>,
    pub shape: Shape,
    pub expire_idle: bool,
    /// More arguments of create_table, such as `late => 'scan'`.
    pub more: &'static str,
}

impl Form {
    /// A ragged table over dates from 2024-12-01 on.
    pub fn with_windows(windows: &[usize]) -> Form {
        Form {
            time: "date",
            zone: "UTC".to_owned(),
            start: day(0),
            windows: windows.to_vec(),
            shape: Shape::Ragged,
            expire_idle: false,
            more: "late => 'trigger'",
        }
    }

    pub fn padded(self) -> Form {
        Form { shape: Shape::Padded, ..self }
    }

    pub fn create_table(&self) -> String {
        let windows: Vec<String> = self.windows.iter().map(usize::to_string).collect();
        format!(
            "SELECT cumulate.create_table('counts', 'source', 'at', '{{key}}',
                 '{{\"events\": \"count(*)\", \"amount\": \"sum(amount)\"}}', windows => '{{{}}}',
                 start_date => '{}', time_zone => {}, shape => '{}', expire_idle => {}, {})",
            windows.join(","),
            self.start,
            literal(&self.zone),
            if self.shape == Shape::Ragged { "ragged" } else { "padded" },
            self.expire_idle,
            self.more,
        )
    }

    fn definition(&self) -> Definition<Option<i64>> {
        let metric = |name: &str, of_day: fn(&[&Option<i64>]) -> Value| Metric {
            name: name.to_owned(),
            of_day: Box::new(of_day),
            rollup: Rollup::Sum,
            zero: Value::integer(0),
        };
        Definition {
            start: self.start,
            windows: self.windows.clone(),
            shape: self.shape,
            expire_idle: self.expire_idle,
            filter: Box::new(|_| true),
            metrics: vec![metric("events", number_of_events), metric("amount", sum_of_amounts)],
        }
    }
}

fn number_of_events(amounts: &[&Option<i64>]) -> Value {
    Value::integer(amounts.len().try_into().expect("a count fits"))
}

fn sum_of_amounts(amounts: &[&Option<i64>]) -> Value {
    let known: Vec<i64> = amounts.iter().copied().flatten().copied().collect();
    if known.is_empty() { Value::Null } else { Value::integer(known.iter().sum()) }
}

/// A database with the table, and a session of its owner.
pub struct Counts {
    pub client: Client,
    pub form: Form,
    pub database: Database<'static>,
}

/// An event by hand: key, day counted from 2024-12-01, amount.
pub type Event = (&'static str, i64, Option<i64>);

impl Counts {
    /// Over an ordinary table.
    pub fn new(form: Form) -> Counts {
        let source = format!(
            "CREATE TABLE source (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text, at {}, amount integer);
             CREATE INDEX ON source (at)",
            form.time
        );
        Counts::over(&source, form)
    }

    /// Over whatever `commands` make under the name `source`, with columns key, at and amount.
    pub fn over(commands: &str, form: Form) -> Counts {
        let database = cluster().database_with_extension();
        let mut client = database.connect();
        client.run(commands);
        client.run(&form.create_table());
        Counts { client, form, database }
    }

    pub fn insert(&mut self, events: &[Event]) {
        for (key, number, amount) in events {
            self.client
                .execute(
                    "INSERT INTO source (key, at, amount) VALUES ($1, $2, $3::bigint)",
                    &[key, &day(*number), amount],
                )
                .expect("events are inserted");
        }
    }

    pub fn close(&mut self, day: Day) -> i64 {
        self.client.value(&format!("SELECT cumulate.cumulate_day('counts', '{day}')"))
    }

    pub fn close_range(&mut self, from: Day, to: Day) -> i64 {
        self.client.value(&format!("SELECT cumulate.cumulate_range('counts', '{from}', '{to}')"))
    }

    pub fn apply_late(&mut self) -> i64 {
        self.client.value("SELECT cumulate.apply_late('counts')")
    }

    pub fn restate(&mut self, from: Day, to: Day) -> i64 {
        self.client.value(&format!("SELECT cumulate.restate('counts', '{from}', '{to}')"))
    }

    /// A key's rows with all their arrays and totals, by day.
    pub fn rows(&mut self, key: &str) -> Vec<String> {
        let totals: Vec<String> = self.form.windows.iter().map(|days| format!("total_amount_{days}d")).collect();
        self.client.lines(&format!(
            "SELECT snapshot_date, events_array, amount_array, {} FROM counts WHERE key = {} ORDER BY snapshot_date",
            totals.join(", "),
            literal(key)
        ))
    }

    /// Panics unless every closed, clean day is the snapshot of the law, no other day has rows, and verify is empty.
    pub fn check(&mut self, ledger: &Ledger) {
        let mut found = self.violations(ledger);
        found.extend(self.client.lines("SELECT * FROM cumulate.verify('counts') LIMIT 20"));
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    /// As `check`, without verify, which without notes cannot know of late changes.
    pub fn check_clean_days(&mut self, ledger: &Ledger) {
        let found = self.violations(ledger);
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    fn violations(&mut self, ledger: &Ledger) -> Vec<String> {
        let (definition, events) = (self.form.definition(), self.events());
        let mut stored = self.reader().snapshots(&mut self.client).expect("the table can be read");
        let mut found = Vec::new();
        for day in ledger.clean() {
            let expected = snapshot(&definition, &events, day);
            let rows = stored.get(&day).map_or(&[][..], Vec::as_slice);
            found.extend(differences(day, &["events", "amount"], &expected, rows));
        }
        stored.retain(|day, _| !ledger.closed().contains(day));
        found.extend(stored.keys().map(|day| format!("{day}: never closed, but has rows")));
        found
    }

    fn reader(&self) -> Reader {
        Reader {
            table: "counts".to_owned(),
            keys: vec!["key::text".to_owned()],
            metrics: ["events", "amount"].map(|name| (name.to_owned(), self.form.windows.clone())).to_vec(),
        }
    }

    /// The source, its days cut by PostgreSQL in a plain query.
    fn events(&mut self) -> Vec<Entry<Option<i64>>> {
        let sql = format!("SELECT key::text, {}, amount::bigint FROM source", self.form.day_of_row());
        let rows = self.client.query(&sql, &[]).expect("the source can be read");
        let key = |row: &postgres::Row| row.get::<_, Option<String>>(0).map(|key| vec![key]);
        rows.iter().map(|row| Entry { key: key(row), day: row.get(1), event: row.get(2) }).collect()
    }
}

impl Form {
    /// SQL: the day of a row of the source.
    pub fn day_of_row(&self) -> String {
        match self.time {
            "timestamptz" => format!("(at AT TIME ZONE {})::date", literal(&self.zone)),
            _ => "at::date".to_owned(),
        }
    }
}
