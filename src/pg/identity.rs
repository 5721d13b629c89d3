//! Who the code runs as, and with which settings.

use pgrx::pg_sys::{self, Oid};
use std::ffi::{CStr, CString};

/// Settings that could change what a statement means; pinned while the engine works.
const PINS: [(&CStr, &CStr); 8] = [
    (c"search_path", c"pg_catalog, pg_temp"),
    (c"row_security", c"off"),
    (c"DateStyle", c"ISO, YMD"),
    (c"IntervalStyle", c"postgres"),
    (c"extra_float_digits", c"1"),
    (c"bytea_output", c"hex"),
    (c"check_function_bodies", c"on"),
    (c"default_tablespace", c""),
];

/// Runs `work` as `role` in a security-restricted context with pinned settings: nothing that a user attached to a
/// table can gain more rights than `role` has, or change the session.
pub fn as_owner<T>(role: Oid, work: impl FnOnce() -> T) -> T {
    with_identity(role, work)
}

/// Runs `work`, statements on the extension's own tables only, as the bootstrap superuser.
pub fn as_extension<T>(work: impl FnOnce() -> T) -> T {
    with_identity(pg_sys::BOOTSTRAP_SUPERUSERID.into(), work)
}

fn with_identity<T>(role: Oid, work: impl FnOnce() -> T) -> T {
    let restricted = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
    let (mut before, mut context) = (Oid::INVALID, 0);
    // SAFETY: on an error, the abort of the (sub)transaction restores both identity and settings.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut before, &mut context);
        let level = pg_sys::NewGUCNestLevel();
        for (name, value) in PINS {
            pin(name, value);
        }
        pg_sys::SetUserIdAndSecContext(role, context | restricted as i32);
        let result = work();
        pg_sys::AtEOXact_GUC(false, level);
        pg_sys::SetUserIdAndSecContext(before, context);
        result
    }
}

/// Runs `work`, which resolves names that a user has written, by a search_path.
pub fn with_search_path<T>(path: &str, work: impl FnOnce() -> T) -> T {
    let path = CString::new(path).unwrap_or_default();
    // SAFETY: on an error, the abort restores the setting.
    unsafe {
        let level = pg_sys::NewGUCNestLevel();
        pin(c"search_path", &path);
        let result = work();
        pg_sys::AtEOXact_GUC(false, level);
        result
    }
}

/// Sets one setting until the surrounding nest level ends.
fn pin(name: &CStr, value: &CStr) {
    // SAFETY: both are valid C strings; the action is local to the nest level.
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

/// Whether the current role is `owner`, a member of it, or a superuser.
pub fn acts_for(owner: Oid) -> bool {
    is_member(super::table::current_role(), owner)
}

/// Whether `role` is `owner`, a member of it, or a superuser.
pub fn is_member(role: Oid, owner: Oid) -> bool {
    // SAFETY: plain catalog look-ups.
    unsafe { pg_sys::has_privs_of_role(role, owner) }
}

/// Whether the transaction sees what others commit while it runs.
pub fn reads_committed() -> bool {
    // SAFETY: a plain global of the backend.
    unsafe { pg_sys::XactIsoLevel <= pg_sys::XACT_READ_COMMITTED as i32 }
}

/// Takes the lock that one table's definition is changed and its days are closed under, until the transaction ends.
/// It leaves no trace on disk, and no role can take it by SQL.
pub fn lock_definition(catalog: Oid, target: Oid) {
    // SAFETY: waits like any lock, raising 55P03 or 40P01 as PostgreSQL does.
    unsafe { pg_sys::LockDatabaseObject(catalog, target, 0, pg_sys::ExclusiveLock as i32) }
}

/// Answers cancel and terminate.
pub fn check_for_interrupts() {
    pgrx::check_for_interrupts!();
}

/// work_mem in bytes: what one step may keep in memory.
pub fn work_mem_bytes() -> usize {
    // SAFETY: a plain global of the backend, in kilobytes.
    unsafe { pg_sys::work_mem as usize * 1024 }
}

/// A seed that nobody has had before.
pub fn random_seed() -> u64 {
    let mut seed = 0u64;
    // SAFETY: eight bytes are written.
    unsafe { pg_sys::pg_strong_random((&raw mut seed).cast(), size_of::<u64>()) };
    seed
}

/// Refuses to go on inside BEGIN ... COMMIT, where a procedure cannot commit.
pub fn in_transaction_block() -> bool {
    // SAFETY: a plain look at the transaction's state.
    unsafe { pg_sys::IsTransactionBlock() }
}

/// This process.
pub fn pid() -> i32 {
    // SAFETY: a plain global of the backend.
    unsafe { pg_sys::MyProcPid }
}

/// The wall clock, as PostgreSQL stores timestamptz.
pub fn now() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}
