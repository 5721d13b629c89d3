//! Days: whole calendar days, without hours and zones. What day a row belongs to is PostgreSQL's to say.

use chrono::{Datelike, Days, NaiveDate};
use std::fmt;

/// A calendar day, counted from 2000-01-01 as PostgreSQL's `date` is; that day by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

/// Days from 0001-01-01 (chrono's day 1) to 2000-01-01.
const EPOCH_FROM_CE: i32 = 730_120;

/// Days outside the years 1 to 9999 are refused wherever a user names one.
const FIRST: i32 = 1 - EPOCH_FROM_CE;
const LAST: i32 = 3_652_059 - EPOCH_FROM_CE;

impl Day {
    /// 0001-01-01.
    pub const FIRST: Day = Day(FIRST);
    pub const LAST: Day = Day(LAST);

    /// The day with this number, None outside the years 1 to 9999.
    pub fn from_number(number: i32) -> Option<Self> {
        (FIRST..=LAST).contains(&number).then_some(Day(number))
    }

    /// The day with a number that PostgreSQL has checked already.
    pub const fn stored(number: i32) -> Self {
        Day(number)
    }

    /// Days since 2000-01-01.
    pub const fn number(self) -> i32 {
        self.0
    }

    pub fn plus(self, days: i32) -> Self {
        Day(self.0.saturating_add(days))
    }

    pub fn minus(self, days: i32) -> Self {
        Day(self.0.saturating_sub(days))
    }

    /// Whole days from `earlier` to this day.
    pub fn since(self, earlier: Day) -> i32 {
        self.0.saturating_sub(earlier.0)
    }

    /// 0 for Monday.
    pub fn weekday(self) -> u8 {
        self.date().map_or(0, |date| date.weekday().num_days_from_monday() as u8)
    }

    /// 0 for the first of January.
    pub fn day_of_year(self) -> u16 {
        self.date().map_or(0, |date| date.ordinal0() as u16)
    }

    /// The first day of its month.
    pub fn month_start(self) -> Self {
        self.date().map_or(self, |date| self.minus(date.day0() as i32))
    }

    /// The first day of the month after.
    pub fn next_month_start(self) -> Self {
        let in_next_month = self.month_start().plus(31);
        in_next_month.month_start()
    }

    fn date(self) -> Option<NaiveDate> {
        let base = NaiveDate::from_num_days_from_ce_opt(EPOCH_FROM_CE)?;
        let distance = Days::new(self.0.unsigned_abs().into());
        if self.0 < 0 { base.checked_sub_days(distance) } else { base.checked_add_days(distance) }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self.date() {
            Some(date) => write!(out, "{}", date.format("%Y-%m-%d")),
            None => write!(out, "day {} from 2000-01-01", self.0),
        }
    }
}

/// All days from `from` through `to`; none when they are the wrong way round.
pub fn days(from: Day, to: Day) -> impl DoubleEndedIterator<Item = Day> {
    (from.0..=to.0).map(Day)
}

/// Runs of days without a gap, from an ascending list of days.
pub fn stretches(days: impl IntoIterator<Item = Day>) -> Vec<(Day, Day)> {
    stretches_of(days, |_, _| true)
}

/// The same, and cut where two days are not of `one` piece.
pub fn stretches_of(days: impl IntoIterator<Item = Day>, one: impl Fn(Day, Day) -> bool) -> Vec<(Day, Day)> {
    let mut stretches: Vec<(Day, Day)> = Vec::new();
    for day in days {
        match stretches.last_mut() {
            Some((_, last)) if day == last.plus(1) && one(*last, day) => *last = day,
            _ => stretches.push((day, day)),
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i32, month: u32, day: u32) -> Day {
        let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
        Day(date.num_days_from_ce() - EPOCH_FROM_CE)
    }

    #[test]
    fn day_zero_is_the_first_of_january_2000() {
        assert_eq!(day(2000, 1, 1).number(), 0);
        assert_eq!(Day::stored(0).to_string(), "2000-01-01");
        assert_eq!(day(2024, 12, 14).to_string(), "2024-12-14");
    }

    #[test]
    fn years_1_to_9999_are_days() {
        assert_eq!(Day::from_number(FIRST), Some(day(1, 1, 1)));
        assert_eq!(Day::from_number(LAST), Some(day(9999, 12, 31)));
        assert_eq!(Day::from_number(FIRST - 1), None);
        assert_eq!(Day::from_number(LAST + 1), None);
    }

    #[test]
    fn months_start_on_their_first_day() {
        assert_eq!(day(2024, 2, 29).month_start(), day(2024, 2, 1));
        assert_eq!(day(2024, 12, 31).next_month_start(), day(2025, 1, 1));
        assert_eq!(day(2023, 2, 1).next_month_start(), day(2023, 3, 1));
    }

    #[test]
    fn weekdays_and_days_of_the_year_count_from_zero() {
        assert_eq!(day(2024, 12, 14).weekday(), 5);
        assert_eq!(day(2024, 12, 31).day_of_year(), 365);
    }

    #[test]
    fn stretches_end_at_gaps() {
        let days = [1, 2, 3, 7, 9, 10].map(Day);
        assert_eq!(stretches(days), [(Day(1), Day(3)), (Day(7), Day(7)), (Day(9), Day(10))]);
    }
}
