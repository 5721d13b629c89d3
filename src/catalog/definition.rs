//! Definitions of cumulative tables.

use super::choices::{Late, PartitionBy};
use super::parts::{self, Aggregate, Defect, Lack, Wanted};
use super::{columns, registry};
use crate::error::Error;
use crate::pg::body::Body;
use crate::pg::identity::as_extension;
use crate::pg::spi::Statement;
use crate::pg::table::{self, Column, Table};
use crate::pg::value::Layout;
use crate::rules::calendar::Day;
use crate::rules::metrics::{self, MetricForm};
use crate::rules::window::{Rollup, Shape};
use pgrx::pg_sys::Oid;
use std::fmt::Display;

/// A key column: the same name and type in daily and cumulative table.
#[derive(Clone, Debug)]
pub struct Key {
    pub name: String,
    pub layout: Layout,
    pub collation: Oid,
    /// The type's own equality, which search_path may not reach.
    pub equality: String,
}

/// A metric, as it is stored.
#[derive(Clone, Debug)]
pub struct Metric {
    pub name: String,
    pub rollup: Rollup,
    pub zero: Option<String>,
    pub daily_column: String,
    /// How elements are stored, and their type modifier.
    pub element: Layout,
    pub modifier: i32,
    pub collation: Oid,
}

impl Metric {
    pub fn array_column(&self) -> String {
        array_column(&self.name)
    }

    pub fn total_column(&self, window: usize) -> String {
        total_column(&self.name, window)
    }
}

pub fn array_column(metric: &str) -> String {
    format!("{metric}_array")
}

pub fn total_column(metric: &str, window: usize) -> String {
    format!("total_{metric}_{window}d")
}

/// The column of daily tables that counts the day's events of a key.
pub const NUM_EVENTS: &str = "num_events";

/// The column of daily and cumulative tables that holds the day.
pub const SNAPSHOT_DATE: &str = "snapshot_date";

/// The rows of a day in a daily or cumulative table.
pub fn rows_of_day(table: &Table, day: Day) -> i64 {
    let table = table.sql();
    Statement::new(&format!("SELECT pg_catalog.count(*) FROM {table} WHERE {SNAPSHOT_DATE} = DATE '{day}'"))
        .first(|row| row.get(0))
        .flatten()
        .unwrap_or_default()
}

/// One cumulative table: what it is made of and by which rules.
#[derive(Clone, Debug)]
pub struct Definition {
    pub id: i64,
    pub target: Table,
    pub source: Oid,
    pub daily: Table,
    /// The aggregate function, or why there is none to call.
    pub aggregate: Result<Aggregate, Lack>,
    pub time_column: String,
    pub keys: Vec<Key>,
    /// The metrics as they were typed.
    pub forms: Vec<MetricForm>,
    /// The metrics with their types.
    pub metrics: Vec<Metric>,
    pub windows: Vec<usize>,
    pub start: Option<Day>,
    pub time_zone: String,
    pub filter: Option<String>,
    pub shape: Shape,
    pub expire_idle: bool,
    pub late: Late,
    pub lookback: i32,
    pub partition_by: PartitionBy,
    pub retention: Option<String>,
    pub frozen_through: Option<Day>,
}

impl Definition {
    /// The definition of a cumulative table that the caller owns.
    pub fn owned(target: Oid) -> Result<Self, Error> {
        registry::check_owned(target)?;
        Self::find(target)
    }

    /// The definition of a table whose parts are all there, as they were made, and its owner's.
    pub fn find(target: Oid) -> Result<Self, Error> {
        let definition = Self::known(target)?;
        let incomplete =
            |Defect { reason, remedy }: Defect| Error::Incomplete { table: definition.target.sql(), reason, remedy };
        match &definition.aggregate {
            Err(Lack::Gone) => Err(Error::Broken { table: definition.target.sql(), id: definition.id }),
            Err(Lack::Unfit(defect)) => Err(incomplete(defect.clone())),
            Ok(_) => match definition.changed_parts().into_iter().next() {
                Some(defect) => Err(incomplete(defect)),
                None => Ok(definition),
            },
        }
    }

    /// What has been given away or changed of the parts that are there.
    fn changed_parts(&self) -> Vec<Defect> {
        let modifiers = self.aggregate.as_ref().ok().map(|aggregate| &aggregate.modifiers);
        let changed = modifiers.and_then(|values| columns::coarse_column(self, values));
        parts::given_away(self).into_iter().chain(changed).collect()
    }

