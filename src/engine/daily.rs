//! Source to daily table: days are aggregated from the source, and the daily rows brought to that.

use super::daily_changes::DailyChanges;
use super::long_key::KeyLimit;
use crate::catalog::Definition;
use crate::catalog::definition::SNAPSHOT_DATE;
use crate::catalog::ledger::{self, Counts};
use crate::catalog::notes;
use crate::error::Error;
use crate::fold::Ticker;
use crate::fold::key_change::SameKey;
use crate::fold::stream::{KeyArrays, key_arrays};
use crate::late::over::Over;
use crate::pg::activity;
use crate::pg::identity;
use crate::pg::memory::Arena;
use crate::pg::receiver::Row;
use crate::pg::spi::Statement;
use crate::pg::table::{self, Table, ident};
use crate::pg::value::{Datum, Image, Layout};
use crate::rules::calendar::{Day, days};
use crate::sink::changes::{Change, RowKey, RowWriter};
use crate::sink::column_types;
use crate::sink::inserter::Inserter;
use pgrx::pg_sys::Oid;

/// Aggregates a range of days again and brings the daily table to it. What changed is added to `changes`.
pub fn aggregate(
    definition: &Definition,
    from: Day,
    to: Day,
    over: &Over,
    changes: &mut DailyChanges,
) -> Result<(), Error> {
    activity::reading(from, to);
    check_row_security(definition.source, definition.target.owner)?;
    let mut tally = Tally::new(from, to);
    if has_rows(definition, from, to) || changes.are_wanted() {
        compare(definition, from, to, None, &mut tally, changes)?;
    } else {
        fill(definition, from, to, &mut tally)?;
    }
    tally.record(definition, over);
    Ok(())
}

/// Aggregates some keys of a range of days again.
pub fn aggregate_keys(
    definition: &Definition,
    from: Day,
    to: Day,
    keys: &[Vec<Image>],
    changes: &mut DailyChanges,
) -> Result<(), Error> {
    check_row_security(definition.source, definition.target.owner)?;
    let arrays = key_arrays(definition, keys);
    compare(definition, from, to, Some(&arrays), &mut Tally::new(from, to), changes)
}

/// The rows of the source in a range of days are read once; NULL keys are counted and left out.
struct Tally {
    from: Day,
    counts: Vec<Counts>,
}

impl Tally {
    fn new(from: Day, to: Day) -> Self {
        Tally { from, counts: vec![Counts::default(); usize::try_from(to.since(from) + 1).unwrap_or(0)] }
    }

    fn add(&mut self, day: Day, source_rows: i64, keyed: bool) {
        let index = usize::try_from(day.since(self.from)).unwrap_or(usize::MAX);
        if let Some(counts) = self.counts.get_mut(index) {
            if keyed {
                counts.events += source_rows;
            } else {
                counts.unkeyed += source_rows;
            }
        }
    }

    fn record(&self, definition: &Definition, over: &Over) {
        let days = days(self.from, self.from.plus(self.counts.len() as i32 - 1));
        let rows: Vec<(Day, Counts, bool)> =
            days.zip(&self.counts).map(|(day, counts)| (day, *counts, over.is(day))).collect();
        ledger::record_aggregated(definition.target.oid, &rows);
    }
}

/// Refuses, as the owner, to read a part of the source for the whole: what a policy hides from the owner would be missing.
pub fn check_row_security(source: Oid, owner: Oid) -> Result<(), Error> {
    let binds = Statement::new("SELECT WHERE pg_catalog.row_security_active($1)").bind(source).exists();
    if !binds {
        return Ok(());
    }
    let source = Table::find(source);
    Err(Error::RowSecurity {
        owned: source.as_ref().is_some_and(|source| identity::is_member(owner, source.owner)),
        source: source.map_or(String::new(), |source| source.sql()),
        owner: table::role_name(owner),
    })
}

fn has_rows(definition: &Definition, from: Day, to: Day) -> bool {
    Statement::new(&format!(
        "SELECT FROM {} WHERE {SNAPSHOT_DATE} BETWEEN DATE '{from}' AND DATE '{to}' LIMIT 1",
        definition.daily.sql()
    ))
    .exists()
}

/// Columns of the rows below: kind, day, keys, number of events, metrics.
const FIRST_KEY: usize = 2;

