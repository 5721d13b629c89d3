//! Transactions: their end, and those of background processes.

use super::border::{attempt, cross};
use crate::error::{Error, Failure};
use pgrx::pg_guard;
use pgrx::pg_sys::{self, SubXactEvent, XactEvent};
use std::ffi::c_void;

/// When a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It is about to commit or to be prepared: what is written now is part of it.
    BeforeCommit,
    Committed,
    /// It has been rolled back, or prepared.
    GivenUp,
}

type Callback = fn(Moment);

/// Calls `callback` at the end of every transaction of this process.
pub fn on_end(callback: Callback) {
    // SAFETY: a function pointer fits a pointer; the list of callbacks lives as long as the process.
    unsafe { pg_sys::RegisterXactCallback(Some(dispatch), callback as *mut c_void) }
}

#[pg_guard]
unsafe extern "C-unwind" fn dispatch(event: XactEvent::Type, argument: *mut c_void) {
    let moment = match event {
        XactEvent::XACT_EVENT_PRE_COMMIT | XactEvent::XACT_EVENT_PRE_PREPARE => Moment::BeforeCommit,
        XactEvent::XACT_EVENT_COMMIT => Moment::Committed,
        XactEvent::XACT_EVENT_ABORT | XactEvent::XACT_EVENT_PREPARE => Moment::GivenUp,
        _ => return,
    };
    // SAFETY: the argument is the function pointer given above.
    let callback: Callback = unsafe { std::mem::transmute(argument) };
    if moment == Moment::BeforeCommit {
        cross(|| {
            callback(moment);
            Ok(())
        });
    } else {
        callback(moment);
    }
}

/// How a subtransaction ends: a savepoint, or a block with an EXCEPTION clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubEnd {
    /// What it did is now its parent's.
    Merged {
        id: u32,
        parent: u32,
    },
    Aborted {
        id: u32,
    },
}

type SubCallback = fn(SubEnd);

/// Calls `callback` at the end of every subtransaction of this process.
pub fn on_sub_end(callback: SubCallback) {
    // SAFETY: as for transactions.
    unsafe { pg_sys::RegisterSubXactCallback(Some(dispatch_sub), callback as *mut c_void) }
}

#[pg_guard]
unsafe extern "C-unwind" fn dispatch_sub(
    event: SubXactEvent::Type,
    id: pg_sys::SubTransactionId,
    parent: pg_sys::SubTransactionId,
    argument: *mut c_void,
) {
    let end = match event {
        SubXactEvent::SUBXACT_EVENT_COMMIT_SUB => SubEnd::Merged { id, parent },
        SubXactEvent::SUBXACT_EVENT_ABORT_SUB => SubEnd::Aborted { id },
        _ => return,
    };
    // SAFETY: the argument is the function pointer given above.
    let callback: SubCallback = unsafe { std::mem::transmute(argument) };
    callback(end);
}

/// The subtransaction that is running; the transaction itself counts as the first.
pub fn current_sub() -> u32 {
    // SAFETY: a plain look at the transaction's state.
    unsafe { pg_sys::GetCurrentSubTransactionId() }
}

/// Waits some time, answering cancel; sooner when the process is woken.
pub fn nap(milliseconds: i64) {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: the process's own latch.
    unsafe {
        pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, milliseconds, pg_sys::PG_WAIT_EXTENSION);
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    pgrx::check_for_interrupts!();
}

/// Runs `work` with a snapshot to read by, as there is none any more when a transaction is about to commit.
pub fn with_snapshot<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: pushed and popped in pairs; on an error the abort pops it.
    unsafe {
        if pg_sys::ActiveSnapshotSet() {
            return work();
        }
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let result = work();
        pg_sys::PopActiveSnapshot();
        result
    }
}

// The alarm that ends statements, which sessions set by statement_timeout and background processes by themselves.
const STATEMENT_TIMEOUT: u32 = 3;

unsafe extern "C-unwind" {
    fn enable_timeout_after(id: u32, milliseconds: i32);
    fn disable_timeout(id: u32, keep_indicator: bool);
}

fn set_alarm(milliseconds: i32) {
    // SAFETY: PostgreSQL knows this alarm.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| enable_timeout_after(STATEMENT_TIMEOUT, milliseconds.max(1))) }
}

fn clear_alarm() {
    // SAFETY: as above; one that was not set is no mistake.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| disable_timeout(STATEMENT_TIMEOUT, false)) }
}

/// Runs `work` in a transaction of its own, in a background process: committed when it ends well, else aborted as a
/// whole. With a limit it is cancelled after so many milliseconds.
pub fn run<T>(limit: Option<i32>, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Failure> {
    let attempted = attempt(|| {
        // SAFETY: outside any transaction; what is pushed is popped, or goes with the abort.
        unsafe {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
            if let Some(limit) = limit {
                set_alarm(limit);
            }
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            let done = work()?;
            pg_sys::PopActiveSnapshot();
            clear_alarm();
            pg_sys::CommitTransactionCommand();
            Ok::<T, Error>(done)
        }
    });
    let result = match attempted {
        Ok(done) => done.map_err(|error| Failure::from(error.report())),
        Err(caught) => Err(Failure::from(caught.report)),
    };
    if result.is_err() {
        // SAFETY: aborts whatever is left of the transaction.
        unsafe {
            clear_alarm();
            pg_sys::AbortOutOfAnyTransaction();
        }
    }
    result
}
