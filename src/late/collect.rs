//! Notes in the making. Row triggers collect them in memory; they are written when the transaction is about to commit,
//! past the executor, so that who writes to a source needs no right on the notes. The memory is emptied only when the
//! whole transaction ends: a note too many is harmless, a note too few is not.

use crate::catalog::notes::{self, Noted};
use crate::catalog::{Definition, registry};
use crate::pg::encoding::ServerText;
use crate::pg::identity::now;
use crate::pg::table::{Column, Table};
use crate::pg::transaction::{self, Moment, SubEnd};
use crate::pg::trigger::{Event, Trigger, TriggerRow};
use crate::pg::value::{Datum, Image, Layout, local_day};
use crate::rules::calendar::Day;
use pgrx::pg_sys::{self, Oid};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

/// Past this many keys of one day the whole day is noted.
const MOST_KEYS_A_DAY: usize = 10_000;

/// Past this many keys of one transaction, days that get one more are noted as a whole.
const MOST_KEYS: usize = 200_000;

/// What a trigger must know to read a row of one table (or partition) for one definition.
struct Watch {
    target: Oid,
    /// None when rows cannot be read as the definition wants it: then anything may have changed.
    places: Option<Places>,
}

struct Places {
    time: Place,
    zone: String,
    start: Option<Day>,
    keys: Vec<(Place, Layout)>,
}

/// Where a column is in the trigger's table.
struct Place {
    number: i16,
    name: ServerText,
    type_oid: Oid,
}

/// Late changes by table and day; day None stands for every day.
type Pending = HashMap<Oid, BTreeMap<Option<Day>, Noted>>;

#[derive(Default)]
struct Collected {
    watches: HashMap<(i64, Oid), Option<Rc<Watch>>>,
    pending: Pending,
    /// What an engine call has written inside a subtransaction: if that is rolled back, it is pending again.
    written: Vec<(u32, Rc<Pending>)>,
    /// Keys that are pending.
    keys: usize,
}

thread_local! {
    static COLLECTED: RefCell<Collected> = RefCell::default();
}

pub fn register() {
    transaction::on_end(|moment| match moment {
        Moment::BeforeCommit => flush(),
        Moment::Committed | Moment::GivenUp => COLLECTED.with_borrow_mut(|collected| *collected = Collected::default()),
    });
    transaction::on_sub_end(|end| COLLECTED.with_borrow_mut(|collected| collected.end_sub(end)));
}

/// The work of the note triggers. A trigger that is not ours, or of a definition that is gone, does nothing.
pub fn note(trigger: &Trigger) {
    let Some(definition) = trigger.argument() else { return };
    let Some(watch) = watch(definition, trigger) else { return };
    let places = watch.places.as_ref().filter(|_| trigger.event() != Event::Truncate);
    let Some(places) = places else {
        COLLECTED.with_borrow_mut(|collected| collected.add_day(watch.target, None));
        return;
    };
    // A row that is moved is noted where it was late, and where it is.
    let today = (trigger.event() == Event::Update).then(|| places.today()).flatten();
    trigger.rows(|row| {
        let read = places.read(&row).filter(|(day, _)| today.is_none_or(|today| *day < today));
        if let Some((day, key)) = read {
            COLLECTED.with_borrow_mut(|collected| collected.add_key(watch.target, day, key));
        }
    });
}