fn aggregate_sql(definition: &Definition, from: Day, to: Day) -> String {
    let metrics: Vec<String> = definition.daily_columns().iter().map(|name| ident(name)).collect();
    format!(
        "SELECT 0, {SNAPSHOT_DATE}, {}, {}
         FROM {}",
        definition.key_list(""),
        metrics.join(", "),
        definition.aggregated(from, to)
    )
}

/// By place: any name may be that of a key, too.
fn day_and_keys(definition: &Definition) -> String {
    format!("2, {}", definition.key_places(FIRST_KEY))
}

fn row_day(row: &Row) -> Day {
    row.get(1).unwrap_or_default()
}

fn source_rows(definition: &Definition, row: &Row) -> i64 {
    row.datum(FIRST_KEY + definition.keys.len()).map_or(0, |count| count.value() as i64)
}

fn is_keyed(definition: &Definition, row: &Row) -> bool {
    (0..definition.keys.len()).all(|index| row.datum(FIRST_KEY + index).is_some())
}

/// Fills days that have no daily rows.
fn fill(definition: &Definition, from: Day, to: Day, tally: &mut Tally) -> Result<(), Error> {
    let mut writer = Filler::open(definition);
    let sql = format!("{} ORDER BY {}", aggregate_sql(definition, from, to), day_and_keys(definition));
    let mut ticker = Ticker::default();
    Statement::new(&sql).serial_if(writer.inserter.needs_serial_query()).each(|row| {
        ticker.tick();
        let keyed = is_keyed(definition, &row);
        tally.add(row_day(&row), source_rows(definition, &row), keyed);
        if keyed { writer.write(&row) } else { Ok(()) }
    })?;
    writer.inserter.finish();
    // The daily table may be the source of another table.
    notes::note_days(definition.daily.oid, from, to);
    Ok(())
}

/// Writes new daily rows.
struct Filler<'a> {
    layouts: Vec<Layout>,
    limit: KeyLimit<'a>,
    inserter: Inserter,
}

impl<'a> Filler<'a> {
    fn open(definition: &'a Definition) -> Self {
        let mut names = definition.keys.iter().map(|key| key.name.clone()).collect::<Vec<_>>();
        names.extend(definition.daily_columns());
        let layouts = column_types(&definition.daily.columns(), &names).into_iter().map(Layout::of).collect();
        names.push(SNAPSHOT_DATE.to_owned());
        Filler { layouts, limit: KeyLimit::of(definition), inserter: Inserter::open(&definition.daily, &names) }
    }

    fn write(&mut self, row: &Row) -> Result<(), Error> {
        self.limit.check(row_day(row), |index| row.some(FIRST_KEY + index))?;
        let layouts = self.layouts.iter().enumerate();
        self.inserter.write(|values| {
            values.extend(layouts.map(|(index, layout)| row.datum(FIRST_KEY + index).map(|value| layout.copy(value))));
            values.push(Some(Datum::from(row_day(row).number())));
            Ok::<(), Error>(())
        })?;
        Ok(())
    }
}

/// Compares a fresh aggregate with the daily rows and writes what differs.
fn compare(
    definition: &Definition,
    from: Day,
    to: Day,
    only: Option<&KeyArrays>,
    tally: &mut Tally,
    changes: &mut DailyChanges,
) -> Result<(), Error> {
    let metrics: Vec<String> = definition.daily_columns().iter().map(|name| ident(name)).collect();
    let keys = definition.key_list("");
    // With several key columns that lets other keys through, on both sides alike.
    let each = definition.keys.iter().enumerate();
    let among = match only {
        None => "true".to_owned(),
        Some(_) => each
            .map(|(index, key)| format!("{} {} ANY (${})", ident(&key.name), key.equality, index + 1))
            .collect::<Vec<_>>()
            .join(" AND "),
    };
    let sql = format!(
        "{} WHERE {among} UNION ALL SELECT 1, {SNAPSHOT_DATE}, {keys}, {} FROM {}
         WHERE {SNAPSHOT_DATE} BETWEEN DATE '{from}' AND DATE '{to}' AND {among} ORDER BY {}",
        aggregate_sql(definition, from, to),
        metrics.join(", "),
        definition.daily.sql(),
        day_and_keys(definition)
    );
    let params = only.unwrap_or_default().iter();
    let statement = params.fold(Statement::new(&sql), |statement, param| statement.bind_param(*param));
    let mut pair = Pair::new(definition);
    let mut ticker = Ticker::default();
    statement.serial_if(true).each(|row| {
        ticker.tick();
        let day = row_day(&row);
        let fresh = row.datum(0).is_some_and(|kind| kind.value() == 0);
        let keyed = is_keyed(definition, &row);
        if fresh {
            tally.add(day, source_rows(definition, &row), keyed);
        }
        if keyed {
            pair.take(&row, day, fresh, changes)?;
        }
        Ok(())
    })?;
    pair.finish(changes)?;
    pair.writer.finish();
    Ok(())
}

