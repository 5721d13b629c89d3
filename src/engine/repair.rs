//! Repair: existing snapshots brought to what the daily table says, touching only the rows that differ.

use super::base::base_of;
use super::daily_changes::{DailyChanges, MOST_KEYS};
use crate::catalog::Definition;
use crate::catalog::definition::rows_of_day;
use crate::catalog::ledger::{self, Base};
use crate::error::Error;
use crate::fold::Fold;
use crate::fold::by_key::{self, Group};
use crate::fold::stream::{Reading, key_arrays};
use crate::pg::array;
use crate::pg::memory::Arena;
use crate::pg::message::warning;
use crate::pg::value::{Datum, Image};
use crate::rules::calendar::Day;
use crate::sink::changes::{Change, RowKey};
use crate::sink::partition_writers::PartitionWriters;
use std::collections::BTreeMap;

/// Snapshots that some keys are looked up in by one statement: each may be a partition of its own.
const MOST_DAYS: i32 = 64;

/// Brings all snapshots that depend on the changes to what the daily table says now; rows changed.
pub fn repair(definition: &Definition, changes: DailyChanges) -> Result<i64, Error> {
    let newest = ledger::newest_snapshot(definition.target.oid);
    let Some(newest) = newest else { return Ok(0) };
    let mut repair = Repair::new(definition, newest);
    if let Some((first, last)) = changes.everything {
        repair.follow(None, first, last)?;
    }
    for (day, keys) in changes.keys {
        repair.follow(Some(keys), day, day)?;
    }
    if let Some((keys, from, to)) = changes.named {
        repair.follow(Some(keys), from, to)?;
    }
    repair.finish()
}

/// Brings a snapshot that others are made from, and that has not the rows that the ledger says but so many, to what the
/// daily table says, with all snapshots from there to `last`.
pub fn mend(definition: &Definition, base: Base, rows: i64, last: Day) -> Result<(), Error> {
    warn(definition, base, rows);
    compare(definition, base.day, last)?;
    Ok(())
}

/// Brings the snapshot of a day to what the daily table says if it has not the rows that the ledger says.
pub fn mend_if_damaged(definition: &Definition, day: Day) -> Result<(), Error> {
    let base = Base { day, rows: ledger::rows(definition.target.oid, day, day) };
    let rows = rows_of_day(&definition.target, day);
    if rows == base.rows { Ok(()) } else { mend(definition, base, rows, day) }
}

/// Compares all rows of the snapshots of these days with the daily table; rows changed.
pub fn compare(definition: &Definition, from: Day, to: Day) -> Result<i64, Error> {
    let mut repair = Repair::new(definition, to);
    let snapshots = ledger::snapshots(definition.target.oid, from, Some(to));
    repair.pass(None, &snapshots)?;
    repair.finish()
}

fn warn(definition: &Definition, base: Base, rows: i64) {
    let (day, table) = (base.day, definition.target.label());
    warning!(
        "the snapshot of {day} of {table} has {rows} rows, not {}: it is repaired from the daily table",
        base.rows
    );
}

struct Repair<'a> {
    definition: &'a Definition,
    newest: Day,
    writers: PartitionWriters<'a>,
    /// Rows that each of the snapshots has that are being compared, as far as they have been seen.
    seen: Vec<i64>,
    /// Rows added to or removed from each snapshot.
    balance: BTreeMap<Day, i64>,
    changed: i64,
}

impl<'a> Repair<'a> {
    fn new(definition: &'a Definition, newest: Day) -> Self {
        let writers = PartitionWriters::of(definition);
        Repair { definition, newest, writers, seen: Vec::new(), balance: BTreeMap::new(), changed: 0 }
    }

    /// Follows changed keys from their first changed day on, as far as their rows differ.
    fn follow(&mut self, mut keys: Option<Vec<Vec<Image>>>, first: Day, last: Day) -> Result<(), Error> {
        let window = self.definition.window() as i32;
        // Up to this day any row may differ.
        let settled = last.plus(window - 1);
        let (mut from, mut to) = (first, settled);
        let mut stride = window.max(32);
        while from <= self.newest {
            if keys.is_some() {
                to = to.min(from.plus(MOST_DAYS - 1));
            }
            let snapshots = ledger::snapshots(self.definition.target.oid, from, Some(to));
            let unlike = match snapshots.last() {
                None => None,
                // One before the last changed day does not show what changed behind it.
                Some(end) => Some(self.pass(keys.as_deref(), &snapshots)?).filter(|_| *end >= last),
            };
            from = to.plus(1);
            if to < settled {
                to = settled;
                continue;
            }
            if self.definition.expire_idle || unlike.as_ref().is_some_and(Vec::is_empty) {
                return Ok(());
            }
            if let Some(unlike) = unlike {
                keys = Some(unlike).filter(|unlike| unlike.len() <= MOST_KEYS);
            }
            to = to.plus(stride);
            stride = stride.saturating_mul(2);
        }
        Ok(())
    }

