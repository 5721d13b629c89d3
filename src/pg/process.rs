//! Background processes: how they are registered, started, connected, interrupted and put to sleep.

use super::transaction::nap;
use super::version::set_signal_handler;
use pgrx::pg_sys::{self, Datum, Oid};
use std::ffi::{CStr, c_int};

// PostgreSQL's own handlers, as pointers that it can call: the wrappers of the bindings are not.
unsafe extern "C-unwind" {
    fn die(signal: c_int);
    fn StatementCancelHandler(signal: c_int);
    fn SignalHandlerForConfigReload(signal: c_int);
}

extern "C-unwind" fn ignore(_signal: c_int) {}

/// How a process answers pg_cancel_backend.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    Ignored,
    EndsStatement,
}

/// Takes the signals that every backend takes; from now on it ends at once when told to.
pub fn take_signals(cancel: Cancel) {
    let interrupt = match cancel {
        Cancel::Ignored => ignore as unsafe extern "C-unwind" fn(c_int),
        Cancel::EndsStatement => StatementCancelHandler,
    };
    // SAFETY: signals are blocked until all handlers are in place.
    unsafe {
        set_signal_handler(pg_sys::SIGTERM, die);
        set_signal_handler(pg_sys::SIGINT, interrupt);
        set_signal_handler(pg_sys::SIGHUP, SignalHandlerForConfigReload);
        pg_sys::BackgroundWorkerUnblockSignals();
    }
}

/// Reads postgresql.conf again if the server was told to; whether it was.
pub fn reload() -> bool {
    // SAFETY: a flag that the signal's handler sets; settings are read between transactions.
    unsafe {
        if pg_sys::ConfigReloadPending == 0 {
            return false;
        }
        pg_sys::ConfigReloadPending = 0;
        pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
        true
    }
}

/// Sleeps until it is woken, at most so long.
pub fn sleep(milliseconds: i64) {
    nap(milliseconds);
}

/// Connects to shared catalogs alone.
pub fn connect_to_none() {
    // SAFETY: once, at the start of a background process.
    unsafe { pg_sys::BackgroundWorkerInitializeConnection(std::ptr::null(), std::ptr::null(), 0) }
}

/// Connects to a database as the bootstrap superuser.
pub fn connect(database: Oid) {
    // SAFETY: once, at the start of a background process.
    unsafe { pg_sys::BackgroundWorkerInitializeConnectionByOid(database, Oid::INVALID, 0) }
}

/// Gives a setting a value for the life of this process, whatever the database's owner has set.
pub fn pin(name: &CStr, value: &CStr) {
    // SAFETY: both are valid C strings.
    unsafe {
        let (context, source) = (pg_sys::GucContext::PGC_SUSET, pg_sys::GucSource::PGC_S_OVERRIDE);
        pg_sys::SetConfigOption(name.as_ptr(), value.as_ptr(), context, source);
    }
}

/// What a background process is called and which function it runs.
pub struct Kind {
    pub name: &'static CStr,
    pub function: &'static CStr,
}

fn describe(kind: &Kind, argument: Datum, restart_seconds: c_int, notify: i32) -> pg_sys::BackgroundWorker {
    let mut worker = pg_sys::BackgroundWorker {
        bgw_flags: (pg_sys::BGWORKER_SHMEM_ACCESS | pg_sys::BGWORKER_BACKEND_DATABASE_CONNECTION) as c_int,
        bgw_start_time: pg_sys::BgWorkerStartTime::BgWorkerStart_RecoveryFinished,
        bgw_restart_time: restart_seconds,
        bgw_main_arg: argument,
        bgw_notify_pid: notify,
        ..Default::default()
    };
    copy(&mut worker.bgw_name, kind.name);
    copy(&mut worker.bgw_type, kind.name);
    copy(&mut worker.bgw_library_name, c"pg_cumulate");
    copy(&mut worker.bgw_function_name, kind.function);
    worker
}

