//! One case lived through: tables made, operations carried out, the law checked after each.

use crate::action::{Action, Call};
use crate::case::Case;
use crate::coverage::Seen;
use crate::event::Event;
use crate::form::{Form, Late};
use crate::operation::{Ending, Operation, Step};
use crate::schema::Schema;
use crate::source::{Rows, Source, changed_days, run};
use pg_cumulate_tests::model::{Day, Entry, Ledger, StoredRow, differences, snapshot};
use pg_cumulate_tests::{Ask, Database, Refusal, literal};
use postgres::Client;
use std::collections::{BTreeMap, BTreeSet};

/// Carries out a case in a database; what it saw, or how the law was broken.
pub fn live_through(database: &Database, case: &Case) -> Result<Seen, String> {
    let schema = Schema::new();
    let mut world = World::create(database, &case.form, &schema)?;
    for (index, operation) in case.operations.iter().enumerate() {
        let outcome = world.carry_out(operation).and_then(|()| world.check());
        outcome.map_err(|told| format!("after operation {}:\n{told}", index + 1))?;
    }
    world.drop_table()
}

struct World<'a> {
    client: Client,
    form: &'a Form,
    schema: &'a Schema,
    /// The daily table, as SQL writes its name.
    daily: String,
    state: State,
    /// The snapshots after the operation before, and the days that were closed then.
    stored: BTreeMap<Day, Vec<StoredRow>>,
    closed: BTreeSet<Day>,
    seen: Seen,
}

/// What a rollback takes back.
#[derive(Debug, Clone, Default)]
struct State {
    ledger: Ledger,
    /// Known from the definition, or since the first close.
    start: Option<Day>,
    /// The newest day that the engine may have aggregated.
    aggregated: Option<Day>,
    /// Snapshots are kept from that day on.
    keep_from: Option<Day>,
    /// Days whose snapshots were dropped, or will not be made for their age.
    dropped: BTreeSet<Day>,
}

