//! SQL functions written as C functions are: for those whose work on a small array costs less than pgrx's unpacking of
//! arguments.

use super::border::{mistaken, outermost};
use super::convert::Read;
use super::rows::Rows;
use super::value::{Datum, Made};
use crate::error::Error;
use pgrx::pg_sys::{self, Oid};

/// The arguments of one call.
pub struct Call(pg_sys::FunctionCallInfo);

impl Call {
    /// An argument from 0 on, None for NULL.
    #[inline]
    pub fn argument(&self, index: usize) -> Option<Datum<'_>> {
        // SAFETY: PostgreSQL passes as many arguments as it says, good as long as the call.
        unsafe {
            if index >= (*self.0).nargs as usize {
                mistaken(&format!("a function has no argument {index}"));
            }
            let argument = &*(*self.0).args.as_ptr().add(index);
            (!argument.isnull).then(|| Datum::of(argument.value))
        }
    }

    /// An argument from 0 on, converted. A function that is declared otherwise is a mistake of ours.
    pub fn get<T: Read>(&self, index: usize) -> Option<T> {
        if self.declared_type(index) != Some(T::TYPE) {
            mistaken(&format!("argument {index} of a function is not declared as of type {}", T::TYPE.to_u32()));
        }
        // SAFETY: the type is the argument's own.
        self.argument(index).map(|value| unsafe { T::read(value) })
    }

    fn declared_type(&self, index: usize) -> Option<Oid> {
        let (mut types, mut count) = (std::ptr::null_mut(), 0);
        // SAFETY: PostgreSQL calls a function that it knows; the list has so many types, and is freed.
        unsafe {
            pg_sys::get_func_signature((*(*self.0).flinfo).fn_oid, &mut types, &mut count);
            let found = (index < usize::try_from(count).unwrap_or(0)).then(|| *types.add(index));
            pg_sys::pfree(types.cast());
            found
        }
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
    work: impl FnOnce(&Call) -> Result<Option<Made>, Error>,
) -> pg_sys::Datum {
    outermost(|| work(&Call(call))).map_or_else(
        || {
            // SAFETY: by contract.
            unsafe { (*call).isnull = true };
            pg_sys::Datum::null()
        },
        Made::raw,
    )
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
