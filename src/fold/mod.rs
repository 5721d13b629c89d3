//! The state of keys on their way through the days: typed arrays behind one interface.

pub mod by_day;
pub mod by_key;
pub mod codec;
pub mod in_step;
pub mod key_change;
mod lane;
pub mod stream;

use crate::catalog::Definition;
use crate::error::Error;
use crate::pg::identity::check_for_interrupts;
use crate::pg::value::{Datum, Made};
use crate::rules::calendar::Day;
use crate::rules::window::Shape;
use lane::{Lane, lane_for};

/// How far one key has come.
#[derive(Clone, Copy)]
struct Span {
    /// The day that the arrays end with; None while the key has not been seen.
    day: Option<Day>,
    last_event: Day,
}

const UNSEEN: Span = Span { day: None, last_event: Day::stored(i32::MIN) };

/// Arrays of one key or of many, each in a slot, advanced day by day.
pub struct Fold {
    window: usize,
    padded: bool,
    expire_idle: bool,
    lanes: Vec<Box<dyn Lane>>,
    spans: Vec<Span>,
}

impl Fold {
    pub fn new(definition: &Definition) -> Self {
        let window = definition.window();
        let lanes = definition.metrics.iter().map(|metric| lane_for(metric, &definition.windows)).collect();
        Fold {
            window,
            padded: definition.shape == Shape::Padded,
            expire_idle: definition.expire_idle,
            lanes,
            spans: Vec::new(),
        }
    }

    /// Room for one more key.
    pub fn add_slot(&mut self) -> usize {
        self.lanes.iter_mut().for_each(|lane| lane.add_slot());
        self.spans.push(UNSEEN);
        self.spans.len() - 1
    }

    /// Forgets the key in a slot.
    pub fn reset(&mut self, slot: usize) {
        self.spans[slot] = UNSEEN;
        self.lanes.iter_mut().for_each(|lane| lane.clear(slot));
    }

    /// Starts from the arrays of the snapshot of `day`.
    pub fn load<'r>(
        &mut self,
        slot: usize,
        day: Day,
        arrays: impl Fn(usize) -> Option<Datum<'r>>,
    ) -> Result<(), Error> {
        self.spans[slot] = Span { day: Some(day), last_event: day };
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            if let Some(array) = arrays(index) {
                lane.load(slot, array)?;
            }
        }
        Ok(())
    }

    /// Goes on to a day with events, with that day's metrics.
    pub fn event<'r>(&mut self, slot: usize, day: Day, metrics: impl Fn(usize) -> Option<Datum<'r>>) {
        if self.spans[slot].day.is_some() {
            self.roll(slot, day.minus(1));
        }
        let first = self.spans[slot].day.is_none();
        self.spans[slot] = Span { day: Some(day), last_event: day };
        let pad = first && self.padded;
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            lane.shift(slot, metrics(index), pad);
        }
    }

    /// Goes on to a day without an event since.
    pub fn roll(&mut self, slot: usize, day: Day) {
        let Some(at) = self.spans[slot].day else { return };
        let idle = usize::try_from(day.since(at)).unwrap_or(0);
        if idle > 0 {
            self.lanes.iter_mut().for_each(|lane| lane.idle(slot, idle));
            self.spans[slot].day = Some(day);
        }
    }

    /// Whether the key has a row in the snapshot of `day`, to which it has been rolled.
    pub fn has_row(&self, slot: usize, day: Day) -> bool {
        let span = &self.spans[slot];
        span.day.is_some() && !(self.expire_idle && day.since(span.last_event) >= self.window as i32)
    }

    /// Days in the key's arrays.
    pub fn length(&self, slot: usize) -> usize {
        self.lanes.first().map_or(0, |lane| lane.length(slot))
    }

    /// Appends arrays and totals, made in the current memory context.
    pub fn emit(&self, slot: usize, values: &mut Vec<Option<Made>>) -> Result<(), Error> {
        self.lanes.iter().try_for_each(|lane| lane.emit(slot, values))
    }

    /// Bytes of memory that a slot takes.
    pub fn bytes(&self, slot: usize) -> usize {
        size_of::<Span>() + self.lanes.iter().map(|lane| lane.bytes(slot)).sum::<usize>()
    }
}

/// Rows, or elements of an array, after which a loop answers cancel.
const STEPS_BETWEEN_CHECKS: u64 = 1024;

/// Counts steps and answers cancel every now and then.
#[derive(Default)]
pub struct Ticker(u64);

impl Ticker {
    #[inline]
    pub fn tick(&mut self) {
        self.0 += 1;
        if self.0.is_multiple_of(STEPS_BETWEEN_CHECKS) {
            check_for_interrupts();
        }
    }
}

/// The items of a loop that may be long, which answers cancel on the way.
pub fn paced<I: Iterator>(items: I) -> impl Iterator<Item = I::Item> {
    let mut ticker = Ticker::default();
    items.inspect(move |_| ticker.tick())
}
