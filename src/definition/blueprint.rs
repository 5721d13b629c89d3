//! A definition that has been checked: everything that will be made has its name and type.

use super::Request;
use super::aggregate::{Aggregate, KeyColumn, MetricColumn};
use super::objects::Made;
use super::validate;
use crate::catalog::definition::{NUM_EVENTS, SNAPSHOT_DATE, array_column, daily_column, total_column};
use crate::catalog::registry::{NewDefinition, Settings};
use crate::catalog::{Late, PartitionBy, TimeType};
use crate::error::Error;
use crate::late::triggers;
use crate::pg::settings::with_search_path;
use crate::pg::table::{self, Column, Table};
use crate::rules::calendar::Day;
use crate::rules::metrics::{self, MetricForm, MetricsError};
use crate::rules::window::{Rollup, Shape};
use pgrx::pg_sys::Oid;

pub struct Blueprint {
    pub schema: String,
    pub name: String,
    pub daily: (String, String),
    pub owner: Oid,
    /// The caller's search_path: by it expressions are read, as those of a view are.
    pub search_path: String,
    pub source: Table,
    pub time_column: String,
    pub time_type: TimeType,
    pub keys: Vec<Column>,
    pub metrics: Vec<PlannedMetric>,
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
}

/// A metric whose expression and type have been checked.
pub struct PlannedMetric {
    pub form: MetricForm,
    pub rollup: Rollup,
    /// The element type as SQL writes it, and what a total of it has.
    pub element: String,
    pub total: String,
}

/// A column to be made: name, type as SQL writes it, comment.
pub struct NewColumn {
    pub name: String,
    pub type_sql: String,
    pub collate: String,
    pub not_null: bool,
    pub comment: String,
}

impl PlannedMetric {
    /// Its column in the daily table.
    pub fn daily_column(&self) -> NewColumn {
        NewColumn::of_metric(
            daily_column(&self.form),
            self.element.clone(),
            format!("Metric {} of the day", self.form.name),
        )
    }

    /// Its column of arrays.
    pub fn array_column(&self, window: usize) -> NewColumn {
        let name = &self.form.name;
        let comment = format!("Metric {name}, one value a day, newest first, at most {window} days");
        NewColumn::of_metric(array_column(name), format!("{}[]", self.element), comment)
    }

    /// Its totals, one a window.
    pub fn total_columns(&self, windows: &[usize]) -> Vec<NewColumn> {
        let (name, rollup) = (&self.form.name, self.rollup);
        let total = |window: &usize| {
            let comment = format!("{} of the newest {window} values of {name}_array", rollup.name());
            NewColumn::of_metric(total_column(name, *window), self.total.clone(), comment)
        };
        windows.iter().filter(|_| rollup != Rollup::None).map(total).collect()
    }
}

impl NewColumn {
    fn of_metric(name: String, type_sql: String, comment: String) -> Self {
        NewColumn { name, type_sql, collate: String::new(), not_null: false, comment }
    }
}

impl Blueprint {
    pub fn draw(
        request: Request,
        (schema, name): (String, String),
        daily: (String, String),
        time_zone: String,
        owner: Oid,
        search_path: String,
    ) -> Result<Self, Error> {
        let choice = |argument, given: &str, allowed: &[&'static str]| Error::UnknownChoice {
            argument,
            given: given.to_owned(),
            allowed: allowed.to_vec(),
        };
        let shape = Shape::from_name(&request.shape).ok_or_else(|| choice("shape", &request.shape, &Shape::NAMES))?;
        let late = Late::from_name(&request.late).ok_or_else(|| choice("late", &request.late, &Late::NAMES))?;
        let partition_by = PartitionBy::from_name(&request.partition_by)
            .ok_or_else(|| choice("partition_by", &request.partition_by, &PartitionBy::NAMES))?;
        if request.expire_idle && shape == Shape::Ragged {
            return Err(Error::ExpireRagged);
        }
        let windows = validate::windows(&request.windows)?;
        validate::zone(&time_zone)?;
        validate::lookback(request.lookback)?;
        validate::retention(request.retention.as_deref(), &windows)?;
        let source = validate::source(request.source, owner, late)?;
        let columns = source.columns();
        let (time_column, time_type) = validate::time_column(&source, &columns, &request.time_column)?;
        let keys = validate::keys(&source, &columns, &request.keys)?;
        let forms = metrics::parse(&request.metrics).map_err(metrics_error)?;
        let metrics = with_search_path(&search_path, || {
            request.filter.as_ref().map_or(Ok(()), |filter| validate::filter(&source, filter))?;
            validate::metrics(&source, &keys, forms)
        })?;
        let blueprint = Blueprint {
            schema,
            name,
            daily,
            owner,
            search_path,
            source,
            time_column,
            time_type,
            keys,
            metrics,
            windows,
            start: request.start_date,
            time_zone,
            filter: request.filter,
            shape,
            expire_idle: request.expire_idle,
            late,
            lookback: request.lookback,
            partition_by,
            retention: request.retention,
        };
        blueprint.check_names()?;
        Ok(blueprint)
    }