/// Writes what has been collected so far.
pub fn flush() {
    let pending = COLLECTED.with_borrow_mut(|collected| std::mem::take(&mut collected.pending));
    if pending.is_empty() {
        return;
    }
    // Remembered first: when writing fails, the subtransaction that is rolled back makes them pending again.
    let pending = Rc::new(pending);
    COLLECTED.with_borrow_mut(|collected| {
        collected.keys = 0;
        collected.written.push((transaction::current_sub(), pending.clone()));
    });
    transaction::with_snapshot(|| notes::write(&pending));
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
                let lost: Vec<(u32, Rc<Pending>)> = lost;
                lost.iter().for_each(|(_, pending)| self.restore(pending));
            }
        }
    }

    fn restore(&mut self, pending: &Pending) {
        for (target, days) in pending {
            for (day, noted) in days {
                match (day, noted) {
                    (Some(day), Noted::Keys(keys)) => {
                        keys.iter().for_each(|key| self.add_key(*target, *day, key.clone()));
                    }
                    (day, _) => self.add_day(*target, *day),
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
        let Noted::Keys(keys) = noted else { return };
        self.keys += usize::from(keys.insert(key));
        if keys.len() > MOST_KEYS_A_DAY || self.keys > MOST_KEYS {
            self.keys -= keys.len();
            *noted = Noted::WholeDay;
        }
    }
}

impl Places {
    /// The day and key of a row; None when it does not count.
    fn read(&self, row: &TriggerRow) -> Option<(Day, Vec<Image>)> {
        let day = local_day(row.value(self.time.number)?, self.time.type_oid, &self.zone)?;
        let keys: Option<Vec<Image>> = self
            .keys
            .iter()
            .map(|(place, layout)| row.value(place.number).map(|value| Image::of(*layout, value)))
            .collect();
        Some((day, keys?)).filter(|(day, _)| self.start.is_none_or(|start| *day >= start))
    }

    fn today(&self) -> Option<Day> {
        local_day(Datum::from(now()), pg_sys::TIMESTAMPTZOID, &self.zone)
    }

    /// Whether all columns are where they were: a transaction may change the table between its writes.
    fn hold(&self, trigger: &Trigger) -> bool {
        let here = |place: &Place| trigger.has_column(place.number, place.name.as_c_str(), place.type_oid);
        here(&self.time) && self.keys.iter().all(|(place, _)| here(place))
    }
}

impl Place {
    fn of(column: &Column) -> Self {
        Place { number: column.number, name: ServerText::of(&column.name), type_oid: column.type_oid }
    }
}

/// Looked up once a transaction, and again when the table has changed.
fn watch(definition: i64, trigger: &Trigger) -> Option<Rc<Watch>> {
    let table = trigger.table();
    let known = COLLECTED.with_borrow(|collected| collected.watches.get(&(definition, table)).cloned());
    let holds = |watch: &Option<Rc<Watch>>| {
        watch.as_ref().is_none_or(|watch| watch.places.as_ref().is_none_or(|places| places.hold(trigger)))
    };
    known.filter(holds).unwrap_or_else(|| {
        let watch = look_up(definition, table).map(Rc::new);
        COLLECTED.with_borrow_mut(|collected| collected.watches.insert((definition, table), watch.clone()));
        watch
    })
}

fn look_up(id: i64, table: Oid) -> Option<Watch> {
    let parts = registry::parts(id)?;
    if table != parts.source && !super::triggers::is_partition_of(table, parts.source) {
        return None;
    }
    let places = Definition::known(parts.target).ok().and_then(|definition| find_places(&definition, table));
    Some(Watch { target: parts.target, places })
}

fn find_places(definition: &Definition, table: Oid) -> Option<Places> {
    let source = Table::find(definition.source)?;
    let body = definition.body()?;
    let source_columns = source.columns();
    let columns = Table::find(table)?.columns();
    // A partition may have its columns in another order than its parent.
    let here = |index: usize| -> Option<&Column> {
        let number = body.column_number(index)?;
        let name = &source_columns.iter().find(|column| column.number == number)?.name;
        columns.iter().find(|column| column.name == *name)
    };
    let time = Place::of(here(0)?);
    let keys: Option<Vec<(Place, Layout)>> = (1..=definition.keys.len())
        .map(|index| here(index).map(|column| (Place::of(column), Layout::of(column.type_oid))))
        .collect();
    let known = [pg_sys::DATEOID, pg_sys::TIMESTAMPOID, pg_sys::TIMESTAMPTZOID].contains(&time.type_oid);
    known.then_some(Places { time, zone: definition.time_zone.clone(), start: definition.start, keys: keys? })
}

/// The name that the source's time column has today.
pub fn time_column(definition: &Definition) -> Option<String> {
    let number = definition.body()?.column_number(0)?;
    let source = Table::find(definition.source)?;
    source.columns().into_iter().find(|column| column.number == number).map(|column| column.name)
}
