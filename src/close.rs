//! Closing days: one snapshot or many, in the caller's transaction.

use crate::backfill;
use crate::build;
use crate::catalog::definition::rows_of_day;
use crate::catalog::ledger::{self, Entry};
use crate::catalog::{Definition, Late, State, named_keys, notes, registry};
use crate::daily;
use crate::error::Error;
use crate::late::dirt::Dirt;
use crate::late::leaves;
use crate::late::writers;
use crate::pg::activity;
use crate::pg::identity::{self, as_owner};
use crate::pg::message::notice;
use crate::pg::value::Datum;
use crate::repair::{self, Changes};
use crate::retention;
use crate::rules::calendar::{Day, days, stretches};
use crate::rules::window::LONGEST_WINDOW;
use crate::sink::partitions::lost_days;

/// Which days of a range are aggregated again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Every day of the range: it was named by hand.
    Named,
    /// Only days that are not closed.
    Unclosed,
    /// Of these, not those that were aggregated since then (microseconds since 1970).
    UnclosedSince(i64),
}

/// Closes all days of a range, in one transaction; snapshot rows of these days.
pub fn close(definition: &mut Definition, from: Day, to: Day, again: Again) -> Result<i64, Error> {
    check_transaction()?;
    as_owner(definition.target.owner, || {
        check_range(definition, from, to)?;
        let over = Over::wait(definition, from, to);
        let start = lock(definition)?;
        check_days(definition, start, from, to)?;
        if again == Again::Named {
            take_back(definition, from)?;
        }
        close_under_lock(definition, start, (from, to), again, &over)?;
        Ok(ledger::rows(definition.target.oid, from, to))
    })
}

/// Repairs what is noted of days up to the last, makes what is missing, and settles what is over; rows written.
fn close_under_lock(
    definition: &Definition,
    start: Day,
    (from, to): (Day, Day),
    again: Again,
    over: &Over,
) -> Result<i64, Error> {
    ledger::reopen(definition.target.oid, over.today);
    let work = Work::plan(definition, start, from, to, again);
    let newest = ledger::newest_snapshot(definition.target.oid).map_or(to, |newest| newest.max(to));
    let changed = settle_notes(definition, start, to, newest, over, &work.again)?;
    let made = activity::through(&definition.target.label(), from, to, || work.build(definition, over))?;
    work.settle(definition, over);
    Ok(changed + made)
}

/// Does everything that `cumulate.plan` lists: repairs what is noted, and closes all days that are over; rows written.
pub fn refresh(definition: &mut Definition) -> Result<i64, Error> {
    check_transaction()?;
    as_owner(definition.target.owner, || {
        let yesterday = definition.today().minus(1);
        let over = Over::wait(definition, definition.start.unwrap_or(yesterday).min(yesterday), yesterday);
        let start = match lock(definition) {
            Err(Error::NoEvents { .. }) => return Ok(0),
            start => start?,
        };
        let from = backfill::first_wanted(definition, start);
        if from <= yesterday {
            return close_under_lock(definition, start, (from, yesterday), Again::Unclosed, &over);
        }
        ledger::reopen(definition.target.oid, over.today);
        match ledger::newest_snapshot(definition.target.oid) {
            Some(newest) => settle_notes(definition, start, newest, newest, &over, &[]),
            None => Ok(0),
        }
    })
}

/// Which rows of the snapshots are compared with the daily table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compare {
    /// Those of keys whose days have changed.
    Changed,
    /// All: somebody may have changed the snapshots themselves.
    Everything,
}

/// Aggregates days again and brings their snapshots, and those that depend on them, to that; snapshot rows changed.
pub fn restate(definition: &mut Definition, from: Day, to: Day) -> Result<i64, Error> {
    aggregate_again(definition, from, to, Compare::Everything)
}

/// As `restate`, for keys given as jsonb; what is noted stays noted.
pub fn restate_keys(definition: &mut Definition, from: Day, to: Day, keys: Datum) -> Result<i64, Error> {
    check_transaction()?;
    as_owner(definition.target.owner, || {
        check_range(definition, from, to)?;
        Over::wait(definition, from, to);
        let start = lock(definition)?;
        check_days(definition, start, from, to)?;
        let keys = named_keys::several(definition, keys)?;
        if keys.is_empty() {
            return Ok(0);
        }
        let newest = ledger::newest_snapshot(definition.target.oid);
        let mut changes = Changes::wanted(newest.is_some_and(|newest| newest >= from));
        daily::aggregate_keys(definition, from, to, &keys, &mut changes)?;
        changes.name_keys(keys, from, to);
        repair::repair(definition, changes)
    })
}

