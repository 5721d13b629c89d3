//! What goes wrong, or unusually well, in the profile "retail": always at the same part of the
//! period, so that a test, a demonstration or a reader of a chart knows what to look for.

use super::popularity::{BEST_SELLER_RANK, Shelves};
use super::{Plan, Profile};
use std::ops::Range;

/// A shorter period has none: they would not stand out from it.
const SHORTEST_PERIOD_WITH_ANOMALIES: u32 = 60;

/// How often the promoted product sells on the promotion day, against an ordinary day of that date.
pub const PROMOTION_FACTOR: u64 = 6;

/// The promoted product is popular enough to be seen and still far from the best seller.
const PROMOTED_RANK: u32 = 10;

const STOCKOUT_DAYS: u32 = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomalies {
    /// A quarter into the period: a fiftieth of the usual events; overdue follow-ups come on the
    /// days after it.
    pub outage_day: u32,
    /// Half-way: `promoted_product` sells six times as often as it would.
    pub promotion_day: u32,
    pub promoted_product: u32,
    /// Three quarters into the period, three days: `best_seller` is not sold; returns and reorders
    /// of it go on.
    pub stockout_days: Range<u32>,
    pub best_seller: u32,
}

/// The anomalies of a plan; `None` for the profile "uniform", fewer than 60 days or a single
/// product.
pub fn anomalies_of(plan: &Plan) -> Option<Anomalies> {
    let has_anomalies =
        plan.profile == Profile::Retail && plan.days >= SHORTEST_PERIOD_WITH_ANOMALIES && plan.products > 1;
    if !has_anomalies {
        return None;
    }
    let shelves = Shelves::new(plan.products, plan.seed);
    let quarter = plan.days / 4;
    Some(Anomalies {
        outage_day: quarter,
        promotion_day: plan.days / 2,
        promoted_product: shelves.product_of(promoted_rank(plan.products)),
        stockout_days: 3 * quarter..3 * quarter + STOCKOUT_DAYS,
        best_seller: shelves.product_of(BEST_SELLER_RANK),
    })
}

pub fn promoted_rank(products: u32) -> u32 {
    PROMOTED_RANK.min(products)
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: Plan = Plan {
        events: 1,
        products: 1_000,
        days: 366,
        first_weekday: 0,
        first_day_of_year: 0,
        seed: 1,
        profile: Profile::Retail,
    };

    #[test]
    fn a_year_has_an_outage_a_promotion_and_a_stockout() {
        let found = anomalies_of(&YEAR).unwrap();
        assert_eq!((found.outage_day, found.promotion_day, found.stockout_days), (91, 183, 273..276));
        assert_ne!(found.best_seller, found.promoted_product);
    }

    #[test]
    fn fifty_nine_days_a_single_product_and_uniform_have_none() {
        assert!(anomalies_of(&Plan { days: 60, ..YEAR }).is_some());
        assert_eq!(anomalies_of(&Plan { days: 59, ..YEAR }), None);
        assert_eq!(anomalies_of(&Plan { products: 1, ..YEAR }), None);
        assert_eq!(anomalies_of(&Plan { profile: Profile::Uniform, ..YEAR }), None);
    }

    #[test]
    fn the_anomalies_lie_within_the_period() {
        for days in (60..2_000).chain([u32::MAX]) {
            let found = anomalies_of(&Plan { days, ..YEAR }).unwrap();
            assert!(found.outage_day < found.promotion_day);
            assert!(found.promotion_day < found.stockout_days.start && found.stockout_days.end <= days);
        }
    }

    #[test]
    fn another_seed_has_another_best_seller() {
        let sellers: Vec<u32> =
            (0..5).filter_map(|seed| anomalies_of(&Plan { seed, ..YEAR })).map(|found| found.best_seller).collect();
        assert!(sellers.windows(2).all(|pair| pair[0] != pair[1]), "{sellers:?}");
    }
}
