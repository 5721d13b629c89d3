//! The profile "uniform": product, event type and day are equally likely and independent.

use super::demand::{DayCounts, spread};
use super::draw::{Generator, below};
use super::{Event, EventType, Plan};

const EVENT_TYPES: [EventType; 3] = [EventType::Sell, EventType::Return, EventType::Reorder];

pub struct Uniform {
    random: Generator,
    products: u64,
    later_days: DayCounts,
    today: u32,
    left_today: u64,
}

impl Uniform {
    pub fn new(plan: Plan, mut random: Generator) -> Uniform {
        let weights = vec![1; plan.days as usize];
        let later_days = spread(plan.events, &weights, &mut random);
        Uniform { random, products: u64::from(plan.products), later_days, today: 0, left_today: 0 }
    }
}

impl Iterator for Uniform {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        while self.left_today == 0 {
            (self.today, self.left_today) = self.later_days.next()?;
        }
        self.left_today -= 1;
        // One draw decides both: a pair is numbered product * 3 + type.
        let types = EVENT_TYPES.len() as u64;
        let pair = below(&mut self.random, self.products * types);
        Some(Event {
            product_id: (pair / types) as u32 + 1,
            event_type: EVENT_TYPES[(pair % types) as usize],
            day: self.today,
        })
    }
}
