//! Who stays: keys by the period of their first day, and how many of them are active in the periods after.

use super::calendar::Day;
use super::periods::{Calendar, Period};

/// Counts of the cohorts whose first days lie from `from` to `to`, through the newest day that is known.
pub struct Cohorts {
    from: Day,
    to: Day,
    through: Day,
    periods: usize,
    calendar: Calendar,
    /// By cohort: its keys that are active in each of its periods.
    active: Vec<Vec<i64>>,
}

/// One cohort in one of its periods; 0 is the cohort's own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The first day that a first day of the cohort can have.
    pub cohort: Day,
    pub size: i64,
    pub period: usize,
    pub active: i64,
    /// Of the cohort; None while the period is not over.
    pub share: Option<f64>,
}

impl Cohorts {
    pub fn new(period: Period, periods: usize, (from, to): (Day, Day), through: Day) -> Self {
        let calendar = Calendar::new(period.between(from, through, to), through);
        let cohorts = calendar.number_of(to).map_or(0, |last| last + 1);
        let all = calendar.spans.len();
        let active = (0..cohorts).map(|cohort| vec![0; periods.min(all - cohort)]).collect();
        Cohorts { from, to, through, periods, calendar, active }
    }

    /// Adds a key with all its active days since the start, ascending.
    pub fn add(&mut self, active: &[Day]) {
        let Some(first) = active.first().filter(|first| (self.from..=self.to).contains(*first)) else { return };
        let Some(cohort) = self.calendar.number_of(*first) else { return };
        let mut before = None;
        for number in active.iter().filter_map(|day| self.calendar.number_of(*day)) {
            if before == Some(number) {
                continue;
            }
            before = Some(number);
            match self.active[cohort].get_mut(number - cohort) {
                Some(count) => *count += 1,
                None => return,
            }
        }
    }

    /// The cohorts that have keys.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        let sizes =
            self.active.iter().enumerate().map(|(cohort, active)| (cohort, active.first().copied().unwrap_or(0)));
        sizes.filter(|(_, size)| *size > 0).flat_map(|(cohort, size)| self.rows_of(cohort, size))
    }

    fn rows_of(&self, cohort: usize, size: i64) -> impl Iterator<Item = Row> + '_ {
        let first = self.calendar.spans[cohort].first.max(self.from);
        self.active[cohort].iter().take(self.periods).enumerate().map(move |(period, active)| {
            let is_over = self.calendar.spans[cohort + period].last <= self.through;
            let share = is_over.then(|| *active as f64 / size as f64);
            Row { cohort: first, size, period, active: *active, share }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(
        periods: usize,
        (from, to, through): (i32, i32, i32),
        keys: &[&[i32]],
    ) -> Vec<(i32, i64, usize, i64, Option<f64>)> {
        let range = (Day::stored(from), Day::stored(to));
        let mut cohorts = Cohorts::new(Period::Days(2), periods, range, Day::stored(through));
        for key in keys {
            cohorts.add(&key.iter().copied().map(Day::stored).collect::<Vec<_>>());
        }
        cohorts.rows().map(|row| (row.cohort.number(), row.size, row.period, row.active, row.share)).collect()
    }

    #[test]
    fn a_cohort_is_followed_from_its_first_period_on() {
        let found = rows(3, (0, 5, 5), &[&[0, 2, 4, 5], &[1, 5], &[2, 3, 4]]);
        let expected = [
            (0, 2, 0, 2, Some(1.0)),
            (0, 2, 1, 1, Some(0.5)),
            (0, 2, 2, 2, Some(1.0)),
            (2, 1, 0, 1, Some(1.0)),
            (2, 1, 1, 1, Some(1.0)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn only_as_many_periods_are_shown_as_asked_for() {
        assert_eq!(rows(1, (0, 5, 5), &[&[0, 2, 4]]), [(0, 1, 0, 1, Some(1.0))]);
    }

    #[test]
    fn a_period_that_is_not_over_has_no_share() {
        let found = rows(9, (0, 1, 4), &[&[0, 3, 4]]);
        assert_eq!(found, [(0, 1, 0, 1, Some(1.0)), (0, 1, 1, 1, Some(1.0)), (0, 1, 2, 1, None)]);
    }

    #[test]
    fn from_and_to_bound_first_days() {
        // Counted back from day 4, the periods begin with the odd days.
        let found = rows(2, (2, 4, 6), &[&[1, 3], &[2, 5], &[4, 6], &[5]]);
        assert_eq!(
            found,
            [(2, 1, 0, 1, Some(1.0)), (2, 1, 1, 0, Some(0.0)), (3, 1, 0, 1, Some(1.0)), (3, 1, 1, 1, Some(1.0)),]
        );
    }
}
