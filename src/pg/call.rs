//! SQL functions written as C functions are: for those whose work on a small array costs less than pgrx's unpacking of
//! arguments.

use super::border::outermost;
use super::convert::Read;
use super::rows::Rows;
use crate::error::Error;
use pgrx::pg_sys::{self, Datum};

/// The arguments of one call.
pub struct Call(pg_sys::FunctionCallInfo);

impl Call {
    /// An argument from 0 on, None for NULL; the function's declaration says how many there are.
    #[inline]
    pub fn argument(&self, index: usize) -> Option<Datum> {
        // SAFETY: PostgreSQL passes as many arguments as the function was declared with.
        let argument = unsafe { &*(*self.0).args.as_ptr().add(index) };
        (!argument.isnull).then_some(argument.value)
    }

    /// An argument from 0 on, converted; the type must be the declared one.
    pub fn get<T: Read>(&self, index: usize) -> Option<T> {
        let value = self.argument(index)?;
        // SAFETY: the callers name the argument's own type.
        Some(unsafe { T::read(value) })
    }

    /// The rows that the call returns, for a function that is declared to return rows.
    pub fn rows(&self) -> Rows {
        // SAFETY: PostgreSQL passed the call.
        unsafe { Rows::of(self.0) }
    }
}

/// Calls `work`, and gives back what it answers; its error becomes PostgreSQL's.
///
/// # Safety
/// `call` must be what PostgreSQL passed.
#[inline]
pub unsafe fn answer(
    call: pg_sys::FunctionCallInfo,
    work: impl FnOnce(&Call) -> Result<Option<Datum>, Error>,
) -> Datum {
    outermost(|| work(&Call(call))).unwrap_or_else(|| {
        // SAFETY: by contract.
        unsafe { (*call).isnull = true };
        Datum::null()
    })
}

/// Declares a C function by its name and that of its record; sql/arrays.sql or sql/analytics.sql says what it is in SQL.
macro_rules! c_function {
    ($name:ident, $record:ident, $work:expr) => {
        #[unsafe(no_mangle)]
        #[doc(hidden)]
        pub extern "C" fn $record() -> &'static pgrx::pg_sys::Pg_finfo_record {
            const VERSION_1: pgrx::pg_sys::Pg_finfo_record = pgrx::pg_sys::Pg_finfo_record { api_version: 1 };
            &VERSION_1
        }

        #[unsafe(no_mangle)]
        #[doc(hidden)]
        pub unsafe extern "C-unwind" fn $name(call: pgrx::pg_sys::FunctionCallInfo) -> pgrx::pg_sys::Datum {
            // SAFETY: called by PostgreSQL.
            unsafe { $crate::pg::call::answer(call, $work) }
        }
    };
}

pub(crate) use c_function;
