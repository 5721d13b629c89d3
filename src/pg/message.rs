//! Messages to the client and to the server's log.

use super::encoding::ServerText;
use pgrx::PgLogLevel;
use pgrx::pg_sys;
use std::ffi::{CStr, c_char, c_int};

// As C calls them, for they take formats.
unsafe extern "C-unwind" {
    fn errstart(level: c_int, domain: *const c_char) -> bool;
    fn errmsg_internal(format: *const c_char, ...) -> c_int;
    fn errhint(format: *const c_char, ...) -> c_int;
    fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
}

/// Tells whoever has called.
pub fn tell(text: &str) {
    emit(PgLogLevel::NOTICE, text, "");
}

/// Tells whoever has called, with what can be done.
pub fn tell_with_hint(text: &str, hint: &str) {
    emit(PgLogLevel::NOTICE, text, hint);
}

/// Tells whoever has called what may be wrong.
pub fn warn(text: &str) {
    emit(PgLogLevel::WARNING, text, "");
}

/// Writes to the server's log; an empty hint is none.
pub fn log(text: &str, hint: &str) {
    emit(PgLogLevel::LOG, text, hint);
}

fn emit(level: PgLogLevel, text: &str, hint: &str) {
    let (text, hint) = (ServerText::for_message(text), ServerText::for_message(hint));
    let (text, hint): (&CStr, &CStr) = (text.as_c_str(), hint.as_c_str());
    let format = c"%s".as_ptr();
    // SAFETY: all texts are valid until the end; nothing in here owns memory when an error jumps over it.
    unsafe {
        pg_sys::ffi::pg_guard_ffi_boundary(|| {
            if errstart(level as c_int, std::ptr::null()) {
                errmsg_internal(format, text.as_ptr());
                if !hint.is_empty() {
                    errhint(format, hint.as_ptr());
                }
                errfinish(c"message.rs".as_ptr(), line!() as c_int, c"emit".as_ptr());
            }
        });
    }
}

/// Tells whoever has called, in the form of format!.
macro_rules! notice {
    ($($part:tt)*) => { $crate::pg::message::tell(&format!($($part)*)) };
}

/// Tells whoever has called what may be wrong, in the form of format!.
macro_rules! warning {
    ($($part:tt)*) => { $crate::pg::message::warn(&format!($($part)*)) };
}

pub(crate) use {notice, warning};
