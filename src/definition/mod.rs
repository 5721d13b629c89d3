//! Making, changing and dropping cumulative tables.

pub mod add_metric;
mod aggregate;
pub mod alter;
mod blueprint;
pub mod describe;
mod footprint;
mod objects;
mod remake;
pub mod validate;

use crate::catalog::{Definition, Late, registry, schedules};
use crate::error::Error;
use crate::late::{source_partitions, triggers};
use crate::pg::identity::{self, as_owner};
use crate::pg::message::notice;
use crate::pg::settings;
use crate::pg::table::{self, Table};
use crate::rules::calendar::Day;
use crate::scheduler;
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
    /// None: only by hand.
    pub schedule: Option<String>,
    pub daily: Option<String>,
    /// A table of that name and definition is what is wanted, too.
    pub if_not_exists: bool,
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
    let search_path = settings::setting(c"search_path");
    let schedule = request.schedule.clone();
    schedule.as_deref().map_or(Ok(()), validate::schedule)?;
    let zone = request.time_zone.clone().unwrap_or_else(|| settings::setting(c"TimeZone"));
    as_owner(owner, || {
        let may_exist = request.if_not_exists;
        let blueprint = Blueprint::draw(request, (schema, name), daily, zone, owner, search_path)?;
        if let Some(existing) = existing(&blueprint).filter(|_| may_exist) {
            return same(existing, &blueprint, schedule.as_deref());
        }
        let made = objects::make(&blueprint)?;
        let id = registry::register(blueprint.entry(&made));
        schedules::enter(made.target, schedule.as_deref());
        scheduler::wake_at_commit();
        if blueprint.late == Late::Trigger {
            triggers::make(&blueprint.trigger_plan(id));
            source_partitions::remember(made.target, id, blueprint.source.oid);
        }
        registry::witness(made.target);
        if made.adopted {
            crate::catalog::notes::note_everything(made.target);
            let definition = Definition::find(made.target)?;
            // No function of ours will look at days before the start and days to come.
            let from = definition.start.unwrap_or(Day::FIRST);
            crate::catalog::ledger::adopt(made.target, &blueprint.sql(), from, definition.today());
        }
        footprint::announce(&blueprint, made.target);
        Ok(made.target)
    })
}

/// The cumulative table that has the name already.
fn existing(blueprint: &Blueprint) -> Option<Oid> {
    let existing = Table::named(&blueprint.schema, &blueprint.name)?;
    registry::number_of(existing.oid).map(|_| existing.oid)
}

/// A table that is there, if it is what was asked for.
fn same(target: Oid, blueprint: &Blueprint, schedule: Option<&str>) -> Result<Oid, Error> {
    let definition = Definition::owned(target)?;
    let differences = describe::differences(&definition, blueprint, schedule);
    if !differences.is_empty() {
        return Err(Error::OtherDefinition { table: definition.target.sql(), differences });
    }
    notice!("cumulative table {} exists already", definition.target.label());
    Ok(target)
}

/// Forgets a table of which a part has been dropped: what is left of it are ordinary tables.
pub fn forget(id: i64) -> Result<(), Error> {
    let unknown = || Error::NotACumulativeTable { name: id.to_string() };
    let parts = registry::parts(id).ok_or_else(unknown)?;
    if let Some(target) = Table::find(parts.target) {
        if !identity::acts_for(target.owner) {
            return Err(Error::NotOwner { table: target.sql(), owner: table::role_name(target.owner) });
        }
        if !matches!(Definition::find(parts.target), Err(Error::Broken { .. })) {
            return Err(Error::StillThere { table: target.sql() });
        }
    }
    registry::forget(parts.target);
    Ok(())
}

/// Forgets a cumulative table of the caller's, and drops it unless its data shall stay. What is wrong with the parts of
/// an incomplete one does not matter any more.
pub fn drop(target: Oid, keep_data: bool) -> Result<(), Error> {
    registry::check_owned(target)?;
    let (id, target) = registry::registered(target)?;
    let broken = || Error::Broken { table: target.sql(), id };
    let parts = registry::parts(id).ok_or_else(broken)?;
    let source = Table::find(parts.source).ok_or_else(broken)?;
    let daily = Table::find(parts.daily).ok_or_else(broken)?;
    registry::lock(target.oid);
    as_owner(target.owner, || triggers::drop(id, &source));
    // Dropping triggers waits for those who write to the source: what they have noted goes, too.
    registry::forget(target.oid);
    as_owner(target.owner, || objects::drop(&target, &daily, keep_data));
    Ok(())
}
