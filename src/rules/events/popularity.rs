//! Which product is sold: rank r with a weight of 1/r, for any number of products.
//!
//! Ranks are numbered from 1. They are drawn in groups whose members are equally likely: up to rank
//! 256 each is a group of its own, further down a group spans 0.4% of its rank, so four billion
//! products need some 4,600 groups.

use super::draw::{Generator, WeightedChoice, below};
use rand::{Rng, SeedableRng};

pub const BEST_SELLER_RANK: u32 = 1;

/// Ranks up to this one are groups of one; the reciprocal is the relative width of the groups
/// below.
const SINGLE_RANKS: u64 = 256;

/// Weight of rank 1: large enough that the rounding of the others cannot be seen.
const RANK_1_WEIGHT: u64 = 1 << 32;

pub struct Popularity {
    groups: Vec<Group>,
    choice: WeightedChoice,
    total_weight: u64,
    shelves: Shelves,
}

struct Group {
    first_rank: u32,
    ranks: u32,
}

impl Popularity {
    pub fn new(products: u32, seed: u64) -> Popularity {
        let groups = groups_of_ranks(products);
        let weights: Vec<u64> = groups.iter().map(weight_of_group).collect();
        Popularity {
            groups,
            choice: WeightedChoice::new(&weights),
            total_weight: weights.iter().sum(),
            shelves: Shelves::new(products, seed),
        }
    }

    pub fn total_weight(&self) -> u64 {
        self.total_weight
    }

    pub fn draw_product(&self, random: &mut Generator) -> u32 {
        let group = &self.groups[self.choice.draw(random)];
        let rank = group.first_rank + below(random, u64::from(group.ranks)) as u32;
        self.shelves.product_of(rank)
    }
}

pub fn weight_of_rank(rank: u32) -> u64 {
    RANK_1_WEIGHT / u64::from(rank)
}

fn groups_of_ranks(products: u32) -> Vec<Group> {
    let products = u64::from(products);
    let mut groups = Vec::new();
    let mut taken = 0;
    while taken < products {
        let ranks = (1 + taken / SINGLE_RANKS).min(products - taken);
        groups.push(Group { first_rank: taken as u32 + 1, ranks: ranks as u32 });
        taken += ranks;
    }
    groups
}

/// Every member counts as the rank in the middle.
fn weight_of_group(group: &Group) -> u64 {
    let (first, ranks) = (u64::from(group.first_rank), u64::from(group.ranks));
    let twice_the_middle = 2 * first + ranks - 1;
    RANK_1_WEIGHT * 2 * ranks / twice_the_middle
}

/// Puts every rank on a product of its own, in an order that looks random, without a table:
/// popularity must not follow the product number, and the products may be too many to be listed.
///
/// Each round is one-to-one on the numbers below the next power of two; a result that is no product
/// goes round again, which cannot go on for ever because the way from a product leads back to a
/// product.
pub struct Shelves {
    products: u64,
    mask: u64,
    shift: u32,
    rounds: [Round; 3],
}

struct Round {
    odd_factor: u64,
    offset: u64,
}

impl Shelves {
    /// Has a generator of its own, so that a product can be named without drawing anything else.
    pub fn new(products: u32, seed: u64) -> Shelves {
        let mut random = Generator::seed_from_u64(!seed);
        let bits = u32::BITS - products.saturating_sub(1).leading_zeros();
        Shelves {
            products: u64::from(products),
            mask: (1_u64 << bits) - 1,
            shift: bits.div_ceil(2).max(1),
            rounds: [0; 3].map(|_| Round { odd_factor: random.next_u64() | 1, offset: random.next_u64() }),
        }
    }

    /// The rank is from 1 to the number of products.
    pub fn product_of(&self, rank: u32) -> u32 {
        let mut place = u64::from(rank) - 1;
        loop {
            for round in &self.rounds {
                place = place.wrapping_mul(round.odd_factor).wrapping_add(round.offset) & self.mask;
                place ^= place >> self.shift;
            }
            if place < self.products {
                return place as u32 + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_has_a_product_of_its_own() {
        for products in [1, 2, 3, 5, 7, 10, 64, 1_000, 1_024, 1_025, 65_537] {
            for seed in [0, 1, u64::MAX] {
                let shelves = Shelves::new(products, seed);
                let mut taken = vec![false; products as usize];
                for rank in 1..=products {
                    let product = shelves.product_of(rank);
                    assert!((1..=products).contains(&product));
                    assert!(!std::mem::replace(&mut taken[product as usize - 1], true));
                }
            }
        }
    }

    #[test]
    fn four_billion_products_find_their_shelves() {
        let shelves = Shelves::new(u32::MAX, 7);
        for rank in [1, 2, 3, 1 << 31, u32::MAX - 1, u32::MAX] {
            assert!(shelves.product_of(rank) >= 1);
        }
    }

    #[test]
    fn any_product_may_be_the_best_seller() {
        let mut best = [0_u32; 10];
        for seed in 0..1_000 {
            best[Shelves::new(10, seed).product_of(BEST_SELLER_RANK) as usize - 1] += 1;
        }
        assert!(best.iter().all(|count| (50..=170).contains(count)), "{best:?}");
    }

    #[test]
    fn the_groups_cover_every_rank_once() {
        for products in [0, 1, 255, 256, 257, 1_000, 100_000, u32::MAX] {
            let mut next = 1;
            for group in groups_of_ranks(products) {
                assert_eq!(u64::from(group.first_rank), next);
                next += u64::from(group.ranks);
            }
            assert_eq!(next, u64::from(products) + 1);
        }
        assert!(groups_of_ranks(u32::MAX).len() < 4_600);
    }

    #[test]
    fn the_groups_weigh_what_their_ranks_weigh() {
        let products = 100_000;
        let exact: f64 = (1..=products).map(|rank| 1.0 / f64::from(rank)).sum();
        let grouped = Popularity::new(products, 1).total_weight() as f64 / RANK_1_WEIGHT as f64;
        assert!((grouped / exact - 1.0).abs() < 1e-5, "{grouped} {exact}");
        for (index, group) in groups_of_ranks(products).iter().take(SINGLE_RANKS as usize).enumerate() {
            assert_eq!(weight_of_group(group), weight_of_rank(index as u32 + 1));
        }
    }
}
