//! The fold: yesterday's arrays and today's metrics make today's arrays. The only place that knows how.

use std::borrow::Borrow;
use std::cmp::Ordering;

/// The longest window: ten years.
pub const LONGEST_WINDOW: usize = 3660;

/// Whether arrays grow with a key's age or have the whole window from its first day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Ragged,
    Padded,
}

impl Shape {
    pub const NAMES: [&str; 2] = ["ragged", "padded"];

    pub fn from_name(name: &str) -> Option<Self> {
        [Shape::Ragged, Shape::Padded].into_iter().find(|shape| shape.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Shape::Ragged => "ragged",
            Shape::Padded => "padded",
        }
    }
}

/// How a total is made from an array. All ignore NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollup {
    Sum,
    Max,
    Min,
    Avg,
    Last,
    None,
}

impl Rollup {
    pub const NAMES: [&str; 6] = ["sum", "max", "min", "avg", "last", "none"];
    const ALL: [Rollup; 6] = [Rollup::Sum, Rollup::Max, Rollup::Min, Rollup::Avg, Rollup::Last, Rollup::None];

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rollup| rollup.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Rollup::Sum => "sum",
            Rollup::Max => "max",
            Rollup::Min => "min",
            Rollup::Avg => "avg",
            Rollup::Last => "last",
            Rollup::None => "none",
        }
    }
}

/// A total that does not fit its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// What an element of an array must be able to do.
pub trait Element: Clone {
    type Sum;
    type Mean;

    fn sum(values: impl Iterator<Item: Borrow<Self>>) -> Result<Self::Sum, Overflow>;
    fn mean(values: impl Iterator<Item: Borrow<Self>>) -> Result<Self::Mean, Overflow>;
}

/// A total, in the form that its roll-up gives.
#[derive(Debug, PartialEq)]
pub enum Total<E: Element> {
    Null,
    Sum(E::Sum),
    Mean(E::Mean),
    One(E),
}

/// One metric of one key: its values, newest first, one a day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History<E> {
    values: Vec<Option<E>>,
}

impl<E: Element> History<E> {
    pub fn new() -> Self {
        History { values: Vec::new() }
    }

    pub fn values(&self) -> &[Option<E>] {
        &self.values
    }

    /// Values that there is room for.
    pub fn capacity(&self) -> usize {
        self.values.capacity()
    }

    /// Forgets the values, keeping the memory.
    pub fn clear(&mut self) {
        self.values.clear();
    }

    /// The values themselves, to be filled by a reader of arrays.
    pub fn values_mut(&mut self) -> &mut Vec<Option<E>> {
        &mut self.values
    }

    /// One day on: `newest` comes in front, what is older than `size` days falls off.
    pub fn shift(&mut self, newest: Option<E>, size: usize) {
        self.values.truncate(size.saturating_sub(1));
        self.values.insert(0, newest);
    }

    /// `days` days on without an event.
    pub fn shift_idle(&mut self, days: usize, zero: &Option<E>, size: usize) {
        if days == 1 {
            return self.shift(zero.clone(), size);
        }
        let new = days.min(size);
        self.values.truncate(size - new);
        self.values.extend(std::iter::repeat_n(zero.clone(), new));
        self.values.rotate_right(new);
    }

    /// As many days before the oldest as are missing to `size`.
    pub fn pad(&mut self, zero: &Option<E>, size: usize) {
        self.values.resize(size.max(self.values.len()), zero.clone());
    }

    /// The roll-up of the newest `days` values; `order` is the order of the element type.
    pub fn total(
        &self,
        days: usize,
        rollup: Rollup,
        mut order: impl FnMut(&E, &E) -> Ordering,
    ) -> Result<Total<E>, Overflow> {
        let newest = &self.values[..days.min(self.values.len())];
        if newest.iter().all(Option::is_none) {
            return Ok(Total::Null);
        }
        let mut present = newest.iter().flatten();
        let one = |value: Option<&E>| value.map_or(Total::Null, |value| Total::One(value.clone()));
        Ok(match rollup {
            Rollup::Sum => Total::Sum(E::sum(present)?),
            Rollup::Avg => Total::Mean(E::mean(present)?),
            Rollup::Max => one(present.max_by(|left, right| order(left, right))),
            Rollup::Min => one(present.min_by(|left, right| order(left, right))),
            Rollup::Last => one(present.next()),
            Rollup::None => Total::Null,
        })
    }
}

/// The mean of whole numbers, left to an exact division.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quotient {
    pub sum: i64,
    pub count: i64,
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl Element for $number {
            type Sum = i64;
            type Mean = Quotient;

            fn sum(mut values: impl Iterator<Item: Borrow<Self>>) -> Result<i64, Overflow> {
                values.try_fold(0i64, |sum, value| sum.checked_add(i64::from(*value.borrow())).ok_or(Overflow))
            }

            fn mean(values: impl Iterator<Item: Borrow<Self>>) -> Result<Quotient, Overflow> {
                let mut count = 0;
                let sum = Self::sum(values.inspect(|_| count += 1))?;
                Ok(Quotient { sum, count })
            }
        }
    )*};
}

