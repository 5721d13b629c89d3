//! Makes the snapshots of days: one by one, or many in one pass.

use super::base::base_of;
use super::repair;
use crate::catalog::Definition;
use crate::catalog::ledger;
use crate::error::Error;
use crate::fold::by_day::{self, Passage, Passed};
use crate::fold::by_key;
use crate::fold::in_step::{self, Steps};
use crate::fold::stream::Reading;
use crate::late::over::Over;
use crate::pg::activity;
use crate::pg::identity;
use crate::rules::calendar::{Day, days};
use crate::sink::Sink;

/// Makes the snapshots of days without a gap: in one pass while the keys fit into work_mem, else one by one.
pub fn stretch(definition: &Definition, from: Day, to: Day, over: &Over) -> Result<(), Error> {
    let mut next = from;
    if from < to {
        let done = many(definition, from, to, over)?;
        next = done.map_or(from, |done| done.plus(1));
    }
    days(next, to).try_for_each(|day| one(definition, day, over))
}

fn one(definition: &Definition, day: Day, over: &Over) -> Result<(), Error> {
    activity::at(day);
    let (base, read_from) = base_of(definition, day);
    let mut sink = Sink::open(definition, &[day]);
    let base_day = base.map(|base| base.day);
    let base_rows = match in_step(definition, base_day, read_from, day, &mut sink)? {
        Some(rows) => rows,
        None => by_key(definition, base_day, read_from, day, &mut sink)?,
    };
    let rows = sink.rows();
    sink.finish();
    ledger::record_closed(definition.target.oid, &[(day, over.state_of(day), Some(rows))]);
    match base {
        // What was made of it lacks the same.
        Some(base) if base_rows != base.rows => repair::mend(definition, base, base_rows, day),
        _ => Ok(()),
    }
}

/// The rows of the day before, if the snapshot could be made by reading them as they lie; else nothing of it is there.
/// Only where that day has a partition of its own, and the new one can be emptied again as nobody sees it yet.
fn in_step(
    definition: &Definition,
    base: Option<Day>,
    read_from: Day,
    day: Day,
    sink: &mut Sink,
) -> Result<Option<i64>, Error> {
    let Some(base) = base.filter(|_| read_from == day && sink.can_start_again()) else { return Ok(None) };
    let partition = sink.partition_of(base);
    let steps = in_step::run(definition, base, partition, day, |fold, key| {
        sink.write(day, |row| {
            let datums = definition.keys.iter().zip(key);
            row.extend(datums.map(|(column, datum)| Some(column.layout.copy(*datum))));
            fold.emit(0, row)
        })
    })?;
    match steps {
        Steps::Done(rows) => Ok(Some(rows)),
        Steps::OutOfOrder => {
            sink.start_again();
            Ok(None)
        }
    }
}

/// The rows of the base.
fn by_key(definition: &Definition, base: Option<Day>, read_from: Day, day: Day, sink: &mut Sink) -> Result<i64, Error> {
    let reading = Reading::new(definition, base, (read_from, day), &[], None);
    by_key::run(&reading, sink.needs_serial_query(), |fold, group| {
        if !group.rows.through(fold, day) {
            return Ok(());
        }
        sink.write(day, |row| {
            row.extend(
                definition.keys.iter().zip(&group.keys).map(|(key, image)| Some(key.layout.copy(image.datum()))),
            );
            fold.emit(0, row)
        })
    })
}

fn many(definition: &Definition, from: Day, to: Day, over: &Over) -> Result<Option<Day>, Error> {
    let (base, read_from) = base_of(definition, from);
    let budget = identity::work_mem_bytes();
    let passage = Passage { definition, base, read_from, first: from, last: to, budget };
    let all: Vec<Day> = days(from, to).collect();
    let mut sink = Sink::open(definition, &all);
    let mut made = Vec::new();
    let passed = by_day::run(&passage, sink.needs_serial_query(), |keys, day| {
        activity::at(day);
        let before = sink.rows();
        keys.rows(day, |fold, slot, key| {
            sink.write(day, |row| {
                let datums = definition.keys.iter().zip(key);
                row.extend(datums.map(|(column, image)| Some(column.layout.copy(image.datum()))));
                fold.emit(slot, row)
            })
        })?;
        made.push((day, over.state_of(day), Some(sink.rows() - before)));
        Ok(())
    })?;
    sink.finish();
    ledger::record_closed(definition.target.oid, &made);
    match (passed, base) {
        (Passed::BaseDiffers(rows), Some(base)) => {
            repair::mend(definition, base, rows, base.day)?;
            many(definition, from, to, over)
        }
        (Passed::Through(day), _) => Ok(Some(day)),
        _ => Ok(None),
    }
}
