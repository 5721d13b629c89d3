//! Forecasts, back-tests and anomalies: arguments read, answers put into rows.

use super::analytics::{from_day, metric, number, target, to_day};
use super::{given, optional_day};
use crate::analytics::{about, anomalies, forecast};
use crate::error::Error;
use crate::pg::call::{Call, c_function};
use crate::pg::function::RawDate;
use crate::rules::forecast::{Direction, Method};

/// A quarter of a year: further ahead nothing is known that seasons of the year would not change.
const LONGEST_HORIZON: i32 = 90;

/// Half a year of weeks.
const MOST_ORIGINS: i32 = 26;

/// Beyond that no score lies.
const HIGHEST_THRESHOLD: f64 = 1000.0;

c_function!(forecast, pg_finfo_forecast, |call| {
    let question = forecast::Question {
        horizon: horizon(call)?,
        method: method(call)?,
        level: fraction(call, "level", 4, |level| level > 0.0 && level < 1.0, "between 0 and 1", 0.9)?,
        as_of: optional_day("as_of", call.get::<RawDate>(6))?,
    };
    about(target(call)?, Some(&metric(call)?), |subject| {
        forecast::answer(subject, &question, call.argument(5), &mut call.rows())
    })?;
    Ok(None)
});

c_function!(backtest, pg_finfo_backtest, |call| {
    let horizon = horizon(call)?;
    let origins = number(call, "origins", 3, MOST_ORIGINS)? as usize;
    about(target(call)?, Some(&metric(call)?), |subject| {
        forecast::backtest(subject, horizon, origins, &mut call.rows())
    })?;
    Ok(None)
});

c_function!(anomalies, pg_finfo_anomalies, |call| {
    let threshold = |given: f64| given > 0.0 && given <= HIGHEST_THRESHOLD;
    let question = anomalies::Question {
        from: from_day(call, 2)?,
        to: to_day(call, 3)?,
        threshold: fraction(call, "threshold", 4, threshold, "above 0 and at most 1000", 4.0)?,
        direction: direction(call)?,
        min_expected: fraction(call, "min_expected", 6, |least| least >= 0.0 && least.is_finite(), "0 or more", 0.0)?,
    };
    about(target(call)?, Some(&metric(call)?), |subject| {
        anomalies::answer(subject, &question, call.argument(7), &mut call.rows())
    })?;
    Ok(None)
});

fn horizon(call: &Call) -> Result<usize, Error> {
    number(call, "horizon", 2, LONGEST_HORIZON).map(|horizon| horizon as usize)
}

/// None for the best method.
fn method(call: &Call) -> Result<Option<Method>, Error> {
    const AUTO: &str = "auto";
    let name: String = given("method", call.get(3))?;
    if name == AUTO {
        return Ok(None);
    }
    let allowed = || std::iter::once(AUTO).chain(Method::ALL.map(Method::name)).collect();
    let method = Method::from_name(&name);
    method.map(Some).ok_or_else(|| Error::UnknownChoice { argument: "method", given: name, allowed: allowed() })
}

fn direction(call: &Call) -> Result<Direction, Error> {
    let name: String = given("direction", call.get(5))?;
    let allowed = || Direction::NAMES.to_vec();
    Direction::from_name(&name).ok_or_else(|| Error::UnknownChoice {
        argument: "direction",
        given: name,
        allowed: allowed(),
    })
}

fn fraction(
    call: &Call,
    argument: &'static str,
    index: usize,
    allowed: impl Fn(f64) -> bool,
    wanted: &'static str,
    usual: f64,
) -> Result<f64, Error> {
    let number: f64 = given(argument, call.get(index))?;
    if allowed(number) { Ok(number) } else { Err(Error::FractionOutOfRange { argument, given: number, wanted, usual }) }
}
