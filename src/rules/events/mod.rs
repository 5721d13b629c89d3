//! The mock event generator: a stream of sales events that is the same for the same plan on every
//! machine, build and version.
//!
//! A [`Plan`] says how many events, over how many products and days, from which seed, in which
//! profile. [`generate`] yields exactly that many events, the earlier day first, as a loader sees
//! them.
//!
//! **uniform**: product, event type and day are each equally likely and independent.
//!
//! **retail**: what a shop's data looks like.
//!
//! - *Popularity* (`popularity`): the product of rank r sells 1/r as often as the best seller;
//!   which product has which rank depends on the seed. Of 1,000 products the best ten make two
//!   fifths of all sells.
//! - *Days* (`demand`): a Saturday has 1.65 times the events of a Tuesday, the week before
//!   Christmas 2.5 times those of the first of January, the last day of the period 1.5 times those
//!   of the first; luck moves each day by up to a tenth.
//! - *Follow-ups* (`follow_ups`): of 100 sells 8 are returned after 1 to 21 days (nine of ten
//!   within 14) and 19 are reordered after 7 to 61 days (around a month). Over a year returns are
//!   6% of the events and reorders 13%; a short period has fewer reorders, for they come late. Each
//!   follows a sell of its product on an earlier day.
//! - *Anomalies* (`anomalies`): 60 days or more have an outage, a promotion and a stockout;
//!   [`anomalies_of`] says when and of which product.
//!
//! Memory: a few words per day, some 4,600 groups of products at most, and a backlog of follow-ups
//! that reaches its limit of about 30 MB at half a million events a day.
//!
//! Why the values stay the same: the random numbers come from a generator that is named and
//! documented as reproducible, they are mapped here and not by a library's distributions, and no
//! step uses floating point. The checksums in the tests hold this: a change that moves them changes
//! everybody's data for the same seed, and belongs in the release notes.

mod anomalies;
mod demand;
mod draw;
mod follow_ups;
mod popularity;
mod retail;
#[cfg(test)]
mod tests;
mod uniform;

pub use anomalies::{Anomalies, anomalies_of};
use draw::Generator;
use rand::SeedableRng;
use retail::Retail;
use uniform::Uniform;

/// What to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Events to yield: exactly this many, or none when there are no products or no days.
    pub events: u64,
    /// Products are numbered from 1 to this.
    pub products: u32,
    /// Days of the period, numbered from 0.
    pub days: u32,
    /// Weekday of day 0; 0 is Monday.
    pub first_weekday: u8,
    /// Day of the year of day 0; 0 is 1 January.
    pub first_day_of_year: u16,
    pub seed: u64,
    pub profile: Profile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Uniform,
    Retail,
}

impl Profile {
    /// What a user may type.
    pub const NAMES: &'static [&'static str] = &["uniform", "retail"];

    pub fn from_name(name: &str) -> Option<Profile> {
        match name {
            "uniform" => Some(Profile::Uniform),
            "retail" => Some(Profile::Retail),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    Sell,
    Return,
    Reorder,
}

impl EventType {
    pub fn as_str(self) -> &'static str {
        match self {
            EventType::Sell => "sell",
            EventType::Return => "return",
            EventType::Reorder => "reorder",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// From 1 to the plan's products.
    pub product_id: u32,
    pub event_type: EventType,
    /// From 0 to one less than the plan's days.
    pub day: u32,
}

/// The events of a plan, ordered by day.
///
/// No step takes long (the tables made before the first cost some milliseconds), so a caller may
/// look for an interrupt between any two.
pub fn generate(plan: Plan) -> impl Iterator<Item = Event> {
    let random = Generator::seed_from_u64(plan.seed);
    let plan = Plan { events: if plan.products == 0 { 0 } else { plan.events }, ..plan };
    match plan.profile {
        Profile::Uniform => Events::Uniform(Uniform::new(plan, random)),
        Profile::Retail => Events::Retail(Box::new(Retail::new(plan, random))),
    }
}

enum Events {
    Uniform(Uniform),
    Retail(Box<Retail>),
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        match self {
            Events::Uniform(events) => events.next(),
            Events::Retail(events) => events.next(),
        }
    }
}
