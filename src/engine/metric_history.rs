//! The history of a metric that came later: its columns in daily rows and snapshots that are there already.

use super::daily;
use crate::catalog::Definition;
use crate::catalog::definition::{NUM_EVENTS, SNAPSHOT_DATE};
use crate::catalog::ledger;
use crate::error::Error;
use crate::fold::by_key;
use crate::fold::stream::Reading;
use crate::pg::activity;
use crate::pg::constraints::{Write, fire_now};
use crate::pg::memory::Arena;
use crate::pg::message::notice;
use crate::pg::spi::Statement;
use crate::pg::table::ident;
use crate::pg::value::{Datum, Image};
use crate::rules::calendar::Day;
use crate::sink::changes::RowKey;
use crate::sink::partition_writers::PartitionWriters;

/// Fills the columns of the newest metric, and no others, where they are empty; snapshot rows filled. Rows that late
/// changes will bring or take are left to them: what is noted is repaired with all metrics.
pub fn fill_newest(definition: &Definition) -> Result<i64, Error> {
    let Some(start) = definition.start else { return Ok(0) };
    let mut alone = definition.clone();
    alone.forms.drain(..alone.forms.len() - 1);
    alone.metrics.drain(..alone.metrics.len() - 1);
    daily::check_row_security(definition.source, definition.target.owner)?;
    fill_daily(&alone, start);
    fill_snapshots(&alone, start)
}

/// Source rows of frozen days may be gone: there the metric stays NULL, and counts as its zero.
fn fill_daily(definition: &Definition, start: Day) {
    let Some(newest) = ledger::newest_known(definition.target.oid) else { return };
    if let Some(through) = definition.frozen_through.filter(|through| *through >= start) {
        notice!("days through {through} are frozen, and the metric has its zero there");
    }
    let from = definition.first_live_day(start);
    if from > newest {
        return;
    }
    activity::reading(from, newest);
    fire_now(&definition.daily, Write::Update);
    let keys: Vec<String> = definition.keys.iter().map(|key| key.equal("t.", "s.")).collect();
    let columns = definition.daily_columns();
    for column in columns.iter().filter(|column| *column != NUM_EVENTS).map(|column| ident(column)) {
        Statement::new(&format!(
            "UPDATE {} AS t SET {column} = s.{column} FROM {} AS s
             WHERE t.{SNAPSHOT_DATE} = s.{SNAPSHOT_DATE} AND {} AND s.{column} IS NOT NULL",
            definition.daily.sql(),
            definition.aggregated(from, newest),
            keys.join(" AND ")
        ))
        .run();
    }
}

fn fill_snapshots(definition: &Definition, start: Day) -> Result<i64, Error> {
    let snapshots = ledger::snapshots(definition.target.oid, start, None);
    let (Some(first), Some(last)) = (snapshots.first().copied(), snapshots.last().copied()) else { return Ok(0) };
    // Which keys are there depends on the last window alone where idle ones expire, else on everything before.
    let window = definition.window() as i32;
    let read_from = if definition.expire_idle { first.minus(window - 1).max(start) } else { start };
    let reading = Reading::new(definition, None, (read_from, last), &snapshots, None);
    let mut writers = PartitionWriters::of(definition);
    let arena = Arena::new();
    let mut rows = 0;
    by_key::run(&reading, true, |fold, group| {
        let keys: Vec<Datum> = group.keys.iter().map(Image::datum).collect();
        for day in &snapshots {
            let present = group.rows.through(fold, *day);
            let (stored, _) = group.rows.stored_row(*day);
            let Some(stored) = stored.filter(|_| present) else { continue };
            let stored: Vec<Option<Datum>> =
                stored.values.iter().map(|value| value.as_ref().map(Image::datum)).collect();
            let change = arena.enter(|| {
                let mut expected = Vec::new();
                fold.emit(0, &mut expected)?;
                let key = RowKey { day: *day, keys: &keys, copies: 1 };
                Ok(writers.of_day(*day).bring(&key, Some(&stored), Some(&expected)))
            })?;
            arena.reset();
            rows += change.rows;
        }
        Ok(())
    })?;
    writers.settle();
    Ok(rows)
}
