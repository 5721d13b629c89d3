//! Which days an answer can be given for: those that are closed and clean.

use super::Subject;
use crate::catalog::ledger::{self, Entry};
use crate::catalog::{Definition, State};
use crate::error::Error;
use crate::late::waiting;
use crate::pg::table::literal;
use crate::rules::calendar::{Day, days, stretches};
use std::collections::{BTreeMap, BTreeSet};

/// Which days an answer is made from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    TheRange,
    /// The days before it, too: first days depend on them.
    AllSinceTheStart,
}

/// Days that can all be used.
#[derive(Clone, Copy)]
pub struct Range {
    pub from: Day,
    pub to: Day,
    /// The newest day behind them up to which every day can be used, too.
    pub newest: Day,
}

/// Why no answer is made from a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Missing,
    Open,
    Noted,
    Dropped,
}

impl Subject {
    /// The days that are asked for. NULL: the start date, and the newest day up to which every day can be used.
    pub fn range(&self, from: Option<Day>, to: Option<Day>, needs: Needs) -> Result<Range, Error> {
        let start = self.start()?;
        let first = from.unwrap_or(start);
        self.check_bounds(start, first, to)?;
        let known = Known::of(&self.definition, start, Some(first), needs)?;
        let newest = known.newest_usable(if needs == Needs::TheRange { first } else { start });
        match newest {
            Some(newest) if first <= newest && to.is_none_or(|to| to <= newest) => {
                Ok(Range { from: first, to: to.unwrap_or(newest), newest })
            }
            _ => Err(known.refusal(&self.definition, to)),
        }
    }

    /// The day that is asked for; NULL: the newest one up to which every day can be used, or has been dropped.
    pub fn day_or_newest(&self, day: Option<Day>) -> Result<Day, Error> {
        let start = self.start()?;
        let Some(day) = day else {
            let known = Known::of(&self.definition, start, None, Needs::TheRange)?;
            return known.newest_usable(start).ok_or_else(|| known.refusal(&self.definition, None));
        };
        self.check_bounds(start, day, Some(day))?;
        Ok(day)
    }

    /// The last of the days since the start that an answer learns from and does not show; NULL: the newest one up to which
    /// every day can be used, or its daily rows after it has been dropped.
    pub fn last_learned(&self, day: Option<Day>) -> Result<Day, Error> {
        let start = self.start()?;
        self.check_bounds(start, day.unwrap_or(start), day)?;
        let known = Known::of(&self.definition, start, None, Needs::AllSinceTheStart)?;
        match known.newest_usable(start) {
            Some(newest) if day.is_none_or(|day| day <= newest) => Ok(day.unwrap_or(newest)),
            _ => Err(known.refusal(&self.definition, day)),
        }
    }

    /// The first day that counts.
    pub fn start(&self) -> Result<Day, Error> {
        self.definition.start.ok_or_else(|| nothing_closed(&self.definition))
    }

    fn check_bounds(&self, start: Day, first: Day, to: Option<Day>) -> Result<(), Error> {
        let definition = &self.definition;
        if first < start {
            return Err(Error::DayBeforeStart { day: first, start, table: definition.target.label() });
        }
        let Some(to) = to else { return Ok(()) };
        if first > to {
            return Err(Error::ReversedRange { from: first, to });
        }
        let today = definition.today();
        if to > today {
            return Err(Error::FutureDay { day: to, today, zone: definition.time_zone.clone() });
        }
        Ok(())
    }
}

fn nothing_closed(definition: &Definition) -> Error {
    Error::NothingClosed { table: definition.target.sql() }
}

/// What is known of the days of a table.
struct Known {
    start: Day,
    /// The first day that is shown, if any is.
    first: Option<Day>,
    needs: Needs,
    entries: BTreeMap<Day, Entry>,
    noted: BTreeSet<Day>,
}

impl Known {
    fn of(definition: &Definition, start: Day, first: Option<Day>, needs: Needs) -> Result<Self, Error> {
        let last = ledger::newest_known(definition.target.oid).unwrap_or(start);
        let entries = ledger::entries(definition.target.oid, start, last);
        if entries.iter().all(|entry| entry.state == State::Missing) {
            return Err(nothing_closed(definition));
        }
        let entries = entries.into_iter().map(|entry| (entry.day, entry)).collect();
        Ok(Known { start, first, needs, entries, noted: waiting::days(definition, start, last) })
    }

