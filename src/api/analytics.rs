//! Questions about keys and days: arguments read, answers put into rows.

use super::{given, optional_day};
use crate::analytics::{about, activity, ranking, series};
use crate::error::Error;
use crate::pg::call::{Call, c_function};
use crate::pg::function::{RawDate, Regclass};
use crate::rules::calendar::Day;
use crate::rules::periods::{NoPeriod, Period};
use crate::rules::window::LONGEST_WINDOW;
use pgrx::pg_sys::Oid;

c_function!(active_keys, pg_finfo_active_keys, |call| {
    about(target(call)?, call.get::<String>(3).as_deref(), |subject| {
        activity::active_keys(subject, from_day(call, 1)?, to_day(call, 2)?, &mut call.rows())
    })?;
    Ok(None)
});

c_function!(growth, pg_finfo_growth, |call| {
    let period = period(call, "period")?;
    about(target(call)?, call.get::<String>(4).as_deref(), |subject| {
        activity::growth(subject, period, from_day(call, 2)?, to_day(call, 3)?, &mut call.rows())
    })?;
    Ok(None)
});

c_function!(cohorts, pg_finfo_cohorts, |call| {
    let period = period(call, "cohort")?;
    let periods = number(call, "periods", 2, LONGEST_WINDOW as i32)?;
    about(target(call)?, call.get::<String>(5).as_deref(), |subject| {
        activity::cohorts(subject, period, periods, from_day(call, 3)?, to_day(call, 4)?, &mut call.rows())
    })?;
    Ok(None)
});

c_function!(series, pg_finfo_series, |call| {
    about(target(call)?, Some(&metric(call)?), |subject| {
        series::answer(subject, call.argument(2), from_day(call, 3)?, to_day(call, 4)?, &mut call.rows())
    })?;
    Ok(None)
});

c_function!(top, pg_finfo_top, |call| {
    let days = call.get::<i32>(3).map(|days| within("days", days, LONGEST_WINDOW as i32)).transpose()?;
    let n = number(call, "n", 4, i32::MAX)?;
    about(target(call)?, Some(&metric(call)?), |subject| {
        ranking::top(subject, optional_day("day", call.get(2))?, days, n, &mut call.rows())
    })?;
    Ok(None)
});

c_function!(movers, pg_finfo_movers, |call| {
    let days = number(call, "days", 3, LONGEST_WINDOW as i32)?;
    let n = number(call, "n", 4, i32::MAX)?;
    about(target(call)?, Some(&metric(call)?), |subject| {
        ranking::movers(subject, optional_day("day", call.get(2))?, days, n, &mut call.rows())
    })?;
    Ok(None)
});

pub fn target(call: &Call) -> Result<Oid, Error> {
    given("target", call.get::<Regclass>(0)).map(|target| target.0)
}

pub fn metric(call: &Call) -> Result<String, Error> {
    given("metric", call.get(1))
}

fn period(call: &Call, argument: &'static str) -> Result<Period, Error> {
    let text: String = given(argument, call.get(1))?;
    Period::parse(&text).map_err(|reason| match reason {
        NoPeriod::Word => Error::UnknownChoice { argument, given: text, allowed: vec!["week", "day", "month", "28"] },
        NoPeriod::OutOfRange(given) => {
            Error::NumberOutOfRange { argument, given, least: 1, most: LONGEST_WINDOW as i64 }
        }
    })
}

pub fn from_day(call: &Call, index: usize) -> Result<Option<Day>, Error> {
    optional_day("from_day", call.get::<RawDate>(index))
}

pub fn to_day(call: &Call, index: usize) -> Result<Option<Day>, Error> {
    optional_day("to_day", call.get::<RawDate>(index))
}

pub fn number(call: &Call, argument: &'static str, index: usize, most: i32) -> Result<i32, Error> {
    within(argument, given(argument, call.get(index))?, most)
}

fn within(argument: &'static str, number: i32, most: i32) -> Result<i32, Error> {
    if (1..=most).contains(&number) {
        return Ok(number);
    }
    Err(Error::NumberOutOfRange { argument, given: number.into(), least: 1, most: most.into() })
}
