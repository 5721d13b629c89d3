//! What the environment asks for, and what a run must have seen.

use crate::toll::Fault;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the figures below are for; a shorter run must have seen as much less.
const FULL: Duration = Duration::from_secs(400);

pub struct Plan {
    pub seed: u64,
    /// How long load and faults last; what follows takes another minute.
    pub budget: Duration,
}

impl Plan {
    pub fn from_environment() -> Plan {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
        Plan {
            seed: number("PG_CUMULATE_FAULT_SEED").unwrap_or_else(seed_of_the_clock),
            budget: number("PG_CUMULATE_FAULT_SECONDS").map_or(FULL, Duration::from_secs),
        }
    }

    /// How often a fault must have taken place.
    pub fn least(&self, fault: Fault) -> u64 {
        self.share(match fault {
            Fault::KillServer => 30,
            Fault::FullDisk => 20,
            _ => 10,
        })
    }

    /// How often each fault must have met a run in progress.
    pub fn least_in_a_run(&self) -> u64 {
        self.share(10)
    }

    /// Backends and workers that must have been killed, with SIGTERM or SIGKILL.
    pub fn least_kills(&self) -> u64 {
        self.share(200)
    }

    /// Rows that must have been changed late, and known to be.
    pub fn least_changes(&self) -> u64 {
        self.share(5000)
    }

    fn share(&self, of_full: u64) -> u64 {
        let seconds = self.budget.min(FULL).as_secs();
        (of_full * seconds / FULL.as_secs()).max(1)
    }
}

fn seed_of_the_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |elapsed| elapsed.as_secs())
}