    /// The newest day up to which all days from `from` on can be used.
    fn newest_usable(&self, from: Day) -> Option<Day> {
        let last = self.entries.keys().next_back().copied()?;
        let clean = |day: &Day| self.noted.first().is_none_or(|noted| day < noted);
        days(from, last).take_while(|day| clean(day) && self.fault(*day).is_none()).last()
    }

    fn fault(&self, day: Day) -> Option<Fault> {
        let entry = self.entries.get(&day);
        match entry.map_or(State::Missing, |entry| entry.state) {
            State::Closed | State::Frozen => None,
            State::Missing => Some(Fault::Missing),
            State::Open => Some(Fault::Open),
            State::Dropped if self.first.is_some_and(|first| day >= first) => Some(Fault::Dropped),
            // Of a dropped day the daily rows stay, if there ever were any: they tell first days.
            State::Dropped => {
                let is_known =
                    self.needs == Needs::TheRange || entry.is_some_and(|entry| entry.aggregated_at.is_some());
                (!is_known).then_some(Fault::Dropped)
            }
        }
    }

    /// Names the days up to `to`, or up to the last one that is known, that stand in the way of an answer.
    fn refusal(&self, definition: &Definition, to: Option<Day>) -> Error {
        let last_known = self.entries.keys().next_back().copied().unwrap_or(self.start);
        let first = self.first.unwrap_or(self.start);
        let last = to.unwrap_or(last_known.max(first.min(definition.today())));
        let from = if self.needs == Needs::TheRange { first.min(last) } else { self.start };
        let mut faults: BTreeMap<Fault, Vec<Day>> = BTreeMap::new();
        for day in days(from, last) {
            if let Some(fault) = self.fault(day) {
                faults.entry(fault).or_default().push(day);
            }
        }
        // A late change makes all later days unclean.
        let noted: Vec<Day> = self.noted.range(..=last).copied().collect();
        if !noted.is_empty() {
            faults.insert(Fault::Noted, noted);
        }
        let told = faults.iter().map(|(fault, days)| format!("{} {}.", fault.title(), named(days)));
        let told = told.collect::<Vec<_>>().join(" ");
        let remedy = faults.first_key_value().map(|(fault, days)| fault.remedy(definition, days));
        Error::DaysNotUsable { table: definition.target.sql(), told, remedy: remedy.unwrap_or_default() }
    }
}

impl Fault {
    fn title(self) -> &'static str {
        match self {
            Fault::Missing => "Days without a snapshot are",
            Fault::Open => "Open days are",
            Fault::Noted => "Days with late changes that wait are",
            Fault::Dropped => "Dropped days are",
        }
    }

    fn remedy(self, definition: &Definition, days: &[Day]) -> String {
        let target = literal(&definition.target.sql());
        let (first, last) = (days.first().copied().unwrap_or(Day::FIRST), days.last().copied().unwrap_or(Day::FIRST));
        match self {
            Fault::Open if last == definition.today() => {
                format!("Give days up to {}; today is not over.", last.minus(1))
            }
            Fault::Missing | Fault::Open => format!("CALL cumulate.backfill({target}, DATE '{first}', DATE '{last}');"),
            Fault::Noted => format!("SELECT cumulate.apply_late({target});"),
            Fault::Dropped => format!("Give days from {} on.", last.plus(1)),
        }
    }
}

/// Stretches of days that a message names one by one.
const MOST_NAMED: usize = 10;

fn named(days: &[Day]) -> String {
    let stretches = stretches(days.iter().copied());
    let name =
        |(first, last): &(Day, Day)| if first == last { first.to_string() } else { format!("{first} to {last}") };
    let mut names: Vec<String> = stretches.iter().take(MOST_NAMED).map(name).collect();
    if stretches.len() > MOST_NAMED {
        names.push(format!("and more up to {}", days.last().copied().unwrap_or(Day::FIRST)));
    }
    names.join(", ")
}