    /// Compares these snapshots for some keys or all. The keys whose presence or length still differed at the last one
    /// may differ after it, too: the days behind that do not.
    fn pass(&mut self, keys: Option<&[Vec<Image>]>, snapshots: &[Day]) -> Result<Vec<Vec<Image>>, Error> {
        let (Some(first), Some(last)) = (snapshots.first().copied(), snapshots.last().copied()) else {
            return Ok(Vec::new());
        };
        let definition = self.definition;
        let (base, read_from) = base_of(definition, first);
        let arrays = keys.map(|keys| key_arrays(definition, keys));
        let base_day = base.map(|base| base.day);
        let reading = Reading::new(definition, base_day, (read_from, last), snapshots, arrays.as_deref());
        let (unlike, base_rows) = self.bring_keys(&reading)?;
        match base.filter(|base| keys.is_none() && base.rows != base_rows) {
            Some(base) => self.pass_from_start(base, base_rows, snapshots),
            None => Ok(unlike),
        }
    }

    /// As `pass` for all keys, where the base is damaged: it is compared, too, and the days before it are taken from the
    /// daily table alone, which knows them all.
    fn pass_from_start(&mut self, base: Base, rows: i64, snapshots: &[Day]) -> Result<Vec<Vec<Image>>, Error> {
        let definition = self.definition;
        warn(definition, base, rows);
        let snapshots: Vec<Day> = std::iter::once(base.day).chain(snapshots.iter().copied()).collect();
        let last = snapshots.last().copied().unwrap_or(base.day);
        let reading = Reading::new(definition, None, (definition.start.unwrap_or(base.day), last), &snapshots, None);
        Ok(self.bring_keys(&reading)?.0)
    }

    /// Brings the rows of all keys that are read; those that are unlike at the last snapshot, and the rows of the base.
    fn bring_keys(&mut self, reading: &Reading) -> Result<(Vec<Vec<Image>>, i64), Error> {
        let arena = Arena::new();
        let mut unlike = Vec::new();
        self.seen = vec![0; reading.stored.len()];
        let base_rows = by_key::run(reading, true, |fold, group| {
            let alike = arena.enter(|| self.bring_key(reading, fold, group))?;
            arena.reset();
            if !alike {
                unlike.push(group.keys.clone());
            }
            Ok(())
        })?;
        self.writers.settle();
        if reading.keys.is_none() {
            self.record_rows(reading.stored);
        }
        Ok((unlike, base_rows))
    }

    /// All rows of these snapshots have been seen: so many there are, whatever the ledger says.
    fn record_rows(&mut self, snapshots: &[Day]) {
        let rows: Vec<(Day, i64)> = snapshots.iter().copied().zip(self.seen.iter().copied()).collect();
        ledger::record_rows(self.definition.target.oid, &rows);
        self.balance.retain(|day, _| !snapshots.contains(day));
    }

    /// Brings one key's rows; whether its presence and length agreed at the last snapshot.
    fn bring_key(&mut self, reading: &Reading, fold: &mut Fold, group: &mut Group) -> Result<bool, Error> {
        let keys: Vec<Datum> = group.keys.iter().map(Image::datum).collect();
        let mut alike = true;
        for (index, day) in reading.stored.iter().enumerate() {
            let present = group.rows.through(fold, *day);
            let (stored, copies) = group.rows.stored_row(*day);
            let stored_length = match &stored {
                Some(row) => {
                    row.values[reading.array_index(0)].as_ref().map(|array| array::length(array.datum())).transpose()?
                }
                None => None,
            };
            alike = present == stored.is_some() && (!present || stored_length == Some(fold.length(0)));
            let stored: Option<Vec<Option<Datum>>> =
                stored.as_ref().map(|row| row.values.iter().map(|value| value.as_ref().map(Image::datum)).collect());
            let mut expected = Vec::new();
            if present {
                fold.emit(0, &mut expected)?;
            }
            let change = self.writers.of_day(*day).bring(
                &RowKey { day: *day, keys: &keys, copies },
                stored.as_deref(),
                present.then_some(expected.as_slice()),
            );
            self.seen[index] += copies + change.balance;
            self.count(*day, change);
        }
        Ok(alike)
    }

    fn count(&mut self, day: Day, change: Change) {
        self.changed += change.rows;
        if change.balance != 0 {
            *self.balance.entry(day).or_default() += change.balance;
        }
    }

    fn finish(self) -> Result<i64, Error> {
        let balance: Vec<(Day, i64)> = self.balance.into_iter().filter(|(_, by)| *by != 0).collect();
        ledger::adjust_rows(self.definition.target.oid, &balance);
        Ok(self.changed)
    }
}
