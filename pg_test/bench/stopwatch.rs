//! What a command costs: wall clock, CPU of its backend, and the most memory of its own that it had.

use pg_cumulate_tests::{Ask, Database, growth_while};
use std::fs;
use std::time::Instant;

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
    let ((wall, cpu), memory) = growth_while(pid, || {
        let (cpu, began) = (cpu_seconds(pid), Instant::now());
        let attempt = session.attempt(command);
        let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds(pid) - cpu);
        attempt.unwrap_or_else(|refusal| panic!("{refusal}\nin: {command}"));
        (wall, cpu)
    });
    Sample { wall, cpu, memory: memory as f64 }
}

/// Seconds that a process has been on a processor.
fn cpu_seconds(pid: i32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    text.split_whitespace().next().and_then(|number| number.parse::<f64>().ok()).map_or(f64::NAN, |n| n / 1e9)
}