fn aggregate_again(definition: &mut Definition, from: Day, to: Day, compare: Compare) -> Result<i64, Error> {
    check_transaction()?;
    as_owner(definition.target.owner, || {
        check_range(definition, from, to)?;
        let over = Over::wait(definition, from, to);
        let start = lock(definition)?;
        check_days(definition, start, from, to)?;
        let mut noted = notes::read(definition.target.oid, to);
        noted.retain(|note| note.day.is_some_and(|day| day >= from));
        let mut dirt = Dirt::default();
        dirt.add_days(days(from, to));
        let compared = (compare == Compare::Everything).then_some((from, to));
        let changed = aggregate_and_repair(definition, dirt, &over, compared)?;
        notes::delete(definition.target.oid, &noted);
        Ok(changed)
    })
}

/// Aggregates one day from the source, and repairs the snapshots that depend on it; the day's daily rows.
pub fn populate(definition: &mut Definition, day: Day) -> Result<i64, Error> {
    aggregate_again(definition, day, day, Compare::Changed)?;
    as_owner(definition.target.owner, || Ok(rows_of_day(&definition.daily, day)))
}

/// Repairs everything that notes say; snapshot rows changed.
pub fn apply_late(definition: &mut Definition) -> Result<i64, Error> {
    check_transaction()?;
    as_owner(definition.target.owner, || {
        let over = Over::without_waiting(definition);
        if ledger::newest_snapshot(definition.target.oid).is_none() {
            return Ok(0);
        }
        let start = lock(definition)?;
        ledger::reopen(definition.target.oid, over.today);
        let Some(newest) = ledger::newest_snapshot(definition.target.oid) else { return Ok(0) };
        settle_notes(definition, start, newest, newest, &over, &[])
    })
}

/// Which days are over, and whose writers have ended: what is aggregated of them now is final, but for notes.
pub struct Over {
    today: Day,
    /// Days from this one on are not over.
    before: Day,
}

impl Over {
    /// Waits, holding nothing, for writers who began before the last of these days had ended.
    pub fn wait(definition: &Definition, from: Day, to: Day) -> Self {
        let today = definition.today();
        let unnoted = writers::wait(definition, to.min(today.minus(1)));
        if let Some(first) = unnoted {
            let first = first.max(from);
            notice!("days from {first} on stay open because transactions that began earlier still write to the source");
        }
        Over { today, before: unnoted.map_or(today, |first| first.min(today)) }
    }

    /// Looks for such writers once.
    pub fn without_waiting(definition: &Definition) -> Self {
        let today = definition.today();
        let unnoted = writers::look(definition, today.minus(1));
        Over { today, before: unnoted.map_or(today, |first| first.min(today)) }
    }

    /// Whether a day is over.
    pub fn is(&self, day: Day) -> bool {
        day < self.before
    }

    /// The state of a day whose snapshot is made now.
    pub fn state_of(&self, day: Day) -> State {
        if self.is(day) { State::Closed } else { State::Open }
    }
}

/// Repairs what notes for days up to `through` say, aggregates `again`, and deletes exactly the notes that were read;
/// snapshot rows changed. Notes are read before the source, so that none is deleted unseen.
fn settle_notes(
    definition: &Definition,
    start: Day,
    through: Day,
    newest: Day,
    over: &Over,
    again: &[Day],
) -> Result<i64, Error> {
    leaves::look(definition);
    let notes = notes::read(definition.target.oid, through);
    let live = definition.first_live_day(start);
    drop_frozen(definition, &notes);
    // A note for every day is also for days that have been aggregated and have no snapshot yet.
    let known = ledger::newest_known(definition.target.oid).map_or(newest, |known| known.max(newest));
    let last = if notes.iter().any(|note| note.day.is_none()) { known } else { newest };
    let mut dirt = Dirt::of(definition, live, last, &notes);
    dirt.add_days(again.iter().copied());
    if definition.late == Late::Scan {
        let first = over.today.minus(definition.lookback).max(live);
        dirt.add_days(days(first, newest.min(over.today.minus(1))));
    }
    let everything = dirt.everything.then_some((live, newest));
    let changed = aggregate_and_repair(definition, dirt, over, everything)?;
    notes::delete(definition.target.oid, &notes);
    Ok(changed)
}

/// Late changes of frozen days are no corrections: they are counted, and their notes go with the others.
fn drop_frozen(definition: &Definition, notes: &[notes::Note]) {
    let Some(through) = definition.frozen_through else { return };
    let frozen = notes.iter().filter(|note| note.day.is_some_and(|day| day <= through)).count();
    if frozen > 0 {
        registry::count_frozen_changes(definition.target.oid, frozen as i64);
    }
}

