//! What the cases have covered.

use crate::case::Case;
use crate::form::{Idle, Late, Sink};
use pg_cumulate_tests::ENCODINGS;
use std::collections::BTreeMap;
use std::fmt;

/// What one case did.
#[derive(Debug, Default)]
pub struct Seen {
    operations: BTreeMap<&'static str, u64>,
    /// A change moved or deleted the first day of a key of a table with closed days.
    pub first_moved: bool,
    /// A repair wrote rows.
    pub repaired: bool,
    pub aborted: bool,
}

impl Seen {
    pub fn count(&mut self, operation: &'static str) {
        *self.operations.entry(operation).or_default() += 1;
    }
}

/// The sum over all cases.
#[derive(Debug, Default)]
pub struct Coverage {
    cases: u64,
    operations: BTreeMap<&'static str, u64>,
    combinations: BTreeMap<(Idle, &'static str), u64>,
    late: BTreeMap<Late, u64>,
    sinks: BTreeMap<Sink, u64>,
    encodings: BTreeMap<&'static str, u64>,
    first_moved: u64,
    repaired: u64,
    aborted: u64,
}

/// The long form asks for this much.
const OF_EACH_OPERATION: u64 = 500;
const OF_EACH_COMBINATION: u64 = 50;
/// The kinds there are of each, as one that never came is not among the counted.
const OPERATIONS: usize = 28;
const COMBINATIONS: usize = 9;
const LATE_MODES: usize = 4;
const SINKS: usize = 3;
const OF_EACH_ENCODING: u64 = 200;
const PERCENT_FIRST_MOVED: u64 = 30;
const PERCENT_REPAIRED: u64 = 20;
const PERCENT_ABORTED: u64 = 10;

impl Coverage {
    pub fn add(&mut self, case: &Case, seen: &Seen) {
        self.cases += 1;
        for (operation, count) in &seen.operations {
            *self.operations.entry(operation).or_default() += count;
        }
        *self.combinations.entry((case.form.idle, case.form.partition_by)).or_default() += 1;
        *self.late.entry(case.form.late).or_default() += 1;
        *self.sinks.entry(case.form.sink).or_default() += 1;
        *self.encodings.entry(case.form.encoding).or_default() += 1;
        self.first_moved += u64::from(seen.first_moved);
        self.repaired += u64::from(seen.repaired);
        self.aborted += u64::from(seen.aborted);
    }

    pub fn assert_complete(&self) {
        let mut missing = Vec::new();
        missing.extend(rare(&self.operations, OPERATIONS, OF_EACH_OPERATION));
        missing.extend(rare(&self.combinations, COMBINATIONS, OF_EACH_COMBINATION));
        missing.extend(rare(&self.late, LATE_MODES, OF_EACH_COMBINATION));
        missing.extend(rare(&self.sinks, SINKS, OF_EACH_COMBINATION));
        missing.extend(rare(&self.encodings, ENCODINGS.len(), OF_EACH_ENCODING));
        let shares = [
            ("first days moved", self.first_moved, PERCENT_FIRST_MOVED),
            ("repairs that wrote rows", self.repaired, PERCENT_REPAIRED),
            ("aborts", self.aborted, PERCENT_ABORTED),
        ];
        let few = shares.iter().filter(|(_, count, percent)| count * 100 < self.cases * percent);
        missing.extend(few.map(|(name, count, percent)| format!("{name}: {count} cases, less than {percent} %")));
        assert!(missing.is_empty(), "covered too little in {} cases:\n{}", self.cases, missing.join("\n"));
    }
}

/// What was counted less often than it should be, or never.
fn rare<K: fmt::Debug>(counted: &BTreeMap<K, u64>, kinds: usize, least: u64) -> Vec<String> {
    let few = counted.iter().filter(|(_, count)| **count < least);
    let mut told: Vec<String> = few.map(|(kind, count)| format!("{kind:?}: {count} of {least}")).collect();
    if counted.len() != kinds {
        let seen: Vec<&K> = counted.keys().collect();
        told.push(format!("{} kinds of {kinds}: {seen:?}", counted.len()));
    }
    told
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the law held in {} cases", self.cases)?;
        for (operation, count) in &self.operations {
            writeln!(f, "  {count:>6}  {operation}")?;
        }
        for ((idle, partition_by), count) in &self.combinations {
            writeln!(f, "  {count:>6}  definitions {idle:?}, partitioned by {partition_by}")?;
        }
        for (late, count) in &self.late {
            writeln!(f, "  {count:>6}  definitions with late changes noted by {late:?}")?;
        }
        for (sink, count) in &self.sinks {
            writeln!(f, "  {count:>6}  definitions whose rows go by {sink:?}")?;
        }
        for (encoding, count) in &self.encodings {
            writeln!(f, "  {count:>6}  cases in {encoding}")?;
        }
        let shares =
            [("moved a first day", self.first_moved), ("repaired rows", self.repaired), ("aborted", self.aborted)];
        shares.iter().try_for_each(|(name, count)| writeln!(f, "  {count:>6}  cases that {name}"))
    }
}
