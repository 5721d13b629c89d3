//! The cumulative tables: each as create_table is told, and as the model is.

use pg_cumulate_tests::model::{Day, Definition, Metric, Rollup, Shape, Value};
use pg_cumulate_tests::{Reader, literal};

/// What a row of a source has beside key and time.
#[derive(Debug, Clone)]
pub struct Event {
    pub kind: String,
    pub amount: Option<i64>,
}

pub struct Table {
    pub name: &'static str,
    pub source: &'static str,
    keys: &'static [&'static str],
    pub zone: &'static str,
    windows: &'static [usize],
    shape: Shape,
    expire_idle: bool,
    no_returns: bool,
    pub late: &'static str,
    partition_by: &'static str,
    /// More arguments of create_table.
    more: &'static str,
}

/// Two sources: an ordinary one and a partitioned one, each with several tables.
pub const TABLES: &[Table] = &[
    Table { keys: &["shop"], zone: "America/New_York", ..Table::PLAIN },
    Table {
        name: "padded",
        keys: &["shop", "item"],
        windows: &[3, 7],
        shape: Shape::Padded,
        no_returns: true,
        partition_by: "day",
        ..Table::PLAIN
    },
    // Its rows are held up by a trigger, so they go by INSERT.
    Table {
        name: SLOW,
        zone: "Asia/Tokyo",
        windows: &[5],
        shape: Shape::Padded,
        expire_idle: true,
        partition_by: "none",
        ..Table::PLAIN
    },
    Table { name: "parted", source: "parted_events", zone: "Europe/Berlin", windows: &[14, 2], ..Table::PLAIN },
    Table {
        name: "scanned",
        source: "parted_events",
        shape: Shape::Padded,
        late: "scan",
        partition_by: "none",
        more: ", lookback => 3660, schedule => '* * * * *'",
        ..Table::PLAIN
    },
    Table { name: KEPT, partition_by: "day", more: ", retention => '30 days'", ..Table::PLAIN },
    Table { name: ANEW, source: "parted_events", keys: &["item", "shop"], ..Table::PLAIN },
];

/// The table whose rows are held up.
pub const SLOW: &str = "expiring";
/// The table that drops old snapshots.
pub const KEPT: &str = "kept";
/// The table that is dropped and made again, so that all of its days are missing.
pub const ANEW: &str = "anew";

impl Table {
    const PLAIN: Table = Table {
        name: "ragged",
        source: "events",
        keys: &["shop"],
        zone: "UTC",
        windows: &[7],
        shape: Shape::Ragged,
        expire_idle: false,
        no_returns: false,
        late: "trigger",
        partition_by: "month",
        more: "",
    };

    pub fn named(name: &str) -> &'static Table {
        TABLES.iter().find(|table| table.name == name).expect("a table of that name")
    }

    pub fn create(&self, start: Day) -> String {
        let windows: Vec<String> = self.windows.iter().map(usize::to_string).collect();
        format!(
            "SELECT cumulate.create_table('{}', '{}', 'at', '{{{}}}',
                 '{{\"events\": \"count(*)\", \"amount\": \"sum(amount)\", \"best\": {{\"value\": \"max(amount)\", \"rollup\": \"max\"}}}}',
                 windows => '{{{}}}', start_date => '{start}', time_zone => {}, filter => {}, shape => '{}',
                 expire_idle => {}, late => '{}', partition_by => '{}'{})",
            self.name,
            self.source,
            self.keys.join(","),
            windows.join(","),
            literal(self.zone),
            if self.no_returns { literal("kind <> 'return'") } else { "NULL".to_owned() },
            if self.shape == Shape::Ragged { "ragged" } else { "padded" },
            self.expire_idle,
            self.late,
            self.partition_by,
            self.more,
        )
    }

    /// The same for the model.
    pub fn definition(&self, start: Day) -> Definition<Event> {
        let no_returns = self.no_returns;
        let metrics = METRICS.iter().map(|(name, rollup)| Metric {
            name: (*name).to_owned(),
            of_day: Box::new(|events| value(name, events)),
            rollup: *rollup,
            zero: if *rollup == Rollup::Sum { Value::integer(0) } else { Value::Null },
        });
        Definition {
            start,
            windows: self.windows.to_vec(),
            shape: self.shape,
            expire_idle: self.expire_idle,
            filter: Box::new(move |event: &Event| !no_returns || event.kind != "return"),
            metrics: metrics.collect(),
        }
    }

    pub fn reader(&self) -> Reader {
        Reader {
            table: self.name.to_owned(),
            keys: self.key_texts(),
            metrics: METRICS.iter().map(|(name, _)| ((*name).to_owned(), self.windows.to_vec())).collect(),
        }
    }

    /// Key columns as the model wants them.
    pub fn key_texts(&self) -> Vec<String> {
        self.keys.iter().map(|key| format!("{key}::text")).collect()
    }

    /// Today, by the table's clocks.
    pub fn today(&self) -> String {
        format!("(clock_timestamp() AT TIME ZONE {})::date", literal(self.zone))
    }
}

pub const METRICS: &[(&str, Rollup)] = &[("events", Rollup::Sum), ("amount", Rollup::Sum), ("best", Rollup::Max)];

/// A metric of a key's events of one day.
pub fn value(metric: &str, events: &[&Event]) -> Value {
    let amounts = events.iter().filter_map(|event| event.amount);
    let known = match metric {
        "events" => i64::try_from(events.len()).ok(),
        "amount" => amounts.reduce(|sum, amount| sum + amount),
        _ => amounts.max(),
    };
    known.map_or(Value::Null, Value::integer)
}
