//! Late changes with several sessions at work: no change is lost, no row written that does not differ.

mod encodings;
mod holders;
mod midnight;
mod repairs;
mod replication;
mod sessions;
mod ways;
mod writers;

use pg_cumulate_tests::{Ask, Cluster, Database};
use postgres::Client;
use std::sync::OnceLock;

/// One server for all tests of this target, with prepared transactions.
fn cluster() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED
        .get_or_init(|| Cluster::builder().conf("cumulate.enabled = off").conf("max_prepared_transactions = 5").start())
}

/// A database with the sales pipeline, holding some events of December 2024 and its first snapshots.
fn pipeline(days: u32) -> (Database<'static>, Client) {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(&format!(
        "SELECT sales.generate_events(4000, 60, '2024-12-01', DATE '2024-12-01' + {days}, seed => 11, profile => 'retail')"
    ));
    client.run(&format!("CALL sales.backfill('2024-12-01', DATE '2024-12-01' + {days})"));
    (database, client)
}

/// Panics unless all closed days are what the source says.
fn assert_law(client: &mut Client) {
    client.run("SELECT cumulate.apply_late('sales.daily_cumulate')");
    let notes: i64 = client.value("SELECT count(*) FROM cumulate.note");
    assert_eq!(notes, 0, "notes are left after apply_late");
    let differences = client.lines("SELECT * FROM cumulate.verify('sales.daily_cumulate') LIMIT 20");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
