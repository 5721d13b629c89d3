//! How many keys come, stay, return and leave from period to period: in one pass over the keys.

use super::calendar::Day;
use super::periods::{Calendar, Period, Span};

/// Counts of the periods that have a day from `from` to `to`. Days before the start and behind `to` are not counted.
pub struct Growth {
    start: Day,
    to: Day,
    /// The periods, and one before them where that has counted days.
    calendar: Calendar,
    shown_from: usize,
    counts: Vec<Counts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    active: i64,
    new: i64,
    retained: i64,
}

/// One period, with the days that were counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub first: Day,
    pub last: Day,
    pub active: i64,
    /// Active, and never before.
    pub new: i64,
    /// Active, and in the period before.
    pub retained: i64,
    /// Active and before, but not in the period before.
    pub resurrected: i64,
    /// Active in the period before, and not in this one; not known while it is not over.
    pub churned: Option<i64>,
    /// Those who came or came back, by those who left; NULL where a part of a period would be compared with a whole one.
    pub quick_ratio: Option<f64>,
}

impl Growth {
    pub fn new(period: Period, start: Day, from: Day, to: Day) -> Self {
        let mut spans = period.between(from, to, to);
        let before = spans.first().map(|first| period.around(first.first.minus(1), to));
        let before = before.filter(|before| before.last >= start);
        let shown_from = usize::from(before.is_some());
        spans.splice(0..0, before);
        let counts = vec![Counts::default(); spans.len()];
        Growth { start, to, calendar: Calendar::new(spans, to), shown_from, counts }
    }

    /// Adds a key with all its active days since the start, ascending.
    pub fn add(&mut self, active: &[Day]) {
        let Some(first) = active.first().map(|first| self.calendar.number_of(*first)) else { return };
        let mut before = None;
        for number in active.iter().filter_map(|day| self.calendar.number_of(*day)) {
            if before == Some(number) {
                continue;
            }
            let counts = &mut self.counts[number];
            counts.active += 1;
            counts.new += i64::from(first == Some(number));
            counts.retained += i64::from(before.is_some_and(|before| before + 1 == number));
            before = Some(number);
        }
    }

    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        (self.shown_from..self.counts.len()).map(|number| self.row(number))
    }

    fn row(&self, number: usize) -> Row {
        let (span, counts) = (self.calendar.spans[number], self.counts[number]);
        let before = number.checked_sub(1);
        let was_active = before.map_or(0, |before| self.counts[before].active);
        let resurrected = counts.active - counts.new - counts.retained;
        let churned = self.is_over(span).then_some(was_active - counts.retained);
        let whole = self.is_whole(span) && before.is_none_or(|before| self.is_whole(self.calendar.spans[before]));
        let ratio = |churned: i64| (counts.new + resurrected) as f64 / churned as f64;
        Row {
            first: span.first.max(self.start),
            last: span.last.min(self.to),
            active: counts.active,
            new: counts.new,
            retained: counts.retained,
            resurrected,
            churned,
            quick_ratio: churned.filter(|churned| whole && *churned > 0).map(ratio),
        }
    }

    fn is_over(&self, span: Span) -> bool {
        span.last <= self.to
    }

    fn is_whole(&self, span: Span) -> bool {
        span.first >= self.start && self.is_over(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(period: Period, (start, from, to): (i32, i32, i32), keys: &[&[i32]]) -> Vec<Row> {
        let mut growth = Growth::new(period, Day::stored(start), Day::stored(from), Day::stored(to));
        for key in keys {
            growth.add(&key.iter().copied().map(Day::stored).collect::<Vec<_>>());
        }
        growth.rows().collect()
    }

    /// active, new, retained, resurrected, churned
    fn counts(row: &Row) -> (i64, i64, i64, i64, Option<i64>) {
        (row.active, row.new, row.retained, row.resurrected, row.churned)
    }

    #[test]
    fn keys_come_stay_leave_and_return() {
        let found = rows(Period::Days(2), (0, 0, 7), &[&[0, 1, 2, 6], &[0, 3, 4, 7], &[5], &[1]]);
        let counts: Vec<_> = found.iter().map(counts).collect();
        let expected = [(3, 3, 0, 0, Some(0)), (2, 0, 2, 0, Some(1)), (2, 1, 1, 0, Some(1)), (2, 0, 1, 1, Some(1))];
        assert_eq!(counts, expected);
        assert_eq!(
            found.iter().map(|row| row.quick_ratio).collect::<Vec<_>>(),
            [None, Some(0.0), Some(1.0), Some(1.0)]
        );
    }

    #[test]
    fn the_period_before_the_range_is_compared_with() {
        let found = rows(Period::Days(2), (0, 4, 5), &[&[0, 3], &[0, 4], &[2, 5]]);
        assert_eq!(found.iter().map(counts).collect::<Vec<_>>(), [(2, 0, 1, 1, Some(1))]);
    }

    #[test]
    fn a_period_that_is_not_over_says_so_and_has_no_ratio() {
        // 0 is a Saturday: the weeks begin with 2, 9 and 16.
        let found = rows(Period::Week, (2, 2, 17), &[&[2, 9], &[3], &[4, 16], &[10, 17]]);
        let last = found[2];
        assert_eq!((last.first, last.last), (Day::stored(16), Day::stored(17)));
        assert_eq!(counts(&last), (2, 0, 1, 1, None));
        assert_eq!((found[1].quick_ratio, last.quick_ratio), (Some(0.5), None));
    }

    #[test]
    fn a_period_that_begins_before_the_start_is_not_compared_as_if_whole() {
        let found = rows(Period::Week, (5, 5, 22), &[&[5], &[6, 9], &[10, 16]]);
        assert_eq!((found[0].first, found[0].last), (Day::stored(5), Day::stored(8)));
        assert_eq!(
            found.iter().map(counts).collect::<Vec<_>>(),
            [(2, 2, 0, 0, Some(0)), (2, 1, 1, 0, Some(1)), (1, 0, 1, 0, Some(1)),]
        );
        assert_eq!(found.iter().map(|row| row.quick_ratio).collect::<Vec<_>>(), [None, None, Some(0.0)]);
    }

    #[test]
    fn a_range_that_begins_within_a_period_has_all_of_it() {
        let found = rows(Period::Week, (2, 12, 15), &[&[2, 9], &[10]]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].first, counts(&found[0])), (Day::stored(9), (2, 1, 1, 0, Some(0))));
    }
}
