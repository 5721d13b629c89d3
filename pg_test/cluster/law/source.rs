//! The source: changed in the ways of `change`, and read back as the model wants it.

use crate::change::{Change, Setting, Way};
use crate::event::{Event, NewEvent, typed};
use crate::form::Form;
use crate::schema::{LEAVES, Schema};
use pg_cumulate_tests::model::{Day, Decimal, Entry};
use pg_cumulate_tests::{Ask, ident, literal};
use postgres::{Client, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

/// All rows by id, their days cut by PostgreSQL in a plain query.
pub type Rows = BTreeMap<i64, Entry<Event>>;

pub struct Source<'a> {
    pub form: &'a Form,
    pub schema: &'a Schema,
}

impl Source<'_> {
    pub fn rows(&self, client: &mut Client) -> Rows {
        let keys: Vec<String> = self.form.keys.iter().map(|key| key.canonical()).collect();
        let day = self.form.time.day_of(&ident(self.schema.time_column), &self.form.season);
        let sql = format!(
            "SELECT id, {day}, kind, amount::bigint, price::text, weight, keep, {} FROM {}",
            keys.join(", "),
            self.schema.source
        );
        let rows = client.query(&sql, &[]).unwrap_or_else(|error| panic!("{error:?}\nin: {sql}"));
        rows.iter().map(|row| (row.get(0), self.entry(row))).collect()
    }

    fn entry(&self, row: &Row) -> Entry<Event> {
        let price = |text: String| Decimal::parse(&text).expect("prices have three places");
        let event = Event {
            kind: row.get(2),
            amount: row.get(3),
            price: row.get::<_, Option<String>>(4).map(price),
            weight: row.get(5),
            keep: row.get(6),
        };
        let key = (0..self.form.keys.len()).map(|index| row.get(7 + index)).collect();
        Entry { key, day: row.get(1), event }
    }

    /// Makes the change; `rows` is what the source holds before. False when there was nothing to change.
    pub fn change(&self, client: &mut Client, change: &Change, rows: &Rows) -> Result<bool, String> {
        match change {
            Change::Insert { way, events } => self.insert(client, way.in_form(self.form), events, rows).map(|()| true),
            other => match self.command(other, rows) {
                Some(sql) => run(client, &sql).map(|()| true),
                None => Ok(false),
            },
        }
    }

    /// The command of a change that is no insert; `None` when there are no rows to change.
    fn command(&self, change: &Change, rows: &Rows) -> Option<String> {
        let table = &self.schema.source;
        match change {
            Change::Update { nth, count, setting } => {
                let ids = chosen(rows, *nth, *count)?;
                Some(format!("UPDATE {table} SET {} WHERE id IN ({ids})", self.assignment(setting)))
            }
            Change::DeleteDetached { nth, count } if self.form.partitioned_source => {
                let kept = rows.iter().filter(|(_, entry)| entry.event.keep == Some(true));
                let ids = chosen(&kept.map(|(id, entry)| (*id, entry.clone())).collect(), *nth, *count)?;
                let (schema, leaf) = (&self.schema.name, LEAVES[0]);
                Some(format!(
                    "ALTER TABLE {table} DETACH PARTITION {schema}.{leaf};
                     DELETE FROM {schema}.{leaf} WHERE id IN ({ids});
                     ALTER TABLE {table} ATTACH PARTITION {schema}.{leaf} FOR VALUES IN (true)"
                ))
            }
            Change::Delete { nth, count } | Change::DeleteDetached { nth, count } => {
                Some(format!("DELETE FROM {table} WHERE id IN ({})", chosen(rows, *nth, *count)?))
            }
            Change::DeleteKey { nth } => {
                let ids = list(rows_of_key(rows, *nth)?.into_iter().map(|(id, _)| id));
                Some(format!("DELETE FROM {table} WHERE id IN ({ids})"))
            }
            Change::DeleteFirstDay { nth } => {
                let of_key = rows_of_key(rows, *nth)?;
                let first = of_key.iter().filter_map(|(_, day)| *day).min()?;
                let ids = list(of_key.iter().filter(|(_, day)| *day == Some(first)).map(|(id, _)| *id));
                Some(format!("DELETE FROM {table} WHERE id IN ({ids})"))
            }
            Change::Truncate => Some(format!("TRUNCATE {table}")),
            Change::Insert { .. } => None,
        }
    }

    fn assignment(&self, setting: &Setting) -> String {
        let Form { time, season, keys, .. } = self.form;
        match setting {
            Setting::Time(moment) => {
                let value = moment.map(|moment| time.value(&moment, season));
                format!("{} = {}", ident(self.schema.time_column), typed(value, time.sql()))
            }
            Setting::Keys(numbers) => {
                let assign = keys.iter().zip(numbers);
                let parts: Vec<String> =
                    assign.map(|(key, number)| format!("{} = {}", key.quoted(), key.value(*number))).collect();
                parts.join(", ")
            }
            Setting::Amount(amount) => format!("amount = {}", typed(amount.map(|n| format!("({n})")), "integer")),
            Setting::Kind(kind) => format!("kind = {}", typed(kind.map(literal), "text")),
            Setting::Keep(keep) => format!("keep = {}", typed(keep.map(|keep| keep.to_string()), "boolean")),
        }
    }

    fn insert(&self, client: &mut Client, way: Way, events: &[NewEvent], rows: &Rows) -> Result<(), String> {
        let (table, columns) = (&self.schema.source, self.schema.inserted_columns(self.form).join(", "));
        let values = self.values(events);
        let plain = format!("INSERT INTO {table} ({columns}) {values}");
        match way {
            Way::Copy => self.copy(client, &columns, &values),
            Way::Merge => run(
                client,
                &format!(
                    "MERGE INTO {table} AS t USING ({values}) AS new ({columns}) ON false
                     WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({columns})"
                ),
            ),
            Way::Upsert => run(client, &self.upsert(events, rows)),
            Way::Leaf => self.insert_into_leaves(client, events),
            Way::Replica => {
                run(client, &format!("SET session_replication_role = replica; {plain}; RESET session_replication_role"))
            }
            Way::Values => run(client, &plain),
        }
    }

    /// What a VALUES list of the events is.
    fn values(&self, events: &[NewEvent]) -> String {
        let rows: Vec<String> = events.iter().map(|event| format!("({})", self.row(event))).collect();
        format!("VALUES {}", rows.join(", "))
    }

    fn row(&self, event: &NewEvent) -> String {
        let Form { time, season, keys, .. } = self.form;
        let mut values: Vec<String> = keys.iter().zip(event.keys).map(|(key, number)| key.value(number)).collect();
        values.push(typed(event.time.map(|moment| time.value(&moment, season)), time.sql()));
        values.extend(event.values());
        values.join(", ")
    }

    /// The server itself turns the rows into the lines that are then copied in.
    fn copy(&self, client: &mut Client, columns: &str, values: &str) -> Result<(), String> {
        let told = |error: postgres::Error| format!("{error:?}\nin a COPY of {values}");
        // In the database's own encoding: not all texts are letters of the client's.
        let encoding = format!("(ENCODING '{}')", self.form.encoding);
        let mut lines = Vec::new();
        let mut reader = client.copy_out(&format!("COPY ({values}) TO STDOUT {encoding}")).map_err(told)?;
        reader.read_to_end(&mut lines).map_err(|error| error.to_string())?;
        drop(reader);
        let mut writer =
            client.copy_in(&format!("COPY {} ({columns}) FROM STDIN {encoding}", self.schema.source)).map_err(told)?;
        writer.write_all(&lines).map_err(|error| error.to_string())?;
        writer.finish().map(|_| ()).map_err(told)
    }

    /// Every other event takes the id of a row that is there, as long as there are some.
    fn upsert(&self, events: &[NewEvent], rows: &Rows) -> String {
        let columns = self.schema.inserted_columns(self.form);
        let mut ids = rows.keys();
        let mut row = |(index, event): (usize, &NewEvent)| {
            let there = if index % 2 == 0 { ids.next() } else { None };
            format!("({}, {})", there.map_or_else(|| self.next_id(), i64::to_string), self.row(event))
        };
        let values: Vec<String> = events.iter().enumerate().map(&mut row).collect();
        let set: Vec<String> = columns.iter().map(|column| format!("{column} = excluded.{column}")).collect();
        format!(
            "INSERT INTO {} (id, {}) VALUES {} ON CONFLICT (id) DO UPDATE SET {}",
            self.schema.source,
            columns.join(", "),
            values.join(", "),
            set.join(", ")
        )
    }

    fn insert_into_leaves(&self, client: &mut Client, events: &[NewEvent]) -> Result<(), String> {
        let columns = self.schema.inserted_columns(self.form).join(", ");
        let (kept, rest): (Vec<NewEvent>, Vec<NewEvent>) =
            events.iter().cloned().partition(|event| event.keep == Some(true));
        for (leaf, events) in LEAVES.iter().zip([kept, rest]).filter(|(_, events)| !events.is_empty()) {
            let row = |event: &NewEvent| format!("({}, {})", self.next_id(), self.row(event));
            let rows: Vec<String> = events.iter().map(row).collect();
            run(
                client,
                &format!("INSERT INTO {}.{leaf} (id, {columns}) VALUES {}", self.schema.name, rows.join(", ")),
            )?;
        }
        Ok(())
    }

    /// A partition has no identity of its own before PostgreSQL 17, so the id comes from the parent's sequence.
    fn next_id(&self) -> String {
        format!("nextval(pg_get_serial_sequence({}, 'id'))", literal(&self.schema.source))
    }
}

