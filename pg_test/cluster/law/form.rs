//! A random definition: the create_table call, and the same for the model.

use crate::event::Event;
use crate::key::{self, KeyColumn};
use crate::metric::{self, MetricForm};
use crate::moment::{self, Season, TimeType};
use crate::schema::Schema;
use pg_cumulate_tests::literal;
use pg_cumulate_tests::model::{Day, Definition, Shape};
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Debug, Clone)]
pub struct Form {
    /// Of the database.
    pub encoding: &'static str,
    pub keys: Vec<KeyColumn>,
    pub time: TimeType,
    pub season: Season,
    /// The number of the start date; `None` leaves it to the first close.
    pub start: Option<i64>,
    pub metrics: Vec<MetricForm>,
    pub windows: &'static [usize],
    pub idle: Idle,
    pub partition_by: &'static str,
    pub late: Late,
    pub filter: Filter,
    /// The zone comes from the session that makes the table, not from the argument.
    pub zone_of_session: bool,
    /// The source is partitioned by its column `keep`.
    pub partitioned_source: bool,
    /// The table belongs to a role without superuser.
    pub ordinary_owner: bool,
    pub sink: Sink,
}

/// Shape and expire_idle, of which only three pairs exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Idle {
    Ragged,
    Padded,
    PaddedExpiring,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Late {
    Trigger,
    /// With a lookback that reaches every day.
    Scan,
    /// With a lookback of a day, which reaches none of the days here.
    ScanYesterday,
    None,
}

/// How rows get into the tables: past the executor, or by INSERT because of something of the owner's on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sink {
    Bulk,
    InsertForTrigger,
    InsertForDefault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    None,
    Kept,
    NotReturned,
    LargeOrFree,
}

const LONGEST_LOOKBACK: usize = 3660;

const WINDOWS: &[&[usize]] = &[&[7], &[1], &[3, 7], &[5, 1, 2], &[28, 7], &[60], &[2]];

impl Form {
    /// The call that makes the table.
    pub fn create_table(&self, schema: &Schema) -> String {
        let names: Vec<String> = self.keys.iter().map(|key| literal(key.name)).collect();
        let metrics: Vec<String> = self.metrics.iter().enumerate().map(|(index, form)| form.json(index)).collect();
        let windows: Vec<String> = self.windows.iter().map(usize::to_string).collect();
        let start = self.start.map_or("NULL".to_owned(), |number| literal(&self.season.day(number).to_string()));
        let zone = if self.zone_of_session { "NULL".to_owned() } else { literal(self.season.zone) };
        format!(
            "SELECT cumulate.create_table({}, {}, {}, ARRAY[{}], {},
                windows => '{{{}}}', start_date => {start}, time_zone => {zone}, filter => {},
                shape => '{}', expire_idle => {}, late => '{}', lookback => {}, partition_by => '{}')",
            literal(&schema.target),
            literal(&schema.source),
            literal(schema.time_column),
            names.join(", "),
            literal(&format!("{{{}}}", metrics.join(", "))),
            windows.join(","),
            self.filter.sql().map_or("NULL".to_owned(), literal),
            if self.shape() == Shape::Ragged { "ragged" } else { "padded" },
            self.expire_idle(),
            self.late.sql(),
            self.late.lookback(),
            self.partition_by,
        )
    }

    /// The same for the model, once the start is known.
    pub fn definition(&self, start: Day) -> Definition<Event> {
        let filter = self.filter;
        Definition {
            start,
            windows: self.windows.to_vec(),
            shape: self.shape(),
            expire_idle: self.expire_idle(),
            filter: Box::new(move |event| filter.passes(event)),
            metrics: self.metrics.iter().enumerate().map(|(index, form)| form.model(index)).collect(),
        }
    }

    pub fn metric_names(&self) -> Vec<&'static str> {
        self.metrics.iter().enumerate().map(|(index, form)| form.name(index)).collect()
    }

    pub fn role(&self) -> &'static str {
        if self.ordinary_owner { "law_owner" } else { "postgres" }
    }

    fn shape(&self) -> Shape {
        if self.idle == Idle::Ragged { Shape::Ragged } else { Shape::Padded }
    }

    fn expire_idle(&self) -> bool {
        self.idle == Idle::PaddedExpiring
    }
}

impl Late {
    fn sql(self) -> &'static str {
        match self {
            Late::Trigger => "trigger",
            Late::Scan | Late::ScanYesterday => "scan",
            Late::None => "none",
        }
    }

    fn lookback(self) -> usize {
        if self == Late::Scan { LONGEST_LOOKBACK } else { 1 }
    }
}

impl Filter {
    fn sql(self) -> Option<&'static str> {
        match self {
            Filter::None => None,
            Filter::Kept => Some("keep"),
            Filter::NotReturned => Some("kind <> 'rückgabe'"),
            Filter::LargeOrFree => Some("amount >= 10 OR price IS NULL"),
        }
    }

    /// True, not false and not NULL.
    pub fn passes(self, event: &Event) -> bool {
        match self {
            Filter::None => true,
            Filter::Kept => event.keep == Some(true),
            Filter::NotReturned => event.kind.as_deref().is_some_and(|kind| kind != "rückgabe"),
            Filter::LargeOrFree => event.amount.is_some_and(|amount| amount >= 10) || event.price.is_none(),
        }
    }
}

pub fn any(encoding: &'static str) -> impl Strategy<Value = Form> {
    let idle = select(&[Idle::Ragged, Idle::Padded, Idle::PaddedExpiring][..]);
    let partition_by = select(&["month", "day", "none"][..]);
    let late = prop_oneof![
        6 => Just(Late::Trigger), 2 => Just(Late::Scan), 1 => Just(Late::ScanYesterday), 1 => Just(Late::None)
    ];
    let filter = select(&[Filter::None, Filter::Kept, Filter::NotReturned, Filter::LargeOrFree][..]);
    let times = (moment::any_time_type(), moment::any_season(), prop::option::weighted(0.75, 0..5i64));
    let flags = (prop::bool::weighted(0.3), prop::bool::weighted(0.5), prop::bool::ANY);
    let sink = prop_oneof![2 => Just(Sink::Bulk), 1 => Just(Sink::InsertForTrigger), 1 => Just(Sink::InsertForDefault)];
    (
        key::any_columns(encoding),
        times,
        metric::any_metrics(),
        select(WINDOWS),
        idle,
        partition_by,
        (late, sink),
        filter,
        flags,
    )
        .prop_map(
            move |(keys, (time, season, start), metrics, windows, idle, partition_by, (late, sink), filter, flags)| {
                Form {
                    encoding,
                    keys,
                    time,
                    season,
                    start,
                    metrics,
                    windows,
                    idle,
                    partition_by,
                    late,
                    filter,
                    zone_of_session: flags.0,
                    partitioned_source: flags.1,
                    ordinary_owner: flags.2,
                    sink,
                }
            },
        )
}
