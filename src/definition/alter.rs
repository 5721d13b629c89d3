//! What of a definition may change later.

use super::{remake, validate};
use crate::catalog::TimeType;
use crate::catalog::registry::{self, Settings};
use crate::catalog::{Definition, Late, ledger, notes};
use crate::error::Error;
use crate::late::{source_partitions, triggers};
use crate::pg::expression;
use crate::pg::identity::as_owner;
use crate::pg::settings::{self, with_search_path};
use crate::pg::spi::Statement;
use crate::pg::table::Table;
use crate::retention;
use crate::rules::calendar::Day;
use crate::scheduler;

/// What to change; None leaves it as it is.
pub struct Changes {
    pub late: Option<String>,
    pub lookback: Option<i32>,
    /// No time at all stands for all time.
    pub retention: Option<String>,
    /// No text at all stands for no filter.
    pub filter: Option<String>,
}

pub fn alter(definition: &mut Definition, changes: Changes) -> Result<(), Error> {
    let search_path = settings::setting(c"search_path");
    // Who changes another setting at the same time is waited for, and its change is kept.
    as_owner(definition.target.owner, || definition.lock());
    *definition = Definition::find(definition.target.oid)?;
    let late = changes.late.as_deref().map_or(Ok(definition.late), |name| {
        Late::from_name(name).ok_or_else(|| Error::UnknownChoice {
            argument: "late",
            given: name.to_owned(),
            allowed: Late::NAMES.to_vec(),
        })
    })?;
    let lookback = changes.lookback.unwrap_or(definition.lookback);
    let changes_retention = changes.retention.is_some();
    as_owner(definition.target.owner, || {
        let retention = match changes.retention {
            Some(retention) => Some(retention).filter(|retention| !is_no_time(retention)),
            None => definition.retention.clone(),
        };
        validate::lookback(lookback)?;
        validate::retention(retention.as_deref(), &definition.windows)?;
        validate::source(definition.source, definition.target.owner, late)?;
        if let Some(filter) = changes.filter {
            change_filter(definition, Some(filter).filter(|filter| !filter.is_empty()), &search_path)?;
        }
        change_triggers(definition, late);
        registry::change(definition.target.oid, &Settings { late, lookback, retention: retention.clone() });
        if changes_retention {
            definition.retention = retention;
            take_back(definition);
        }
        Ok(())
    })
}

/// The same rows would count in other ways before and after: all days are read again by the next run.
fn change_filter(definition: &mut Definition, filter: Option<String>, search_path: &str) -> Result<(), Error> {
    if filter == definition.filter {
        return Ok(());
    }
    if let Some(through) = definition.frozen_through {
        return Err(Error::FrozenFilter { table: definition.target.sql(), through });
    }
    let source = validate::source(definition.source, definition.target.owner, Late::None)?;
    let qualified = match &filter {
        Some(filter) => {
            with_search_path(search_path, || validate::filter(&source, filter))?;
            Some(expression::qualified(filter, &source, search_path))
        }
        None => None,
    };
    remake::aggregate(definition, qualified, None);
    registry::change_filter(definition.target.oid, filter.as_deref());
    notes::note_everything(definition.target.oid);
    scheduler::wake_at_commit();
    *definition = Definition::find(definition.target.oid)?;
    Ok(())
}

fn is_no_time(interval: &str) -> bool {
    Statement::new("SELECT WHERE $1::interval = interval '0'").bind(interval).exists()
}

/// What a longer retention would have kept is made again by the next run, but for frozen days: they are not closed again.
fn take_back(definition: &Definition) {
    let from = retention::horizon(definition).unwrap_or(Day::FIRST);
    ledger::take_back(definition.target.oid, definition.first_live_day(from), Day::LAST);
}

fn change_triggers(definition: &Definition, late: Late) {
    let Some(source) = Table::find(definition.source).filter(|_| late != definition.late) else { return };
    if definition.late == Late::Trigger {
        triggers::drop(definition.id, &source);
    }
    if late == Late::Trigger {
        make_triggers(definition, &source);
        source_partitions::remember(definition.target.oid, definition.id, source.oid);
        // Nobody has noted what changed until now.
        notes::note_everything(definition.target.oid);
    }
}

fn make_triggers(definition: &Definition, source: &Table) {
    let number = definition.body().and_then(|body| body.column_number(0));
    let columns = source.columns();
    let Some(time) = columns.iter().find(|column| Some(column.number) == number) else { return };
    triggers::make(&triggers::Plan {
        definition: definition.id,
        source,
        time_column: &time.name,
        time_type: TimeType::of(time.type_oid).unwrap_or(TimeType::TimestampTz).name(),
        zone: &definition.time_zone,
        start: definition.start,
    });
}