whole_numbers!(i16, i32, i64);

macro_rules! floating_numbers {
    ($($number:ty),*) => {$(
        impl Element for $number {
            type Sum = f64;
            type Mean = f64;

            fn sum(values: impl Iterator<Item: Borrow<Self>>) -> Result<f64, Overflow> {
                let mut infinite = false;
                let sum: f64 = values.map(|value| f64::from(*value.borrow())).inspect(|v| infinite |= !v.is_finite()).sum();
                if sum.is_infinite() && !infinite { Err(Overflow) } else { Ok(sum) }
            }

            fn mean(values: impl Iterator<Item: Borrow<Self>>) -> Result<f64, Overflow> {
                let mut count = 0u32;
                let sum = Self::sum(values.inspect(|_| count += 1))?;
                Ok(sum / f64::from(count))
            }
        }
    )*};
}

floating_numbers!(f32, f64);

#[cfg(test)]
mod tests {
    use super::*;

    fn history(values: &[i32]) -> History<i32> {
        History { values: values.iter().copied().map(Some).collect() }
    }

    fn sum(history: &History<i32>, days: usize) -> Result<Total<i32>, Overflow> {
        history.total(days, Rollup::Sum, i32::cmp)
    }

    #[test]
    fn the_newest_value_comes_in_front_and_the_oldest_falls_off() {
        let mut arrays = history(&[3, 2, 1]);
        arrays.shift(Some(4), 3);
        assert_eq!(arrays, history(&[4, 3, 2]));
        arrays.shift(None, 4);
        assert_eq!(arrays.values(), [None, Some(4), Some(3), Some(2)]);
    }

    #[test]
    fn a_history_that_is_too_long_is_cut() {
        let mut arrays = history(&[5, 4, 3, 2, 1]);
        arrays.shift(Some(6), 3);
        assert_eq!(arrays, history(&[6, 5, 4]));
    }

    #[test]
    fn a_window_of_one_day_is_the_newest_value() {
        let mut arrays = history(&[1]);
        arrays.shift(Some(2), 1);
        assert_eq!(arrays, history(&[2]));
    }

    #[test]
    fn idle_days_are_zeros() {
        let mut arrays = history(&[2, 1]);
        arrays.shift_idle(2, &Some(0), 3);
        assert_eq!(arrays, history(&[0, 0, 2]));
        arrays.shift_idle(1000, &Some(0), 3);
        assert_eq!(arrays, history(&[0, 0, 0]));
    }

    #[test]
    fn padding_fills_the_oldest_days() {
        let mut arrays = history(&[5]);
        arrays.pad(&Some(0), 3);
        assert_eq!(arrays, history(&[5, 0, 0]));
    }

    #[test]
    fn totals_are_of_the_newest_days() {
        let arrays = history(&[4, 3, 2, 1]);
        assert_eq!(sum(&arrays, 2), Ok(Total::Sum(7)));
        assert_eq!(sum(&arrays, 9), Ok(Total::Sum(10)));
    }

    #[test]
    fn totals_ignore_null_and_of_nothing_are_null() {
        let arrays = History { values: vec![None, Some(4), None, Some(-1)] };
        assert_eq!(sum(&arrays, 4), Ok(Total::Sum(3)));
        assert_eq!(sum(&arrays, 1), Ok(Total::Null));
        assert_eq!(arrays.total(4, Rollup::Last, i32::cmp), Ok(Total::One(4)));
        assert_eq!(arrays.total(4, Rollup::Max, i32::cmp), Ok(Total::One(4)));
        assert_eq!(arrays.total(4, Rollup::Min, i32::cmp), Ok(Total::One(-1)));
        assert_eq!(arrays.total(4, Rollup::Avg, i32::cmp), Ok(Total::Mean(Quotient { sum: 3, count: 2 })));
        assert_eq!(arrays.total(4, Rollup::None, i32::cmp), Ok(Total::Null));
    }

    #[test]
    fn a_total_never_wraps() {
        let arrays = History { values: vec![Some(i64::MAX), Some(1)] };
        assert_eq!(arrays.total(2, Rollup::Sum, i64::cmp), Err(Overflow));
        let arrays = History { values: vec![Some(f64::MAX), Some(f64::MAX)] };
        assert_eq!(arrays.total(2, Rollup::Sum, f64::total_cmp), Err(Overflow));
        let arrays = History { values: vec![Some(f64::INFINITY), Some(1.0)] };
        assert_eq!(arrays.total(2, Rollup::Sum, f64::total_cmp), Ok(Total::Sum(f64::INFINITY)));
    }
}
