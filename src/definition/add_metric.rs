//! A metric more, with its history. Two transactions of procedure add_metric: in the first the tables get empty columns,
//! which is all that readers could have to wait for; in the second, beside all readers, aggregate function and definition
//! change, and daily rows and snapshots are filled. Until that has ended well the metric is none.

use super::blueprint::{NewColumn, PlannedMetric, metrics_error};
use super::{objects, remake, validate};
use crate::catalog::definition::daily_column;
use crate::catalog::registry::{self, Adding};
use crate::catalog::runs::{self, Cause};
use crate::catalog::source_names::SourceNames;
use crate::catalog::{Definition, ledger};
use crate::engine::{entry, metric_history};
use crate::error::{Error, Failure};
use crate::guc;
use crate::pg::identity::{self, as_owner};
use crate::pg::lock;
use crate::pg::message::notice;
use crate::pg::settings;
use crate::pg::spi::Statement;
use crate::pg::table::{Table, ident, literal, tree};
use crate::rules::calendar::Day;
use crate::rules::metrics::{self, MetricForm};
use pgrx::pg_sys::Oid;

/// Checks the metric, adds its columns and starts a run; None when the table has this very metric already.
pub fn begin(definition: &mut Definition, name: &str, metric: &str) -> Result<Option<i64>, Error> {
    entry::check_transaction()?;
    let form = metrics::parse_one(name, metric).map_err(metrics_error)?;
    let search_path = settings::setting(c"search_path");
    as_owner(definition.target.owner, || {
        definition.lock();
        *definition = Definition::find(definition.target.oid)?;
        if let Some(known) = definition.forms.iter().find(|known| known.name == form.name) {
            if *known == form {
                notice!("{} already has metric \"{}\"", definition.target.label(), form.name);
                return Ok(None);
            }
            return Err(Error::DuplicateName { name: form.name, kind: "metric" });
        }
        let written = metrics::write(std::slice::from_ref(&form));
        let planned = plan(definition, form, &search_path)?;
        remove_unfinished(definition, metric)?;
        let columns = NewColumns::of(definition, &planned);
        columns.check(definition)?;
        if identity::in_transaction_block() {
            return Err(Error::InTransactionBlock { call: "add_metric".to_owned(), instead: "COMMIT;".to_owned() });
        }
        lock_tables(definition, &planned.form.name, metric)?;
        columns.add(definition);
        let (from, to) = history(definition);
        let run = runs::begin(definition.target.oid, Cause::Manual, Some((from, to)));
        registry::note_adding(definition.target.oid, Some(Adding { metrics: written, run }));
        Ok(Some(run))
    })
}

/// Makes the metric one of the definition and fills its columns; snapshot rows filled.
pub fn fill(id: i64) -> Result<i64, Error> {
    let run = runs::find_running(id).ok_or(Error::NoRun { id })?;
    let mut definition = Definition::owned(run.target)?;
    let search_path = settings::setting(c"search_path");
    as_owner(definition.target.owner, || {
        definition.lock();
        definition = Definition::find(run.target)?;
        let adding = registry::adding(run.target).filter(|adding| adding.run == id).ok_or(Error::NoRun { id })?;
        let form = first_of(&adding.metrics)?;
        let mut forms = definition.forms.clone();
        forms.push(form.clone());
        let metric = plan(&definition, form, &search_path)?;
        let filter = remake::filter(&definition);
        remake::aggregate(&definition, filter, remake::metric(&definition, metric, &search_path));
        registry::change_metrics(run.target, &metrics::write(&forms));
        registry::note_adding(run.target, None);
        let rows = metric_history::fill_newest(&Definition::find(run.target)?)?;
        runs::advance(id, run.to.since(run.from) + 1, rows);
        runs::succeed(id);
        Ok(rows)
    })
}

/// Ends a run with its error and takes the empty columns away again.
pub fn fail(id: i64, failure: Failure) -> Result<(), Error> {
    let run = runs::find_running(id).ok_or(Error::NoRun { id })?;
    registry::check_owned(run.target)?;
    let definition = Definition::known(run.target)?;
    runs::fail(id, &failure);
    as_owner(definition.target.owner, || {
        definition.lock();
        match remove_unfinished(&definition, "") {
            Err(Error::Busy { table, .. }) => {
                notice!("empty columns stay in {table}, which is in use; the next add_metric removes them");
                Ok(())
            }
            removed => removed,
        }
    })
}

/// Lets the view of the newest snapshot show all metrics, unless its owner has made another view of it.
pub fn show(definition: &Definition) -> Result<(), Error> {
    as_owner(definition.target.owner, || {
        let Some(view) = objects::latest_view(definition.target.oid) else { return Ok(()) };
        let of_view: Vec<String> = view.columns().into_iter().map(|column| column.name).collect();
        let of_target: Vec<String> = definition.target.columns().into_iter().map(|column| column.name).collect();
        let new: Vec<String> =
            definition.value_columns().into_iter().filter(|column| !of_view.contains(column)).collect();
        if new.is_empty() || !of_view.iter().all(|column| of_target.contains(column)) {
            return Ok(());
        }
        if !lock::all_for_itself(&[view.oid], guc::lock_timeout()) {
            let last = definition.forms.last().map(|form| form.name.clone()).unwrap_or_default();
            let metric = definition.forms.last().map(metrics::write_body).unwrap_or_default();
            return Err(Error::Busy { table: view.label(), call: call(definition, &last, &metric) });
        }
        let columns: Vec<String> = of_view.into_iter().chain(new.iter().cloned()).collect();
        let (target, zone) = (definition.target.sql(), &definition.time_zone);
        objects::write_latest("CREATE OR REPLACE VIEW", &view.sql(), &target, &columns, zone);
        new.iter().for_each(|column| copy_comment(&definition.target, &view, column));
        Ok(())
    })
}

