//! Notes in the making. Row triggers collect them in memory; they are written when the transaction is about to commit,
//! past the executor, so that who writes to a source needs no right on the notes. The memory is emptied only when the
//! whole transaction ends: a note too many is harmless, a note too few is not.

use crate::catalog::{Definition, notes};
use crate::pg::body::Body;
use crate::pg::table::{Column, Table};
use crate::pg::transaction::{self, Moment, SubEnd};
use crate::pg::trigger::{Event, Trigger, TriggerRow};
use crate::pg::value::{Image, Layout, local_day};
use crate::rules::calendar::Day;
use pgrx::pg_sys::{self, Oid};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

/// Past this many keys of one day the whole day is noted.
const MOST_KEYS_A_DAY: usize = 10_000;

/// What a trigger must know to read a row of one table (or partition) for one definition.
struct Watch {
    target: Oid,
    time: i16,
    time_type: Oid,
    zone: String,
    keys: Vec<(i16, Layout)>,
}

/// Late changes of one cumulative table's source.
pub enum Noted {
    Keys(HashSet<Vec<Image>>),
    WholeDay,
}

/// Late changes by table and day; day None stands for every day.
type Pending = HashMap<Oid, BTreeMap<Option<Day>, Noted>>;

#[derive(Default)]
struct Collected {
    watches: HashMap<(i64, Oid), Option<Rc<Watch>>>,
    pending: Pending,
    /// What an engine call has written inside a subtransaction: if that is rolled back, it is pending again.
    written: Vec<(u32, Pending)>,
}

thread_local! {
    static COLLECTED: RefCell<Collected> = RefCell::default();
}

pub fn register() {
    transaction::on_end(|moment| match moment {
        Moment::BeforeCommit => flush(),
        Moment::Ended => COLLECTED.with_borrow_mut(|collected| *collected = Collected::default()),
    });
    transaction::on_sub_end(|end| COLLECTED.with_borrow_mut(|collected| collected.end_sub(end)));
}

/// The work of the note triggers. A trigger that is not ours, or of a definition that is gone, does nothing.
pub fn note(trigger: &Trigger) {
    let Some(definition) = trigger.argument().and_then(|text| text.parse::<i64>().ok()) else { return };
    let Some(watch) = watch(definition, trigger.table()) else { return };
    if trigger.event() == Event::Truncate {
        COLLECTED.with_borrow_mut(|collected| collected.add_day(watch.target, None));
        return;
    }
    trigger.rows(|row| {
        if let Some((day, key)) = watch.read(&row) {
            COLLECTED.with_borrow_mut(|collected| collected.add_key(watch.target, day, key));
        }
    });
}

/// Writes what has been collected so far.
pub fn flush() {
    let pending = COLLECTED.with_borrow_mut(|collected| std::mem::take(&mut collected.pending));
    if !pending.is_empty() {
        transaction::with_snapshot(|| notes::write(&pending));
        COLLECTED.with_borrow_mut(|collected| collected.written.push((transaction::current_sub(), pending)));
    }
}

impl Collected {
    fn end_sub(&mut self, end: SubEnd) {
        match end {
            SubEnd::Merged { id, parent } => {
                self.written.iter_mut().filter(|(sub, _)| *sub == id).for_each(|(sub, _)| *sub = parent);
            }
            SubEnd::Aborted { id } => {
                let (lost, kept) = std::mem::take(&mut self.written).into_iter().partition(|(sub, _)| *sub == id);
                self.written = kept;
                let lost: Vec<(u32, Pending)> = lost;
                lost.into_iter().for_each(|(_, pending)| self.restore(pending));
            }
        }
    }

    fn restore(&mut self, pending: Pending) {
        for (target, days) in pending {
            for (day, noted) in days {
                match (day, noted) {
                    (Some(day), Noted::Keys(keys)) => {
                        keys.into_iter().for_each(|key| self.add_key(target, day, key));
                    }
                    (day, _) => self.add_day(target, day),
                }
            }
        }
    }

    fn add_day(&mut self, target: Oid, day: Option<Day>) {
        self.pending.entry(target).or_default().insert(day, Noted::WholeDay);
    }

    fn add_key(&mut self, target: Oid, day: Day, key: Vec<Image>) {
        let days = self.pending.entry(target).or_default();
        let noted = days.entry(Some(day)).or_insert_with(|| Noted::Keys(HashSet::new()));
        if let Noted::Keys(keys) = noted {
            keys.insert(key);
            if keys.len() > MOST_KEYS_A_DAY {
                *noted = Noted::WholeDay;
            }
        }
    }
}

impl Watch {
    /// The day and key of a row; None when it does not count.
    fn read(&self, row: &TriggerRow) -> Option<(Day, Vec<Image>)> {
        let day = local_day(row.value(self.time)?, self.time_type, &self.zone)?;
        let keys: Option<Vec<Image>> = self
            .keys
            .iter()
            .map(|(column, layout)| row.value(*column).map(|value| Image::of(*layout, value)))
            .collect();
        Some((day, keys?))
    }
}

/// Looked up once a transaction.
fn watch(definition: i64, table: Oid) -> Option<Rc<Watch>> {
    let known = COLLECTED.with_borrow(|collected| collected.watches.get(&(definition, table)).cloned());
    known.unwrap_or_else(|| {
        let watch = look_up(definition, table).map(Rc::new);
        COLLECTED.with_borrow_mut(|collected| collected.watches.insert((definition, table), watch.clone()));
        watch
    })
}

fn look_up(id: i64, table: Oid) -> Option<Watch> {
    let definition = Definition::with_id(id)?;
    let source = Table::find(definition.source)?;
    if table != definition.source && !super::triggers::is_partition_of(table, definition.source) {
        return None;
    }
    let body = Body::of(definition.aggregate_oid)?;
    let source_columns = source.columns();
    let columns = Table::find(table)?.columns();
    // A partition may have its columns in another order than its parent.
    let here = |index: usize| -> Option<&Column> {
        let number = body.column_number(index)?;
        let name = &source_columns.iter().find(|column| column.number == number)?.name;
        columns.iter().find(|column| column.name == *name)
    };
    let time = here(0)?;
    let keys: Option<Vec<(i16, Layout)>> = (1..=definition.keys.len())
        .map(|index| here(index).map(|column| (column.number, Layout::of(column.type_oid))))
        .collect();
    let time_type = match time.type_oid {
        known @ (pg_sys::DATEOID | pg_sys::TIMESTAMPOID | pg_sys::TIMESTAMPTZOID) => known,
        _ => return None,
    };
    let (target, zone) = (definition.target.oid, definition.time_zone.clone());
    Some(Watch { target, time: time.number, time_type, zone, keys: keys? })
}

/// The name that the source's time column has today.
pub fn time_column(definition: &Definition) -> Option<String> {
    let number = Body::of(definition.aggregate_oid)?.column_number(0)?;
    let source = Table::find(definition.source)?;
    source.columns().into_iter().find(|column| column.number == number).map(|column| column.name)
}
