//! One value a day, without gaps: of a key, or of all keys together.

use super::Subject;
use super::range::{Needs, Range};
use crate::error::Error;
use crate::fold::Ticker;
use crate::pg::rows::Rows;
use crate::pg::spi::Statement;
use crate::pg::value::{Datum, Image, Layout};
use crate::rules::calendar::{Day, days};
use pgrx::pg_sys;

/// Puts each day of a range with its value into `rows`; a day without events has the metric's zero.
pub fn answer(
    subject: &Subject,
    key: Option<Datum>,
    from: Option<Day>,
    to: Option<Day>,
    rows: &mut Rows,
) -> Result<(), Error> {
    let numbers = subject.numbers()?;
    let key = key.map(|key| subject.key(key)).transpose()?;
    let together = if key.is_none() { numbers.over_keys()? } else { String::new() };
    let Range { from, to, .. } = subject.range(from, to, Needs::TheRange)?;
    let zero = Statement::new(&format!("SELECT {}::numeric", numbers.zero()))
        .first(|row| row.datum(0).map(|zero| Image::of(Layout::of(pg_sys::NUMERICOID), zero)))
        .flatten();
    let zero = zero.as_ref().map(Image::datum);
    let mut line = Line { next: from, zero, ticker: Ticker::default(), rows };
    let day = "x.snapshot_date";
    let statement = match &key {
        Some(key) => {
            let of_key = format!("{} AND {}", subject.daily_rows_of_days(from, to), subject.is_key());
            key.bind_to(Statement::new(&format!("SELECT {day}, {}::numeric {of_key} ORDER BY 1", numbers.cell())))
        }
        None => {
            let of_all = subject.daily_rows(from, to);
            Statement::new(&format!("SELECT {day}, {together}::numeric {of_all} GROUP BY x.snapshot_date ORDER BY 1"))
        }
    };
    statement.each(|row| {
        let day = row.get(0).unwrap_or_default();
        line.idle_until(day);
        line.put(day, row.datum(1));
        Ok(())
    })?;
    line.idle_until(to.plus(1));
    Ok(())
}

/// Days in their order.
struct Line<'a> {
    next: Day,
    zero: Option<Datum<'a>>,
    ticker: Ticker,
    rows: &'a mut Rows,
}

impl Line<'_> {
    fn put(&mut self, day: Day, value: Option<Datum>) {
        self.ticker.tick();
        self.rows.put(&[Some(Datum::from(day.number())), value]);
        self.next = day.plus(1);
    }

    /// The days before `day` that have had no events.
    fn idle_until(&mut self, day: Day) {
        for idle in days(self.next, day.minus(1)) {
            self.put(idle, self.zero);
        }
    }
}
