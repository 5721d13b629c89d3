//! What holds for the stream as a whole.

use super::*;

const YEAR: Plan = Plan {
    events: 200_000,
    products: 1_000,
    days: 366,
    first_weekday: 0,
    first_day_of_year: 0,
    seed: 1,
    profile: Profile::Retail,
};
const PROFILES: [Profile; 2] = [Profile::Uniform, Profile::Retail];

/// FNV-1a over product, type and day, little-endian.
fn checksum(events: impl Iterator<Item = Event>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for event in events {
        let kind = [event.event_type as u8];
        let bytes = event.product_id.to_le_bytes().into_iter().chain(kind).chain(event.day.to_le_bytes());
        for byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

fn events_per_day(events: &[Event], days: u32) -> Vec<u64> {
    let mut counts = vec![0; days as usize];
    for event in events {
        counts[event.day as usize] += 1;
    }
    counts
}

fn count_of(events: &[Event], wanted: impl Fn(&Event) -> bool) -> u64 {
    events.iter().filter(|event| wanted(event)).count() as u64
}

#[test]
fn the_same_seed_gives_the_same_events_for_ever() {
    let expected = [
        (Profile::Uniform, 1, 0xbf13_cf8e_605d_3501),
        (Profile::Uniform, 42, 0xf268_0304_ae79_f0a7),
        (Profile::Retail, 1, 0xa083_63d8_20c1_e4a6),
        (Profile::Retail, 42, 0xba95_b947_a268_3b92),
    ];
    let found = expected.map(|(profile, seed, _)| {
        let plan = Plan { events: 100_000, seed, profile, ..YEAR };
        (profile, seed, checksum(generate(plan)))
    });
    assert_eq!(found, expected, "{found:#x?}");
}

#[test]
fn any_plan_gives_its_number_of_events_in_range_and_in_order() {
    for profile in PROFILES {
        for days in [1, 2, 59, 60, 61, 400] {
            for products in [1, 2, 9, 10, 11, 5_000, u32::MAX] {
                for events in [0, 1, 2, 100, 3_000] {
                    let plan = Plan { events, products, days, profile, ..YEAR };
                    let found: Vec<Event> = generate(plan).collect();
                    assert_eq!(found.len() as u64, events, "{plan:?}");
                    assert!(found.iter().all(|event| (1..=products).contains(&event.product_id)), "{plan:?}");
                    assert!(found.iter().all(|event| event.day < days), "{plan:?}");
                    assert!(found.is_sorted_by_key(|event| event.day), "{plan:?}");
                }
            }
        }
    }
}

#[test]
fn a_plan_without_products_or_days_gives_nothing() {
    for profile in PROFILES {
        assert_eq!(generate(Plan { products: 0, profile, ..YEAR }).count(), 0);
        assert_eq!(generate(Plan { days: 0, profile, ..YEAR }).count(), 0);
    }
}

#[test]
fn the_largest_plan_begins_at_once() {
    for profile in PROFILES {
        let plan = Plan { events: u64::MAX, products: u32::MAX, days: 40_000, profile, ..YEAR };
        assert_eq!(generate(plan).take(100_000).filter(|event| event.day == 0).count(), 100_000);
    }
}

#[test]
fn four_billion_products_are_used_over_their_whole_range() {
    for profile in PROFILES {
        let plan = Plan { events: 100_000, products: u32::MAX, profile, ..YEAR };
        let high = generate(plan).filter(|event| event.product_id > u32::MAX / 2).count();
        assert!((40_000..60_000).contains(&high), "{profile:?}: {high}");
    }
}

#[test]
fn another_seed_gives_other_events() {
    for profile in PROFILES {
        let plan = Plan { events: 1_000, profile, ..YEAR };
        assert!(!generate(plan).eq(generate(Plan { seed: 2, ..plan })));
        assert!(generate(plan).eq(generate(plan)));
    }
}

#[test]
fn profiles_are_found_by_the_names_that_a_user_may_type() {
    let found: Vec<Option<Profile>> = Profile::NAMES.iter().map(|name| Profile::from_name(name)).collect();
    assert_eq!(found, PROFILES.map(Some));
    assert_eq!(Profile::from_name("Retail"), None);
}

#[test]
fn uniform_days_products_and_types_are_equally_likely() {
    let plan = Plan { products: 100, days: 100, profile: Profile::Uniform, ..YEAR };
    let events: Vec<Event> = generate(plan).collect();
    let mut of_product = vec![0; 100];
    let mut of_type = [0; 3];
    for event in &events {
        of_product[event.product_id as usize - 1] += 1;
        of_type[event.event_type as usize] += 1;
    }
    let of_day = events_per_day(&events, plan.days);
    assert!(of_product.iter().chain(&of_day).all(|count| (1_800..2_200).contains(count)));
    assert!(of_type.iter().all(|count| (65_500..67_800).contains(count)), "{of_type:?}");
}

#[test]
fn retail_sells_follow_a_power_law() {
    let mut sells = vec![0_u64; YEAR.products as usize];
    for event in generate(YEAR).filter(|event| event.event_type == EventType::Sell) {
        sells[event.product_id as usize - 1] += 1;
    }
    sells.sort_unstable_by(|a, b| b.cmp(a));
    let all: u64 = sells.iter().sum();
    let share = |head: usize| 1_000 * sells[..head].iter().sum::<u64>() / all;
    assert!((125..=140).contains(&share(1)), "best seller: {}", share(1));
    assert!((380..=400).contains(&share(10)), "ten: {}", share(10));
    assert!((680..=700).contains(&share(100)), "a hundred: {}", share(100));
    assert!(sells.iter().all(|&count| count > 0));
}

#[test]
fn retail_has_busy_weekends_a_christmas_peak_and_growth() {
    let plan = Plan { days: 3 * 365, ..YEAR };
    let events: Vec<Event> = generate(plan).collect();
    let counts = events_per_day(&events, plan.days);
    let mean = |wanted: &dyn Fn(usize) -> bool| {
        let chosen: Vec<u64> = (0..counts.len()).filter(|&day| wanted(day)).map(|day| counts[day]).collect();
        chosen.iter().sum::<u64>() * 100 / chosen.len() as u64
    };
    let weekend = mean(&|day| day % 7 >= 5) * 100 / mean(&|day| day % 7 < 5);
    assert!((130..=150).contains(&weekend), "{weekend}");
    let christmas = mean(&|day| (350..358).contains(&(day % 365))) * 100 / mean(&|day| day % 365 < 30);
    assert!((200..=290).contains(&christmas), "{christmas}");
    let growth = mean(&|day| day >= 730) * 100 / mean(&|day| day < 365);
    assert!((120..=135).contains(&growth), "{growth}");
}

#[test]
fn retail_returns_and_reorders_have_their_shares_at_any_size() {
    for (events, days) in [(20_000, 366), (200_000, 366), (200_000, 120)] {
        let (mut returns, mut reorders) = (0, 0);
        for event in generate(Plan { events, days, ..YEAR }) {
            returns += u64::from(event.event_type == EventType::Return);
            reorders += u64::from(event.event_type == EventType::Reorder);
        }
        let (returns, reorders) = (returns * 1_000 / events, reorders * 1_000 / events);
        assert!((55..=80).contains(&returns), "{returns} returns in 1,000 of {events}");
        assert!((95..=150).contains(&reorders), "{reorders} reorders in 1,000 of {events}");
    }
}

#[test]
fn every_retail_return_or_reorder_follows_a_sell_of_its_own_on_an_earlier_day() {
    for products in [1, 10, 1_000, 1_000_000] {
        let mut unfollowed = std::collections::HashMap::<u32, i64>::new();
        let mut sold_today = Vec::new();
        let mut today = 0;
        for event in generate(Plan { events: 50_000, products, ..YEAR }) {
            if event.day > today {
                today = event.day;
                for product in sold_today.drain(..) {
                    *unfollowed.entry(product).or_default() += 1;
                }
            }
            if event.event_type == EventType::Sell {
                sold_today.push(event.product_id);
            } else {
                let left = unfollowed.entry(event.product_id).or_default();
                *left -= 1;
                assert!(*left >= 0, "{event:?}");
            }
        }
    }
}

#[test]
fn the_anomalies_show_in_the_events() {
    for products in [1_000, 2] {
        let plan = Plan { products, days: 90, ..YEAR };
        let known = anomalies_of(&plan).unwrap();
        let events: Vec<Event> = generate(plan).collect();
        let counts = events_per_day(&events, plan.days);
        let sells_of = |product: u32, day: u32| {
            count_of(&events, |event| {
                (event.product_id, event.event_type, event.day) == (product, EventType::Sell, day)
            })
        };

        let outage = known.outage_day;
        let usual = (counts[outage as usize - 7] + counts[outage as usize + 7]) / 2;
        let during = counts[outage as usize];
        assert!(during > 0 && during * 30 < usual, "{during} events, usually {usual}");

        let (promotion, promoted) = (known.promotion_day, known.promoted_product);
        let usual: u64 = [7, 14, 21, 28]
            .map(|days| sells_of(promoted, promotion - days) + sells_of(promoted, promotion + days))
            .iter()
            .sum();
        let times = sells_of(promoted, promotion) * 80 / usual;
        assert!((45..=75).contains(&times), "{times} tenths of the usual sells");

        for day in known.stockout_days.clone() {
            assert_eq!(sells_of(known.best_seller, day), 0);
        }
        for day in [known.stockout_days.start - 1, known.stockout_days.end] {
            assert!(sells_of(known.best_seller, day) > 100);
        }
    }
}
