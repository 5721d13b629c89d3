//! In step: yesterday's rows as they lie in their table and today's in key order, side by side. Cheaper than by key, as
//! no index is read and nothing is held; possible when yesterday's rows lie in key order, which is seen on the way.

use super::{Fold, Ticker};
use crate::catalog::Definition;
use crate::catalog::definition::SNAPSHOT_DATE;
use crate::error::Error;
use crate::pg::compare::Order;
use crate::pg::cursor::Cursor;
use crate::pg::receiver::Row;
use crate::pg::spi::Statement;
use crate::pg::table::ident;
use crate::pg::value::{Datum, Image, Layout, emptied};
use crate::rules::calendar::Day;
use std::cmp::Ordering;
use std::ops::ControlFlow;

/// How it went.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Steps {
    /// With so many rows of yesterday.
    Done(i64),
    /// Yesterday's rows do not lie in key order: what has been written so far is of no use.
    OutOfOrder,
}

/// Calls `each` for every key of `day`'s snapshot, in key order, with the fold in that day. `partition` has the rows of
/// `base` and no others.
pub fn run(
    definition: &Definition,
    base: Day,
    partition: Option<String>,
    day: Day,
    mut each: impl FnMut(&Fold, &[Datum]) -> Result<(), Error>,
) -> Result<Steps, Error> {
    let mut pair =
        Pair { fold: Fold::new(definition), orders: orders(definition), today: Today::open(definition, day) };
    pair.fold.add_slot();
    let width = definition.keys.len();
    let (mut spare, mut last): (Vec<Datum>, Vec<Image>) = (Vec::new(), Vec::new());
    let (mut ticker, mut rows, mut in_order) = (Ticker::default(), 0, true);
    // Parallel workers would bring the rows in no order at all.
    snapshot(definition, base, partition).serial_if(true).each_until(|row| {
        ticker.tick();
        rows += 1;
        let mut key = emptied(std::mem::take(&mut spare));
        key.extend((0..width).map(|index| row.some(index)));
        if !last.is_empty() && pair.compare(&last, &key).is_ge() {
            in_order = false;
            return Ok(ControlFlow::Break(()));
        }
        last.clear();
        last.extend(definition.keys.iter().zip(&key).map(|(column, datum)| Image::of(column.layout, *datum)));
        pair.new_keys(day, Some(&key), &mut each)?;
        pair.known_key(base, day, &key, &row, &mut each)?;
        spare = emptied(key);
        Ok(ControlFlow::Continue(()))
    })?;
    if !in_order {
        return Ok(Steps::OutOfOrder);
    }
    pair.new_keys(day, None, &mut each)?;
    Ok(Steps::Done(rows))
}

fn orders(definition: &Definition) -> Vec<Order> {
    definition.keys.iter().filter_map(|key| Order::of(key.layout.oid, key.collation)).collect()
}

/// The rows of a snapshot as they lie: keys and arrays. The day is the last column of a row, so where it need not be
/// looked at, the totals before it are not taken apart.
fn snapshot(definition: &Definition, base: Day, partition: Option<String>) -> Statement<'static> {
    let arrays: Vec<String> = definition.metrics.iter().map(|metric| ident(&metric.array_column())).collect();
    let from =
        partition.unwrap_or_else(|| format!("{} WHERE {SNAPSHOT_DATE} = DATE '{base}'", definition.target.sql()));
    Statement::new(&format!("SELECT {}, {} FROM {from}", definition.key_list(""), arrays.join(", ")))
}

struct Pair {
    fold: Fold,
    orders: Vec<Order>,
    today: Today,
}

impl Pair {
    /// A key of yesterday, with or without events today.
    fn known_key(
        &mut self,
        base: Day,
        day: Day,
        key: &[Datum],
        row: &Row,
        each: &mut impl FnMut(&Fold, &[Datum]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.fold.load(0, base, |index| row.datum(key.len() + index))?;
        if self.today.has_row() && same(&mut self.orders, self.today.keys(), key).is_eq() {
            self.fold.event(0, day, |index| self.today.metric(index));
            self.today.pass();
        } else {
            self.fold.roll(0, day);
        }
        each(&self.fold, key)?;
        self.fold.reset(0);
        Ok(())
    }

    /// Keys of today alone, those before a key of yesterday or all that are left.
    fn new_keys(
        &mut self,
        day: Day,
        before: Option<&[Datum]>,
        each: &mut impl FnMut(&Fold, &[Datum]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        while self.today.has_row() && before.is_none_or(|key| same(&mut self.orders, self.today.keys(), key).is_lt()) {
            self.fold.event(0, day, |index| self.today.metric(index));
            let key: Vec<Datum> = self.today.keys().iter().flatten().map(Image::datum).collect();
            each(&self.fold, &key)?;
            self.fold.reset(0);
            self.today.pass();
        }
        Ok(())
    }

    fn compare(&mut self, left: &[Image], right: &[Datum]) -> Ordering {
        let pairs = self.orders.iter_mut().zip(left).zip(right);
        first_unequal(pairs.map(|((order, left), right)| order.compare(left.datum(), *right)))
    }
}

fn same(orders: &mut [Order], left: &[Option<Image>], right: &[Datum]) -> Ordering {
    let pairs = orders.iter_mut().zip(left.iter().flatten()).zip(right);
    first_unequal(pairs.map(|((order, left), right)| order.compare(left.datum(), *right)))
}

fn first_unequal(mut orderings: impl Iterator<Item = Ordering>) -> Ordering {
    orderings.find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
}

/// Daily rows that are asked for at once: enough that asking costs nothing, few enough to stay in the cache.
const BATCH_ROWS: usize = 500;

/// Today's daily rows in key order, some at a time.
struct Today {
    cursor: Cursor,
    /// Keys and metrics of a row.
    layouts: Vec<Layout>,
    keys: usize,
    /// The values of all rows of the batch, one row behind the other.
    values: Vec<Option<Image>>,
    /// Where the first row begins that has not been passed.
    at: usize,
}

impl Today {
    fn open(definition: &Definition, day: Day) -> Self {
        let keys = definition.key_list("");
        let metrics: Vec<String> = definition.metrics.iter().map(|metric| ident(&metric.daily_column)).collect();
        let cursor = Cursor::open(&format!(
            "SELECT {keys}, {} FROM {} WHERE {SNAPSHOT_DATE} = DATE '{day}' ORDER BY {keys}",
            metrics.join(", "),
            definition.daily.sql()
        ));
        let layouts = definition.keys.iter().map(|key| key.layout);
        let layouts = layouts.chain(definition.metrics.iter().map(|metric| metric.element)).collect();
        let mut today = Today { cursor, layouts, keys: definition.keys.len(), values: Vec::new(), at: 0 };
        today.read();
        today
    }

    fn has_row(&self) -> bool {
        self.at < self.values.len()
    }

    fn keys(&self) -> &[Option<Image>] {
        &self.values[self.at..self.at + self.keys]
    }

    fn metric(&self, index: usize) -> Option<Datum<'_>> {
        self.values[self.at + self.keys + index].as_ref().map(Image::datum)
    }

    fn pass(&mut self) {
        self.at += self.layouts.len();
        if self.at == self.values.len() {
            self.read();
        }
    }

    fn read(&mut self) {
        self.at = 0;
        self.values.clear();
        let (values, layouts) = (&mut self.values, &self.layouts);
        self.cursor.next(BATCH_ROWS, |row| {
            let row = layouts.iter().enumerate().map(|(index, layout)| Some(Image::of(*layout, row.datum(index)?)));
            values.extend(row);
        });
    }
}
