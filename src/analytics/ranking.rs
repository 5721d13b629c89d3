//! The keys with the largest values, and those that changed most.

use super::Subject;
use super::range::Needs;
use crate::error::Error;
use crate::pg::rows::Rows;
use crate::pg::spi::Statement;
use crate::pg::value::Datum;
use crate::rules::calendar::Day;
use crate::rules::window::Rollup;

/// Puts the `n` keys with the largest values over the `days` up to `day` into `rows`: rank, key, value, share. Without
/// `days` these are all since the start.
pub fn top(subject: &Subject, day: Option<Day>, days: Option<i32>, n: i32, rows: &mut Rows) -> Result<(), Error> {
    let numbers = subject.numbers()?;
    let start = subject.start()?;
    let day = subject.day_or_newest(day)?;
    let first = days.map_or(start, |days| day.minus(days - 1).max(start));
    subject.range(Some(first), Some(day), Needs::TheRange)?;
    let value = if first == day { format!("max({})", numbers.cell()) } else { numbers.over_days("true")? };
    let share = if numbers.metric.rollup == Rollup::Sum { "v / nullif(total, 0)" } else { "NULL" };
    let inner = format!(
        "SELECT {keys}, {value}::numeric AS v {daily} GROUP BY {places}",
        keys = subject.keys_renamed(),
        daily = subject.daily_rows(first, day),
        places = subject.key_places(),
    );
    let ranked = format!("SELECT *, sum(v) OVER () AS total FROM ({inner}) AS of_key WHERE v IS NOT NULL");
    put_ranked(subject, &ranked, "v DESC", ["v", &format!("({share})::float8")], n, rows)
}

/// Puts the `n` keys whose values over the `days` up to `day` differ most from those over the `days` before into `rows`:
/// rank, key, value, before, change.
pub fn movers(subject: &Subject, day: Option<Day>, days: i32, n: i32, rows: &mut Rows) -> Result<(), Error> {
    let numbers = subject.numbers()?;
    let day = subject.day_or_newest(day)?;
    let middle = day.minus(days);
    let first = middle.minus(days - 1);
    subject.range(Some(first), Some(day), Needs::TheRange)?;
    let over = |condition: String| -> Result<String, Error> {
        Ok(format!("coalesce({}, {})::numeric", numbers.over_days(&condition)?, numbers.zero()))
    };
    let inner = format!(
        "SELECT {keys}, {value} AS v, {before} AS b {daily} GROUP BY {places}",
        keys = subject.keys_renamed(),
        value = over(format!("x.snapshot_date > DATE '{middle}'"))?,
        before = over(format!("x.snapshot_date <= DATE '{middle}'"))?,
        daily = subject.daily_rows(first, day),
        places = subject.key_places(),
    );
    let ranked = format!("SELECT * FROM ({inner}) AS of_key WHERE v <> b");
    put_ranked(subject, &ranked, "abs(v - b) DESC", ["v", "b", "v - b"], n, rows)
}

/// The first `n` rows of a query by an order, and by their keys where that leaves it open: with rank and key in front.
fn put_ranked<const SHOWN: usize>(
    subject: &Subject,
    query: &str,
    order: &str,
    shown: [&str; SHOWN],
    n: i32,
    rows: &mut Rows,
) -> Result<(), Error> {
    let order = format!("{order}, {}", subject.new_key_names());
    let first = format!("SELECT * FROM ({query}) AS ranked ORDER BY {order} LIMIT {n}");
    let shown = shown.join(", ");
    let mut rank = 0i64;
    let key = subject.key_json("k");
    Statement::new(&format!("SELECT {key}, {shown} FROM ({first}) AS best ORDER BY {order}")).each(|row| {
        rank += 1;
        let columns: Vec<Option<Datum>> = (0..=SHOWN).map(|index| row.datum(index)).collect();
        rows.put(&[&[Some(Datum::from(rank))], columns.as_slice()].concat());
        Ok(())
    })
}
