//! Runs every function of schema `tests`, which a build with feature pg_test adds to the extension.
//!
//! Each runs in a transaction of its own that is rolled back. The server knows nothing of `#[pg_test(error = …)]`, so
//! a test of an error catches it itself.

use pg_cumulate_tests::{Ask, Cluster, Refusal};
use postgres::Client;
use std::time::Instant;

#[test]
fn every_function_of_schema_tests_succeeds() {
    let cluster = Cluster::builder().conf("cumulate.enabled = off").start();
    let database = cluster.database_with_extension();
    let mut client = database.connect();
    let names = test_functions(&mut client);
    assert!(!names.is_empty(), "schema tests is empty: the installed library was built without feature pg_test");
    let failures: Vec<String> = names.iter().filter_map(|name| failure_of(&mut client, name)).collect();
    println!("{} passed, {} failed", names.len() - failures.len(), failures.len());
    assert!(failures.is_empty(), "{} of {} failed:\n\n{}", failures.len(), names.len(), failures.join("\n\n"));
}

fn test_functions(client: &mut Client) -> Vec<String> {
    client.lines(
        "SELECT p.oid::regproc
           FROM pg_proc AS p
          WHERE p.pronamespace = (SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = 'tests') AND p.pronargs = 0
          ORDER BY p.proname",
    )
}

fn failure_of(client: &mut Client, name: &str) -> Option<String> {
    let start = Instant::now();
    client.run("BEGIN");
    let outcome = client.attempt(&format!("SELECT {name}()"));
    client.run("ROLLBACK");
    let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
    println!("{name} ... {verdict} ({} ms)", start.elapsed().as_millis());
    outcome.err().map(|refusal: Refusal| format!("{name}: {refusal}"))
}
