//! Key by key: all rows of a key come together, and its snapshot rows go out. Memory does not grow with the keys.

use super::key_change::SameKey;
use super::stream::{Columns, Kind, Reading};
use super::{Fold, Ticker};
use crate::error::Error;
use crate::pg::receiver::Row;
use crate::pg::value::Image;
use crate::rules::calendar::Day;

/// A key's row of one day, daily or stored.
pub struct DayRow {
    pub day: Day,
    pub values: Vec<Option<Image>>,
}

/// One key with what was read of it.
#[derive(Default)]
pub struct Group {
    pub keys: Vec<Image>,
    pub rows: KeyRows,
}

/// The rows of one key that have not been passed.
#[derive(Default)]
pub struct KeyRows {
    stored: Vec<DayRow>,
    events: Vec<DayRow>,
}

/// Reads, and calls `key_done` for each key with its base loaded; `Group::through` takes it through its events. The rows
/// of the base. `serial` keeps parallel workers out, for a `key_done` that runs statements which write.
pub fn run(
    reading: &Reading,
    serial: bool,
    mut key_done: impl FnMut(&mut Fold, &mut Group) -> Result<(), Error>,
) -> Result<i64, Error> {
    let mut fold = Fold::new(reading.definition);
    fold.add_slot();
    let (mut ticker, mut base_rows) = (Ticker::default(), 0);
    let definition = reading.definition;
    let mut same_key = SameKey::of(&definition.keys);
    let mut group = Group::default();
    let (statement, columns) = reading.statement();
    statement.serial_if(serial).each(|row| {
        ticker.tick();
        base_rows += i64::from(columns.kind(&row) == Kind::Base);
        if group.keys.is_empty() || !same_key.is(&group.keys, |index| columns.key(&row, index)) {
            group.finish(&mut fold, &mut key_done)?;
            let keys = definition.keys.iter().enumerate();
            group.keys.extend(keys.map(|(index, key)| Image::of(key.layout, columns.key(&row, index))));
        }
        group.take(&mut fold, reading, columns, &row)
    })?;
    group.finish(&mut fold, &mut key_done)?;
    Ok(base_rows)
}

impl Group {
    fn take(&mut self, fold: &mut Fold, reading: &Reading, columns: Columns, row: &Row) -> Result<(), Error> {
        let day = columns.day(row);
        match columns.kind(row) {
            Kind::Base => fold.load(0, day, |index| columns.value(row, reading.array_index(index))),
            Kind::Daily => {
                let metrics = reading.definition.metrics.iter().enumerate();
                let values = metrics
                    .map(|(index, metric)| columns.metric(row, index).map(|value| Image::of(metric.element, value)));
                self.rows.events.push(DayRow { day, values: values.collect() });
                Ok(())
            }
            Kind::Stored => {
                let layouts = reading.value_layouts.iter().enumerate();
                let values =
                    layouts.map(|(index, layout)| columns.value(row, index).map(|value| Image::of(*layout, value)));
                self.rows.stored.push(DayRow { day, values: values.collect() });
                Ok(())
            }
        }
    }

    fn finish(
        &mut self,
        fold: &mut Fold,
        key_done: &mut impl FnMut(&mut Fold, &mut Group) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.keys.is_empty() {
            return Ok(());
        }
        // Rows of a key come in any order.
        self.rows.events.sort_by_key(|event| std::cmp::Reverse(event.day));
        self.rows.stored.sort_by_key(|row| std::cmp::Reverse(row.day));
        key_done(fold, self)?;
        fold.reset(0);
        self.keys.clear();
        self.rows.events.clear();
        self.rows.stored.clear();
        Ok(())
    }
}

impl KeyRows {
    /// Takes the key through its events up to `day`; whether it has a row in that day's snapshot.
    pub fn through(&mut self, fold: &mut Fold, day: Day) -> bool {
        while let Some(event) = self.events.pop_if(|event| event.day <= day) {
            fold.event(0, event.day, |index| event.values[index].as_ref().map(Image::datum));
        }
        fold.roll(0, day);
        fold.has_row(0, day)
    }

    /// The stored row of `day`, if there is one, and how often it is there: without its key index a table may have it
    /// several times. Days are asked for in ascending order.
    pub fn stored_row(&mut self, day: Day) -> (Option<DayRow>, i64) {
        let (mut found, mut copies) = (None, 0);
        while let Some(row) = self.stored.pop_if(|row| row.day == day) {
            found = Some(row);
            copies += 1;
        }
        (found, copies)
    }
}
