//! What a command costs: wall clock, CPU of its backend, and the most memory of its own that it had.

use pg_cumulate_tests::{Ask, Database};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
pub struct Sample {
    pub wall: f64,
    pub cpu: f64,
    /// Bytes beyond what the session had before, shared memory not counted.
    pub memory: f64,
}

/// Runs a command in a new session, after a checkpoint, so that no other's work is paid here.
pub fn time(database: &Database, before: &str, command: &str) -> Sample {
    database.connect().run("CHECKPOINT");
    let mut session = database.connect();
    let pid: i32 = session.value("SELECT pg_backend_pid()");
    session.run(before);
    let (done, base) = (AtomicBool::new(false), own_memory(pid));
    thread::scope(|scope| {
        let peak = scope.spawn(|| watch(pid, &done));
        let (cpu, began) = (cpu_seconds(pid), Instant::now());
        let attempt = session.attempt(command);
        let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds(pid) - cpu);
        done.store(true, Ordering::Relaxed);
        attempt.unwrap_or_else(|refusal| panic!("{refusal}\nin: {command}"));
        let peak = peak.join().expect("the watcher only reads");
        Sample { wall, cpu, memory: (peak - base).max(0.0) }
    })
}

fn watch(pid: i32, done: &AtomicBool) -> f64 {
    const PAUSE: Duration = Duration::from_millis(5);
    let mut peak = own_memory(pid);
    while !done.load(Ordering::Relaxed) {
        thread::sleep(PAUSE);
        peak = peak.max(own_memory(pid));
    }
    peak
}

/// Seconds that a process has been on a processor.
fn cpu_seconds(pid: i32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    text.split_whitespace().next().and_then(|number| number.parse::<f64>().ok()).map_or(f64::NAN, |n| n / 1e9)
}

/// Anonymous memory of a process, in bytes.
fn own_memory(pid: i32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).map_or(f64::NAN, |kb| kb * 1024.0)
}
