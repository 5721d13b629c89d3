//! Day by day: all keys are held in key order and go through many days in one pass over the daily rows.

use super::{Fold, Ticker, paced};
use crate::catalog::Definition;
use crate::catalog::definition::SNAPSHOT_DATE;
use crate::catalog::ledger::Base;
use crate::error::Error;
use crate::pg::compare::Order;
use crate::pg::receiver::Row;
use crate::pg::spi::Statement;
use crate::pg::table::ident;
use crate::pg::value::Image;
use crate::rules::calendar::Day;
use std::cmp::Ordering;
use std::ops::ControlFlow;

/// All keys seen so far.
pub struct Keys<'a> {
    definition: &'a Definition,
    pub fold: Fold,
    keys: Vec<Vec<Image>>,
    /// Slots in key order.
    sorted: Vec<usize>,
    /// Slots that came in on the current day, with their place in `sorted`.
    added: Vec<(usize, usize)>,
    orders: Vec<Order>,
    /// Where in `sorted` the last row of the current day was.
    at: usize,
    /// What all keys take in memory.
    bytes: usize,
}

/// What to go through.
pub struct Passage<'a> {
    pub definition: &'a Definition,
    pub base: Option<Base>,
    /// The first day whose daily rows are read; days before `first` only fill the arrays.
    pub read_from: Day,
    pub first: Day,
    pub last: Day,
    /// Bytes that the keys may take.
    pub budget: usize,
}

/// How it went.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// All days up to this one are done.
    Through(Day),
    /// Not even one day is done, because the keys do not fit the budget.
    Nothing,
    /// Nothing has been done, for the base has not the rows that the ledger says but so many.
    BaseDiffers(i64),
}

/// What the base was like.
enum Loaded {
    Whole,
    TooLarge,
    Differs(i64),
}

