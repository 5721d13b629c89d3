//! How many events each day gets.

use super::Plan;
use super::anomalies::{Anomalies, PROMOTION_FACTOR, promoted_rank};
use super::draw::{Generator, WeightedChoice, below};
use super::popularity::{Popularity, weight_of_rank};

/// Each day of the period, in order, with its number of events.
pub type DayCounts = std::vec::IntoIter<(u32, u64)>;

/// Events beyond this many are spread by weight alone. Up to it each falls on a day by itself, with
/// the scatter that independent events have; above it that scatter is too small to matter and would
/// take time before the first event.
const SCATTERED_EVENTS: u64 = 1 << 20;

/// Factors of demand are in thousandths.
const ONE: u64 = 1_000;

/// Monday to Sunday.
const WEEK: [u64; 7] = [900, 850, 880, 950, 1_100, 1_400, 1_250];

/// Turning points of the year, as (day of the year, factor); straight lines between them. A quiet
/// January, a summer dip, the climb from late November to the week before Christmas, and the fall
/// after it.
const SEASON: [(u64, u64); 9] =
    [(0, 800), (45, 850), (150, 1_000), (205, 900), (300, 1_050), (325, 1_300), (350, 2_000), (357, 2_000), (366, 800)];

/// The mean year in ten-thousandths of a day: the season does not drift through a long period.
const YEAR: u64 = 3_652_425;
const YEAR_UNITS_PER_DAY: u64 = 10_000;

/// What the last day of the period has over the first.
const GROWTH: u64 = 500;

/// Luck moves a day by as much as this, up or down.
const LUCK: u64 = 100;

/// What an outage leaves of a day.
const OUTAGE: u64 = 20;

/// Shares the events out over the days in proportion to their weights; the sum is exactly `events`,
/// or nothing when there are no days.
pub fn spread(events: u64, weights: &[u64], random: &mut Generator) -> DayCounts {
    if weights.is_empty() {
        return Vec::new().into_iter();
    }
    let scattered = events.min(SCATTERED_EVENTS);
    let mut days = shares_by_weight(events - scattered, weights);
    let choice = WeightedChoice::new(weights);
    for _ in 0..scattered {
        days[choice.draw(random)].1 += 1;
    }
    days.into_iter()
}

/// Rounds the running total and not the shares, so that nothing is lost or added.
fn shares_by_weight(events: u64, weights: &[u64]) -> Vec<(u32, u64)> {
    let total: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
    let (mut weight_so_far, mut events_so_far) = (0, 0);
    (0..)
        .zip(weights)
        .map(|(day, &weight)| {
            weight_so_far += u128::from(weight);
            let before = events_so_far;
            events_so_far = (u128::from(events) * weight_so_far / total) as u64;
            (day, events_so_far - before)
        })
        .collect()
}

/// The weight of each day of the profile "retail".
pub fn retail_weights(
    plan: &Plan,
    anomalies: Option<&Anomalies>,
    popularity: &Popularity,
    random: &mut Generator,
) -> Vec<u64> {
    let mut weights: Vec<u64> = (0..plan.days).map(|day| ordinary_weight(plan, day, random)).collect();
    if let Some(anomalies) = anomalies {
        let outage = &mut weights[anomalies.outage_day as usize];
        *outage = *outage * OUTAGE / ONE;
        // Additional sells of one product come on top of everybody else's.
        let promotion = &mut weights[anomalies.promotion_day as usize];
        let (ordinary, added) = (popularity.total_weight(), promotion_weight(plan.products));
        *promotion = (u128::from(*promotion) * u128::from(ordinary + added) / u128::from(ordinary)) as u64;
    }
    weights
}

/// What the promotion adds to the weight that the product has anyway.
pub fn promotion_weight(products: u32) -> u64 {
    (PROMOTION_FACTOR - 1) * weight_of_rank(promoted_rank(products))
}

fn ordinary_weight(plan: &Plan, day: u32, random: &mut Generator) -> u64 {
    let luck = ONE - LUCK + below(random, 2 * LUCK + 1);
    weekly_factor(plan, day) * yearly_factor(plan, day) * growth_factor(plan, day) / ONE * luck / ONE
}

