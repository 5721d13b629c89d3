//! Runs cases until the time is up, on as many sessions as there are cores.

use crate::case::{self, Case};
use crate::coverage::Coverage;
use crate::world;
use pg_cumulate_tests::{Ask, Cluster, Database, ENCODINGS};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The seed of the quick form, so that it does the same on every machine.
const FIXED_SEED: u64 = 20_241_201;
const DEFAULT_SECONDS: u64 = 60;

/// A case takes about a second, so this finds a small one without making a failure take minutes.
const SHRINK_ITERATIONS: u32 = 400;
const SHRINK_MILLISECONDS: u32 = 90_000;

/// What the environment asks for.
struct Plan {
    seed: u64,
    budget: Duration,
    soak: bool,
}

pub fn run() {
    let plan = Plan::from_environment();
    let cluster = Cluster::builder()
        .conf("cumulate.enabled = off")
        .conf("max_prepared_transactions = 10")
        .conf("deadlock_timeout = '100ms'")
        .start();
    cluster.connect("postgres").run("CREATE ROLE law_owner LOGIN");
    let coverage = Mutex::new(Coverage::default());
    let workers = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let failures: Vec<String> = std::thread::scope(|scope| {
        let start = |number| {
            let (cluster, plan, coverage) = (&cluster, &plan, &coverage);
            scope.spawn(move || work(cluster, plan, (number, workers), coverage))
        };
        let running: Vec<_> = (0..workers).map(start).collect();
        running.into_iter().filter_map(|worker| worker.join().expect("a worker returns its failure").err()).collect()
    });
    let coverage = coverage.into_inner().expect("no worker has panicked");
    // Written past the capture of libtest: what was covered is worth a look after every run.
    writeln!(std::io::stderr(), "{coverage}").expect("stderr can be written");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    if plan.soak {
        coverage.assert_complete();
    }
}

/// Every worker has seeds of its own, and a database of each encoding that these call for.
fn work(cluster: &Cluster, plan: &Plan, worker: (u64, u64), coverage: &Mutex<Coverage>) -> Result<(), String> {
    let mut databases = BTreeMap::new();
    let (mut seed, step) = (plan.seed.wrapping_add(worker.0), worker.1);
    let start = Instant::now();
    while start.elapsed() < plan.budget {
        let encoding = ENCODINGS[(seed % ENCODINGS.len() as u64) as usize];
        let database = databases.entry(encoding).or_insert_with(|| database_in(cluster, encoding));
        if let Err(failure) = run_seed(database, encoding, seed, coverage) {
            cluster.keep();
            return Err(failure);
        }
        seed = seed.wrapping_add(step);
    }
    Ok(())
}

fn database_in<'c>(cluster: &'c Cluster, encoding: &str) -> Database<'c> {
    let database = cluster.database_with_extension_in(encoding);
    database.connect().run(&format!("GRANT CREATE ON DATABASE {} TO law_owner", database.name()));
    database
}

/// One random case; a failing one is told in the smallest form that was found.
fn run_seed(database: &Database, encoding: &'static str, seed: u64, coverage: &Mutex<Coverage>) -> Result<(), String> {
    let mut runner = TestRunner::new(Config {
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: SHRINK_ITERATIONS,
        max_shrink_time: SHRINK_MILLISECONDS,
        ..Config::default()
    });
    let tree = case::any(encoding).new_tree(&mut runner).map_err(|reason| format!("seed {seed}: {reason}"))?;
    let run_case = |case: Case| {
        let seen = world::live_through(database, &case).map_err(TestCaseError::fail)?;
        coverage.lock().expect("no worker has panicked").add(&case, &seen);
        Ok(())
    };
    match runner.run_one(tree, run_case) {
        Ok(_) => Ok(()),
        Err(TestError::Fail(reason, case)) => {
            Err(format!("PG_CUMULATE_LAW_SEED={seed} fails: {reason}\n\nsmallest case found:\n{case}"))
        }
        Err(TestError::Abort(reason)) => Err(format!("seed {seed} was given up: {reason}")),
    }
}

impl Plan {
    fn from_environment() -> Plan {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
        let soak = std::env::var("PG_CUMULATE_SOAK").is_ok_and(|value| value == "1");
        let seed = if soak { seed_of_the_clock() } else { FIXED_SEED };
        Plan {
            seed: number("PG_CUMULATE_LAW_SEED").unwrap_or(seed),
            budget: Duration::from_secs(number("PG_CUMULATE_LAW_SECONDS").unwrap_or(DEFAULT_SECONDS)),
            soak,
        }
    }
}

fn seed_of_the_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(FIXED_SEED, |elapsed| elapsed.as_secs())
}
