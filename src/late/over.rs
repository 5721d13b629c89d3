//! Which days are over.

use super::writers;
use crate::catalog::{Definition, State};
use crate::pg::message::notice;
use crate::rules::calendar::Day;

/// Which days are over, and whose writers have ended: what is aggregated of them now is final, but for notes.
pub struct Over {
    pub today: Day,
    /// Days from this one on are not over.
    before: Day,
}

impl Over {
    /// Waits, holding nothing, for writers who began before the last of these days had ended.
    pub fn wait(definition: &Definition, from: Day, to: Day) -> Self {
        let today = definition.today();
        let unnoted = writers::wait(definition, to.min(today.minus(1)));
        if let Some(first) = unnoted {
            let first = first.max(from);
            notice!("days from {first} on stay open because transactions that began earlier still write to the source");
        }
        Over { today, before: unnoted.map_or(today, |first| first.min(today)) }
    }

    /// Looks for such writers once.
    pub fn without_waiting(definition: &Definition) -> Self {
        let today = definition.today();
        let unnoted = writers::look(definition, today.minus(1));
        Over { today, before: unnoted.map_or(today, |first| first.min(today)) }
    }

    /// Whether a day is over.
    pub fn is(&self, day: Day) -> bool {
        day < self.before
    }

    /// The state of a day whose snapshot is made now.
    pub fn state_of(&self, day: Day) -> State {
        if self.is(day) { State::Closed } else { State::Open }
    }
}