fn copy(field: &mut [std::ffi::c_char], text: &CStr) {
    for (to, from) in field.iter_mut().zip(text.to_bytes_with_nul()) {
        *to = *from as std::ffi::c_char;
    }
}

/// Whether the server is loading the libraries that it loads first, in an ordinary start.
pub fn is_preloading() -> bool {
    // SAFETY: plain globals of the postmaster.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress && !pg_sys::IsBinaryUpgrade }
}

/// Has the postmaster keep a process running, on a primary only.
pub fn register(kind: &Kind, restart_seconds: i32) {
    let mut worker = describe(kind, Datum::null(), restart_seconds, 0);
    // SAFETY: while libraries are preloaded; the description is copied.
    unsafe { pg_sys::RegisterBackgroundWorker(&mut worker) }
}

/// A process that was started by this one.
pub struct Child(*mut pg_sys::BackgroundWorkerHandle);

/// Starts a process that runs once; None when all of max_worker_processes are in use.
pub fn start(kind: &Kind, argument: Datum) -> Option<Child> {
    // SAFETY: the description is copied; the handle is put where it lives as long as this process.
    unsafe {
        let mut worker = describe(kind, argument, pg_sys::BGW_NEVER_RESTART, pg_sys::MyProcPid);
        let mut handle = std::ptr::null_mut();
        let before = pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
        let started = pg_sys::RegisterDynamicBackgroundWorker(&mut worker, &mut handle);
        pg_sys::MemoryContextSwitchTo(before);
        started.then(|| Child(handle))
    }
}

impl Child {
    pub fn has_ended(&self) -> bool {
        let mut pid = 0;
        // SAFETY: the handle is valid until it is dropped.
        let status = unsafe { pg_sys::GetBackgroundWorkerPid(self.0, &mut pid) };
        matches!(status, pg_sys::BgwHandleStatus::BGWH_STOPPED | pg_sys::BgwHandleStatus::BGWH_POSTMASTER_DIED)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: the handle was allocated for this value alone.
        unsafe { pg_sys::pfree(self.0.cast()) }
    }
}

/// All databases that take connections, beside templates and those that are half dropped.
pub fn databases() -> Vec<Oid> {
    // A database whose drop was interrupted.
    const INVALID: i32 = -2;
    let mut found = Vec::new();
    // SAFETY: a transaction of its own around a scan of a shared catalog; rows are copied before the next.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        let snapshot = pg_sys::GetTransactionSnapshot();
        pg_sys::PushActiveSnapshot(snapshot);
        let relation = pg_sys::table_open(pg_sys::DatabaseRelationId, pg_sys::AccessShareLock as c_int);
        let scan = pg_sys::table_beginscan_catalog(relation, 0, std::ptr::null_mut());
        loop {
            let tuple = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tuple.is_null() {
                break;
            }
            let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_database>();
            if form.datallowconn && !form.datistemplate && form.datconnlimit != INVALID {
                found.push(form.oid);
            }
        }
        pg_sys::table_endscan(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as c_int);
        pg_sys::PopActiveSnapshot();
        pg_sys::CommitTransactionCommand();
    }
    found
}

/// Whether a process of this number serves the server at the moment.
pub fn is_alive(pid: i32) -> bool {
    // SAFETY: a look into shared memory.
    pid != 0 && unsafe { !pg_sys::BackendPidGetProc(pid).is_null() }
}

/// Wakes a sleeping process.
pub fn wake(pid: i32) {
    // SAFETY: a process that has ended meanwhile leaves its latch behind, which nobody reads.
    unsafe {
        let process = pg_sys::BackendPidGetProc(pid);
        if pid != 0 && !process.is_null() {
            pg_sys::SetLatch(&mut (*process).procLatch);
        }
    }
}

/// Calls `work` when this process ends, however it does.
pub fn at_exit(work: pg_sys::pg_on_exit_callback) {
    // SAFETY: the function lives as long as the library.
    unsafe { pg_sys::before_shmem_exit(work, Datum::null()) }
}
