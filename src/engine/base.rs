//! What a snapshot is made from.

use crate::catalog::ledger::{self, Base};
use crate::catalog::{Definition, State};
use crate::rules::calendar::Day;

/// The snapshot that a day's snapshot is made from, and the first day whose daily rows are read on top of it.
pub fn base_of(definition: &Definition, day: Day) -> (Option<Base>, Day) {
    let start = definition.start.unwrap_or(day);
    if definition.expire_idle {
        // Which keys are there depends on the last window alone, which the daily table has.
        return (None, day.minus(definition.window() as i32 - 1).max(start));
    }
    let base = ledger::newest(definition.target.oid, day, &[State::Open, State::Closed, State::Frozen]);
    let base = base.filter(|base| *base >= start);
    let base = base.map(|day| Base { day, rows: ledger::rows(definition.target.oid, day, day) });
    (base, base.map_or(start, |base| base.day.plus(1)))
}
