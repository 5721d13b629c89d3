//! Making, changing and dropping cumulative tables.

pub mod alter;
mod blueprint;
pub mod describe;
mod objects;
mod validate;

use crate::catalog::{Definition, Late};
use crate::error::Error;
use crate::late::{leaves, triggers};
use crate::pg::identity::{as_extension, as_owner};
use crate::pg::spi::Statement;
use crate::pg::table::{self, Table};
use crate::rules::calendar::Day;
use crate::rules::metrics;
use blueprint::Blueprint;
use pgrx::pg_sys::Oid;

/// What create_table was asked for, as typed.
pub struct Request {
    pub name: String,
    pub source: Oid,
    pub time_column: String,
    pub keys: Vec<Option<String>>,
    pub metrics: String,
    pub windows: Vec<Option<i32>>,
    pub start_date: Option<Day>,
    pub time_zone: Option<String>,
    pub filter: Option<String>,
    pub shape: String,
    pub expire_idle: bool,
    pub late: String,
    pub lookback: i32,
    pub partition_by: String,
    pub retention: Option<String>,
    pub daily: Option<String>,
}

/// Makes a cumulative table, or adopts a fitting one of that name; its oid.
pub fn create(request: Request) -> Result<Oid, Error> {
    let owner = table::current_role();
    // Names are resolved as the caller sees them, before search_path is pinned.
    let (schema, name) = table::creation_name(&request.name)?;
    let daily = match &request.daily {
        Some(daily) => table::creation_name(daily)?,
        None => (schema.clone(), format!("{name}_daily")),
    };
    let search_path = session_setting("search_path");
    let zone = request.time_zone.clone().unwrap_or_else(|| session_setting("TimeZone"));
    as_owner(owner, || {
        let blueprint = Blueprint::draw(request, (schema, name), daily, zone, owner, search_path)?;
        let made = objects::make(&blueprint)?;
        let id = register(&blueprint, &made);
        if blueprint.late == Late::Trigger {
            triggers::make(&blueprint.trigger_plan(id));
            leaves::remember(made.target, id, blueprint.source.oid);
        }
        if made.adopted {
            crate::catalog::notes::note_everything(made.target);
            crate::catalog::ledger::adopt(made.target, &blueprint.sql());
        }
        Ok(made.target)
    })
}

fn session_setting(name: &str) -> String {
    let statement = Statement::new("SELECT pg_catalog.current_setting($1)").bind(name);
    statement.first(|row| row.get::<String>(0)).flatten().unwrap_or_default()
}

/// Enters the definition; its number.
fn register(blueprint: &Blueprint, made: &objects::Made) -> i64 {
    let windows: Vec<i32> = blueprint.windows.iter().map(|window| *window as i32).collect();
    let keys: Vec<String> = blueprint.keys.iter().map(|key| key.name.clone()).collect();
    as_extension(|| {
        Statement::new(
            "INSERT INTO cumulate.definition (target, source, daily, aggregate, time_column, keys, metrics, windows,
                 start_date, time_zone, filter, shape, expire_idle, late, lookback, partition_by, retention)
             VALUES ($1, $2, $3, $4, $5, $6, $7::json, $8, DATE '2000-01-01' + $9, $10, $11, $12, $13, $14, $15, $16,
                     $17::interval)
             RETURNING id",
        )
        .bind(made.target)
        .bind(blueprint.source.oid)
        .bind(made.daily)
        .bind(made.aggregate)
        .bind(blueprint.time_column.as_str())
        .bind(keys)
        .bind(metrics::write(&blueprint.forms()))
        .bind(windows)
        .bind(blueprint.start.map(Day::number))
        .bind(blueprint.time_zone.as_str())
        .bind(blueprint.filter.as_deref())
        .bind(blueprint.shape.name())
        .bind(blueprint.expire_idle)
        .bind(blueprint.late.name())
        .bind(blueprint.lookback)
        .bind(blueprint.partition_by.name())
        .bind(blueprint.retention.as_deref())
        .first(|row| row.get(0))
        .flatten()
        .unwrap_or_default()
    })
}

/// Forgets a table of which a part has been dropped: what is left of it are ordinary tables.
pub fn forget(id: i64) -> Result<(), Error> {
    let unknown = || Error::NotACumulativeTable { name: id.to_string() };
    let parts = crate::catalog::definition::parts(id).ok_or_else(unknown)?;
    if let Some(target) = Table::find(parts.target) {
        if !crate::pg::identity::acts_for(target.owner) {
            return Err(Error::NotOwner { table: target.sql(), owner: table::role_name(target.owner) });
        }
        let whole = Definition::find(parts.target).is_ok() && Table::find(parts.source).is_some();
        if whole {
            return Err(Error::StillThere { table: target.sql() });
        }
    }
    crate::catalog::definition::forget(parts.target);
    Ok(())
}

/// Forgets a cumulative table, and drops it unless its data shall stay.
pub fn drop(definition: &Definition, keep_data: bool) {
    definition.lock();
    crate::catalog::definition::forget(definition.target.oid);
    as_owner(definition.target.owner, || {
        if let Some(source) = Table::find(definition.source) {
            triggers::drop(definition.id, &source);
        }
        objects::drop(definition, keep_data);
    });
}
