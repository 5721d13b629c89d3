//! How many keys are active, day by day: in one pass over the keys, each with its active days.

use super::calendar::{Day, days};

/// Windows in which a key that was active counts as active.
const WINDOWS: [i32; 3] = [1, 7, 28];

/// Counts of the days from `from` to `to`.
pub struct KeysByDay {
    from: Day,
    to: Day,
    /// By window: how many more keys are active than on the day before.
    steps: [Vec<i64>; WINDOWS.len()],
    new: Vec<i64>,
}

/// One day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveKeys {
    pub day: Day,
    pub active: [i64; WINDOWS.len()],
    pub new: i64,
}

impl KeysByDay {
    pub fn new(from: Day, to: Day) -> Self {
        let length = usize::try_from(to.since(from) + 1).unwrap_or(0);
        // A step behind the last day is of no interest.
        KeysByDay { from, to, steps: std::array::from_fn(|_| vec![0; length + 1]), new: vec![0; length] }
    }

    /// Adds a key with all its active days since the start, ascending.
    pub fn add(&mut self, active: &[Day]) {
        if let Some(new) = active.first().and_then(|first| self.place(*first)) {
            self.new[new] += 1;
        }
        for (index, day) in active.iter().enumerate() {
            let next = active.get(index + 1).copied().unwrap_or(Day::stored(i32::MAX));
            for (window, steps) in WINDOWS.iter().zip(&mut self.steps) {
                // Until the key is active again, when it is counted anew.
                let past = day.plus(*window).min(next).min(self.to.plus(1));
                let first = (*day).max(self.from);
                if first < past {
                    steps[first.since(self.from) as usize] += 1;
                    steps[past.since(self.from) as usize] -= 1;
                }
            }
        }
    }

    fn place(&self, day: Day) -> Option<usize> {
        usize::try_from(day.since(self.from)).ok().filter(|place| *place < self.new.len())
    }

    pub fn rows(&self) -> impl Iterator<Item = ActiveKeys> + '_ {
        let mut active = [0; WINDOWS.len()];
        days(self.from, self.to).enumerate().map(move |(place, day)| {
            active.iter_mut().zip(&self.steps).for_each(|(active, steps)| *active += steps[place]);
            ActiveKeys { day, active, new: self.new[place] }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i32) -> Day {
        Day::stored(number)
    }

    fn counted(from: i32, to: i32, keys: &[&[i32]]) -> Vec<(i32, [i64; 3], i64)> {
        let mut counts = KeysByDay::new(day(from), day(to));
        for key in keys {
            counts.add(&key.iter().copied().map(day).collect::<Vec<_>>());
        }
        counts.rows().map(|row| (row.day.number(), row.active, row.new)).collect()
    }

    #[test]
    fn a_key_stays_active_for_a_window() {
        let rows = counted(0, 8, &[&[1]]);
        assert_eq!(rows[0], (0, [0, 0, 0], 0));
        assert_eq!(rows[1], (1, [1, 1, 1], 1));
        assert_eq!(rows[7], (7, [0, 1, 1], 0));
        assert_eq!(rows[8], (8, [0, 0, 1], 0));
    }

    #[test]
    fn a_key_that_comes_again_counts_once() {
        let rows = counted(0, 12, &[&[0, 5], &[5]]);
        assert_eq!(rows[5], (5, [2, 2, 2], 1));
        assert_eq!(rows[11], (11, [0, 2, 2], 0));
        assert_eq!(rows[12], (12, [0, 0, 2], 0));
    }

    #[test]
    fn what_was_before_the_range_still_counts_but_is_not_new() {
        assert_eq!(counted(10, 11, &[&[4], &[3, 30], &[-20]]), [(10, [0, 1, 2], 0), (11, [0, 0, 2], 0)]);
    }

    #[test]
    fn all_is_as_counted_by_hand_for_random_keys() {
        let mut seed = 1u64;
        let mut dice = |sides: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % sides
        };
        for _ in 0..50 {
            let (from, to) = (dice(30) as i32, 30 + dice(40) as i32);
            let mut key = || (0..70).filter(|_| dice(9) == 0).collect::<Vec<i32>>();
            let keys: Vec<Vec<i32>> = (0..5).map(|_| key()).collect();
            let rows = counted(from, to, &keys.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let by_hand = (from..=to).map(|at| {
                let within = |window: i32| {
                    keys.iter().filter(|key| key.iter().any(|day| (at - window + 1..=at).contains(day))).count() as i64
                };
                let new = keys.iter().filter(|key| key.first() == Some(&at)).count() as i64;
                (at, WINDOWS.map(within), new)
            });
            assert_eq!(rows, by_hand.collect::<Vec<_>>());
        }
    }
}
