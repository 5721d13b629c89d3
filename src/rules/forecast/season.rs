//! How the days of the week differ over all keys together.

/// Shares of the seven weekdays, with mean 1. Weekdays are days modulo 7, from the first day of the table on.
pub type Season = [f64; 7];

/// No weekday is like another, but nobody knows in which way.
pub const EVEN: Season = [1.0; 7];

/// What is left of a weekday's weight when it comes again.
pub const KEPT_A_WEEK: f64 = 0.95;

/// Before that many days a season is luck.
const LEAST_DAYS: usize = 14;

/// The season of a table, learned from its totals.
#[derive(Clone, Debug, Default)]
pub struct Seasons {
    sums: [f64; 7],
    weeks: [f64; 7],
    days: usize,
}

impl Seasons {
    /// One more day; a total that is not known passes without a trace.
    pub fn learn(&mut self, day: usize, total: f64) {
        self.days = day + 1;
        if total.is_finite() {
            let weekday = day % 7;
            self.sums[weekday] = self.sums[weekday] * KEPT_A_WEEK + total;
            self.weeks[weekday] = self.weeks[weekday] * KEPT_A_WEEK + 1.0;
        }
    }

    pub fn season(&self) -> Season {
        if self.days < LEAST_DAYS || self.weeks.contains(&0.0) {
            return EVEN;
        }
        let mut season: Season = std::array::from_fn(|day| (self.sums[day] / self.weeks[day]).max(0.0));
        if scale_to_mean_1(&mut season) { season } else { EVEN }
    }
}

/// Whether there is anything to scale.
pub fn scale_to_mean_1(shares: &mut Season) -> bool {
    let sum: f64 = shares.iter().sum();
    let scalable = sum > 0.0 && sum.is_finite();
    if scalable {
        let factor = 7.0 / sum;
        shares.iter_mut().for_each(|share| *share *= factor);
    }
    scalable
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(totals: impl IntoIterator<Item = f64>) -> Season {
        let mut seasons = Seasons::default();
        totals.into_iter().enumerate().for_each(|(day, total)| seasons.learn(day, total));
        seasons.season()
    }

    #[test]
    fn two_weeks_are_needed_to_tell_weekdays_apart() {
        let totals = |day: usize| if day.is_multiple_of(7) { 8.0 } else { 1.0 };
        assert_eq!(learned((0..13).map(totals)), EVEN);
        assert_eq!(learned((0..14).map(totals)), [4.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]);
    }

    #[test]
    fn totals_that_say_nothing_leave_weekdays_even() {
        assert_eq!(learned((0..28).map(|_| 0.0)), EVEN);
        assert_eq!(learned((0..28).map(|_| -5.0)), EVEN);
        assert_eq!(learned((0..28).map(|_| f64::NAN)), EVEN);
        assert_eq!(learned((0..28).map(|_| 1e308)), EVEN);
    }
}