    /// Everything that keeps a table from being found, none when nothing does.
    pub fn defects(target: Oid) -> Vec<Defect> {
        let definition = match Self::known(target) {
            Ok(definition) => definition,
            Err(error) => return vec![error.into()],
        };
        let mut defects = match &definition.aggregate {
            Err(Lack::Gone) => {
                vec![Error::Broken { table: definition.target.sql(), id: definition.id }.into()]
            }
            Err(Lack::Unfit(defect)) => vec![defect.clone()],
            Ok(_) => Vec::new(),
        };
        defects.extend(definition.changed_parts());
        defects
    }

    /// The definition of a table of which nothing will be called.
    pub fn known(target: Oid) -> Result<Self, Error> {
        let (id, target) = registry::registered(target)?;
        let broken = || Error::Broken { table: target.sql(), id };
        let row = as_extension(|| read(target.oid)).ok_or_else(broken)?;
        let daily = Table::find(row.daily).ok_or_else(broken)?;
        Table::find(row.source).ok_or_else(broken)?;
        let columns = target.columns();
        let column = |name: &str| {
            let found = columns.iter().find(|column| column.name == name);
            found.ok_or_else(|| missing(&target, &format!("its column \"{name}\" is gone")))
        };
        let keys = row.keys.iter().map(|name| column(name).map(Key::of)).collect::<Result<Vec<_>, _>>()?;
        let forms = metrics::parse(&row.metrics).unwrap_or_default();
        let metrics = forms
            .iter()
            .map(|form| column(&array_column(&form.name)).map(|column| Metric::of(form, column)))
            .collect::<Result<Vec<_>, _>>()?;
        columns::check_types(&target, &daily, &keys, &metrics, &row.windows)?;
        let wanted = Wanted { target: &target, source: row.source, daily: &daily, keys: &keys, forms: &forms };
        let aggregate = wanted.find();
        Ok(Definition {
            id: row.id,
            source: row.source,
            aggregate,
            time_column: row.time_column,
            windows: row.windows.iter().map(|window| *window as usize).collect(),
            start: row.start,
            time_zone: row.time_zone,
            filter: row.filter,
            shape: Shape::from_name(&row.shape).unwrap_or(Shape::Ragged),
            expire_idle: row.expire_idle,
            late: Late::from_name(&row.late).unwrap_or(Late::None),
            lookback: row.lookback,
            partition_by: PartitionBy::from_name(&row.partition_by).unwrap_or(PartitionBy::None),
            retention: row.retention,
            frozen_through: row.frozen_through,
            target,
            daily,
            keys,
            forms,
            metrics,
        })
    }

    /// SQL: the source aggregated, a row per day and key. All arguments are given, so that no other function of that
    /// name is meant.
    pub fn aggregated(&self, from: impl Display, to: impl Display) -> String {
        let name = self.aggregate.as_ref().map_or("", |aggregate| aggregate.name.as_str());
        format!("{name}(DATE '{from}', DATE '{to}', {}::pg_catalog.regclass)", self.target.oid.to_u32())
    }

    /// What the aggregate function selects.
    pub fn body(&self) -> Option<Body> {
        self.aggregate.as_ref().ok().and_then(|aggregate| Body::of(aggregate.oid, self.source))
    }

    /// Days in an array.
    pub fn window(&self) -> usize {
        self.windows.iter().copied().max().unwrap_or(1)
    }

    /// The key columns as a list, each behind `prefix`.
    pub fn key_list(&self, prefix: &str) -> String {
        let names: Vec<String> = self.keys.iter().map(|key| format!("{prefix}{}", table::ident(&key.name))).collect();
        names.join(", ")
    }

    /// A name for statements of our own, quoted, that no column of the tables has.
    pub fn alias(&self, name: &str) -> String {
        let keys = self.keys.iter().map(|key| key.name.clone());
        let taken: Vec<String> = keys.chain(self.daily_columns()).chain(self.value_columns()).collect();
        let mut names = std::iter::successors(Some(name.to_owned()), |name| Some(format!("{name}_")));
        table::ident(&names.find(|name| !taken.contains(name)).unwrap_or_default())
    }

    /// The places of the key columns among those that a query selects, as ORDER BY names them; `before` come before them.
    pub fn key_places(&self, before: usize) -> String {
        let places: Vec<String> = (1..=self.keys.len()).map(|place| (before + place).to_string()).collect();
        places.join(", ")
    }

    /// The daily table's columns beside day and keys.
    pub fn daily_columns(&self) -> Vec<String> {
        std::iter::once(NUM_EVENTS.to_owned()).chain(self.forms.iter().map(daily_column)).collect()
    }

