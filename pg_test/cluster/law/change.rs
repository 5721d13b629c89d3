//! Changes of the source, in every form in which rows come and go.

use crate::event::{self, NewEvent};
use crate::form::Form;
use crate::moment::{self, Moment};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Debug, Clone)]
pub enum Change {
    Insert {
        way: Way,
        events: Vec<NewEvent>,
    },
    /// Sets something in `count` rows from the `nth` on.
    Update {
        nth: usize,
        count: usize,
        setting: Setting,
    },
    Delete {
        nth: usize,
        count: usize,
    },
    /// Deletes from a partition while it is detached, when the source has some.
    DeleteDetached {
        nth: usize,
        count: usize,
    },
    /// Deletes every event of the key of the `nth` row.
    DeleteKey {
        nth: usize,
    },
    /// Deletes the events of the first day of the key of the `nth` row.
    DeleteFirstDay {
        nth: usize,
    },
    Truncate,
}

/// How rows are inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Values,
    Copy,
    Merge,
    /// INSERT … ON CONFLICT DO UPDATE, half of the rows onto rows that are there, when the source has a key.
    Upsert,
    /// Straight into a partition, when the source has some.
    Leaf,
    /// With session_replication_role = replica, when the role may.
    Replica,
}

#[derive(Debug, Clone)]
pub enum Setting {
    Time(Option<Moment>),
    Keys([Option<usize>; 2]),
    Amount(Option<i32>),
    Kind(Option<&'static str>),
    /// Moves the row to another partition, when the source has some.
    Keep(Option<bool>),
}

impl Change {
    /// What is counted: an update that may move rows to another partition is one of its own.
    pub fn name(&self, form: &Form) -> &'static str {
        match self {
            Change::Insert { way, .. } => way.in_form(form).name(),
            Change::Update { setting: Setting::Keep(_), .. } if form.partitioned_source => {
                "update of the partition key"
            }
            Change::Update { .. } => "update",
            Change::DeleteDetached { .. } if form.partitioned_source => "delete from a detached partition",
            Change::Delete { .. } | Change::DeleteDetached { .. } => "delete",
            Change::DeleteKey { .. } => "delete a key",
            Change::DeleteFirstDay { .. } => "delete a first day",
            Change::Truncate => "truncate",
        }
    }
}

impl Way {
    /// This way, or plain INSERT where the source or the role does not have it.
    pub fn in_form(self, form: &Form) -> Way {
        let possible = match self {
            Way::Upsert => !form.partitioned_source,
            Way::Leaf => form.partitioned_source,
            Way::Replica => !form.ordinary_owner,
            Way::Values | Way::Copy | Way::Merge => true,
        };
        if possible { self } else { Way::Values }
    }

    fn name(self) -> &'static str {
        match self {
            Way::Values => "insert",
            Way::Copy => "insert by copy",
            Way::Merge => "insert by merge",
            Way::Upsert => "insert on conflict",
            Way::Leaf => "insert into a partition",
            Way::Replica => "insert as replica",
        }
    }
}

pub fn any() -> impl Strategy<Value = Change> {
    let nth = || 0..40usize;
    prop_oneof![
        10 => (any_way(), vec(event::any(), 1..8)).prop_map(|(way, events)| Change::Insert { way, events }),
        5 => (nth(), 1..4usize, any_setting())
            .prop_map(|(nth, count, setting)| Change::Update { nth, count, setting }),
        2 => (nth(), 1..4usize).prop_map(|(nth, count)| Change::Delete { nth, count }),
        2 => (nth(), 1..4usize).prop_map(|(nth, count)| Change::DeleteDetached { nth, count }),
        2 => nth().prop_map(|nth| Change::DeleteKey { nth }),
        3 => nth().prop_map(|nth| Change::DeleteFirstDay { nth }),
        1 => Just(Change::Truncate),
    ]
}

fn any_way() -> impl Strategy<Value = Way> {
    prop_oneof![
        6 => Just(Way::Values),
        1 => Just(Way::Copy),
        1 => Just(Way::Merge),
        2 => Just(Way::Upsert),
        2 => Just(Way::Leaf),
        2 => Just(Way::Replica),
    ]
}

fn any_setting() -> impl Strategy<Value = Setting> {
    prop_oneof![
        4 => prop::option::weighted(0.9, moment::any()).prop_map(Setting::Time),
        2 => event::keys().prop_map(Setting::Keys),
        2 => prop::option::weighted(0.8, -20..100).prop_map(Setting::Amount),
        1 => prop::option::weighted(0.8, select(&["sell", "rückgabe"][..])).prop_map(Setting::Kind),
        8 => prop::option::weighted(0.8, prop::bool::ANY).prop_map(Setting::Keep),
    ]
}
