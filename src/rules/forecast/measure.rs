//! What a metric's values are like, and how many of them a key has.

/// What is known of a metric from its definition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    pub kind: Kind,
    /// Bounds are whole numbers, as values are.
    pub whole: bool,
    /// The value of a day without events; not a number where it is not known.
    pub idle: f64,
    pub total: Together,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sums of a whole type: one is one event.
    Count,
    /// Sums of any size, as money is: one event is as much as the scatter of the key's values says.
    Amount,
    /// What does not add up over time, as temperatures and prices.
    Level,
}

/// What all keys together have on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    Sum,
    Max,
    Min,
    /// It cannot be told from the values of the keys.
    Unknown,
}

impl Together {
    /// The roll-up of the values of one day, the same in whatever order they come.
    pub fn of(self, values: &mut [f64]) -> Option<f64> {
        values.sort_unstable_by(f64::total_cmp);
        match self {
            Together::Sum => (!values.is_empty()).then(|| values.iter().sum()),
            Together::Max => values.last().copied(),
            Together::Min => values.first().copied(),
            Together::Unknown => None,
        }
    }
}

/// Keys that are forecast by weights of their own, because there is as much to be learned from each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Five events a day or more.
    Busy,
    /// One event a day or more.
    Mid,
    Sparse,
    /// Values that are not made of events, or that have been negative.
    Level,
}

impl Class {
    pub const ALL: [Class; 4] = [Class::Busy, Class::Mid, Class::Sparse, Class::Level];

    pub fn name(self) -> &'static str {
        match self {
            Class::Busy => "busy",
            Class::Mid => "mid",
            Class::Sparse => "sparse",
            Class::Level => "level",
        }
    }

    /// By the mean number of events a day.
    pub fn of_events(mean: f64) -> Class {
        match mean {
            mean if mean >= 5.0 => Class::Busy,
            mean if mean >= 1.0 => Class::Mid,
            _ => Class::Sparse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_a_day_does_not_depend_on_the_order_of_the_keys() {
        let values = [0.1, 1e9, -3.7, 0.3, 1e-9, 2e9];
        let forwards = Together::Sum.of(&mut values.clone());
        let backwards = Together::Sum.of(&mut values.iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(forwards.map(f64::to_bits), backwards.map(f64::to_bits));
        assert_eq!(Together::Max.of(&mut values.clone()), Some(2e9));
        assert_eq!(Together::Min.of(&mut values.clone()), Some(-3.7));
        assert_eq!(Together::Unknown.of(&mut values.clone()), None);
        assert_eq!(Together::Sum.of(&mut []), None);
    }
}
