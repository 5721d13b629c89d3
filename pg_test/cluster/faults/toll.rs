//! What was done and what was met, counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    TerminateBackend,
    KillBackend,
    TerminateWorker,
    KillWorker,
    KillServer,
    CancelBackend,
    CancelWorker,
    StatementTimeout,
    LockTimeout,
    IdleTimeout,
    RunTimeout,
    FullDisk,
    NoConnections,
    NoWorkerSlots,
}

impl Fault {
    pub const ALL: [Fault; 14] = [
        Fault::TerminateBackend,
        Fault::KillBackend,
        Fault::TerminateWorker,
        Fault::KillWorker,
        Fault::KillServer,
        Fault::CancelBackend,
        Fault::CancelWorker,
        Fault::StatementTimeout,
        Fault::LockTimeout,
        Fault::IdleTimeout,
        Fault::RunTimeout,
        Fault::FullDisk,
        Fault::NoConnections,
        Fault::NoWorkerSlots,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Fault::TerminateBackend => "backends ended by SIGTERM",
            Fault::KillBackend => "backends killed by SIGKILL",
            Fault::TerminateWorker => "workers ended by SIGTERM",
            Fault::KillWorker => "workers killed by SIGKILL",
            Fault::KillServer => "whole servers killed by SIGKILL",
            Fault::CancelBackend => "backends cancelled",
            Fault::CancelWorker => "workers cancelled",
            Fault::StatementTimeout => "statement_timeout",
            Fault::LockTimeout => "lock_timeout",
            Fault::IdleTimeout => "idle_in_transaction_session_timeout",
            Fault::RunTimeout => "cumulate.run_timeout",
            Fault::FullDisk => "full disks",
            Fault::NoConnections => "max_connections reached",
            Fault::NoWorkerSlots => "max_worker_processes reached",
        }
    }
}

/// How often a fault took place, and how often while a run or a call of the engine was in progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct Met {
    pub times: u64,
    pub in_a_run: u64,
}

/// A signal that a worker got. Whether it was in a run is for its runs to say.
#[derive(Debug, Clone, Copy)]
pub struct Strike {
    pub fault: Fault,
    pub pid: u32,
    /// Seconds since 1970.
    pub at: f64,
}

/// All that is counted.
#[derive(Debug, Default)]
pub struct Counts {
    /// Commands that were carried out, by what they do.
    pub done: BTreeMap<&'static str, u64>,
    /// Commands that failed, by what they do and SQLSTATE.
    pub failed: BTreeMap<(&'static str, String), u64>,
    /// Source rows changed by transactions whose commit was confirmed.
    pub changes: u64,
    pub faults: BTreeMap<Fault, Met>,
    pub strikes: Vec<Strike>,
    /// Crash recoveries that ended the server because the disk was full.
    pub stopped_recoveries: u64,
    /// What no fault explains.
    pub unexplained: Vec<String>,
}

pub struct Toll {
    counts: Mutex<Counts>,
    pub began: Instant,
}

impl Toll {
    pub fn new() -> Toll {
        Toll { counts: Mutex::default(), began: Instant::now() }
    }

    pub fn counts(&self) -> MutexGuard<'_, Counts> {
        // A thread that panicked ends the test anyway.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn met(&self, fault: Fault, in_a_run: bool) {
        let mut counts = self.counts();
        let met = counts.faults.entry(fault).or_default();
        met.times += 1;
        met.in_a_run += u64::from(in_a_run);
    }

    /// A worker got a signal just now.
    pub fn struck(&self, fault: Fault, pid: u32) {
        self.met(fault, false);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64());
        self.counts().strikes.push(Strike { fault, pid, at: now });
    }

    pub fn unexplained(&self, what: String) {
        self.counts().unexplained.push(what);
    }
}
