//! How many days a batch of the scheduler has, so that others need not wait for long until it commits.

use std::time::Duration;

/// Days of the next batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    days: i32,
}

/// A batch that takes less may be larger: what it begins with costs as much as a day.
const SHORT: Duration = Duration::from_secs(1);

/// A batch that takes more keeps others waiting.
const LONG: Duration = Duration::from_secs(2);

/// Few, for nothing is known of the table yet.
const FIRST: i32 = 4;

impl Default for Pace {
    fn default() -> Self {
        Pace { days: FIRST }
    }
}

impl Pace {
    pub fn days(self) -> i32 {
        self.days
    }

    /// Takes note of how long such a batch took.
    pub fn took(&mut self, time: Duration) {
        self.days = match () {
            () if time < SHORT => self.days.saturating_mul(2),
            () if time > LONG => (self.days / 2).max(1),
            () => self.days,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days of the batches of a table that takes so long for each day.
    fn batches(milliseconds: u64) -> Vec<i32> {
        let mut pace = Pace::default();
        let mut of = || {
            let days = pace.days();
            pace.took(Duration::from_millis(milliseconds * days as u64));
            days
        };
        (0..6).map(|_| of()).collect()
    }

    #[test]
    fn batches_grow_until_they_take_a_second_and_shrink_when_they_take_long() {
        assert_eq!(batches(10), [4, 8, 16, 32, 64, 128]);
        assert_eq!(batches(200), [4, 8, 8, 8, 8, 8]);
        assert_eq!(batches(1_500), [4, 2, 1, 1, 1, 1]);
        assert_eq!(batches(60_000), [4, 2, 1, 1, 1, 1]);
    }
}
