//! Locks on whole tables.

use super::transaction::nap;
use pgrx::pg_sys::{self, Oid};
use std::time::{Duration, Instant};

/// How long to wait between tries, in milliseconds.
const BETWEEN_TRIES: i64 = 20;

/// Waits for the lock of a SELECT, which is kept until the transaction ends.
pub fn as_reader(table: Oid) {
    wait_for(table, pg_sys::AccessShareLock);
}

/// Waits for the lock of an INSERT.
pub fn as_writer(table: Oid) {
    wait_for(table, pg_sys::RowExclusiveLock);
}

/// Takes ACCESS EXCLUSIVE locks on all of these tables, or on none; false when that was not possible in time. A plain
/// LOCK would stand in the queue, and every later reader behind it, for as long as one reader is at work.
pub fn all_for_itself(tables: &[Oid], patience: Duration) -> bool {
    let began = Instant::now();
    loop {
        if try_all(tables) {
            return true;
        }
        if began.elapsed() >= patience {
            return false;
        }
        nap(BETWEEN_TRIES);
    }
}

/// Waits for ACCESS EXCLUSIVE locks, one table after the other.
pub fn in_order(tables: &[Oid]) {
    tables.iter().for_each(|table| wait_for(*table, pg_sys::AccessExclusiveLock));
}

fn wait_for(table: Oid, mode: u32) {
    // SAFETY: a table that has been dropped meanwhile is locked by its number alone.
    unsafe { pg_sys::LockRelationOid(table, mode as i32) };
}

fn try_all(tables: &[Oid]) -> bool {
    let mode = pg_sys::AccessExclusiveLock as i32;
    for (index, table) in tables.iter().enumerate() {
        // SAFETY: locks are given back in this transaction, before anything was done under them, or by its end.
        unsafe {
            if !pg_sys::ConditionalLockRelationOid(*table, mode) {
                tables[..index].iter().for_each(|table| pg_sys::UnlockRelationOid(*table, mode));
                return false;
            }
        }
    }
    true
}
