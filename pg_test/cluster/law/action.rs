//! One step: a change of the source, or a call of the engine.

use crate::change::{self, Change};
use crate::form::Form;
use crate::moment::DAYS;
use proptest::prelude::*;

/// Days are numbers of the form's season.
#[derive(Debug, Clone)]
pub enum Action {
    Change(Change),
    Call(Call),
}

#[derive(Debug, Clone, Copy)]
pub enum Call {
    Populate(i64),
    Close(i64),
    /// Closes the nth closed day again.
    CloseAgain(usize),
    Range(i64, i64),
    ApplyLate,
    Restate(i64, i64),
    /// Restates exactly the days that have changed.
    RestateChanged,
    /// As that, naming all keys that there are or were.
    RestateKeys,
    /// Keeps snapshots from that day on and drops the others.
    KeepFrom(i64),
    /// Keeps snapshots for ever from now on.
    KeepAll,
}

impl Action {
    pub fn name(&self, form: &Form) -> &'static str {
        match self {
            Action::Change(change) => change.name(form),
            Action::Call(call) => call.name(),
        }
    }
}

impl Call {
    fn name(self) -> &'static str {
        match self {
            Call::Populate(_) => "populate_day",
            Call::Close(_) => "cumulate_day",
            Call::CloseAgain(_) => "cumulate_day again",
            Call::Range(..) => "cumulate_range",
            Call::ApplyLate => "apply_late",
            Call::Restate(..) => "restate",
            Call::RestateChanged => "restate what changed",
            Call::RestateKeys => "restate keys",
            Call::KeepFrom(_) => "retention",
            Call::KeepAll => "no retention",
        }
    }
}

pub fn any() -> impl Strategy<Value = Action> {
    prop_oneof![
        5 => change::any().prop_map(Action::Change),
        6 => any_call().prop_map(Action::Call),
    ]
}

pub fn any_call() -> impl Strategy<Value = Call> {
    prop_oneof![
        6 => (0..DAYS).prop_map(Call::Close),
        2 => (0..40usize).prop_map(Call::CloseAgain),
        2 => any_days().prop_map(|(from, to)| Call::Range(from, to)),
        1 => (0..DAYS).prop_map(Call::Populate),
        2 => Just(Call::ApplyLate),
        1 => any_days().prop_map(|(from, to)| Call::Restate(from, to)),
        3 => Just(Call::RestateChanged),
        2 => Just(Call::RestateKeys),
        1 => (0..DAYS).prop_map(Call::KeepFrom),
        1 => Just(Call::KeepAll),
    ]
}

/// A first and a last day.
pub fn any_days() -> impl Strategy<Value = (i64, i64)> {
    (0..DAYS, 0..8i64).prop_map(|(from, length)| (from, (from + length).min(DAYS - 1)))
}
