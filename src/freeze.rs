//! Freezing: days that are final whatever happens to their source rows.

use crate::catalog::{Definition, ledger, registry};
use crate::engine::entry::{check_transaction, lock};
use crate::engine::settle::settle_notes;
use crate::error::Error;
use crate::late::over::Over;
use crate::pg::identity::as_owner;
use crate::rules::calendar::Day;

/// Freezes all days up to `through`: their source rows may be deleted from now on.
pub fn freeze(definition: &mut Definition, through: Day) -> Result<(), Error> {
    check_transaction()?;
    as_owner(definition.target.owner, || {
        let over = Over::wait(definition, through, through);
        let start = lock(definition)?;
        if !over.is(through) {
            return Err(Error::FutureDay { day: through, today: over.today, zone: definition.time_zone.clone() });
        }
        if through < start {
            return Err(Error::DayBeforeStart { day: through, start, table: definition.target.label() });
        }
        if definition.frozen_through.is_some_and(|frozen| frozen >= through) {
            return Ok(());
        }
        let from = definition.first_live_day(start);
        if let Some(day) = ledger::first_unclosed(definition.target.oid, from, through) {
            return Err(Error::Unclosed { day, through, table: definition.target.sql() });
        }
        let newest = ledger::newest_snapshot(definition.target.oid).map_or(through, |newest| newest.max(through));
        let unread = ledger::dropped_unread(definition.target.oid, from, through);
        settle_notes(definition, start, newest, newest, &over, &unread)?;
        registry::freeze(definition.target.oid, through);
        ledger::freeze(definition.target.oid, through);
        Ok(())
    })
}
