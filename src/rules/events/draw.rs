//! Random choices whose results never change: raw 64-bit numbers, mapped here with integers only.

use rand::Rng;

/// Named, and documented by rand as portable and reproducible; `StdRng` and `SmallRng` may change
/// in any release.
pub type Generator = rand::rngs::Xoshiro256PlusPlus;

/// A number from 0 to `bound` - 1, all equally likely; 0 when `bound` is 0.
///
/// The widening multiply favours some numbers by `bound` / 2^64 at most, which no sample can show,
/// and never draws twice.
pub fn below(random: &mut Generator, bound: u64) -> u64 {
    ((u128::from(random.next_u64()) * u128::from(bound)) >> 64) as u64
}

/// Chooses an index with a probability in proportion to its weight, in constant time (Walker's
/// alias method as built by Vose, in integers).
pub struct WeightedChoice {
    columns: Vec<Column>,
}

/// Half of a fair choice: the column's own index below `threshold` / 2^32, else `other`.
struct Column {
    threshold: u32,
    other: u32,
}

impl WeightedChoice {
    /// The weights are at least 1.
    pub fn new(weights: &[u64]) -> WeightedChoice {
        let fair: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
        // Scaled so that a column of average weight is exactly full, and no rounding ever leaves
        // one over.
        let mut filled: Vec<u128> = weights.iter().map(|&weight| u128::from(weight) * weights.len() as u128).collect();
        let mut columns: Vec<Column> =
            (0..weights.len() as u32).map(|index| Column { threshold: u32::MAX, other: index }).collect();
        let (mut poor, mut rich): (Vec<usize>, Vec<usize>) =
            (0..weights.len()).partition(|&index| filled[index] < fair);
        while let (Some(&receiver), Some(&giver)) = (poor.last(), rich.last()) {
            poor.pop();
            columns[receiver] = Column { threshold: ((filled[receiver] << 32) / fair) as u32, other: giver as u32 };
            filled[giver] -= fair - filled[receiver];
            if filled[giver] < fair {
                rich.pop();
                poor.push(giver);
            }
        }
        WeightedChoice { columns }
    }

    pub fn draw(&self, random: &mut Generator) -> usize {
        let product = u128::from(random.next_u64()) * self.columns.len() as u128;
        let index = (product >> 64) as usize;
        // What the index left over of the same random number decides within the column.
        let within = ((product as u64) >> 32) as u32;
        let column = &self.columns[index];
        if within < column.threshold { index } else { column.other as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn numbers_below_a_bound_stay_below_it_and_reach_all_of_it() {
        let mut random = Generator::seed_from_u64(1);
        let mut seen = [0_u32; 7];
        for _ in 0..70_000 {
            seen[below(&mut random, 7) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (9_500..10_500).contains(count)), "{seen:?}");
        assert_eq!(below(&mut random, 0), 0);
        assert_eq!(below(&mut random, 1), 0);
    }

    #[test]
    fn the_generator_gives_the_published_values() {
        // First outputs of the reference xoshiro256plusplus.c, its state filled by splitmix64 from
        // 0.
        let mut random = Generator::seed_from_u64(0);
        assert_eq!(random.next_u64(), 5_987_356_902_031_041_503);
        assert_eq!(random.next_u64(), 7_051_070_477_665_621_255);
    }

    #[test]
    fn weighted_choices_follow_their_weights() {
        let weights = [1, 10, 100, 9, 80, 300];
        let choice = WeightedChoice::new(&weights);
        let mut random = Generator::seed_from_u64(2);
        let mut seen = [0_u64; 6];
        for _ in 0..500_000 {
            seen[choice.draw(&mut random)] += 1;
        }
        for (count, weight) in seen.iter().zip(weights) {
            let expected = weight * 1_000;
            let tolerance = 6 * expected.isqrt();
            assert!(count.abs_diff(expected) <= tolerance, "{count} drawn, {expected} expected");
        }
    }

    #[test]
    fn a_single_weight_is_always_chosen() {
        let choice = WeightedChoice::new(&[5]);
        let mut random = Generator::seed_from_u64(3);
        assert!((0..100).all(|_| choice.draw(&mut random) == 0));
    }

    #[test]
    fn the_columns_hold_exactly_the_weights() {
        let weights: Vec<u64> = (1..=500).map(|rank| (1 << 32) / rank).collect();
        let choice = WeightedChoice::new(&weights);
        let total: f64 = weights.iter().map(|&weight| weight as f64).sum();
        let mut held = vec![0.0; weights.len()];
        for (index, column) in choice.columns.iter().enumerate() {
            let own = f64::from(column.threshold) / 4_294_967_296.0;
            held[index] += own / weights.len() as f64;
            held[column.other as usize] += (1.0 - own) / weights.len() as f64;
        }
        for (share, &weight) in held.iter().zip(&weights) {
            assert!((share - weight as f64 / total).abs() < 1e-9);
        }
    }
}