    pub fn forms(&self) -> Vec<MetricForm> {
        self.metrics.iter().map(|metric| metric.form.clone()).collect()
    }

    /// The cumulative table's name as SQL writes it.
    pub fn sql(&self) -> String {
        table::qualified(&self.schema, &self.name)
    }

    pub fn label(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    pub fn aggregate_name(&self) -> String {
        format!("{}_rows", self.name)
    }

    pub fn latest_name(&self) -> String {
        format!("{}_latest", self.name)
    }

    /// The row of the catalog.
    pub fn entry(&self, made: &Made) -> NewDefinition<'_> {
        NewDefinition {
            target: made.target,
            source: self.source.oid,
            daily: made.daily,
            time_column: &self.time_column,
            keys: self.keys.iter().map(|key| key.name.clone()).collect(),
            metrics: metrics::write(&self.forms()),
            windows: self.windows.iter().map(|window| *window as i32).collect(),
            start: self.start,
            time_zone: &self.time_zone,
            filter: self.filter.as_deref(),
            shape: self.shape,
            expire_idle: self.expire_idle,
            partition_by: self.partition_by,
            settings: Settings { late: self.late, lookback: self.lookback, retention: self.retention.clone() },
        }
    }

    /// What the note triggers of the source are made from.
    pub fn trigger_plan(&self, definition: i64) -> triggers::Plan<'_> {
        triggers::Plan {
            definition,
            source: &self.source,
            time_column: &self.time_column,
            time_type: self.time_type.name(),
            zone: &self.time_zone,
            start: self.start,
        }
    }

    /// The aggregate function, under a name.
    pub fn aggregate(&self, name: String) -> Aggregate<'_> {
        let key = |key: &Column| KeyColumn {
            source_name: key.name.clone(),
            name: key.name.clone(),
            type_sql: key.type_sql(),
        };
        let metric = |metric: &PlannedMetric| MetricColumn {
            expression: metric.form.body.value.clone(),
            name: daily_column(&metric.form),
            type_sql: metric.element.clone(),
        };
        Aggregate {
            name,
            target: self.sql(),
            source: &self.source,
            time_column: &self.time_column,
            time_type: self.time_type,
            time_zone: &self.time_zone,
            filter: self.filter.clone(),
            keys: self.keys.iter().map(key).collect(),
            metrics: self.metrics.iter().map(metric).collect(),
        }
    }

    pub fn key_list(&self) -> String {
        table::idents(self.keys.iter().map(|key| key.name.as_str()))
    }

    /// The daily table's columns.
    pub fn daily_columns(&self) -> Vec<NewColumn> {
        let mut columns = self.key_columns();
        columns.push(NewColumn {
            name: NUM_EVENTS.to_owned(),
            type_sql: "bigint".to_owned(),
            collate: String::new(),
            not_null: false,
            comment: "Events of the day".to_owned(),
        });
        columns.extend(self.metrics.iter().map(PlannedMetric::daily_column));
        columns.push(snapshot_date("The day"));
        columns
    }

    /// The cumulative table's columns.
    pub fn target_columns(&self) -> Vec<NewColumn> {
        let mut columns = self.key_columns();
        columns.extend(self.metrics.iter().map(|metric| metric.array_column(self.longest_window())));
        columns.extend(self.metrics.iter().flat_map(|metric| metric.total_columns(&self.windows)));
        columns.push(snapshot_date("The snapshot's day"));
        columns
    }

    pub fn longest_window(&self) -> usize {
        self.windows.iter().copied().max().unwrap_or(1)
    }

    fn key_columns(&self) -> Vec<NewColumn> {
        let key = |column: &Column| NewColumn {
            name: column.name.clone(),
            type_sql: column.type_sql(),
            collate: column.collate_sql(),
            not_null: true,
            comment: format!("Key, as in {}", self.source.label()),
        };
        self.keys.iter().map(key).collect()
    }

    fn check_names(&self) -> Result<(), Error> {
        let partition = format!("{}_{}", self.name, "20241214");
        let tables = [self.aggregate_name(), self.latest_name(), self.daily.1.clone(), partition];
        tables.iter().try_for_each(|name| validate::name_length(name))?;
        for columns in [self.daily_columns(), self.target_columns()] {
            for (index, column) in columns.iter().enumerate() {
                validate::name_length(&column.name)?;
                let taken = columns[..index].iter().any(|earlier| earlier.name == column.name);
                if taken {
                    return Err(Error::DuplicateName { name: column.name.clone(), kind: "column" });
                }
            }
        }
        Ok(())
    }
}

fn snapshot_date(comment: &str) -> NewColumn {
    NewColumn {
        name: SNAPSHOT_DATE.to_owned(),
        type_sql: "date".to_owned(),
        collate: String::new(),
        not_null: true,
        comment: comment.to_owned(),
    }
}

pub fn metrics_error(error: MetricsError) -> Error {
    match error {
        MetricsError::Duplicate(name) => Error::DuplicateName { name, kind: "metric" },
        MetricsError::Empty => Error::NoMetrics,
        MetricsError::Form(reason) => Error::MetricsForm { reason },
    }
}
