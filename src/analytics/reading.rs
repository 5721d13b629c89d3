//! The daily table read once, day by day, for those who need every day of every key.

use super::Subject;
use super::numbered::{Numbered, Unknown};
use crate::catalog::definition::SNAPSHOT_DATE;
use crate::error::Error;
use crate::fold::Ticker;
use crate::guc;
use crate::pg::receiver::Row;
use crate::pg::spi::Statement;
use crate::pg::table::ident;
use crate::rules::calendar::Day;
use crate::rules::forecast::{Days, Kind, Measure, Together};
use crate::rules::window::Rollup;
use pgrx::pg_sys::{self, Oid};

const WHOLE: [Oid; 3] = [pg_sys::INT2OID, pg_sys::INT4OID, pg_sys::INT8OID];

impl Subject {
    /// What the values of the metric are like.
    pub fn measure(&self) -> Result<Measure, Error> {
        let numbers = self.numbers()?;
        let whole = WHOLE.contains(&numbers.metric.element.oid);
        let zero = Statement::new(&format!("SELECT ({})::float8", numbers.zero())).first(|row| row.get::<f64>(0));
        let idle = zero.flatten().filter(|zero| zero.is_finite());
        let kind = match numbers.metric.rollup {
            Rollup::Sum if idle == Some(0.0) => {
                if whole {
                    Kind::Count
                } else {
                    Kind::Amount
                }
            }
            _ => Kind::Level,
        };
        let total = match numbers.metric.rollup {
            Rollup::Sum => Together::Sum,
            Rollup::Max => Together::Max,
            Rollup::Min => Together::Min,
            Rollup::Avg | Rollup::Last | Rollup::None => Together::Unknown,
        };
        Ok(Measure { kind, whole, idle: idle.unwrap_or(f64::NAN), total })
    }

    /// Hands over all days from the start through `to`.
    pub fn read_days(&self, to: Day, days: &mut impl Days) -> Result<Numbered, Error> {
        let start = self.start()?;
        let columns = self.each_key(|_, key| format!("x.{}", ident(&key.name)));
        let value = self.numbers()?.cell();
        let rows = self.daily_rows(start, to);
        let mut reading = Reading {
            subject: self,
            days,
            keys: Numbered::of(&self.definition.keys),
            unknown: Vec::new(),
            day: start,
            ticker: Ticker::default(),
            most: guc::forecast_memory(),
        };
        Statement::new(&format!(
            "SELECT x.{SNAPSHOT_DATE}, ({value})::float8, {columns} {rows} ORDER BY x.{SNAPSHOT_DATE}"
        ))
        .each(|row| reading.take(&row))?;
        while reading.day <= to {
            reading.end_day()?;
        }
        Ok(reading.keys)
    }
}

/// The places of a row's columns.
const VALUE: usize = 1;
const FIRST_KEY: usize = 2;

struct Reading<'a, D> {
    subject: &'a Subject,
    days: &'a mut D,
    keys: Numbered,
    /// Keys of today that have not been read before, with their values.
    unknown: Vec<(Unknown, f64)>,
    day: Day,
    ticker: Ticker,
    most: usize,
}

impl<D: Days> Reading<'_, D> {
    fn take(&mut self, row: &Row) -> Result<(), Error> {
        self.ticker.tick();
        let day = row.datum(0).map_or(self.day, |day| Day::stored(day.value() as i32));
        while self.day < day {
            self.end_day()?;
        }
        let value = row.get::<f64>(VALUE).unwrap_or(f64::NAN);
        match self.keys.find(row, FIRST_KEY) {
            Some(key) => self.days.put(key, value),
            None => {
                let unknown = self.keys.unknown(row, FIRST_KEY);
                self.unknown.push((unknown, value));
                self.check_memory()?;
            }
        }
        Ok(())
    }

    fn end_day(&mut self) -> Result<(), Error> {
        let (days, ticker) = (&mut *self.days, &mut self.ticker);
        self.keys.settle(std::mem::take(&mut self.unknown), |known, value| {
            let key = known.unwrap_or_else(|| days.add_key());
            days.put(key, value);
            key
        });
        days.end_day(&mut || ticker.tick());
        self.day = self.day.plus(1);
        self.check_memory()
    }

    /// Refuses to go on before more memory is taken than may be.
    fn check_memory(&self) -> Result<(), Error> {
        let keys = self.keys.len() + self.unknown.len();
        let taken = keys * self.days.bytes_per_key() + self.keys.size() + self.days.other_bytes();
        if taken <= self.most {
            return Ok(());
        }
        let table = self.subject.definition.target.sql();
        Err(Error::ForecastMemory { table, keys, day: self.day, most: self.most })
    }
}
