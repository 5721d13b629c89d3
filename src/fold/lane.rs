//! One metric's arrays, in the type that its elements have.

use super::codec::{Any, Codec, Fixed};
use crate::catalog::Metric;
use crate::error::Error;
use crate::pg::compare::Order;
use crate::pg::encoding::ServerText;
use crate::pg::value::{Datum, Made, from_text};
use crate::rules::window::{History, Overflow, Rollup, Total};
use pgrx::pg_sys;
use std::cell::RefCell;

/// One metric of the keys in all slots.
pub trait Lane {
    fn add_slot(&mut self);
    fn clear(&mut self, slot: usize);
    fn load(&mut self, slot: usize, array: Datum) -> Result<(), Error>;
    /// One day on, with the day's value; NULL becomes the zero. `pad` fills the rest of a new array.
    fn shift(&mut self, slot: usize, newest: Option<Datum>, pad: bool);
    fn idle(&mut self, slot: usize, days: usize);
    fn length(&self, slot: usize) -> usize;
    /// Appends the array and its totals.
    fn emit(&self, slot: usize, values: &mut Vec<Option<Made>>) -> Result<(), Error>;
    /// Bytes of memory that the slot takes.
    fn bytes(&self, slot: usize) -> usize;
}

/// Bytes that each allocation takes beside its own.
const HEAP_HEADER: usize = 16;

/// The lane for a metric's element type.
pub fn lane_for(metric: &Metric, windows: &[usize]) -> Box<dyn Lane> {
    match metric.element.oid {
        pg_sys::INT2OID => TypedLane::boxed(Fixed::<i16>::new(), metric, windows),
        pg_sys::INT4OID => TypedLane::boxed(Fixed::<i32>::new(), metric, windows),
        pg_sys::INT8OID => TypedLane::boxed(Fixed::<i64>::new(), metric, windows),
        pg_sys::FLOAT4OID => TypedLane::boxed(Fixed::<f32>::new(), metric, windows),
        pg_sys::FLOAT8OID => TypedLane::boxed(Fixed::<f64>::new(), metric, windows),
        _ => TypedLane::boxed(Any { layout: metric.element }, metric, windows),
    }
}

struct TypedLane<C: Codec> {
    codec: C,
    name: String,
    rollup: Rollup,
    windows: Vec<usize>,
    size: usize,
    zero: Option<C::Element>,
    order: RefCell<Option<Order>>,
    histories: Vec<History<C::Element>>,
}

impl<C: Codec + 'static> TypedLane<C> {
    fn boxed(codec: C, metric: &Metric, windows: &[usize]) -> Box<dyn Lane> {
        let zero = metric
            .zero
            .as_ref()
            .map(|text| codec.read(from_text(metric.element.oid, metric.modifier, &ServerText::of(text))));
        let ordered = matches!(metric.rollup, Rollup::Max | Rollup::Min);
        let order = ordered.then(|| Order::of(metric.element.oid, metric.collation)).flatten();
        Box::new(TypedLane {
            codec,
            name: metric.name.clone(),
            rollup: metric.rollup,
            windows: windows.to_vec(),
            size: windows.iter().copied().max().unwrap_or(1),
            zero,
            order: RefCell::new(order),
            histories: Vec::new(),
        })
    }

    fn total(&self, history: &History<C::Element>, window: usize) -> Result<Option<Made>, Error> {
        let total = history.total(window, self.rollup, |left, right| {
            let (left, right) = (self.codec.view(left), self.codec.view(right));
            self.order.borrow_mut().as_mut().map_or(std::cmp::Ordering::Equal, |order| order.compare(left, right))
        });
        match total {
            Ok(Total::Null) => Ok(None),
            Ok(Total::Sum(sum)) => Ok(Some(self.codec.write_sum(sum))),
            Ok(Total::Mean(mean)) => Ok(Some(self.codec.write_mean(mean))),
            Ok(Total::One(element)) => Ok(Some(self.codec.write(&element))),
            Err(Overflow) => Err(Error::TotalOverflow { of: format!("metric \"{}\"", self.name), total: C::TOTAL }),
        }
    }
}

impl<C: Codec + 'static> Lane for TypedLane<C> {
    fn add_slot(&mut self) {
        self.histories.push(History::new());
    }

    fn clear(&mut self, slot: usize) {
        self.histories[slot].clear();
    }

    fn load(&mut self, slot: usize, array: Datum) -> Result<(), Error> {
        let values = self.histories[slot].values_mut();
        values.clear();
        self.codec.read_array(array, self.size, values)
    }

    fn shift(&mut self, slot: usize, newest: Option<Datum>, pad: bool) {
        let newest = newest.map(|value| self.codec.read(value)).or_else(|| self.zero.clone());
        let history = &mut self.histories[slot];
        history.shift(newest, self.size);
        if pad {
            history.pad(&self.zero, self.size);
        }
    }

    fn idle(&mut self, slot: usize, days: usize) {
        self.histories[slot].shift_idle(days, &self.zero, self.size);
    }

    fn length(&self, slot: usize) -> usize {
        self.histories[slot].values().len()
    }

    fn emit(&self, slot: usize, values: &mut Vec<Option<Made>>) -> Result<(), Error> {
        let history = &self.histories[slot];
        values.push(Some(self.codec.write_array(history.values())));
        if self.rollup != Rollup::None {
            for window in &self.windows {
                values.push(self.total(history, *window)?);
            }
        }
        Ok(())
    }

    fn bytes(&self, slot: usize) -> usize {
        let values = self.histories[slot].values();
        let elements = values.iter().flatten().map(|value| self.codec.heap_bytes(value)).sum::<usize>();
        let room = self.histories[slot].capacity() * size_of::<Option<C::Element>>();
        size_of::<History<C::Element>>() + HEAP_HEADER + room + elements
    }
}
