//! Which snapshots must equal the law: the closed, clean ones.

use super::Day;
use std::collections::BTreeSet;

/// What a client knows of a table's days from what it did: closed days, and source days that changed since they were
/// last settled. It never asks the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    closed: BTreeSet<Day>,
    changed: BTreeSet<Day>,
}

impl Ledger {
    /// The source changed on that day.
    pub fn note(&mut self, day: Day) {
        self.changed.insert(day);
    }

    /// That day was closed; changes up to it are repaired first.
    pub fn close(&mut self, day: Day) {
        self.closed.insert(day);
        self.changed = self.changed.split_off(&day);
        self.changed.remove(&day);
    }

    /// That day was closed by a table that keeps no notes: changes of earlier days are not seen.
    pub fn close_without_notes(&mut self, day: Day) {
        self.closed.insert(day);
    }

    /// The snapshots of days before that one were dropped.
    pub fn drop_before(&mut self, day: Day) {
        self.closed = self.closed.split_off(&day);
    }

    /// All changes were repaired.
    pub fn settle_all(&mut self) {
        self.changed.clear();
    }

    /// The changes of some days were repaired.
    pub fn settle(&mut self, from: Day, to: Day) {
        self.changed.retain(|day| *day < from || *day > to);
    }

    /// Days that have a snapshot.
    pub fn closed(&self) -> &BTreeSet<Day> {
        &self.closed
    }

    /// Days whose changes wait to be repaired.
    pub fn changed(&self) -> &BTreeSet<Day> {
        &self.changed
    }

    /// Closed days with no change waiting on that day or an earlier one.
    pub fn clean(&self) -> impl Iterator<Item = Day> + '_ {
        let first_change = self.changed.first().copied();
        self.closed.iter().copied().take_while(move |day| first_change.is_none_or(|change| *day < change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: u32) -> Day {
        Day::from_ymd_opt(2024, 12, number).expect("a day of December")
    }

    /// A ledger after closing some days and then changing the source on others.
    fn ledger(closed: &[u32], changed: &[u32]) -> Ledger {
        let days = |numbers: &[u32]| numbers.iter().map(|number| day(*number)).collect();
        Ledger { closed: days(closed), changed: days(changed) }
    }

    #[test]
    fn a_change_makes_that_day_and_all_later_ones_unclean() {
        let mut ledger = ledger(&[1, 2, 3], &[]);
        ledger.note(day(2));
        assert_eq!(ledger.clean().collect::<Vec<_>>(), [day(1)]);
    }

    #[test]
    fn closing_a_day_settles_the_changes_up_to_it() {
        let mut ledger = ledger(&[1, 2, 3, 5], &[1, 2, 4]);
        ledger.close(day(2));
        assert_eq!(ledger.changed().iter().copied().collect::<Vec<_>>(), [day(4)]);
        assert_eq!(ledger.clean().collect::<Vec<_>>(), [day(1), day(2), day(3)]);
    }

    #[test]
    fn settling_some_days_leaves_the_others() {
        let mut ledger = ledger(&[], &[1, 5, 9]);
        ledger.settle(day(2), day(5));
        assert_eq!(ledger.changed().iter().copied().collect::<Vec<_>>(), [day(1), day(9)]);
    }
}
