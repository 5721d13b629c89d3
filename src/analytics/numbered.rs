//! Keys by number, as the days in which they come are read.

use super::Subject;
use crate::catalog::Key;
use crate::error::Error;
use crate::pg::compare::Order;
use crate::pg::receiver::Row;
use crate::pg::spi::{Param, Prepared};
use crate::pg::value::{Image, Layout};
use pgrx::pg_sys::{self, Oid};
use std::cmp::Ordering;
use std::collections::HashMap;

/// The values of a key's columns.
pub type Columns = Box<[Image]>;

/// All keys that have been read.
pub struct Numbered {
    layouts: Vec<Layout>,
    orders: Vec<Order>,
    /// The same with texts by their bytes, for collations differ between machines.
    everywhere: Vec<Order>,
    keys: Vec<Columns>,
    /// Numbers in the order of the key columns.
    sorted: Vec<u32>,
    /// Numbers by what is stored: two rows can have the same key in different bytes.
    by_bytes: HashMap<Box<[u8]>, u32>,
    /// The bytes of the row that was looked up last.
    bytes: Vec<u8>,
    heap: usize,
}

/// A key whose bytes have not been read before.
pub struct Unknown {
    columns: Columns,
    bytes: Box<[u8]>,
}

impl Numbered {
    pub fn of(keys: &[Key]) -> Self {
        Numbered {
            layouts: keys.iter().map(|key| key.layout).collect(),
            orders: keys.iter().filter_map(|key| Order::of(key.layout.oid, key.collation)).collect(),
            everywhere: keys.iter().filter_map(|key| Order::of(key.layout.oid, by_bytes(key.collation))).collect(),
            keys: Vec::new(),
            sorted: Vec::new(),
            by_bytes: HashMap::new(),
            bytes: Vec::new(),
            heap: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Bytes of memory.
    pub fn size(&self) -> usize {
        // A key's place in each list, and in the map with its free places.
        const PLACES: usize = size_of::<Columns>() + size_of::<u32>() + 2 * size_of::<(Box<[u8]>, u32)>();
        self.heap + PLACES * self.by_bytes.len()
    }

    /// The number of the key of a row, whose columns begin at `first`.
    pub fn find(&mut self, row: &Row, first: usize) -> Option<usize> {
        self.bytes.clear();
        for (column, layout) in self.layouts.iter().enumerate() {
            let value = row.some(first + column);
            if layout.by_value {
                self.bytes.extend_from_slice(&value.value().to_le_bytes());
            } else {
                layout.bytes(value, |bytes| {
                    self.bytes.extend_from_slice(&bytes.len().to_le_bytes());
                    self.bytes.extend_from_slice(bytes);
                });
            }
        }
        self.by_bytes.get(self.bytes.as_slice()).map(|number| *number as usize)
    }

    /// A copy of the row that was not found.
    pub fn unknown(&mut self, row: &Row, first: usize) -> Unknown {
        let column = |(column, layout): (usize, &Layout)| Image::of(*layout, row.some(first + column));
        let columns: Columns = self.layouts.iter().enumerate().map(column).collect();
        let heap: usize = columns.iter().map(Image::heap_bytes).sum();
        self.heap += heap + columns.len() * size_of::<Image>() + self.bytes.len();
        Unknown { columns, bytes: self.bytes.as_slice().into() }
    }

    /// Gives numbers to the unknown keys of one day, in an order that is the same on every machine, whatever the order
    /// in which they came. `number` makes a new one, or is told the one that a key has.
    pub fn settle<T>(&mut self, mut unknown: Vec<(Unknown, T)>, mut number: impl FnMut(Option<usize>, T) -> usize) {
        let everywhere = &mut self.everywhere;
        unknown.sort_by(|one, other| compare(everywhere, &one.0.columns, &other.0.columns));
        let mut new = Vec::new();
        for (Unknown { columns, bytes }, value) in unknown {
            let known = self.number(&columns);
            let key = number(known, value);
            if known.is_none() {
                new.push(key as u32);
                self.keys.push(columns);
            }
            self.by_bytes.insert(bytes, key as u32);
        }
        self.sort_in(new);
    }

    fn sort_in(&mut self, mut new: Vec<u32>) {
        let (orders, keys) = (&mut self.orders, &self.keys);
        let mut compare = |one: u32, other: u32| compare(orders, &keys[one as usize], &keys[other as usize]);
        new.sort_by(|one, other| compare(*one, *other));
        let mut sorted = Vec::with_capacity(self.sorted.len() + new.len());
        let mut rest = self.sorted.as_slice();
        for key in new {
            let (before, after) = rest.split_at(rest.partition_point(|known| compare(*known, key).is_lt()));
            sorted.extend_from_slice(before);
            sorted.push(key);
            rest = after;
        }
        sorted.extend_from_slice(rest);
        self.sorted = sorted;
    }

    /// Numbers in the order of the key columns.
    pub fn in_order(&self) -> &[u32] {
        &self.sorted
    }

    /// The number of a key.
    pub fn number(&mut self, columns: &[Image]) -> Option<usize> {
        let (orders, keys) = (&mut self.orders, &self.keys);
        let place = self.sorted.binary_search_by(|known| compare(orders, &keys[*known as usize], columns));
        place.ok().map(|place| self.sorted[place] as usize)
    }

    pub fn columns(&self, number: usize) -> &[Image] {
        &self.keys[number]
    }
}

/// The collation that orders texts by their bytes, where there is any.
fn by_bytes(collation: Oid) -> Oid {
    if collation == Oid::INVALID { collation } else { pg_sys::C_COLLATION_OID }
}

fn compare(orders: &mut [Order], left: &[Image], right: &[Image]) -> Ordering {
    let columns = orders.iter_mut().zip(left.iter().zip(right));
    let mut compared = columns.map(|(order, (left, right))| order.compare(left.datum(), right.datum()));
    compared.find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
}

/// Writes keys as jsonb objects.
pub struct KeyWriter {
    layouts: Vec<Layout>,
    statement: Prepared,
}

impl KeyWriter {
    pub fn of(subject: &Subject) -> Self {
        let layouts: Vec<Layout> = subject.definition.keys.iter().map(|key| key.layout).collect();
        let types: Vec<Oid> = layouts.iter().map(|layout| layout.oid).collect();
        KeyWriter { layouts, statement: Prepared::new(&format!("SELECT {}", subject.key_json("$")), &types) }
    }

    /// The key as jsonb.
    pub fn write(&self, columns: &[Image]) -> Result<Image, Error> {
        let params: Vec<Param> = self.layouts.iter().zip(columns).map(param).collect();
        let jsonb = Layout::of(pg_sys::JSONBOID);
        let written = self.statement.first(&params, |row| row.datum(0).map(|key| Image::of(jsonb, key)));
        written.flatten().ok_or(Error::NullArgument { argument: "key" })
    }
}

fn param<'a>((layout, image): (&Layout, &'a Image)) -> Param<'a> {
    Param { oid: layout.oid, value: Some(image.datum()) }
}
