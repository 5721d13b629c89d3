//! What a user types and reads: pg_regress over `schedule`, `sql` and `expected`.
//!
//! Results go below Cargo's temporary folder for tests. The server cannot read the checkout, so no test uses a
//! server-side COPY.

use pg_cumulate_tests::{Cluster, Regress, Tester};
use std::path::Path;

#[test]
fn what_a_user_types_gives_the_expected_output() {
    let cluster = Cluster::builder().conf("cumulate.enabled = off").start();
    let input = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("regress");
    let regress = Regress { tester: Tester::Regress, input, schedule: &input.join("schedule"), output: &output };
    match regress.run(&cluster) {
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
