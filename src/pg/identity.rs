//! Who the code runs as.

use super::constraints;
use super::settings;
use pgrx::pg_sys::{self, Oid};

/// Runs `work` as `role` in a security-restricted context by our settings: nothing that a user attached to a
/// table can gain more rights than `role` has, or change the session.
pub fn as_owner<T>(role: Oid, work: impl FnOnce() -> T) -> T {
    with_identity(role, || constraints::undisturbed(work))
}

/// Runs `work`, statements on the extension's own tables only, as the bootstrap superuser.
pub fn as_extension<T>(work: impl FnOnce() -> T) -> T {
    with_identity(pg_sys::BOOTSTRAP_SUPERUSERID.into(), work)
}

fn with_identity<T>(role: Oid, work: impl FnOnce() -> T) -> T {
    let restricted = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
    settings::pinned(|| {
        let (mut before, mut context) = (Oid::INVALID, 0);
        // SAFETY: on an error, the abort of the (sub)transaction restores the identity.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut before, &mut context);
            pg_sys::SetUserIdAndSecContext(role, context | restricted as i32);
            let result = work();
            pg_sys::SetUserIdAndSecContext(before, context);
            result
        }
    })
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

/// As `lock_definition`, but without waiting; whether it was free.
pub fn try_lock_definition(catalog: Oid, target: Oid) -> bool {
    try_lock(current_database(), catalog, target, pg_sys::ExclusiveLock)
}

/// Whether somebody waits for this database to be left: to drop, rename, move or copy it.
pub fn database_is_wanted() -> bool {
    let database = current_database();
    !try_lock(Oid::INVALID, pg_sys::DatabaseRelationId, database, pg_sys::RowExclusiveLock)
}

/// Takes the lock of an object until the transaction ends, unless somebody is in the way.
fn try_lock(database: Oid, class: Oid, object: Oid, mode: u32) -> bool {
    let tag = pg_sys::LOCKTAG {
        locktag_field1: database.to_u32(),
        locktag_field2: class.to_u32(),
        locktag_field3: object.to_u32(),
        locktag_field4: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    };
    // SAFETY: a complete tag; without waiting nothing can deadlock.
    let result = unsafe { pg_sys::LockAcquire(&tag, mode as i32, false, true) };
    result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
}

/// The database of this process.
pub fn current_database() -> Oid {
    // SAFETY: a plain global of the backend.
    unsafe { pg_sys::MyDatabaseId }
}

/// Whether the server replays another one's log.
pub fn in_recovery() -> bool {
    // SAFETY: a look into shared memory.
    unsafe { pg_sys::RecoveryInProgress() }
}

/// Whether the transaction may not write.
pub fn in_read_only() -> bool {
    // SAFETY: a plain global of the backend.
    unsafe { pg_sys::XactReadOnly }
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
