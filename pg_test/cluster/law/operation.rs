//! What a client does: a step on its own, several in a transaction, or a procedure that commits.

use crate::action::{self, Action};
use crate::change;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Debug, Clone)]
pub enum Operation {
    Alone(Action),
    Backfill(i64, i64),
    Transaction { steps: Vec<Step>, ending: Ending },
}

#[derive(Debug, Clone)]
pub enum Step {
    Kept(Action),
    /// Done after a savepoint and rolled back to it.
    Undone(Action),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Commit,
    Rollback,
    /// Two-phase, for transactions that only change the source.
    CommitPrepared,
    RollbackPrepared,
}

pub fn any() -> impl Strategy<Value = Operation> {
    prop_oneof![
        12 => action::any().prop_map(Operation::Alone),
        1 => action::any_days().prop_map(|(from, to)| Operation::Backfill(from, to)),
        3 => transaction(any_step(), &[Ending::Commit, Ending::Rollback]),
        1 => transaction(any_change_step(), &[Ending::CommitPrepared, Ending::RollbackPrepared]),
    ]
}

fn transaction(step: impl Strategy<Value = Step>, endings: &'static [Ending]) -> impl Strategy<Value = Operation> {
    (vec(step, 1..5), select(endings)).prop_map(|(steps, ending)| Operation::Transaction { steps, ending })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => action::any().prop_map(Step::Kept),
        1 => action::any().prop_map(Step::Undone),
    ]
}

fn any_change_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => change::any().prop_map(|change| Step::Kept(Action::Change(change))),
        1 => change::any().prop_map(|change| Step::Undone(Action::Change(change))),
    ]
}
