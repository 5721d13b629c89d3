//! What a user types and reads: pg_regress over `schedule`, `sql` and `expected`; the same for several sessions at once:
//! pg_isolation_regress over `specs`.
//!
//! Results go below Cargo's temporary folder for tests. The server cannot read the checkout, so no test uses a
//! server-side COPY.

use pg_cumulate_tests::{Ask, Cluster, Regress, Tester};
use std::path::Path;

#[test]
fn what_a_user_types_gives_the_expected_output() {
    // As hard as a server of a user can make it: its scheduler looks at every database each second.
    let cluster = Cluster::builder().conf("cumulate.naptime = 1").start();
    pass(&cluster, Tester::Regress, "schedule", None);
}

#[test]
fn sessions_at_once_take_the_expected_turns() {
    let cluster = Cluster::builder().conf("cumulate.enabled = off").conf("cumulate.create_sales = off").start();
    let database = cluster.database();
    database.connect().run(include_str!("../specs/common.sql"));
    pass(&cluster, Tester::Isolation, "specs/schedule", Some(database.name()));
}

fn pass(cluster: &Cluster, tester: Tester, schedule: &str, database: Option<&str>) {
    let input = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{tester:?}").to_lowercase());
    let tests = Regress { tester, input, schedule: &input.join(schedule), output: &output, database };
    match tests.run(cluster) {
        Ok(said) => println!("{said}"),
        Err(differences) => panic!("{differences}"),
    }
}

/// Refusals that one session alone cannot raise: in the scheduler's test of a standby, and in tables/added_metrics.rs.
const ELSEWHERE: [&str; 2] = ["InRecovery", "Busy"];

/// The test of errors holds the whole error surface: each variant of the enum is named in its expected output.
#[test]
fn every_refusal_is_raised_in_the_test_of_errors() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(here.join(path)).expect("a file of the repository");
    let (source, expected) = (read("../src/error/mod.rs"), read("expected/errors.out"));
    let body = source.split_once("pub enum Error {").and_then(|(_, rest)| rest.split_once("\n}")).expect("the enum").0;
    let variants = body.lines().filter_map(|line| {
        let name = line.strip_prefix("    ")?.split([' ', ',', '{']).next()?;
        name.starts_with(|first: char| first.is_ascii_uppercase()).then_some(name)
    });
    let raised =
        |name: &str| expected.lines().any(|line| line.starts_with(&format!("{name} ")) && line.len() == name.len() + 6);
    let missing: Vec<&str> = variants.filter(|name| !raised(name) && !ELSEWHERE.contains(name)).collect();
    assert!(missing.is_empty(), "never raised: {missing:?}");
}
