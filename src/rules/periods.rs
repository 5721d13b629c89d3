//! Periods: days, weeks, months, or runs of so many days.

use super::calendar::Day;
use super::window::LONGEST_WINDOW;

/// How a calendar is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    Day,
    /// From Monday.
    Week,
    Month,
    /// So many days each.
    Days(i32),
}

/// Why a text is no period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPeriod {
    Word,
    OutOfRange(i64),
}

impl Period {
    pub fn parse(text: &str) -> Result<Self, NoPeriod> {
        match text {
            "day" => Ok(Period::Day),
            "week" => Ok(Period::Week),
            "month" => Ok(Period::Month),
            _ => {
                let days: i64 = text.parse().map_err(|_| NoPeriod::Word)?;
                let fits = i32::try_from(days).ok().filter(|days| (1..=LONGEST_WINDOW as i32).contains(days));
                fits.map(Period::Days).ok_or(NoPeriod::OutOfRange(days))
            }
        }
    }

    /// The period that has a day; runs of days are counted from the one that ends with `anchor`.
    pub fn around(self, day: Day, anchor: Day) -> Span {
        match self {
            Period::Day => Span { first: day, last: day },
            Period::Week => {
                let first = day.minus(day.weekday().into());
                Span { first, last: first.plus(6) }
            }
            Period::Month => Span { first: day.month_start(), last: day.next_month_start().minus(1) },
            Period::Days(days) => {
                let last = anchor.minus(anchor.since(day).div_euclid(days) * days);
                Span { first: last.minus(days - 1), last }
            }
        }
    }

    /// All periods that have a day from `from` to `to`, ascending.
    pub fn between(self, from: Day, to: Day, anchor: Day) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut next = from;
        while next <= to {
            let span = self.around(next, anchor);
            next = span.last.plus(1);
            spans.push(span);
        }
        spans
    }
}

/// The days of one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub first: Day,
    pub last: Day,
}

/// Periods without a gap, and which of them a day is in.
#[derive(Debug)]
pub struct Calendar {
    pub spans: Vec<Span>,
    first: Day,
    /// The number of each day's period, from the first day on.
    numbers: Vec<usize>,
}

impl Calendar {
    /// Spans that follow each other; days behind `to` are in none.
    pub fn new(spans: Vec<Span>, to: Day) -> Self {
        let first = spans.first().map_or(to.plus(1), |span| span.first);
        let mut numbers = Vec::new();
        for (number, span) in spans.iter().enumerate() {
            let days = span.last.min(to).since(span.first) + 1;
            numbers.extend(std::iter::repeat_n(number, usize::try_from(days).unwrap_or(0)));
        }
        Calendar { spans, first, numbers }
    }

    pub fn number_of(&self, day: Day) -> Option<usize> {
        self.numbers.get(usize::try_from(day.since(self.first)).ok()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-12-01, a Sunday.
    const SUNDAY: Day = Day::stored(9101);

    fn shown(spans: &[Span]) -> Vec<String> {
        spans.iter().map(|span| format!("{} {}", span.first, span.last)).collect()
    }

    #[test]
    fn words_and_numbers_of_days_are_periods() {
        assert_eq!(SUNDAY.to_string(), "2024-12-01");
        assert_eq!(Period::parse("week"), Ok(Period::Week));
        assert_eq!(Period::parse("28"), Ok(Period::Days(28)));
        assert_eq!(Period::parse("3660"), Ok(Period::Days(3660)));
        assert_eq!(Period::parse("0"), Err(NoPeriod::OutOfRange(0)));
        assert_eq!(Period::parse("3661"), Err(NoPeriod::OutOfRange(3661)));
        for word in ["", "weeks", "Week", "1.5", "99999999999999999999"] {
            assert_eq!(Period::parse(word), Err(NoPeriod::Word), "{word}");
        }
    }

    #[test]
    fn weeks_begin_on_monday() {
        let weeks = Period::Week.between(SUNDAY, SUNDAY.plus(8), SUNDAY);
        assert_eq!(shown(&weeks), ["2024-11-25 2024-12-01", "2024-12-02 2024-12-08", "2024-12-09 2024-12-15"]);
    }

    #[test]
    fn months_have_their_own_lengths() {
        let months = Period::Month.between(SUNDAY, SUNDAY.plus(100), SUNDAY);
        let expected =
            ["2024-12-01 2024-12-31", "2025-01-01 2025-01-31", "2025-02-01 2025-02-28", "2025-03-01 2025-03-31"];
        assert_eq!(shown(&months), expected);
    }

    #[test]
    fn runs_of_days_are_counted_back_from_the_anchor_and_on_behind_it() {
        let runs = Period::Days(3).between(SUNDAY, SUNDAY.plus(7), SUNDAY.plus(4));
        let expected = ["2024-11-30 2024-12-02", "2024-12-03 2024-12-05", "2024-12-06 2024-12-08"];
        assert_eq!(shown(&runs), expected);
    }

    #[test]
    fn each_day_is_in_the_period_that_has_it() {
        let calendar = Calendar::new(Period::Week.between(SUNDAY, SUNDAY.plus(8), SUNDAY), SUNDAY.plus(8));
        let numbers: Vec<_> = [-7, -6, 0, 1, 7, 8, 9].map(|n| calendar.number_of(SUNDAY.plus(n))).into();
        assert_eq!(numbers, [None, Some(0), Some(0), Some(1), Some(1), Some(2), None]);
    }
}