    /// Arrays and totals, in the order in which the fold gives them.
    pub fn value_columns(&self) -> Vec<String> {
        let mut columns = Vec::new();
        for metric in &self.metrics {
            columns.push(metric.array_column());
            if metric.rollup != Rollup::None {
                columns.extend(self.windows.iter().map(|window| metric.total_column(*window)));
            }
        }
        columns
    }

    /// Today in the definition's time zone, by the wall clock.
    pub fn today(&self) -> Day {
        let today = Statement::new("SELECT (pg_catalog.clock_timestamp() AT TIME ZONE $1)::date")
            .bind(self.time_zone.as_str())
            .first(|row| row.get(0))
            .flatten();
        today.unwrap_or_default()
    }

    /// Fixes the start date.
    pub fn set_start(&mut self, start: Day) {
        self.start = Some(start);
        as_extension(|| {
            Statement::new("UPDATE cumulate.definition SET start_date = $2 WHERE target = $1")
                .bind(self.target.oid)
                .bind(start)
                .run()
        });
    }

    /// The first day whose source rows count: behind the start, and behind what is frozen.
    pub fn first_live_day(&self, start: Day) -> Day {
        self.frozen_through.map_or(start, |through| start.max(through.plus(1)))
    }

    /// Takes the lock under which days are closed and the definition changes, until the transaction ends.
    pub fn lock(&self) {
        registry::lock(self.target.oid);
    }

    /// Takes that lock if nobody has it; whether nobody had.
    pub fn try_lock(&self) -> bool {
        registry::try_lock(self.target.oid)
    }
}

impl Key {
    fn of(column: &Column) -> Self {
        Key {
            name: column.name.clone(),
            layout: Layout::of(column.type_oid),
            collation: column.collation,
            equality: table::equality_operator(column.type_oid).unwrap_or_else(|| "OPERATOR(pg_catalog.=)".to_owned()),
        }
    }

    /// SQL that compares the key column behind one prefix with that behind another.
    pub fn equal(&self, left: &str, right: &str) -> String {
        let name = table::ident(&self.name);
        format!("{left}{name} {} {right}{name}", self.equality)
    }
}

impl Metric {
    fn of(form: &MetricForm, array: &Column) -> Self {
        let rollup = Rollup::from_name(&form.body.rollup).unwrap_or(Rollup::None);
        Metric {
            name: form.name.clone(),
            rollup,
            zero: form.body.zero.text(rollup),
            daily_column: daily_column(form),
            element: Layout::of(table::element_type(array.type_oid)),
            modifier: array.modifier,
            collation: array.collation,
        }
    }
}

/// The metric's column in the daily table.
pub fn daily_column(form: &MetricForm) -> String {
    form.body.daily.clone().unwrap_or_else(|| form.name.clone())
}

pub(super) fn missing(table: &Table, reason: &str) -> Error {
    Error::DoesNotFit { table: table.label(), reason: reason.to_owned() }
}

/// A row of cumulate.definition, as stored.
struct Stored {
    id: i64,
    source: Oid,
    daily: Oid,
    time_column: String,
    keys: Vec<String>,
    metrics: String,
    windows: Vec<i32>,
    start: Option<Day>,
    time_zone: String,
    filter: Option<String>,
    shape: String,
    expire_idle: bool,
    late: String,
    lookback: i32,
    partition_by: String,
    retention: Option<String>,
    frozen_through: Option<Day>,
}

fn read(target: Oid) -> Option<Stored> {
    Statement::new(
        "SELECT source::oid, daily::oid, time_column, keys, metrics::text, windows, start_date,
                time_zone, filter, shape, expire_idle, late, lookback, partition_by, retention::text,
                frozen_through, id
         FROM cumulate.definition WHERE target = $1",
    )
    .bind(target)
    .first(|row| {
        Some(Stored {
            source: row.get(0)?,
            daily: row.get(1)?,
            time_column: row.get(2)?,
            keys: row.get(3)?,
            metrics: row.get(4)?,
            windows: row.get(5)?,
            start: row.get(6),
            time_zone: row.get(7)?,
            filter: row.get(8),
            shape: row.get(9)?,
            expire_idle: row.get(10)?,
            late: row.get(11)?,
            lookback: row.get(12)?,
            partition_by: row.get(13)?,
            retention: row.get(14),
            frozen_through: row.get(15),
            id: row.get(16)?,
        })
    })
    .flatten()
}