impl<'a> World<'a> {
    fn create(database: &Database, form: &'a Form, schema: &'a Schema) -> Result<World<'a>, String> {
        let mut client = database.connect_as(form.role());
        for command in schema.create(form) {
            run(&mut client, &command)?;
        }
        let zone = if form.zone_of_session { form.season.zone } else { "Pacific/Auckland" };
        run(&mut client, &format!("SET timezone = {}", literal(zone)))?;
        run(&mut client, &form.create_table(schema))?;
        // What the table does later must not depend on the session.
        run(&mut client, "SET timezone = 'Pacific/Honolulu'")?;
        let state = State { start: form.start.map(|number| form.season.day(number)), ..State::default() };
        let target = literal(&schema.target);
        let daily = format!("SELECT daily FROM cumulate.definition WHERE target = {target}::regclass");
        let daily = database.connect().lines(&daily).concat();
        let mut world = World {
            client,
            form,
            schema,
            daily,
            state,
            stored: BTreeMap::new(),
            closed: BTreeSet::new(),
            seen: Seen::default(),
        };
        world.check_columns()?;
        for command in schema.make_sink(form, &world.daily) {
            run(&mut world.client, &command)?;
        }
        Ok(world)
    }

    fn check_columns(&mut self) -> Result<(), String> {
        let columns = self.client.lines(&format!(
            "SELECT attname FROM pg_attribute
              WHERE attrelid = {}::regclass AND attnum > 0 AND NOT attisdropped",
            literal(&self.schema.target)
        ));
        let (made, wanted) = (columns.into_iter().collect::<BTreeSet<_>>(), self.schema.target_columns(self.form));
        if made == wanted { Ok(()) } else { Err(format!("columns made: {made:?}\nwanted: {wanted:?}")) }
    }

    fn carry_out(&mut self, operation: &Operation) -> Result<(), String> {
        match operation {
            Operation::Alone(action) => self.act(action),
            Operation::Backfill(from, to) => self.close_range("backfill", *from, *to),
            Operation::Transaction { steps, ending } => self.transact(steps, *ending),
        }
    }

    fn transact(&mut self, steps: &[Step], ending: Ending) -> Result<(), String> {
        let before = self.state.clone();
        run(&mut self.client, "BEGIN")?;
        for step in steps {
            match step {
                Step::Kept(action) => self.act(action)?,
                Step::Undone(action) => self.undo(action)?,
            }
        }
        self.seen.count(match ending {
            Ending::Commit => "commit",
            Ending::Rollback => "rollback",
            Ending::CommitPrepared => "commit prepared",
            Ending::RollbackPrepared => "rollback prepared",
        });
        if matches!(ending, Ending::Rollback | Ending::RollbackPrepared) {
            self.state = before;
            self.seen.aborted = true;
        }
        let name = literal(&self.schema.name);
        match ending {
            Ending::Commit => run(&mut self.client, "COMMIT"),
            Ending::Rollback => run(&mut self.client, "ROLLBACK"),
            Ending::CommitPrepared => self.end_in_two_phases(&format!("COMMIT PREPARED {name}")),
            Ending::RollbackPrepared => self.end_in_two_phases(&format!("ROLLBACK PREPARED {name}")),
        }
    }

    fn end_in_two_phases(&mut self, second: &str) -> Result<(), String> {
        run(&mut self.client, &format!("PREPARE TRANSACTION {}", literal(&self.schema.name)))?;
        run(&mut self.client, second)
    }

    fn undo(&mut self, action: &Action) -> Result<(), String> {
        let before = self.state.clone();
        run(&mut self.client, "SAVEPOINT before")?;
        self.act(action)?;
        self.seen.count("rollback to savepoint");
        self.state = before;
        run(&mut self.client, "ROLLBACK TO SAVEPOINT before")
    }

    fn act(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Change(change) => {
                let source = self.source();
                let before = source.rows(&mut self.client);
                if !source.change(&mut self.client, change, &before)? {
                    return Ok(());
                }
                let after = source.rows(&mut self.client);
                self.seen.count(action.name(self.form));
                self.seen.first_moved |=
                    !self.state.ledger.closed().is_empty() && self.first_days_differ(&before, &after);
                changed_days(&before, &after).into_iter().for_each(|day| self.note(day));
                Ok(())
            }
            Action::Call(call) => self.call(*call, action.name(self.form)),
        }
    }

    fn source(&self) -> Source<'a> {
        Source { form: self.form, schema: self.schema }
    }

    /// A change of a day that the engine cannot have looked at yet is not late where nothing notes it.
    fn note(&mut self, day: Day) {
        let looked_at = self.form.late == Late::Trigger || self.state.aggregated.is_some_and(|newest| day <= newest);
        if looked_at && self.state.start.is_none_or(|start| day >= start) {
            self.state.ledger.note(day);
        }
    }

    fn call(&mut self, call: Call, name: &'static str) -> Result<(), String> {
        match call {
            Call::Populate(number) => self.populate(self.form.season.day(number)),
            Call::Close(number) => self.close(self.form.season.day(number), name),
            Call::CloseAgain(nth) => {
                let closed = self.state.ledger.closed();
                let again = nth.checked_rem(closed.len()).and_then(|nth| closed.iter().nth(nth).copied());
                again.map_or(Ok(()), |day| self.close(day, name))
            }
            Call::Range(from, to) => self.close_range(name, from, to),
            Call::ApplyLate => self.apply_late(),
            Call::Restate(from, to) => {
                let season = self.form.season;
                self.restate(season.day(from), season.day(to), false, name)
            }
            Call::RestateChanged | Call::RestateKeys => {
                let changed = self.state.ledger.changed();
                match (changed.first().copied(), changed.last().copied()) {
                    (Some(first), Some(last)) => self.restate(first, last, matches!(call, Call::RestateKeys), name),
                    _ => Ok(()),
                }
            }
            Call::KeepFrom(number) => self.keep(Some(self.form.season.day(number)), name),
            Call::KeepAll => self.keep(None, name),
        }
    }

    fn keep(&mut self, from: Option<Day>, name: &'static str) -> Result<(), String> {
        let (target, zone) = (literal(&self.schema.target), literal(self.form.season.zone));
        let retention = from.map_or("'0'".to_owned(), |day| {
            format!("make_interval(days => (clock_timestamp() AT TIME ZONE {zone})::date - DATE '{day}')")
        });
        run(&mut self.client, &format!("SELECT cumulate.alter_table({target}, retention => {retention})"))?;
        self.seen.count(name);
        self.state.keep_from = from;
        self.state.dropped.retain(|day| from.is_some_and(|from| *day < from));
        let dropped = self.number(&format!("SELECT cumulate.apply_retention({target})"))?;
        let expected = self.drop_old();
        if dropped == expected { Ok(()) } else { Err(format!("{dropped} days were dropped, not {expected}")) }
    }

    /// Days that are too old: those without a snapshot, and those with one but for the window before the newest.
    fn drop_old(&mut self) -> i64 {
        let (Some(from), Some(start)) = (self.state.keep_from, self.state.start) else { return 0 };
        let State { ledger, dropped, .. } = &mut self.state;
        let before = dropped.len();
        let window = self.form.windows.iter().max().expect("a definition has a window");
        let last = ledger.closed().last().map(|newest| from.min(*newest - chrono::Days::new(*window as u64)));
        let old = start.iter_days().take_while(|day| *day < from);
        dropped.extend(old.filter(|day| !ledger.closed().contains(day) || last.is_some_and(|last| *day < last)));
        if let Some(last) = last {
            ledger.drop_before(last);
        }
        (dropped.len() - before) as i64
    }

    fn populate(&mut self, day: Day) -> Result<(), String> {
        if self.state.start.is_none_or(|start| day < start) {
            return Ok(());
        }
        self.number(&format!("SELECT cumulate.populate_day({}, '{day}')", literal(&self.schema.target)))?;
        self.seen.count("populate_day");
        self.state.aggregated = self.state.aggregated.max(Some(day));
        self.note(day);
        Ok(())
    }

    fn close(&mut self, day: Day, name: &'static str) -> Result<(), String> {
        if !self.may_close(day) || self.state.dropped.contains(&day) {
            return Ok(());
        }
        let rows = self.number(&format!("SELECT cumulate.cumulate_day({}, '{day}')", literal(&self.schema.target)))?;
        self.closed(day);
        self.seen.count(name);
        let stored = format!("SELECT count(*) FROM {} WHERE snapshot_date = '{day}'", self.schema.target);
        let stored: i64 = self.client.value(&stored);
        if rows == stored { Ok(()) } else { Err(format!("cumulate_day reported {rows} rows and stored {stored}")) }
    }

    fn close_range(&mut self, name: &'static str, from: i64, to: i64) -> Result<(), String> {
        let (from, to) = (self.form.season.day(from), self.form.season.day(to));
        if !self.may_close(from) {
            return Ok(());
        }
        let verb = if name == "backfill" { "CALL cumulate.backfill" } else { "SELECT cumulate.cumulate_range" };
        run(&mut self.client, &format!("{verb}({}, '{from}', '{to}')", literal(&self.schema.target)))?;
        self.seen.count(name);
        from.iter_days().take_while(|day| *day <= to).for_each(|day| self.closed(day));
        if name == "backfill" {
            self.drop_old();
        }
        Ok(())
    }

    /// Whether the day is on or after the start, which the first close fixes to the earliest day there is.
    fn may_close(&mut self, day: Day) -> bool {
        if self.state.start.is_none() {
            let rows = self.source().rows(&mut self.client);
            let earliest = counted(self.form, &rows).filter_map(|entry| entry.day).min();
            self.state.start = earliest.filter(|earliest| *earliest <= day);
        }
        self.state.start.is_some_and(|start| start <= day)
    }

    fn closed(&mut self, day: Day) {
        self.state.aggregated = self.state.aggregated.max(Some(day));
        match self.form.late {
            // A dropped day counts as done; what was noted up to it is repaired all the same.
            Late::Trigger if self.state.dropped.contains(&day) => self.state.ledger.settle(Day::MIN, day),
            _ if self.state.dropped.contains(&day) => {}
            Late::Trigger => self.state.ledger.close(day),
            Late::Scan | Late::ScanYesterday | Late::None => self.state.ledger.close_without_notes(day),
        }
        self.scanned();
    }

    /// Every look of a table that scans repairs all days up to its newest snapshot.
    fn scanned(&mut self) {
        let newest = self.state.ledger.closed().last().copied().filter(|_| self.form.late == Late::Scan);
        if let Some(newest) = newest {
            self.state.ledger.settle(Day::MIN, newest);
        }
    }

    fn apply_late(&mut self) -> Result<(), String> {
        if !matches!(self.form.late, Late::Trigger | Late::Scan) {
            return Ok(());
        }
        self.number(&format!("SELECT cumulate.apply_late({})", literal(&self.schema.target)))?;
        self.seen.count("apply_late");
        match self.form.late {
            Late::Trigger => self.state.ledger.settle_all(),
            _ => self.scanned(),
        }
        Ok(())
    }

    /// Restates days; of all keys, or naming all that there are or were.
    fn restate(&mut self, from: Day, to: Day, names_keys: bool, name: &'static str) -> Result<(), String> {
        if self.state.start.is_none_or(|start| from < start) {
            return Ok(());
        }
        let target = literal(&self.schema.target);
        let keys = if names_keys { self.schema.all_keys(self.form, &self.daily) } else { "NULL".to_owned() };
        self.number(&format!("SELECT cumulate.restate({target}, '{from}', '{to}', {keys})"))?;
        self.seen.count(name);
        if !names_keys {
            self.state.aggregated = self.state.aggregated.max(Some(to));
        }
        self.state.ledger.settle(from, to);
        Ok(())
    }

    /// Every closed, clean day is the snapshot of the law, no other day has rows, and verify finds nothing.
    fn check(&mut self) -> Result<(), String> {
        let stored = self.schema.reader(self.form).snapshots(&mut self.client);
        let stored = stored.map_err(|error| format!("the table cannot be read: {error:?}"))?;
        let mut found = Vec::new();
        if let Some(start) = self.state.start {
            let entries: Vec<Entry<_>> = self.source().rows(&mut self.client).into_values().collect();
            let definition = self.form.definition(start);
            for day in self.state.ledger.clean() {
                let expected = snapshot(&definition, &entries, day);
                let rows = stored.get(&day).map_or(&[][..], Vec::as_slice);
                found.extend(differences(day, &self.form.metric_names(), &expected, rows));
            }
        }
        let strange = stored.keys().filter(|day| !self.state.ledger.closed().contains(day));
        found.extend(strange.map(|day| format!("{day}: never closed, but has rows")));
        found.extend(self.verify());
        self.remember(stored);
        if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
    }

    /// A snapshot that was there before and is another now has been repaired.
    fn remember(&mut self, mut stored: BTreeMap<Day, Vec<StoredRow>>) {
        stored.values_mut().for_each(|rows| rows.sort_by(|one, other| one.key.cmp(&other.key)));
        let before = std::mem::replace(&mut self.closed, self.state.ledger.closed().clone());
        self.seen.repaired |= before.intersection(&self.closed).any(|day| self.stored.get(day) != stored.get(day));
        self.stored = stored;
    }

    /// Notes keep verify from days that wait for a repair; without notes the caller has to.
    fn verify(&mut self) -> Vec<String> {
        let first_change = self.state.ledger.changed().first().filter(|_| self.form.late != Late::Trigger);
        let until = match first_change.map(|day| day.pred_opt().expect("days are not that early")) {
            Some(day) if self.state.start.is_none_or(|start| day < start) => return Vec::new(),
            Some(day) => format!("'{day}'"),
            None => "NULL".to_owned(),
        };
        let target = literal(&self.schema.target);
        let rows = self.client.lines(&format!("SELECT * FROM cumulate.verify({target}, NULL, {until})"));
        rows.into_iter().map(|row| format!("verify: {row}")).collect()
    }

    fn first_days_differ(&self, before: &Rows, after: &Rows) -> bool {
        let (before, after) = (first_days(self.form, before), first_days(self.form, after));
        before.iter().any(|(key, first)| after.get(key) != Some(first))
    }

    fn number(&mut self, sql: &str) -> Result<i64, String> {
        let row = self.client.query_one(sql, &[]);
        let row = row.map_err(|error| format!("{}\nin: {sql}", Refusal::of(&error, sql)))?;
        row.try_get::<_, i64>(0).map_err(|error| format!("{error}\nin: {sql}"))
    }

    fn drop_table(mut self) -> Result<Seen, String> {
        run(&mut self.client, &format!("SELECT cumulate.drop_table({})", literal(&self.schema.target)))?;
        for command in self.schema.drop(self.form) {
            run(&mut self.client, &command)?;
        }
        Ok(self.seen)
    }
}

/// Rows that pass the filter and have no NULL in the key.
fn counted<'r>(form: &Form, rows: &'r Rows) -> impl Iterator<Item = &'r Entry<Event>> {
    let filter = form.filter;
    rows.values().filter(move |entry| entry.key.is_some() && filter.passes(&entry.event))
}

fn first_days<'r>(form: &Form, rows: &'r Rows) -> BTreeMap<&'r [String], Day> {
    let mut first = BTreeMap::new();
    for entry in counted(form, rows) {
        if let (Some(key), Some(day)) = (&entry.key, entry.day) {
            let known = first.entry(key.as_slice()).or_insert(day);
            *known = day.min(*known);
        }
    }
    first
}
