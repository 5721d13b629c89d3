//! What all threads share, and the run from beginning to end.

use crate::plan::Plan;
use crate::stage::{self, Stage};
use crate::toll::Toll;
use crate::{closers, killer, mover, operator, peace, remaker, siege, verdict, witness, writers};
use pg_cumulate_tests::Dice;
use pg_cumulate_tests::model::Day;
use postgres::Config;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub struct World {
    pub plan: Plan,
    pub toll: Toll,
    /// The start date of all tables.
    pub start: Day,
    /// How to connect; role and database are the session's.
    config: Config,
    /// 0 while the server is down.
    pub postmaster: AtomicU32,
    over: AtomicBool,
}

/// The load and what disturbs it: each is a thread with a seed of its own.
type Part = fn(&World, Dice);

const PARTS: &[Part] = &[
    writers::write,
    writers::write,
    writers::write,
    closers::close,
    closers::close,
    closers::close,
    closers::close,
    remaker::remake,
    mover::come_and_go,
    witness::watch,
    operator::resume,
    killer::strike,
];

pub fn run() {
    let plan = Plan::from_environment();
    // Past the capture of libtest, as all that this run says: it is worth a look even when all is well.
    say(&format!("PG_CUMULATE_FAULT_SEED={} for {} s", plan.seed, plan.budget.as_secs()));
    let Stage { mut cluster, disk, start } = stage::build();
    let world = World {
        plan,
        toll: Toll::new(),
        start,
        config: cluster.config(stage::DATABASE),
        postmaster: AtomicU32::new(cluster.pid()),
        over: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let start = |(number, part): (usize, &'static Part)| {
            let dice = Dice::new(world.plan.seed.wrapping_mul(1000).wrapping_add(number as u64));
            let world = &world;
            scope.spawn(move || {
                // Whoever panics ends the run for all.
                let end = OverAtPanic(world);
                part(world, dice);
                drop(end);
            })
        };
        let parts: Vec<_> = PARTS.iter().enumerate().map(start).collect();
        let end = OverAtPanic(&world);
        siege::besiege(&world, &mut cluster, disk.as_ref());
        world.over.store(true, Ordering::Relaxed);
        while !parts.iter().all(|part| part.is_finished()) {
            siege::settle(&world, &mut cluster, disk.as_ref());
            peace::end_prepared(&cluster);
        }
        drop(end);
    });
    let load = world.toll.began.elapsed();
    siege::settle(&world, &mut cluster, disk.as_ref());
    let rest = peace::make(&cluster);
    let findings = peace::look(&cluster, start);
    verdict::give(&world, &cluster, (load, rest), disk.is_some(), findings);
}

pub fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").expect("stderr can be written");
}

impl World {
    pub fn config(&self, role: &str) -> Config {
        let mut config = self.config.clone();
        config.user(role);
        config
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) || self.toll.began.elapsed() >= self.plan.budget
    }

    /// Waits, but not beyond the end.
    pub fn pause(&self, milliseconds: u64) {
        const SHORT: Duration = Duration::from_millis(20);
        let until = Instant::now() + Duration::from_millis(milliseconds);
        while Instant::now() < until && !self.is_over() {
            sleep(SHORT.min(until.saturating_duration_since(Instant::now())));
        }
    }
}

struct OverAtPanic<'w>(&'w World);

impl Drop for OverAtPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.over.store(true, Ordering::Relaxed);
        }
    }
}