/// Freezes all days up to `through`: their source rows may be deleted from now on.
pub fn freeze(definition: &mut Definition, through: Day) -> Result<(), Error> {
    check_transaction()?;
    as_owner(definition.target.owner, || {
        let over = Over::wait(definition, through, through);
        let start = lock(definition)?;
        if !over.is(through) {
            return Err(Error::FutureDay { day: through, today: over.today, zone: definition.time_zone.clone() });
        }
        if through < start {
            return Err(Error::DayBeforeStart { day: through, start, table: definition.target.label() });
        }
        if definition.frozen_through.is_some_and(|frozen| frozen >= through) {
            return Ok(());
        }
        let from = definition.first_live_day(start);
        if let Some(day) = ledger::first_unclosed(definition.target.oid, from, through) {
            return Err(Error::Unclosed { day, through, table: definition.target.sql() });
        }
        let newest = ledger::newest_snapshot(definition.target.oid).map_or(through, |newest| newest.max(through));
        let unread = ledger::dropped_unread(definition.target.oid, from, through);
        settle_notes(definition, start, newest, newest, &over, &unread)?;
        registry::freeze(definition.target.oid, through);
        ledger::freeze(definition.target.oid, through);
        Ok(())
    })
}

/// Aggregates dirty days and keys again, and repairs; with `everything` all snapshots of that range are compared.
fn aggregate_and_repair(
    definition: &Definition,
    dirt: Dirt,
    over: &Over,
    everything: Option<(Day, Day)>,
) -> Result<i64, Error> {
    let Some(first) = dirt.first() else { return Ok(0) };
    let newest = ledger::newest_snapshot(definition.target.oid);
    // Changes are collected when there are snapshots that they could touch.
    let mut changes = Changes::wanted(newest.is_some_and(|newest| newest >= first));
    for (from, to) in stretches(dirt.days.iter().copied()) {
        daily::aggregate(definition, from, to, over, &mut changes)?;
    }
    for (day, keys) in dirt.keys.iter().filter(|(day, _)| !dirt.days.contains(day)) {
        daily::aggregate_keys(definition, *day, *day, keys, &mut changes)?;
    }
    if let Some((from, to)) = everything {
        changes.add_everything(from, to);
    }
    repair::repair(definition, changes)
}

/// READ COMMITTED only: an older snapshot would not see the writers that were waited for.
pub fn check_transaction() -> Result<(), Error> {
    if identity::reads_committed() { Ok(()) } else { Err(Error::IsolationLevel) }
}

/// Takes the lock of the definition and reads it again, for it may have changed meanwhile; its start date.
pub fn lock(definition: &mut Definition) -> Result<Day, Error> {
    definition.lock();
    let found = Definition::find(definition.target.oid);
    *definition = found.map_err(|error| match error {
        // Dropped while we waited: it has no name any more.
        Error::NotACumulativeTable { .. } => Error::NotACumulativeTable { name: definition.target.label() },
        other => other,
    })?;
    count_lost(definition);
    start(definition)
}

/// Snapshots whose partition somebody has dropped or detached by hand are gone: nobody writes into them any more.
fn count_lost(definition: &Definition) {
    let lost = lost_days(definition);
    for (from, to) in stretches(lost.iter().copied()) {
        let table = definition.target.label();
        notice!("days {from} to {to} of {table} count as dropped: their partition is gone");
    }
    if !lost.is_empty() {
        ledger::drop_snapshots(definition.target.oid, lost);
    }
}

/// The start date; without one the first event's day, fixed from now on. Under the lock.
fn start(definition: &mut Definition) -> Result<Day, Error> {
    if let Some(start) = definition.start {
        return Ok(start);
    }
    let source = || crate::pg::table::label(definition.source);
    let today = definition.today();
    let first = daily::first_day(definition, today)?.ok_or_else(|| Error::NoEvents { source: source() })?;
    if today.since(first) > LONGEST_WINDOW as i32 {
        return Err(Error::OldStart { first, today });
    }
    definition.set_start(first);
    Ok(first)
}

/// Refuses what can be refused before anything is waited for.
fn check_range(definition: &Definition, from: Day, to: Day) -> Result<(), Error> {
    if from > to {
        return Err(Error::ReversedRange { from, to });
    }
    let today = definition.today();
    if to > today {
        return Err(Error::FutureDay { day: to, today, zone: definition.time_zone.clone() });
    }
    definition.start.map_or(Ok(()), |start| check_days(definition, start, from, to))
}