fn weekly_factor(plan: &Plan, day: u32) -> u64 {
    let weekday = (u64::from(plan.first_weekday) + u64::from(day)) % 7;
    WEEK[weekday as usize]
}

fn yearly_factor(plan: &Plan, day: u32) -> u64 {
    let days = u64::from(plan.first_day_of_year) + u64::from(day);
    let day_of_year = days * YEAR_UNITS_PER_DAY % YEAR / YEAR_UNITS_PER_DAY;
    let next = SEASON.partition_point(|&(turning_day, _)| turning_day <= day_of_year);
    let ((from_day, from), (to_day, to)) = (SEASON[next - 1], SEASON[next]);
    (from * (to_day - day_of_year) + to * (day_of_year - from_day)) / (to_day - from_day)
}

fn growth_factor(plan: &Plan, day: u32) -> u64 {
    let last_day = u64::from(plan.days.saturating_sub(1)).max(1);
    ONE + GROWTH * u64::from(day) / last_day
}

#[cfg(test)]
mod tests {
    use super::super::Profile;
    use super::*;
    use rand::SeedableRng;

    const YEAR_2024: Plan = Plan {
        events: 1,
        products: 1_000,
        days: 366,
        first_weekday: 0,
        first_day_of_year: 0,
        seed: 1,
        profile: Profile::Retail,
    };

    fn counts(events: u64, weights: &[u64]) -> Vec<u64> {
        spread(events, weights, &mut Generator::seed_from_u64(1)).map(|(_, count)| count).collect()
    }

    #[test]
    fn every_event_gets_a_day() {
        let weights: Vec<u64> = (1..=366).collect();
        for events in [0, 1, 1_000, SCATTERED_EVENTS, SCATTERED_EVENTS + 1, 10_000_000, u64::MAX] {
            assert_eq!(
                counts(events, &weights).iter().map(|&count| u128::from(count)).sum::<u128>(),
                u128::from(events)
            );
        }
        assert!(counts(5, &[]).is_empty());
    }

    #[test]
    fn the_days_come_in_order_and_none_is_left_out() {
        let days: Vec<u32> = spread(3, &[1; 400], &mut Generator::seed_from_u64(1)).map(|(day, _)| day).collect();
        assert_eq!(days, (0..400).collect::<Vec<u32>>());
    }

    #[test]
    fn the_counts_follow_the_weights() {
        for events in [1_000_000, 1_000_000_000] {
            let counts = counts(events, &[1, 2, 3, 4]);
            for (count, weight) in counts.iter().zip(1..) {
                let expected = events / 10 * weight;
                assert!(count.abs_diff(expected) < 5 * SCATTERED_EVENTS.isqrt(), "{counts:?}");
            }
        }
    }

    #[test]
    fn the_season_peaks_before_christmas_in_every_year_of_a_century() {
        let plan = Plan { days: 36_525, ..YEAR_2024 };
        for year in 0..100 {
            let first = year * 36_525 / 100;
            let peak = (first..first + 365).max_by_key(|&day| yearly_factor(&plan, day)).unwrap();
            assert!((348..=359).contains(&(peak - first)), "year {year}: day {}", peak - first);
        }
    }

    #[test]
    fn any_first_day_has_a_season_and_a_weekday() {
        for first in [0, 364, 365, 366, u16::MAX] {
            let plan = Plan { first_day_of_year: first, first_weekday: u8::MAX, ..YEAR_2024 };
            assert!((0..800).all(|day| (800..=2_000).contains(&yearly_factor(&plan, day))));
            assert!((0..800).all(|day| (850..=1_400).contains(&weekly_factor(&plan, day))));
        }
    }

    #[test]
    fn a_single_day_and_the_longest_period_have_weights() {
        for days in [1, 40_000] {
            let plan = Plan { days, ..YEAR_2024 };
            let popularity = Popularity::new(plan.products, plan.seed);
            let weights = retail_weights(&plan, None, &popularity, &mut Generator::seed_from_u64(1));
            assert_eq!(weights.len(), days as usize);
            assert!(weights.iter().all(|&weight| weight > 0));
        }
    }
}