fn copy_comment(from: &Table, to: &Table, column: &str) {
    let number = from.columns().into_iter().find(|found| found.name == column).map_or(0, |found| found.number);
    let comment = Statement::new("SELECT pg_catalog.col_description($1, $2)").bind(from.oid).bind(i32::from(number));
    if let Some(comment) = comment.first(|row| row.get::<String>(0)).flatten() {
        run(&format!("COMMENT ON COLUMN {}.{} IS {}", to.sql(), ident(column), literal(&comment)));
    }
}

/// Checks the metric by the names that the source's columns have today.
fn plan(definition: &Definition, form: MetricForm, search_path: &str) -> Result<PlannedMetric, Error> {
    let source = validate::source(definition.source, definition.target.owner, definition.late)?;
    let names = SourceNames::of(definition, definition.body().as_ref());
    let columns = source.columns();
    let keys: Vec<_> = columns.into_iter().filter(|column| names.keys.contains(&column.name)).collect();
    settings::with_search_path(search_path, || validate::metric(&source, &keys, form))
}

/// The columns that a metric has, by table.
struct NewColumns {
    daily: NewColumn,
    target: Vec<NewColumn>,
}

impl NewColumns {
    fn of(definition: &Definition, metric: &PlannedMetric) -> Self {
        let mut target = vec![metric.array_column(definition.window())];
        target.extend(metric.total_columns(&definition.windows));
        NewColumns { daily: metric.daily_column(), target }
    }

    fn check(&self, definition: &Definition) -> Result<(), Error> {
        let tables = [(&definition.daily, std::slice::from_ref(&self.daily)), (&definition.target, &self.target[..])];
        for (table, columns) in tables {
            let present = table.columns();
            for column in columns {
                validate::name_length(&column.name)?;
                if present.iter().any(|found| found.name == column.name) {
                    return Err(Error::DuplicateName { name: column.name.clone(), kind: "column" });
                }
            }
        }
        Ok(())
    }

    /// Empty columns are a matter of the catalog, whatever the number of rows.
    fn add(&self, definition: &Definition) {
        let adds = |columns: &[NewColumn]| {
            let adds: Vec<String> =
                columns.iter().map(|column| format!("ADD COLUMN {}", objects::column_sql(column))).collect();
            adds.join(", ")
        };
        let tables = [(&definition.daily, std::slice::from_ref(&self.daily)), (&definition.target, &self.target[..])];
        for (table, columns) in tables {
            run(&format!("ALTER TABLE {} {}", table.sql(), adds(columns)));
            objects::comment_columns(&table.sql(), columns);
        }
    }
}

/// Removes the columns of a metric whose adding has failed or was killed; refuses while it goes on.
fn remove_unfinished(definition: &Definition, metric: &str) -> Result<(), Error> {
    let target = &definition.target;
    let Some(adding) = registry::adding(target.oid) else { return Ok(()) };
    let form = first_of(&adding.metrics)?;
    if runs::is_alive(adding.run) {
        return Err(Error::MetricUnderWay { metric: form.name, table: target.label() });
    }
    lock_tables(definition, &form.name, metric)?;
    let array = crate::catalog::definition::array_column(&form.name);
    let totals = definition.windows.iter().map(|window| crate::catalog::definition::total_column(&form.name, *window));
    drop_columns(&definition.daily, &[daily_column(&form)]);
    drop_columns(target, &std::iter::once(array).chain(totals).collect::<Vec<_>>());
    registry::note_adding(target.oid, None);
    Ok(())
}

fn drop_columns(table: &Table, columns: &[String]) {
    let drops: Vec<String> = columns.iter().map(|column| format!("DROP COLUMN IF EXISTS {}", ident(column))).collect();
    run(&format!("ALTER TABLE {} {}", table.sql(), drops.join(", ")));
}

/// Takes both tables, with their partitions, at a moment when nobody uses them.
fn lock_tables(definition: &Definition, name: &str, metric: &str) -> Result<(), Error> {
    let tables: Vec<Oid> = [&definition.daily, &definition.target].iter().flat_map(|root| tree(root.oid)).collect();
    if lock::all_for_itself(&tables, guc::lock_timeout()) {
        return Ok(());
    }
    Err(Error::Busy { table: definition.target.label(), call: call(definition, name, metric) })
}

fn call(definition: &Definition, name: &str, metric: &str) -> String {
    let target = literal(&definition.target.sql());
    format!("CALL cumulate.add_metric({target}, {}, {});", literal(name), literal(metric))
}

fn first_of(written: &str) -> Result<MetricForm, Error> {
    let forms = metrics::parse(written).map_err(metrics_error)?;
    forms.into_iter().next().ok_or(Error::NoMetrics)
}

/// The days that are filled.
fn history(definition: &Definition) -> (Day, Day) {
    let newest = ledger::newest_snapshot(definition.target.oid).unwrap_or_else(|| definition.today());
    (definition.start.unwrap_or(newest).min(newest), newest)
}

fn run(sql: &str) {
    Statement::new(sql).run();
}