/// Refuses days that do not count, and days that are frozen.
pub fn check_days(definition: &Definition, start: Day, from: Day, to: Day) -> Result<(), Error> {
    if from > to {
        return Err(Error::ReversedRange { from, to });
    }
    if from < start {
        return Err(Error::DayBeforeStart { day: from, start, table: definition.target.label() });
    }
    if let Some(through) = definition.frozen_through.filter(|through| from <= *through) {
        return Err(Error::FrozenDay { day: from, through, table: definition.target.label() });
    }
    let today = definition.today();
    if to > today {
        return Err(Error::FutureDay { day: to, today, zone: definition.time_zone.clone() });
    }
    Ok(())
}

/// A snapshot that was dropped is made again when it is named, unless it is older than the table keeps them.
fn take_back(definition: &Definition, day: Day) -> Result<(), Error> {
    let target = definition.target.oid;
    if ledger::entries(target, day, day).iter().all(|entry| entry.state != State::Dropped) {
        return Ok(());
    }
    if let Some(kept) = retention::horizon(definition).filter(|horizon| day < *horizon) {
        return Err(Error::DroppedDay { day, kept, table: definition.target.label() });
    }
    ledger::take_back(target, day, day);
    Ok(())
}

/// What closing a range has to do.
struct Work {
    from: Day,
    to: Day,
    /// What the ledger says of the days since the newest earlier closed day.
    entries: Vec<Entry>,
    again: Vec<Day>,
    /// The days of the range were named by hand.
    named: bool,
}

impl Work {
    fn plan(definition: &Definition, start: Day, from: Day, to: Day, again: Again) -> Self {
        let target = definition.target.oid;
        let base = ledger::newest(target, from, &[State::Closed, State::Frozen]);
        let first = base.map_or(start, |base| base.plus(1));
        let entries = ledger::entries(target, first, to);
        let fresh = |entry: &Entry| match (entry.aggregated_at, again) {
            (Some(at), Again::UnclosedSince(since)) if at >= since => true,
            // Late changes to an aggregated day are noted.
            (aggregated, _) => aggregated.is_some() && definition.late == Late::Trigger,
        };
        let needed = |day: &Day| {
            let named = again == Again::Named && *day >= from;
            let entry = entries.iter().find(|entry| entry.day == *day);
            named
                || entry.is_none_or(|entry| match entry.state {
                    State::Closed | State::Frozen => false,
                    // Its daily rows count for later days, but nobody reads them again.
                    State::Dropped => entry.aggregated_at.is_none(),
                    State::Missing | State::Open => !fresh(entry),
                })
        };
        let dirty = days(first, to).filter(needed).collect();
        Work { from, to, entries, again: dirty, named: again == Again::Named }
    }

    /// Makes the snapshots of the range that are missing; rows written.
    fn build(&self, definition: &Definition, over: &Over) -> Result<i64, Error> {
        let present = |day: &Day| self.entries.iter().any(|entry| entry.day == *day && entry.state != State::Missing);
        let (present, missing): (Vec<Day>, Vec<Day>) = days(self.from, self.to).partition(present);
        let mut rows = 0;
        for (from, to) in stretches(missing) {
            rows += make(definition, from, to, over)?;
        }
        if self.named {
            present.iter().try_for_each(|day| repair::mend_if_damaged(definition, *day))?;
        }
        Ok(rows)
    }

    /// Days that were open are closed once they are over: what they lacked has been repaired.
    fn settle(&self, definition: &Definition, over: &Over) {
        let open = self.entries.iter().filter(|entry| entry.state == State::Open && over.is(entry.day));
        let closed: Vec<_> = open.map(|entry| (entry.day, State::Closed, None)).collect();
        ledger::record_closed(definition.target.oid, &closed);
    }
}

/// Makes the snapshots of days without a gap; rows written. Rows that are there already, as of a partition that was
/// attached by hand, are compared instead.
fn make(definition: &Definition, from: Day, to: Day, over: &Over) -> Result<i64, Error> {
    let target = &definition.target;
    let mut rows = 0;
    let mut rest: Vec<Day> = days(from, to).collect();
    if ledger::adopt(target.oid, &target.sql(), from, to) {
        rows += repair::compare(definition, from, to)?;
        let found = ledger::snapshots(target.oid, from, Some(to));
        let settled: Vec<_> = found.iter().map(|day| (*day, over.state_of(*day), None)).collect();
        ledger::record_closed(target.oid, &settled);
        rest.retain(|day| !found.contains(day));
    }
    for (from, to) in stretches(rest) {
        build::stretch(definition, from, to, over)?;
        rows += ledger::rows(target.oid, from, to);
    }
    Ok(rows)
}
