//! What changed in the daily table, for the snapshots that depend on it.

use crate::pg::value::Image;
use crate::rules::calendar::Day;
use std::collections::BTreeMap;

/// Past this many changed keys they are not remembered any more: all keys are compared instead.
pub const MOST_KEYS: usize = 50_000;

/// What changed in the daily table.
#[derive(Default)]
pub struct DailyChanges {
    wanted: bool,
    pub keys: BTreeMap<Day, Vec<Vec<Image>>>,
    count: usize,
    /// Keys that are compared whether they have changed or not, and the days of it.
    pub named: Option<(Vec<Vec<Image>>, Day, Day)>,
    /// First and last changed day once keys are not remembered any more.
    pub everything: Option<(Day, Day)>,
}

impl DailyChanges {
    /// Changes are only collected where there are snapshots that they could touch.
    pub fn wanted(wanted: bool) -> Self {
        DailyChanges { wanted, ..Default::default() }
    }

    /// Keys that are compared from one day to another whether they have changed or not.
    pub fn name_keys(&mut self, keys: Vec<Vec<Image>>, from: Day, to: Day) {
        self.named = Some((keys, from, to));
    }

    pub fn are_wanted(&self) -> bool {
        self.wanted
    }

    pub fn add(&mut self, day: Day, keys: Vec<Image>) {
        if !self.wanted {
            return;
        }
        if let Some((first, last)) = self.everything {
            self.everything = Some((first.min(day), last.max(day)));
            return;
        }
        self.keys.entry(day).or_default().push(keys);
        self.count += 1;
        if self.count > MOST_KEYS {
            let first = self.keys.keys().next().copied().unwrap_or(day);
            let last = self.keys.keys().next_back().copied().unwrap_or(day);
            self.add_everything(first, last);
        }
    }

    /// Anything may have changed in these days.
    pub fn add_everything(&mut self, from: Day, to: Day) {
        let (first, last) = self.everything.unwrap_or((from, to));
        let first = self.keys.keys().next().copied().map_or(first, |day| day.min(first));
        let last = self.keys.keys().next_back().copied().map_or(last, |day| day.max(last));
        self.everything = Some((first.min(from), last.max(to)));
        self.keys.clear();
    }
}
