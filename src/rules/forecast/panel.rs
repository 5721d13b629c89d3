//! Many keys on their way through the days: what has been learned of each, and its values of a stretch of days.
//!
//! Values are collected for a stretch and then learned key by key: what is kept of a key is moved through the processor
//! once a stretch and not once a day.

use super::measure::{Measure, Together};

/// Keys whose memory is taken together: growing copies nothing.
const PAGE: usize = 256;

pub struct Panel<S> {
    measure: Measure,
    width: usize,
    pages: Vec<Page<S>>,
    keys: usize,
    /// The first day of the stretch.
    first_day: usize,
    /// The day of the stretch that values come for now.
    slot: usize,
    /// Values of that day.
    today: Vec<f64>,
    totals: Vec<f64>,
}

struct Page<S> {
    states: Vec<S>,
    values: Vec<f64>,
}

/// A stretch of days that is full, for all keys.
pub struct Stretch<'a, S> {
    pub first_day: usize,
    /// What all keys together have, day by day.
    pub totals: &'a [f64],
    pages: &'a mut [Page<S>],
    width: usize,
    days: usize,
}

impl<S> Panel<S> {
    /// For stretches of at most `width` days.
    pub fn new(measure: Measure, width: usize) -> Self {
        Panel {
            measure,
            width,
            pages: Vec::new(),
            keys: 0,
            first_day: 0,
            slot: 0,
            today: Vec::new(),
            totals: Vec::new(),
        }
    }

    /// Bytes that one key takes.
    pub const fn bytes_per_key(width: usize) -> usize {
        size_of::<S>() + width * size_of::<f64>()
    }

    pub fn keys(&self) -> usize {
        self.keys
    }

    /// The day that values come for now.
    pub fn day(&self) -> usize {
        self.first_day + self.slot
    }

    /// One more key, which has its first value today.
    pub fn add_key(&mut self, state: S) -> usize {
        let (page, place) = (self.keys / PAGE, self.keys % PAGE);
        if page == self.pages.len() {
            let values = Vec::with_capacity(PAGE * self.width);
            self.pages.push(Page { states: Vec::with_capacity(PAGE), values });
        }
        let page = &mut self.pages[page];
        page.states.push(state);
        page.values.resize((place + 1) * self.width, self.measure.idle);
        // Days before the first are not known.
        page.values[place * self.width..][..self.slot].fill(f64::NAN);
        self.keys += 1;
        self.keys - 1
    }

    /// The value of a key today. What is not finite is not known.
    pub fn put(&mut self, key: usize, value: f64) {
        let value = if value.is_finite() { value } else { f64::NAN };
        self.pages[key / PAGE].values[(key % PAGE) * self.width + self.slot] = value;
        if !value.is_nan() {
            self.today.push(value);
        }
    }

    /// Goes on to the next day; how many days are full now.
    pub fn end_day(&mut self) -> usize {
        let total = match self.measure.total {
            Together::Unknown => f64::NAN,
            roll_up => roll_up.of(&mut self.today).unwrap_or(if self.keys > 0 { self.measure.idle } else { f64::NAN }),
        };
        self.totals.push(if total.is_finite() { total } else { f64::NAN });
        self.today.clear();
        self.slot += 1;
        self.slot
    }

    /// The days that are full.
    pub fn stretch(&mut self) -> Stretch<'_, S> {
        Stretch {
            first_day: self.first_day,
            totals: &self.totals,
            pages: &mut self.pages,
            width: self.width,
            days: self.slot,
        }
    }

    /// Forgets the values of the days that are full.
    pub fn next_stretch(&mut self) {
        self.first_day += self.slot;
        self.slot = 0;
        self.totals.clear();
        let idle = self.measure.idle;
        self.pages.iter_mut().for_each(|page| page.values.fill(idle));
    }
}

impl<S> Stretch<'_, S> {
    /// Calls `visit` with each key's state and values, in the order in which keys were added.
    pub fn each(&mut self, mut visit: impl FnMut(usize, &mut S, &[f64])) {
        for (number, page) in self.pages.iter_mut().enumerate() {
            for (place, state) in page.states.iter_mut().enumerate() {
                let values = &page.values[place * self.width..][..self.days];
                visit(number * PAGE + place, state, values);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::measure::Kind;
    use super::*;

    fn counts(total: Together) -> Measure {
        Measure { kind: Kind::Count, whole: true, idle: 0.0, total }
    }

    #[test]
    fn days_without_a_row_are_idle_and_days_before_the_first_not_known() {
        let mut panel: Panel<char> = Panel::new(counts(Together::Sum), 4);
        let a = panel.add_key('a');
        panel.put(a, 1.0);
        panel.end_day();
        panel.end_day();
        let b = panel.add_key('b');
        panel.put(b, 5.0);
        panel.put(a, 2.0);
        assert_eq!(panel.end_day(), 3);
        let mut seen = Vec::new();
        let mut stretch = panel.stretch();
        assert_eq!(stretch.totals, [1.0, 0.0, 7.0]);
        stretch.each(|key, state, values| seen.push((key, *state, values.to_vec())));
        assert_eq!(seen[0], (0, 'a', vec![1.0, 0.0, 2.0]));
        assert!(seen[1].2[..2].iter().all(|value| value.is_nan()) && seen[1].2[2] == 5.0);
        panel.next_stretch();
        panel.put(b, f64::INFINITY);
        panel.end_day();
        let mut stretch = panel.stretch();
        assert_eq!((stretch.first_day, stretch.totals), (3, [0.0].as_slice()));
        stretch.each(|key, _, values| assert!(if key == 0 { values == [0.0] } else { values[0].is_nan() }));
    }

    #[test]
    fn pages_hold_any_number_of_keys() {
        let mut panel: Panel<usize> = Panel::new(counts(Together::Max), 2);
        for key in 0..3 * PAGE + 1 {
            assert_eq!(panel.add_key(key), key);
            panel.put(key, key as f64);
        }
        panel.end_day();
        let mut stretch = panel.stretch();
        assert_eq!(stretch.totals, [3.0 * PAGE as f64]);
        let mut next = 0;
        stretch.each(|key, state, values| {
            assert_eq!((key, *state, values), (next, next, [next as f64].as_slice()));
            next += 1;
        });
        assert_eq!(next, panel.keys());
    }
}
