//! How far values came to lie from forecasts: counted finely enough to read any quantile.

/// Buckets of one sign: 32 for each doubling, from 2^-6 to 2^9.
const BUCKETS: usize = 15 * PER_DOUBLING as usize;
const PER_DOUBLING: u32 = 32;
const SHIFT: u32 = 23 - PER_DOUBLING.ilog2();
/// The bits of 2^-6 in single precision, without those below a bucket.
const SMALLEST: u32 = (127 - 6) << PER_DOUBLING.ilog2();

/// A histogram of numbers of either sign. It takes no part in rounding: the order in which numbers come changes nothing.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Box<[u32]>,
    rows: u64,
}

impl Histogram {
    pub fn new() -> Self {
        Histogram { counts: vec![0; 2 * BUCKETS + 1].into_boxed_slice(), rows: 0 }
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    pub fn add(&mut self, number: f64) {
        let bucket = &mut self.counts[bucket_of(number)];
        *bucket = bucket.saturating_add(1);
        self.rows += 1;
    }

    pub fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.rows += other.rows;
    }

    /// The number that a `part` of all lie below; None of nothing.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let (low, high, inside) = self.find(part)?;
        Some(low + inside * (high - low))
    }

    /// A number that at least a `part` of all do not exceed: where many are the same they count as one.
    pub fn upper_quantile(&self, part: f64) -> Option<f64> {
        self.find(part).map(|(_, high, _)| high)
    }

    /// The bucket where a `part` of all is reached: its edges, and how far inside.
    fn find(&self, part: f64) -> Option<(f64, f64, f64)> {
        let wanted = part * self.rows as f64;
        let mut below = 0.0;
        let mut last = None;
        for (bucket, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = f64::from(*count);
            let (low, high) = edges(bucket);
            if below + count >= wanted {
                return Some((low, high, ((wanted - below) / count).clamp(0.0, 1.0)));
            }
            below += count;
            last = Some((low, high, 1.0));
        }
        last
    }
}

fn bucket_of(number: f64) -> usize {
    let magnitude = ((number.abs() as f32).to_bits() >> SHIFT) as usize;
    let Some(above) = magnitude.checked_sub(SMALLEST as usize) else { return BUCKETS };
    let above = above.min(BUCKETS - 1) + 1;
    if number < 0.0 { BUCKETS - above } else { BUCKETS + above }
}

fn edges(bucket: usize) -> (f64, f64) {
    let edge = |above: usize| f64::from(f32::from_bits((SMALLEST + above as u32) << SHIFT));
    match bucket {
        BUCKETS => (-edge(0), edge(0)),
        bucket if bucket > BUCKETS => (edge(bucket - BUCKETS - 1), edge(bucket - BUCKETS)),
        bucket => (-edge(BUCKETS - bucket), -edge(BUCKETS - bucket - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_a_sorted_list_within_the_width_of_a_bucket() {
        let mut state = 1u64;
        let mut numbers: Vec<f64> = (0..20_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let uniform = (state >> 11) as f64 / (1u64 << 53) as f64 - 0.4;
                uniform * uniform * uniform * 300.0
            })
            .collect();
        let mut histogram = Histogram::new();
        numbers.iter().for_each(|number| histogram.add(*number));
        numbers.sort_by(f64::total_cmp);
        for part in [0.001, 0.05, 0.3, 0.5, 0.9, 0.95, 0.9987] {
            let exact = numbers[(part * numbers.len() as f64) as usize];
            let found = histogram.quantile(part).unwrap();
            assert!((found - exact).abs() <= 0.04 * exact.abs() + 0.03, "{part}: {found} is not {exact}");
        }
    }

    #[test]
    fn every_number_has_a_bucket_and_nothing_has_no_quantile() {
        assert_eq!(Histogram::new().quantile(0.5), None);
        for number in [0.0, -0.0, 1e-300, -1e300, f64::MAX, f64::INFINITY, f64::NEG_INFINITY] {
            let mut histogram = Histogram::new();
            histogram.add(number);
            assert!(histogram.quantile(0.5).unwrap().is_finite());
        }
    }

    #[test]
    fn a_number_lies_between_the_edges_of_its_bucket() {
        for number in [0.02, 0.5, 1.0, 1.03, 511.0, -0.02, -0.5, -1.0, -1.03, -511.0, 0.0] {
            let (low, high) = edges(bucket_of(number));
            assert!(low <= number && number <= high, "{low} {number} {high}");
        }
    }
}
