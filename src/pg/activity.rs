//! What this process does at the moment, as pg_stat_activity shows it.

use pgrx::pg_sys;
use std::ffi::CString;

/// Shows `text` as the query of a background process.
pub fn show(text: &str) {
    let text = CString::new(text).unwrap_or_default();
    // SAFETY: the text is copied.
    unsafe { pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, text.as_ptr()) }
}

/// Shows that nothing is done.
pub fn idle() {
    // SAFETY: no text is given.
    unsafe { pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, std::ptr::null()) }
}
