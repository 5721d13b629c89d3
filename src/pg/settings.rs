//! Settings while the engine works. Some change what a statement means, what it finds, or how a value is written: they are
//! the same for every call, procedure and run, and the caller has his own again afterwards, after an error, too.

use super::encoding::{ServerText, from_c};
use super::process;
use pgrx::pg_sys;
use std::cell::Cell;
use std::ffi::CStr;

/// The search_path of our own statements.
const OWN_PATH: &CStr = c"pg_catalog, pg_temp";

/// What our statements, PostgreSQL's deparsing and a table's own code go by.
const PINS: [(&CStr, &CStr); 25] = [
    // How statements and constants in them are read.
    (c"standard_conforming_strings", c"on"),
    (c"backslash_quote", c"safe_encoding"),
    (c"escape_string_warning", c"off"),
    (c"transform_null_equals", c"off"),
    (c"array_nulls", c"on"),
    (c"xmloption", c"content"),
    (c"timezone_abbreviations", c"Default"),
    (c"check_function_bodies", c"on"),
    // How names and values are written.
    (c"quote_all_identifiers", c"off"),
    (c"DateStyle", c"ISO, YMD"),
    (c"IntervalStyle", c"postgres"),
    (c"TimeZone", c"UTC"),
    (c"extra_float_digits", c"1"),
    (c"bytea_output", c"hex"),
    (c"xmlbinary", c"base64"),
    (c"lc_monetary", c"C"),
    (c"lc_numeric", c"C"),
    (c"lc_time", c"C"),
    // Which rows are found, and in which order: a GIN index may give some at random.
    (c"row_security", c"off"),
    (c"gin_fuzzy_search_limit", c"0"),
    (c"synchronize_seqscans", c"off"),
    (c"restrict_nonsystem_relation_kind", c""),
    // What becomes of rows that are written, and where.
    (c"session_replication_role", c"origin"),
    (c"default_tablespace", c""),
    (c"default_table_access_method", c"heap"),
];

/// What a process of the scheduler goes by besides: the owner of a database can set it for every process in it.
const PINS_OF_WORKERS: [(&CStr, &CStr); 7] = [
    (c"default_transaction_isolation", c"read committed"),
    (c"default_transaction_read_only", c"off"),
    (c"default_transaction_deferrable", c"off"),
    (c"statement_timeout", c"0"),
    (c"transaction_timeout", c"0"),
    (c"idle_in_transaction_session_timeout", c"0"),
    (c"exit_on_error", c"off"),
];

thread_local! {
    /// How many of the functions below are at work.
    static PINNED: Cell<u32> = const { Cell::new(0) };
}

/// Counts one of them until it ends, by an error, too.
struct Pinned;

impl Pinned {
    fn enter() -> Self {
        PINNED.set(PINNED.get() + 1);
        Pinned
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        PINNED.set(PINNED.get() - 1);
    }
}

/// Runs `work` by our settings.
pub(super) fn pinned<T>(work: impl FnOnce() -> T) -> T {
    with_path(OWN_PATH, work)
}

/// Runs `work` by our settings, unless that is so already: then a search_path may have been chosen for what a user has
/// written.
pub fn with_own_names<T>(work: impl FnOnce() -> T) -> T {
    if PINNED.get() > 0 { work() } else { pinned(work) }
}

/// Runs `work`, which resolves names that a user has written, by a search_path and otherwise by our settings.
pub fn with_search_path<T>(path: &str, work: impl FnOnce() -> T) -> T {
    with_path(ServerText::of(path).as_c_str(), work)
}

fn with_path<T>(path: &CStr, work: impl FnOnce() -> T) -> T {
    let _pinned = Pinned::enter();
    // SAFETY: on an error, the abort of the (sub)transaction restores the settings.
    unsafe {
        let level = pg_sys::NewGUCNestLevel();
        PINS.iter().for_each(|(name, value)| pin(name, value));
        pin(c"search_path", path);
        let result = work();
        pg_sys::AtEOXact_GUC(false, level);
        result
    }
}

/// A setting as it is now.
pub fn setting(name: &CStr) -> String {
    found(name).map_or_else(String::new, |value| {
        // SAFETY: it is copied before anything can change it.
        unsafe { from_c(value.as_ptr().cast_mut()) }
    })
}

/// The value of a setting, until something changes it; None where the server does not know the setting.
fn found<'a>(name: &CStr) -> Option<&'a CStr> {
    // SAFETY: a setting that exists has a value.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value))
    }
}

/// Sets one setting until the surrounding nest level ends. Most often it is as it should be, and that is seen sooner.
fn pin(name: &CStr, value: &CStr) {
    if found(name).is_none_or(|now| now == value) {
        return;
    }
    // SAFETY: both are valid C strings; the action is local to the nest level, and allowed in a parallel query.
    unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
    }
}

/// Gives a process of the scheduler its settings, for its life.
pub fn pin_for_worker() {
    let path = (c"search_path", OWN_PATH);
    for (name, value) in PINS.iter().chain(&PINS_OF_WORKERS).chain([&path]) {
        if found(name).is_some() {
            process::pin(name, value);
        }
    }
}
