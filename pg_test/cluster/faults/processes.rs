//! The server's processes, as the operating system shows them: no question to a server that is on its knees.

use crate::stage::CLOSER;
use pg_cumulate_tests::{children_of, is_stopped, send};
use std::fs;
use std::time::{Duration, Instant};

/// Longer than a running process takes to stop.
const STOPPING: Duration = Duration::from_millis(200);

#[derive(Debug, Clone)]
pub struct Process {
    pub pid: u32,
    /// Such as `postgres: closer stage [local] CALL`.
    pub title: String,
}

impl Process {
    fn of(pid: u32) -> Option<Process> {
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let text: String = String::from_utf8_lossy(&command).replace('\0', " ");
        Some(Process { pid, title: text.strip_prefix("postgres: ")?.trim().to_owned() })
    }

    pub fn is_session(&self) -> bool {
        self.title.contains("[local]")
    }

    pub fn is_worker(&self) -> bool {
        self.title.starts_with("pg_cumulate worker")
    }

    pub fn is_launcher(&self) -> bool {
        self.title.starts_with("pg_cumulate launcher")
    }

    /// Whether it is in a call of the engine, or in a transaction that has made one.
    pub fn is_at_work(&self) -> bool {
        let session = self.title.strip_prefix(CLOSER).is_some_and(|rest| rest.starts_with(' '));
        // An authentication and the startup before it are no work, either.
        session && ["SELECT", "CALL", "COMMIT", "idle in"].iter().any(|command| self.title.contains(command))
    }
}

/// The children of a postmaster.
pub fn of_server(postmaster: u32) -> Vec<Process> {
    if postmaster == 0 {
        return Vec::new();
    }
    children_of(postmaster).into_iter().filter_map(Process::of).collect()
}

/// Stops a child of the postmaster in its tracks and says what it was at; None when it has ended.
pub fn freeze(postmaster: u32, pid: u32) -> Option<Process> {
    if !children_of(postmaster).contains(&pid) {
        return None;
    }
    send("STOP", &[pid.to_string()]);
    wait_until_stopped(&[pid]);
    let found = Process::of(pid);
    if found.is_none() {
        send("CONT", &[pid.to_string()]);
    }
    found
}

/// Stops a whole server; what its processes were at.
pub fn freeze_all(postmaster: u32) -> Vec<Process> {
    // First the one that starts others.
    send("STOP", &[postmaster.to_string()]);
    wait_until_stopped(&[postmaster]);
    let children = children_of(postmaster);
    let targets: Vec<String> = children.iter().map(u32::to_string).collect();
    send("STOP", &targets);
    wait_until_stopped(&children);
    of_server(postmaster)
}

fn wait_until_stopped(pids: &[u32]) {
    let began = Instant::now();
    while !pids.iter().all(|pid| is_stopped(*pid)) && began.elapsed() < STOPPING {
        std::thread::yield_now();
    }
}