/// Days on which two states of the source differ.
pub fn changed_days(before: &Rows, after: &Rows) -> BTreeSet<Day> {
    let ids: BTreeSet<&i64> = before.keys().chain(after.keys()).collect();
    let same = |id: &&&i64| match (before.get(id), after.get(id)) {
        (Some(old), Some(new)) => old.key == new.key && old.day == new.day && old.event == new.event,
        _ => false,
    };
    let different = ids.iter().filter(|id| !same(id));
    different.flat_map(|id| [before.get(id), after.get(id)]).flatten().filter_map(|entry| entry.day).collect()
}

/// Runs a command that must succeed.
pub fn run(client: &mut Client, sql: &str) -> Result<(), String> {
    client.attempt(sql).map_err(|refusal| format!("{refusal}\nin: {sql}"))
}

/// The ids of some rows from the nth on, counted around; `None` of none.
fn chosen(rows: &Rows, nth: usize, count: usize) -> Option<String> {
    let ids: Vec<i64> = rows.keys().copied().collect();
    let start = nth.checked_rem(ids.len())?;
    Some(list(ids.iter().cycle().skip(start).take(count.min(ids.len())).copied()))
}

/// The rows that have the key of the nth row.
fn rows_of_key(rows: &Rows, nth: usize) -> Option<Vec<(i64, Option<Day>)>> {
    let key = &rows.values().nth(nth.checked_rem(rows.len())?)?.key;
    Some(rows.iter().filter(|(_, entry)| entry.key == *key).map(|(id, entry)| (*id, entry.day)).collect())
}

fn list(ids: impl Iterator<Item = i64>) -> String {
    ids.map(|id| id.to_string()).collect::<Vec<_>>().join(", ")
}
