//! Definitions entered, changed and forgotten.

use super::{Late, PartitionBy};
use crate::error::Error;
use crate::pg::identity::{self, as_extension};
use crate::pg::spi::Statement;
use crate::pg::table::{self, Table};
use crate::rules::calendar::Day;
use crate::rules::window::Shape;
use pgrx::pg_sys::Oid;

/// A definition to enter.
pub struct NewDefinition<'a> {
    pub target: Oid,
    pub source: Oid,
    pub daily: Oid,
    pub time_column: &'a str,
    pub keys: Vec<String>,
    /// As json.
    pub metrics: String,
    pub windows: Vec<i32>,
    pub start: Option<Day>,
    pub time_zone: &'a str,
    pub filter: Option<&'a str>,
    pub shape: Shape,
    pub expire_idle: bool,
    pub partition_by: PartitionBy,
    pub settings: Settings,
}

/// Enters a definition; its number.
pub fn register(new: NewDefinition) -> i64 {
    as_extension(|| {
        Statement::new(
            "INSERT INTO cumulate.definition (target, source, daily, time_column, keys, metrics, windows,
                 start_date, time_zone, filter, shape, expire_idle, late, lookback, partition_by, retention)
             VALUES ($1, $2, $3, $4, $5, $6::json, $7, $8, $9, $10, $11, $12, $13, $14, $15,
                     $16::interval)
             RETURNING id",
        )
        .bind(new.target)
        .bind(new.source)
        .bind(new.daily)
        .bind(new.time_column)
        .bind(new.keys)
        .bind(new.metrics)
        .bind(new.windows)
        .bind(new.start)
        .bind(new.time_zone)
        .bind(new.filter)
        .bind(new.shape.name())
        .bind(new.expire_idle)
        .bind(new.settings.late.name())
        .bind(new.settings.lookback)
        .bind(new.partition_by.name())
        .bind(new.settings.retention.as_deref())
        .first(|row| row.get(0))
        .flatten()
        .unwrap_or_default()
    })
}

/// A table that a crash empties.
const WITNESS: &str = "cumulate_internal.witness";

/// Whether a crash may have emptied a table or what it is made of since it was witnessed that all rows are there.
pub fn may_be_emptied(target: Oid) -> bool {
    // A standby has no unlogged rows at all.
    !identity::in_recovery()
        && as_extension(|| {
            Statement::new("SELECT WHERE cumulate_internal.may_be_emptied($1::regclass)").bind(target).exists()
        })
}

/// Takes it that a table and what it is made of have the rows that they should have, from now on.
pub fn witness(target: Oid) {
    as_extension(|| {
        let known = format!("SELECT FROM {WITNESS} WHERE target = $1");
        if !Statement::new(&known).bind(target).exists() {
            Statement::new(&format!("INSERT INTO {WITNESS} (target) VALUES ($1)")).bind(target).run();
        }
    });
}

/// Removes all that the extension knows of a table, except its runs.
pub fn forget(target: Oid) {
    as_extension(|| {
        for table in ["definition", "schedule", "ledger", "note"].map(|table| format!("cumulate.{table}")) {
            Statement::new(&format!("DELETE FROM {table} WHERE target = $1")).bind(target).run();
        }
        for table in [SEEN, WITNESS] {
            Statement::new(&format!("DELETE FROM {table} WHERE target = $1")).bind(target).run();
        }
    });
}

/// What may change later.
pub struct Settings {
    pub late: Late,
    pub lookback: i32,
    pub retention: Option<String>,
}

pub fn change(target: Oid, settings: &Settings) {
    as_extension(|| {
        Statement::new(
            "UPDATE cumulate.definition SET late = $2, lookback = $3, retention = $4::interval WHERE target = $1",
        )
        .bind(target)
        .bind(settings.late.name())
        .bind(settings.lookback)
        .bind(settings.retention.as_deref())
        .run()
    });
}

/// Changes the filter, as it was typed.
pub fn change_filter(target: Oid, filter: Option<&str>) {
    as_extension(|| {
        Statement::new("UPDATE cumulate.definition SET filter = $2 WHERE target = $1").bind(target).bind(filter).run()
    });
}

/// Freezes days: what is closed stays as it is from now on.
pub fn freeze(target: Oid, through: Day) {
    as_extension(|| {
        Statement::new("UPDATE cumulate.definition SET frozen_through = $2 WHERE target = $1")
            .bind(target)
            .bind(through)
            .run()
    });
}

/// Counts late changes of frozen days, which change nothing.
pub fn count_frozen_changes(target: Oid, changes: i64) {
    as_extension(|| {
        Statement::new("UPDATE cumulate.definition SET frozen_changes = frozen_changes + $2 WHERE target = $1")
            .bind(target)
            .bind(changes)
            .run()
    });
}

/// A source and its partitions, as they were last seen.
const SEEN: &str = "cumulate_internal.seen";

/// The source and its partitions as they were last seen, each with its note triggers; nothing before the first look.
pub fn leaves(target: Oid) -> Vec<(Oid, String)> {
    as_extension(|| {
        Statement::new(&format!("SELECT leaf::oid, triggers FROM {SEEN} WHERE target = $1 ORDER BY 1"))
            .bind(target)
            .map(|row| (row.get(0).unwrap_or(Oid::INVALID), row.get(1).unwrap_or_default()))
    })
}

