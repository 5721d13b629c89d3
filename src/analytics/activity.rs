//! Which keys are active when: read once, key by key, and counted as the rows come.

use super::Subject;
use super::range::Needs;
use crate::catalog::definition::SNAPSHOT_DATE;
use crate::error::Error;
use crate::fold::Ticker;
use crate::fold::key_change::{SameKey, any_order};
use crate::pg::rows::Rows;
use crate::pg::spi::Statement;
use crate::pg::table::ident;
use crate::pg::value::{Datum, Image, Made};
use crate::rules::calendar::Day;
use crate::rules::cohorts::Cohorts;
use crate::rules::growth::Growth;
use crate::rules::keys_by_day::KeysByDay;
use crate::rules::periods::Period;

/// Puts each day with its active and its new keys into `rows`.
pub fn active_keys(subject: &Subject, from: Option<Day>, to: Option<Day>, rows: &mut Rows) -> Result<(), Error> {
    let range = subject.range(from, to, Needs::AllSinceTheStart)?;
    let mut counts = KeysByDay::new(range.from, range.to);
    each_key(subject, range.to, |active| counts.add(active))?;
    for row in counts.rows() {
        let [day, week, month] = row.active;
        rows.put(&[date(row.day), count(day), count(week), count(month), count(row.new)]);
    }
    Ok(())
}

/// Puts each period with the keys that came, stayed, returned and left into `rows`.
pub fn growth(
    subject: &Subject,
    period: Period,
    from: Option<Day>,
    to: Option<Day>,
    rows: &mut Rows,
) -> Result<(), Error> {
    let range = subject.range(from, to, Needs::AllSinceTheStart)?;
    let mut growth = Growth::new(period, subject.start()?, range.from, range.to);
    each_key(subject, range.to, |active| growth.add(active))?;
    for row in growth.rows() {
        rows.put(&[
            date(row.first),
            date(row.last),
            count(row.active),
            count(row.new),
            count(row.retained),
            count(row.resurrected),
            row.churned.map(Datum::from),
            row.quick_ratio.map(Datum::from),
        ]);
    }
    Ok(())
}

/// Puts the cohorts whose first days are in a range, each with its periods, into `rows`.
pub fn cohorts(
    subject: &Subject,
    period: Period,
    periods: i32,
    from: Option<Day>,
    to: Option<Day>,
    rows: &mut Rows,
) -> Result<(), Error> {
    let range = subject.range(from, to, Needs::AllSinceTheStart)?;
    let periods = usize::try_from(periods).unwrap_or(0);
    let mut cohorts = Cohorts::new(period, periods, (range.from, range.to), range.newest);
    each_key(subject, range.newest, |active| cohorts.add(active))?;
    let mut ticker = Ticker::default();
    for row in cohorts.rows() {
        ticker.tick();
        let period = Some(Datum::from(row.period as i32));
        rows.put(&[date(row.cohort), count(row.size), period, count(row.active), row.share.map(Datum::from)]);
    }
    Ok(())
}

fn date(day: Day) -> Option<Made> {
    Some(Datum::from(day.number()))
}

fn count(keys: i64) -> Option<Made> {
    Some(Datum::from(keys))
}

/// Calls `add` for each key with its active days up to `to`, ascending, from its first on.
fn each_key(subject: &Subject, to: Day, mut add: impl FnMut(&[Day])) -> Result<(), Error> {
    let keys = &subject.definition.keys;
    let mut same_key = SameKey::of(keys);
    let mut current: Vec<Image> = Vec::new();
    let mut active: Vec<Day> = Vec::new();
    let mut ticker = Ticker::default();
    Statement::new(&active_days(subject, to)?).each(|row| {
        ticker.tick();
        if current.is_empty() || !same_key.is(&current, |index| row.some(index + 1)) {
            add_sorted(&mut active, &mut add);
            let columns = keys.iter().enumerate();
            current.clear();
            current.extend(columns.map(|(index, column)| Image::of(column.layout, row.some(index + 1))));
        }
        active.push(row.get(0).unwrap_or_default());
        Ok(())
    })?;
    add_sorted(&mut active, &mut add);
    Ok(())
}

fn add_sorted(active: &mut Vec<Day>, add: &mut impl FnMut(&[Day])) {
    if !active.is_empty() {
        // The rows of a key come in any order: to sort these few is cheaper than to have all rows sorted by day, too.
        active.sort_unstable();
        add(active);
        active.clear();
    }
}

/// SQL: a row for each key and day on which it is active, day first, those of a key together. First days are known from
/// the daily table alone, so that all of it since the start is read.
fn active_days(subject: &Subject, to: Day) -> Result<String, Error> {
    let keys = &subject.definition.keys;
    let columns = subject.each_key(|_, key| format!("x.{}", ident(&key.name)));
    let is_active = match &subject.metric {
        Some(_) => format!(" AND {} > 0", subject.numbers()?.value()),
        None => String::new(),
    };
    let rows = subject.daily_rows(subject.start()?, to);
    Ok(format!("SELECT x.{SNAPSHOT_DATE}, {columns} {rows}{is_active} ORDER BY {}", any_order(keys, "x.")))
}
