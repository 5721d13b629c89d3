//! Notes of late changes that wait to be repaired.

use super::Definition;
use crate::error::Error;
use crate::pg::bulk::{BulkWriter, TableState};
use crate::pg::convert::Bind;
use crate::pg::encoding::ServerText;
use crate::pg::identity::{as_extension, now, pid};
use crate::pg::spi::Statement;
use crate::pg::table::{self, Table};
use crate::pg::value::{Datum, Image, to_text};
use crate::rules::calendar::Day;
use pgrx::pg_sys::Oid;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A note: which day and key changed; None stands for all.
#[derive(Clone, Debug)]
pub struct Note {
    pub id: i64,
    pub day: Option<Day>,
    pub key: Option<Vec<Option<ServerText>>>,
}

/// What triggers have noted of a day.
pub enum Noted {
    Keys(HashSet<Vec<Image>>),
    WholeDay,
}

/// Notes that anything may have changed.
pub fn note_everything(target: Oid) {
    as_extension(|| {
        Statement::new(
            "INSERT INTO cumulate.note (target, pid, noted_at)
             VALUES ($1, pg_catalog.pg_backend_pid(), pg_catalog.clock_timestamp())",
        )
        .bind(target)
        .run()
    });
}

/// Notes whole days of one table.
pub fn note_days_of(target: Oid, from: Day, to: Day) {
    as_extension(|| {
        Statement::new(
            "INSERT INTO cumulate.note (target, day, pid, noted_at)
             SELECT $1, $2 + number, pg_catalog.pg_backend_pid(), pg_catalog.clock_timestamp()
             FROM pg_catalog.generate_series(0, $3 - $2) AS number",
        )
        .bind(target)
        .bind(from)
        .bind(to)
        .run()
    });
}

/// The notes for days up to `through`, and those for every day.
pub fn read(target: Oid, through: Day) -> Vec<Note> {
    as_extension(|| {
        Statement::new(
            "SELECT id, day, key FROM cumulate.note
             WHERE target = $1 AND (day IS NULL OR day <= $2)",
        )
        .bind(target)
        .bind(through)
        .map(|row| Note { id: row.get(0).unwrap_or_default(), day: row.get(1), key: row.get(2) })
    })
}

/// Whether notes for days up to `through`, or for every day, wait to be repaired.
pub fn wait(target: Oid, through: Day) -> bool {
    as_extension(|| {
        Statement::new("SELECT FROM cumulate.note WHERE target = $1 AND (day IS NULL OR day <= $2) LIMIT 1")
            .bind(target)
            .bind(through)
            .exists()
    })
}

/// The days up to `through` that have written notes; None stands for every day.
pub fn days(target: Oid, through: Day) -> Vec<Option<Day>> {
    as_extension(|| {
        Statement::new(
            "SELECT DISTINCT day FROM cumulate.note
             WHERE target = $1 AND (day IS NULL OR day <= $2)",
        )
        .bind(target)
        .bind(through)
        .map(|row| row.get(0))
    })
}

/// Deletes exactly these notes.
pub fn delete(target: Oid, notes: &[Note]) {
    if notes.is_empty() {
        return;
    }
    let ids: Vec<i64> = notes.iter().map(|note| note.id).collect();
    as_extension(|| {
        Statement::new("DELETE FROM cumulate.note WHERE target = $1 AND id = ANY ($2)").bind(target).bind(ids).run()
    });
}

/// Notes whole days of a table for every cumulative table whose source it is, or a partition of it, and that relies on
/// notes: bulk writers of our own fire no trigger. They write into no table that is a partition itself.
/// Today and later days need none.
pub fn note_days(source: Oid, from: Day, to: Day) {
    as_extension(|| {
        Statement::new(
            "INSERT INTO cumulate.note (target, day, pid, noted_at)
             SELECT f.target, d.first + number, pg_catalog.pg_backend_pid(), pg_catalog.clock_timestamp()
             FROM cumulate.definition f
             CROSS JOIN LATERAL (
                 SELECT greatest($2, f.start_date) AS first,
                        least($3, (pg_catalog.clock_timestamp() AT TIME ZONE f.time_zone)::date - 1) AS last) AS d
             CROSS JOIN LATERAL pg_catalog.generate_series(0, d.last - d.first) AS number
             WHERE f.late = 'trigger'
               AND f.source IN (SELECT $1 UNION ALL SELECT relid FROM cumulate_internal.partitions($1::regclass))",
        )
        .bind(source)
        .bind(from)
        .bind(to)
        .run()
    });
}

/// Removes notes of tables that are no cumulative tables any more. Who has rolled back to a savepoint holds no lock that
/// a drop would wait for, and writes its notes all the same.
pub fn prune() {
    let orphans = "target NOT IN (SELECT target FROM cumulate.definition)";
    as_extension(|| {
        if Statement::new(&format!("SELECT FROM cumulate.note WHERE {orphans} LIMIT 1")).exists() {
            Statement::new(&format!("DELETE FROM cumulate.note WHERE {orphans}")).run();
        }
    });
}

/// Writes notes that triggers have collected, past the executor: the writer of a source needs no right on them.
pub fn write(pending: &HashMap<Oid, BTreeMap<Option<Day>, Noted>>) {
    let (Some(table), Some(sequence)) = (Table::named("cumulate", "note"), Table::named("cumulate", "note_id_seq"))
    else {
        return;
    };
    as_extension(|| {
        let mut writer = BulkWriter::open(table.oid, TableState::InUse);
        for (target, days) in pending {
            // A key that cannot be written as text now becomes its whole day.
            let definition = Definition::known(*target).ok();
            for (day, noted) in days {
                let mut add = |key: Option<Vec<ServerText>>| {
                    let row = [
                        table::next_value(sequence.oid).bind(),
                        target.bind(),
                        day.map(|day| Datum::from(day.number())),
                        None,
                        pid().bind(),
                        now().bind(),
                    ];
                    let pushed: Result<(), Error> = writer.push(|fields| {
                        let key = key.and_then(Bind::bind);
                        for (index, value) in row.into_iter().enumerate() {
                            let value = if index == KEY_COLUMN { key } else { value };
                            value.into_iter().for_each(|value| fields.set(index, value));
                        }
                        Ok(())
                    });
                    debug_assert!(pushed.is_ok());
                };
                match (noted, &definition) {
                    (Noted::Keys(keys), Some(definition)) => {
                        keys.iter().for_each(|key| add(Some(key_text(definition, key))));
                    }
                    _ => add(None),
                }
            }
        }
        writer.finish();
    });
}

/// The place of column key in the notes, behind id, target and day.
const KEY_COLUMN: usize = 3;

fn key_text(definition: &Definition, key: &[Image]) -> Vec<ServerText> {
    definition.keys.iter().zip(key).map(|(column, image)| to_text(column.layout.oid, image.datum())).collect()
}