pub fn record_leaves(target: Oid, leaves: &[(Oid, String)]) {
    let (tables, triggers): (Vec<Oid>, Vec<String>) = leaves.iter().cloned().unzip();
    as_extension(|| {
        Statement::new(&format!("DELETE FROM {SEEN} WHERE target = $1")).bind(target).run();
        Statement::new(&format!(
            "INSERT INTO {SEEN} (target, leaf, triggers)
             SELECT $1, l.leaf, l.triggers
             FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS l (leaf, triggers)"
        ))
        .bind(target)
        .bind(tables)
        .bind(triggers)
        .run()
    });
}

/// Whether they have changed since they were seen.
pub fn leaves_have_changed(target: Oid, id: i64, source: Oid) -> bool {
    as_extension(|| {
        Statement::new("SELECT WHERE cumulate_internal.has_changed($1::regclass, $2, $3::regclass)")
            .bind(target)
            .bind(id)
            .bind(source)
            .exists()
    })
}

/// What a definition names, whether it is still there or not.
pub struct Parts {
    pub target: Oid,
    pub source: Oid,
    pub daily: Oid,
}

pub fn parts(id: i64) -> Option<Parts> {
    as_extension(|| {
        Statement::new("SELECT target::oid, source::oid, daily::oid FROM cumulate.definition WHERE id = $1")
            .bind(id)
            .first(|row| Some(Parts { target: row.get(0)?, source: row.get(1)?, daily: row.get(2)? }))
            .flatten()
    })
}

/// A table's source and time zone, whether the source is still there or not.
pub fn source_and_zone(target: Oid) -> Option<(Oid, String)> {
    as_extension(|| {
        Statement::new("SELECT source::oid, time_zone FROM cumulate.definition WHERE target = $1")
            .bind(target)
            .first(|row| Some((row.get(0)?, row.get(1)?)))
            .flatten()
    })
}

/// The number of a table's definition, whether all its parts are there or not.
pub fn number_of(target: Oid) -> Option<i64> {
    as_extension(|| {
        Statement::new("SELECT id FROM cumulate.definition WHERE target = $1")
            .bind(target)
            .first(|row| row.get(0))
            .flatten()
    })
}

/// The cumulative table that a table is part of.
pub fn part_of(table: Oid) -> Option<Oid> {
    as_extension(|| {
        Statement::new("SELECT target::oid FROM cumulate.definition WHERE target = $1 OR daily = $1")
            .bind(table)
            .first(|row| row.get(0))
            .flatten()
    })
}

/// Whether a table lacks something that its work needs.
pub fn has_defects(target: Oid) -> bool {
    as_extension(|| Statement::new("SELECT FROM cumulate.defects WHERE target = $1").bind(target).exists())
}

/// A metric that is being added: its form as json, and the run that does it.
pub struct Adding {
    pub metrics: String,
    pub run: i64,
}

/// The metric that is being added, or whose adding never ended.
pub fn adding(target: Oid) -> Option<Adding> {
    as_extension(|| {
        Statement::new("SELECT adding::text, adding_run FROM cumulate.definition WHERE target = $1")
            .bind(target)
            .first(|row| Some(Adding { metrics: row.get(0)?, run: row.get(1)? }))
            .flatten()
    })
}

/// Notes that a metric is being added, or that none is any more.
pub fn note_adding(target: Oid, adding: Option<Adding>) {
    let (metrics, run) = adding.map_or((None, None), |adding| (Some(adding.metrics), Some(adding.run)));
    as_extension(|| {
        Statement::new("UPDATE cumulate.definition SET adding = $2::json, adding_run = $3 WHERE target = $1")
            .bind(target)
            .bind(metrics)
            .bind(run)
            .run()
    });
}

/// Changes the metrics, given as json.
pub fn change_metrics(target: Oid, metrics: &str) {
    as_extension(|| {
        Statement::new("UPDATE cumulate.definition SET metrics = $2::json WHERE target = $1")
            .bind(target)
            .bind(metrics)
            .run()
    });
}

/// Takes the lock of a definition, which may lack parts.
pub fn lock(target: Oid) {
    identity::lock_definition(definitions(), target);
}

/// As `lock`, but without waiting; whether it was free.
pub fn try_lock(target: Oid) -> bool {
    identity::try_lock_definition(definitions(), target)
}

fn definitions() -> Oid {
    Table::named("cumulate", "definition").map_or(Oid::INVALID, |table| table.oid)
}

/// The number of a cumulative table's definition, and the table.
pub fn registered(target: Oid) -> Result<(i64, Table), Error> {
    let unknown = || Error::NotACumulativeTable { name: table::label(target) };
    let id = number_of(target).ok_or_else(unknown)?;
    Ok((id, Table::find(target).ok_or_else(unknown)?))
}

/// Refuses a caller that may not act for the owner of a cumulative table.
pub fn check_owned(target: Oid) -> Result<(), Error> {
    let (_, target) = registered(target)?;
    if identity::acts_for(target.owner) {
        return Ok(());
    }
    Err(not_owner(&target))
}

/// Whether the caller may see how a table is doing.
pub fn may_watch(table: &Table) -> bool {
    let watched = Statement::new("SELECT WHERE cumulate_internal.may_watch($1, $2)");
    watched.bind(table.oid).bind(table.owner).exists()
}

/// Refuses a caller that may not see what a cumulative table is made by.
pub fn check_known(target: Oid) -> Result<(), Error> {
    let (_, target) = registered(target)?;
    if Statement::new("SELECT WHERE cumulate_internal.may_know($1)").bind(target.owner).exists() {
        return Ok(());
    }
    Err(not_owner(&target))
}

fn not_owner(target: &Table) -> Error {
    Error::NotOwner { table: target.sql(), owner: table::role_name(target.owner) }
}
