//! shift and total: the fold of one array, for everybody.

use super::given;
use crate::error::Error;
use crate::fold::codec::{Any, Codec, Fixed};
use crate::pg::function::{BigintArray, DoubleArray, IntegerArray, NumericArray, RawNumeric, RealArray, SmallintArray};
use crate::pg::value::Layout;
use crate::rules::window::{Element, History, LONGEST_WINDOW, Overflow, Rollup, Total};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::pg_sys::{self, Datum};
use pgrx::prelude::*;

fn shifted<C: Codec>(
    codec: &C,
    history: Option<Datum>,
    newest: Option<C::Element>,
    size: Option<i32>,
) -> Result<Datum, Error> {
    let size = window_size("size", given("size", size)?)?;
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
    total: &'static str,
) -> Result<Option<<C::Element as Element>::Sum>, Error> {
    let days = days.map(|days| window_size("days", days)).transpose()?.unwrap_or(usize::MAX);
    let Some(history) = history else { return Ok(None) };
    let mut values = History::new();
    codec.read_array(history, days, values.values_mut())?;
    match values.total(days, Rollup::Sum, |_, _| std::cmp::Ordering::Equal) {
        Ok(Total::Sum(sum)) => Ok(Some(sum)),
        Ok(_) => Ok(None),
        Err(Overflow) => Err(Error::TotalOverflow { of: "history".to_owned(), total }),
    }
}

fn window_size(argument: &'static str, given: i32) -> Result<usize, Error> {
    let size = usize::try_from(given).ok().filter(|size| (1..=LONGEST_WINDOW).contains(size));
    size.ok_or(Error::NumberOutOfRange { argument, given: given.into(), least: 1, most: LONGEST_WINDOW as i64 })
}

macro_rules! array_functions {
    ($shift:ident, $total:ident, $array:ident, $number:ident, $sum:ident, $oid:expr, $total_name:literal) => {
        #[pg_extern(name = "shift", immutable, parallel_safe)]
        fn $shift(history: Option<$array>, newest: Option<$number>, size: Option<i32>) -> Result<$array, ErrorReport> {
            Ok($array(shifted(&Fixed::<$number>::new($oid), history.map(|array| array.0), newest, size)?))
        }

        #[pg_extern(name = "total", immutable, parallel_safe)]
        fn $total(history: Option<$array>, days: default!(Option<i32>, "NULL")) -> Result<Option<$sum>, ErrorReport> {
            let codec = Fixed::<$number>::new($oid);
            Ok(summed(&codec, history.map(|array| array.0), days, $total_name)?)
        }
    };
}

array_functions!(shift_smallint, total_smallint, SmallintArray, i16, i64, pg_sys::INT2OID, "bigint");
array_functions!(shift_integer, total_integer, IntegerArray, i32, i64, pg_sys::INT4OID, "bigint");
array_functions!(shift_bigint, total_bigint, BigintArray, i64, i64, pg_sys::INT8OID, "bigint");
array_functions!(shift_real, total_real, RealArray, f32, f64, pg_sys::FLOAT4OID, "double precision");
array_functions!(shift_double, total_double, DoubleArray, f64, f64, pg_sys::FLOAT8OID, "double precision");

fn numeric() -> Any {
    Any { layout: Layout::of(pg_sys::NUMERICOID) }
}

#[pg_extern(name = "shift", immutable, parallel_safe)]
fn shift_numeric(
    history: Option<NumericArray>,
    newest: Option<RawNumeric>,
    size: Option<i32>,
) -> Result<NumericArray, ErrorReport> {
    let codec = numeric();
    let newest = newest.map(|value| codec.read(value.0));
    Ok(NumericArray(shifted(&codec, history.map(|array| array.0), newest, size)?))
}

#[pg_extern(name = "total", immutable, parallel_safe)]
fn total_numeric(
    history: Option<NumericArray>,
    days: default!(Option<i32>, "NULL"),
) -> Result<Option<RawNumeric>, ErrorReport> {
    let codec = numeric();
    let sum = summed(&codec, history.map(|array| array.0), days, "numeric")?;
    Ok(sum.map(|sum| RawNumeric(codec.write_sum(sum))))
}