/// Calls `day_done` for each day from the first.
pub fn run(
    passage: &Passage,
    serial: bool,
    mut day_done: impl FnMut(&mut Keys, Day) -> Result<(), Error>,
) -> Result<Passed, Error> {
    let mut keys = Keys::new(passage.definition);
    match keys.load(passage)? {
        Loaded::Whole => {}
        Loaded::TooLarge => return Ok(Passed::Nothing),
        Loaded::Differs(rows) => return Ok(Passed::BaseDiffers(rows)),
    }
    let mut day = passage.read_from;
    let mut finish = |keys: &mut Keys, day: &mut Day| {
        keys.end_day();
        if *day >= passage.first {
            day_done(keys, *day)?;
        }
        *day = day.plus(1);
        keys.weigh();
        Ok(keys.bytes <= passage.budget)
    };
    let (mut ticker, mut fits) = (Ticker::default(), true);
    keys.daily(passage).serial_if(serial).each_until(|row| {
        ticker.tick();
        let row_day = row.get(0).unwrap_or_default();
        while fits && day < row_day {
            fits = finish(&mut keys, &mut day)?;
        }
        if fits {
            keys.take(&row, row_day);
            fits = keys.bytes <= passage.budget;
        }
        Ok(if fits { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    while fits && day <= passage.last {
        fits = finish(&mut keys, &mut day)?;
    }
    let done = day.minus(1);
    Ok(if done >= passage.first { Passed::Through(done) } else { Passed::Nothing })
}

impl<'a> Keys<'a> {
    fn new(definition: &'a Definition) -> Self {
        Keys {
            definition,
            fold: Fold::new(definition),
            keys: Vec::new(),
            sorted: Vec::new(),
            added: Vec::new(),
            orders: definition.keys.iter().filter_map(|key| Order::of(key.layout.oid, key.collation)).collect(),
            at: 0,
            bytes: 0,
        }
    }

    /// Loads the base snapshot, as far as it fits the budget.
    fn load(&mut self, passage: &Passage) -> Result<Loaded, Error> {
        let Some(base) = passage.base else { return Ok(Loaded::Whole) };
        let columns: Vec<String> = self.definition.metrics.iter().map(|metric| ident(&metric.array_column())).collect();
        let keys = self.definition.key_list("");
        let sql = format!(
            "SELECT {keys}, {} FROM {} WHERE {SNAPSHOT_DATE} = DATE '{}' ORDER BY {keys}",
            columns.join(", "),
            self.definition.target.sql(),
            base.day
        );
        let width = self.definition.keys.len();
        let mut ticker = Ticker::default();
        Statement::new(&sql).each_until(|row| {
            ticker.tick();
            let slot = self.add(&row, 0);
            self.sorted.push(slot);
            self.fold.load(slot, base.day, |index| row.datum(width + index))?;
            self.bytes += self.bytes_of(slot);
            Ok(if self.bytes <= passage.budget { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let rows = self.sorted.len() as i64;
        Ok(match self.bytes <= passage.budget {
            false => Loaded::TooLarge,
            true if rows != base.rows => Loaded::Differs(rows),
            true => Loaded::Whole,
        })
    }

    fn daily(&self, passage: &Passage) -> Statement<'static> {
        let keys = self.definition.key_list("");
        let metrics: Vec<String> = self.definition.metrics.iter().map(|metric| ident(&metric.daily_column)).collect();
        Statement::new(&format!(
            "SELECT {SNAPSHOT_DATE}, {keys}, {} FROM {}
             WHERE {SNAPSHOT_DATE} BETWEEN DATE '{}' AND DATE '{}' ORDER BY {SNAPSHOT_DATE}, {}",
            metrics.join(", "),
            self.definition.daily.sql(),
            passage.read_from,
            passage.last,
            self.definition.key_places(1)
        ))
    }

    /// Takes a daily row; rows of a day come in key order, so its key is found by going on from the last one.
    fn take(&mut self, row: &Row, day: Day) {
        const FIRST_KEY: usize = 1;
        let mut slot = None;
        while let Some(candidate) = self.sorted.get(self.at).copied() {
            match self.compare(candidate, row, FIRST_KEY) {
                Ordering::Less => self.at += 1,
                Ordering::Equal => {
                    slot = Some(candidate);
                    break;
                }
                Ordering::Greater => break,
            }
        }
        let known = slot.is_some();
        let slot = slot.unwrap_or_else(|| self.add(row, FIRST_KEY));
        let metrics = FIRST_KEY + self.definition.keys.len();
        self.fold.event(slot, day, |index| row.datum(metrics + index));
        if !known {
            self.added.push((self.at, slot));
            self.bytes += self.bytes_of(slot);
        }
    }

    fn compare(&mut self, slot: usize, row: &Row, first_key: usize) -> Ordering {
        for (index, order) in self.orders.iter_mut().enumerate() {
            let value = row.some(first_key + index);
            let ordering = order.compare(self.keys[slot][index].datum(), value);
            if ordering.is_ne() {
                return ordering;
            }
        }
        Ordering::Equal
    }

    fn add(&mut self, row: &Row, first_key: usize) -> usize {
        let keys = self.definition.keys.iter().enumerate();
        let value = |index| row.some(first_key + index);
        self.keys.push(keys.map(|(index, key)| Image::of(key.layout, value(index))).collect());
        self.fold.add_slot()
    }

    /// Puts the day's new keys into their places.
    fn end_day(&mut self) {
        self.at = 0;
        if self.added.is_empty() {
            return;
        }
        let mut merged = Vec::with_capacity(self.sorted.len() + self.added.len());
        let mut from = 0;
        for (place, slot) in self.added.drain(..) {
            merged.extend_from_slice(&self.sorted[from..place]);
            merged.push(slot);
            from = place;
        }
        merged.extend_from_slice(&self.sorted[from..]);
        self.sorted = merged;
    }

    /// Calls `each` for every key that has a row in the snapshot of `day`, in key order.
    pub fn rows(
        &mut self,
        day: Day,
        mut each: impl FnMut(&Fold, usize, &[Image]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for slot in paced(self.sorted.iter()) {
            self.fold.roll(*slot, day);
            if self.fold.has_row(*slot, day) {
                each(&self.fold, *slot, &self.keys[*slot])?;
            }
        }
        Ok(())
    }

    /// Each key is weighed, for one is not like another: how long its arrays are depends on its age.
    fn weigh(&mut self) {
        self.bytes = self.sorted.iter().map(|slot| self.bytes_of(*slot)).sum();
    }

    fn bytes_of(&self, slot: usize) -> usize {
        let key = self.keys[slot].iter().map(|image| size_of::<Image>() + image.heap_bytes()).sum::<usize>();
        // Its places in `sorted`, twice while new keys are put in.
        let places = 2 * size_of::<usize>();
        self.fold.bytes(slot) + size_of::<Vec<Image>>() + key + places
    }
}
