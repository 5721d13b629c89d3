//! shift and total: the fold of one array, for everybody.

use super::given;
use crate::error::Error;
use crate::fold::codec::{Any, Codec, Fixed};
use crate::pg::call::{Call, c_function};
use crate::pg::value::{Datum, Layout, Made};
use crate::rules::window::{Element, History, LONGEST_WINDOW, Overflow};

fn shifted<C: Codec>(
    codec: &C,
    history: Option<Datum>,
    newest: Option<C::Element>,
    size: Option<i32>,
) -> Result<Made, Error> {
    let size = window_size("size", given("size", size)?)?;
    if let (Some(history), Some(newest)) = (history, &newest)
        && let Some(shifted) = codec.shift_plain(history, newest, size)?
    {
        return Ok(shifted);
    }
    let mut values = History::new();
    if let Some(history) = history {
        codec.read_array(history, size, values.values_mut())?;
    }
    values.shift(newest, size);
    Ok(codec.write_array(values.values()))
}

/// The sum of the newest days, NULL when there is nothing to sum.
fn summed<C: Codec>(
    codec: &C,
    history: Option<Datum>,
    days: Option<i32>,
) -> Result<Option<<C::Element as Element>::Sum>, Error> {
    let days = days.map(|days| window_size("days", days)).transpose()?.unwrap_or(usize::MAX);
    let Some(history) = history else { return Ok(None) };
    let overflow = |Overflow| Error::TotalOverflow { of: "history".to_owned(), total: C::TOTAL };
    codec.sum_array(history, days)?.transpose().map_err(overflow)
}

fn window_size(argument: &'static str, given: i32) -> Result<usize, Error> {
    let size = usize::try_from(given).ok().filter(|size| (1..=LONGEST_WINDOW).contains(size));
    size.ok_or(Error::NumberOutOfRange { argument, given: given.into(), least: 1, most: LONGEST_WINDOW as i64 })
}

fn shift<C: Codec>(codec: &C, call: &Call) -> Result<Option<Made>, Error> {
    let newest = call.argument(1).map(|value| codec.read(value));
    let size = call.argument(2).map(|value| value.value() as i32);
    shifted(codec, call.argument(0), newest, size).map(Some)
}

fn total<C: Codec>(codec: &C, call: &Call) -> Result<Option<Made>, Error> {
    let days = call.argument(1).map(|value| value.value() as i32);
    Ok(summed(codec, call.argument(0), days)?.map(|sum| codec.write_sum(sum)))
}

macro_rules! array_functions {
    ($shift:ident, $shift_record:ident, $total:ident, $total_record:ident, $codec:expr) => {
        c_function!($shift, $shift_record, |call| shift(&$codec, call));
        c_function!($total, $total_record, |call| total(&$codec, call));
    };
}

array_functions!(shift_smallint, pg_finfo_shift_smallint, total_smallint, pg_finfo_total_smallint, Fixed::<i16>::new());
array_functions!(shift_integer, pg_finfo_shift_integer, total_integer, pg_finfo_total_integer, Fixed::<i32>::new());
array_functions!(shift_bigint, pg_finfo_shift_bigint, total_bigint, pg_finfo_total_bigint, Fixed::<i64>::new());
array_functions!(shift_real, pg_finfo_shift_real, total_real, pg_finfo_total_real, Fixed::<f32>::new());
array_functions!(shift_double, pg_finfo_shift_double, total_double, pg_finfo_total_double, Fixed::<f64>::new());
array_functions!(
    shift_numeric,
    pg_finfo_shift_numeric,
    total_numeric,
    pg_finfo_total_numeric,
    Any { layout: Layout::NUMERIC }
);
