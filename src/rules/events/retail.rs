//! The profile "retail": sells by popularity, and what follows them.

use super::demand::{DayCounts, promotion_weight, retail_weights, spread};
use super::draw::{Generator, below};
use super::follow_ups::{Backlog, FollowUp, draw_follow_up};
use super::popularity::Popularity;
use super::{Anomalies, Event, EventType, Plan, anomalies_of};

pub struct Retail {
    random: Generator,
    plan: Plan,
    popularity: Popularity,
    anomalies: Option<Anomalies>,
    backlog: Backlog,
    later_days: DayCounts,
    today: Today,
}

/// What is known of a day when it begins, and how much of it is left.
#[derive(Default)]
struct Today {
    day: u32,
    events_left: u64,
    follow_ups_left: u64,
    promoted_product: Option<u32>,
    sold_out_product: Option<u32>,
}

impl Retail {
    pub fn new(plan: Plan, mut random: Generator) -> Retail {
        let popularity = Popularity::new(plan.products, plan.seed);
        let anomalies = anomalies_of(&plan);
        let weights = retail_weights(&plan, anomalies.as_ref(), &popularity, &mut random);
        let later_days = spread(plan.events, &weights, &mut random);
        let (backlog, today) = (Backlog::new(), Today::default());
        Retail { random, plan, popularity, anomalies, backlog, later_days, today }
    }

    fn begin_day(&mut self, day: u32, events: u64) {
        self.backlog.begin_day(day);
        // At least half of a day is sells, even of one that an outage cut short.
        let follow_ups_left = self.backlog.due_today().min(events.div_ceil(2));
        let anomalies = self.anomalies.as_ref();
        self.today = Today {
            day,
            events_left: events,
            follow_ups_left,
            promoted_product: anomalies.filter(|known| known.promotion_day == day).map(|known| known.promoted_product),
            sold_out_product: anomalies
                .filter(|known| known.stockout_days.contains(&day))
                .map(|known| known.best_seller),
        };
    }

    /// Mixes the follow-ups evenly into the day: each of its events is as likely to be one.
    fn draw_follow_up_due(&mut self) -> Option<FollowUp> {
        let places_left = self.today.events_left;
        if below(&mut self.random, places_left) >= self.today.follow_ups_left {
            return None;
        }
        self.today.follow_ups_left -= 1;
        self.backlog.take(&mut self.random)
    }

    fn draw_sell(&mut self) -> u32 {
        let product_id = self.draw_sold_product();
        if let Some((event_type, lag)) = draw_follow_up(&mut self.random) {
            let last_day = self.plan.days - 1;
            if lag <= last_day - self.today.day {
                self.backlog.remember(FollowUp { product_id, event_type }, lag, &mut self.random);
            }
        }
        product_id
    }

    fn draw_sold_product(&mut self) -> u32 {
        if let Some(promoted_product) = self.today.promoted_product {
            let added = promotion_weight(self.plan.products);
            if below(&mut self.random, self.popularity.total_weight() + added) < added {
                return promoted_product;
            }
        }
        loop {
            let product_id = self.popularity.draw_product(&mut self.random);
            if Some(product_id) != self.today.sold_out_product {
                return product_id;
            }
        }
    }
}

impl Iterator for Retail {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        while self.today.events_left == 0 {
            let (day, events) = self.later_days.next()?;
            self.begin_day(day, events);
        }
        let follow_up = self.draw_follow_up_due();
        self.today.events_left -= 1;
        let day = self.today.day;
        Some(match follow_up {
            Some(FollowUp { product_id, event_type }) => Event { product_id, event_type, day },
            None => Event { product_id: self.draw_sell(), event_type: EventType::Sell, day },
        })
    }
}