/// The fresh and the stored row of one day and key, which come one behind the other.
struct Pair<'a> {
    writer: RowWriter,
    limit: KeyLimit<'a>,
    same_key: SameKey,
    layouts: Vec<Layout>,
    keys: usize,
    current: Option<(Day, Vec<Image>)>,
    fresh: Option<Vec<Option<Image>>>,
    stored: Option<Vec<Option<Image>>>,
    /// How often it is stored: without its key index a table may have it several times.
    copies: i64,
    arena: Arena,
}

impl<'a> Pair<'a> {
    fn new(definition: &'a Definition) -> Self {
        let names: Vec<String> =
            definition.keys.iter().map(|key| key.name.clone()).chain(definition.daily_columns()).collect();
        Pair {
            writer: RowWriter::new(definition, &definition.daily, definition.daily_columns()),
            limit: KeyLimit::of(definition),
            same_key: SameKey::of(&definition.keys),
            layouts: column_types(&definition.daily.columns(), &names).into_iter().map(Layout::of).collect(),
            keys: definition.keys.len(),
            current: None,
            fresh: None,
            stored: None,
            copies: 0,
            arena: Arena::new(),
        }
    }

    fn take(&mut self, row: &Row, day: Day, fresh: bool, changes: &mut DailyChanges) -> Result<(), Error> {
        let key = |index: usize| row.some(FIRST_KEY + index);
        let same = self.current.as_ref().is_some_and(|(at, known)| *at == day && self.same_key.is(known, key));
        if !same {
            self.finish(changes)?;
            let keys = (0..self.keys).map(|index| Image::of(self.layouts[index], key(index))).collect();
            self.current = Some((day, keys));
        }
        let metric = |index: usize| row.datum(FIRST_KEY + index).map(|value| Image::of(self.layouts[index], value));
        let values = Some((self.keys..self.layouts.len()).map(metric).collect());
        if fresh {
            self.fresh = values;
        } else {
            self.stored = values;
            self.copies += 1;
        }
        Ok(())
    }

    fn finish(&mut self, changes: &mut DailyChanges) -> Result<(), Error> {
        let Some((day, keys)) = self.current.take() else { return Ok(()) };
        let key_datums: Vec<Datum> = keys.iter().map(Image::datum).collect();
        let (fresh, stored) = (self.fresh.as_deref().map(datums), self.stored.as_deref().map(datums));
        if stored.is_none() {
            self.limit.check(day, |index| key_datums[index])?;
        }
        let copies = std::mem::take(&mut self.copies);
        let change = self.arena.enter(|| {
            let key = RowKey { day, keys: &key_datums, copies };
            self.writer.bring(&key, stored.as_deref(), fresh.as_deref())
        });
        self.arena.reset();
        if change != Change::default() {
            changes.add(day, keys);
        }
        self.fresh = None;
        self.stored = None;
        Ok(())
    }
}

fn datums(values: &[Option<Image>]) -> Vec<Option<Datum<'_>>> {
    values.iter().map(|value| value.as_ref().map(Image::datum)).collect()
}

/// The earliest day of the source that counts; days to come do not.
pub fn first_day(definition: &Definition, today: Day) -> Result<Option<Day>, Error> {
    check_row_security(definition.source, definition.target.owner)?;
    let keyed: Vec<String> = definition.keys.iter().map(|key| format!("{} IS NOT NULL", ident(&key.name))).collect();
    let first = Statement::new(&format!(
        "SELECT pg_catalog.min({SNAPSHOT_DATE}) FROM {} WHERE {}",
        definition.aggregated(Day::FIRST, today),
        keyed.join(" AND ")
    ))
    .first(|row| row.get(0))
    .flatten();
    Ok(first)
}

/// Whether the source has a row at all.
pub fn has_events(definition: &Definition) -> Result<bool, Error> {
    check_row_security(definition.source, definition.target.owner)?;
    let source = Table::find(definition.source).map(|source| source.sql()).unwrap_or_default();
    Ok(Statement::new(&format!("SELECT FROM {source} LIMIT 1")).exists())
}
