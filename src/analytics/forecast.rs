//! What comes next, by key and for all keys together, and how good such forecasts have been.

use super::Subject;
use super::numbered::KeyWriter;
use crate::error::Error;
use crate::fold::Ticker;
use crate::pg::convert::Bind;
use crate::pg::rows::Rows;
use crate::pg::value::{Datum, Image, Made};
use crate::rules::calendar::Day;
use crate::rules::forecast::{self, Fitted, History, Method, Outlook, Plan, Together};

/// What is asked for.
pub struct Question {
    pub horizon: usize,
    /// None: the best of each class.
    pub method: Option<Method>,
    pub level: f64,
    pub as_of: Option<Day>,
}

/// Of which keys an answer is made.
pub enum Keys {
    /// All, and all together.
    All,
    /// All together.
    Total,
    One(Box<[Image]>),
}

impl Subject {
    /// The keys that a caller names: NULL for all, '{}' for all together.
    pub fn keys(&self, given: Option<Datum>) -> Result<Keys, Error> {
        match given {
            None => Ok(Keys::All),
            Some(given) if self.is_empty_object(given) => {
                self.numbers()?.over_keys()?;
                Ok(Keys::Total)
            }
            Some(given) => Ok(Keys::One(self.key(given)?.into_columns())),
        }
    }
}

/// Puts key, day, forecast, lower, upper and method of each key and day into `rows`, all keys together last.
pub fn answer(subject: &Subject, question: &Question, key: Option<Datum>, rows: &mut Rows) -> Result<(), Error> {
    let asked = subject.keys(key)?;
    let (start, to) = (subject.start()?, subject.last_learned(question.as_of)?);
    let measure = subject.measure()?;
    let plan = Plan::forecast(days(start, to), question.method.is_none());
    let mut history = History::new(measure, plan);
    let mut keys = subject.read_days(to, &mut history)?;
    let mut ticker = Ticker::default();
    let outlook = Outlook::of(&mut history, question.method, question.level, &mut || ticker.tick());
    drop(history);
    let writer = KeyWriter::of(subject);
    let mut answer = Answer { outlook, question, to, rows, names: Method::ALL.map(|method| method.name().bind()) };
    match asked {
        Keys::All => {
            for number in keys.in_order().iter().map(|number| *number as usize) {
                ticker.tick();
                let key = writer.write(keys.columns(number))?;
                answer.put(Some(&key), answer.outlook.key(number).cloned().as_ref());
            }
            if measure.total != Together::Unknown {
                answer.put(None, answer.outlook.total().cloned().as_ref());
            }
        }
        Keys::Total => answer.put(None, answer.outlook.total().cloned().as_ref()),
        Keys::One(columns) => {
            let number = keys.number(&columns);
            let fitted = number.and_then(|number| answer.outlook.key(number)).cloned();
            answer.put(Some(&writer.write(&columns)?), fitted.as_ref());
        }
    }
    Ok(())
}

struct Answer<'a> {
    outlook: Outlook,
    question: &'a Question,
    to: Day,
    rows: &'a mut Rows,
    names: [Option<Made>; 3],
}

impl Answer<'_> {
    /// All days of one key; of one that has too few days they are NULL.
    fn put(&mut self, key: Option<&Image>, fitted: Option<&Fitted>) {
        for ahead in 1..=self.question.horizon {
            let point = fitted.map(|fitted| self.outlook.point(fitted, ahead));
            let forecast = point.and_then(|point| point.forecast);
            let bounds = point.and_then(|point| point.bounds);
            let method = fitted.filter(|_| forecast.is_some()).map(|fitted| self.outlook.method(fitted));
            self.rows.put(&[
                key.map(Image::datum),
                Some(Datum::from(self.to.plus(ahead as i32).number())),
                forecast.map(Datum::from),
                bounds.map(|(lower, _)| Datum::from(lower)),
                bounds.map(|(_, upper)| Datum::from(upper)),
                method.and_then(|method| self.names[method as usize]),
            ]);
        }
    }
}

/// Puts class, method, rmsse, mae, coverage and keys of each class and method into `rows`.
pub fn backtest(subject: &Subject, horizon: usize, origins: usize, rows: &mut Rows) -> Result<(), Error> {
    let (start, to) = (subject.start()?, subject.last_learned(None)?);
    let mut history = History::new(subject.measure()?, Plan::backtest(days(start, to), horizon, origins));
    subject.read_days(to, &mut history)?;
    let mut ticker = Ticker::default();
    for tested in forecast::backtest(&mut history, &mut || ticker.tick()) {
        rows.put(&[
            tested.class.name().bind(),
            tested.method.name().bind(),
            Some(Datum::from(tested.rmsse)),
            Some(Datum::from(tested.mae)),
            tested.coverage.map(Datum::from),
            Some(Datum::from(tested.keys as i64)),
        ]);
    }
    Ok(())
}

/// How many days there are.
pub fn days(start: Day, to: Day) -> usize {
    usize::try_from(to.since(start) + 1).unwrap_or(0)
}
