//! What of a definition may change later.

use super::validate;
use crate::catalog::registry::{self, Settings};
use crate::catalog::{Definition, Late, notes};
use crate::error::Error;
use crate::late::triggers;
use crate::pg::body::Body;
use crate::pg::identity::as_owner;
use crate::pg::table::Table;
use pgrx::pg_sys;

/// What to change; None leaves it as it is.
pub struct Changes {
    pub late: Option<String>,
    pub lookback: Option<i32>,
    pub retention: Option<String>,
}

pub fn alter(definition: &Definition, changes: Changes) -> Result<(), Error> {
    let late = changes.late.as_deref().map_or(Ok(definition.late), |name| {
        Late::from_name(name).ok_or_else(|| Error::UnknownChoice {
            argument: "late",
            given: name.to_owned(),
            allowed: Late::NAMES.to_vec(),
        })
    })?;
    let lookback = changes.lookback.unwrap_or(definition.lookback);
    let retention = changes.retention.or_else(|| definition.retention.clone());
    as_owner(definition.target.owner, || {
        validate::lookback(lookback)?;
        validate::retention(retention.as_deref(), &definition.windows)?;
        validate::source(definition.source, definition.target.owner, late)?;
        definition.lock();
        change_triggers(definition, late);
        registry::change(definition.target.oid, &Settings { late, lookback, retention });
        Ok(())
    })
}

fn change_triggers(definition: &Definition, late: Late) {
    let Some(source) = Table::find(definition.source).filter(|_| late != definition.late) else { return };
    if definition.late == Late::Trigger {
        triggers::drop(definition.id, &source);
    }
    if late == Late::Trigger {
        make_triggers(definition, &source);
        // Nobody has noted what changed until now.
        notes::note_everything(definition.target.oid);
    }
}

fn make_triggers(definition: &Definition, source: &Table) {
    let number = Body::of(definition.aggregate_oid).and_then(|body| body.column_number(0));
    let columns = source.columns();
    let Some(time) = columns.iter().find(|column| Some(column.number) == number) else { return };
    let time_type = match time.type_oid {
        pg_sys::DATEOID => "date",
        pg_sys::TIMESTAMPOID => "timestamp",
        _ => "timestamptz",
    };
    triggers::make(&triggers::Plan {
        definition: definition.id,
        source,
        time_column: &time.name,
        time_type,
        zone: &definition.time_zone,
        start: definition.start,
    });
}
