//! The server, its database and what is in it before the load begins.

use crate::disk::SmallDisk;
use crate::tables::{SLOW, TABLES};
use crate::writers::rows;
use pg_cumulate_tests::model::Day;
use pg_cumulate_tests::{Ask, Cluster};
use postgres::Client;

pub const DATABASE: &str = "stage";
/// Owns the tables and calls the engine.
pub const CLOSER: &str = "closer";
/// A member of that role, whose looks are no calls of the engine.
pub const WITNESS: &str = "witness";
/// Changes the sources.
pub const WRITER: &str = "writer";
/// Takes up connections and worker processes.
pub const CROWD: &str = "crowd";

/// Days that are over when it begins.
pub const DAYS: u64 = 45;

/// Rows of each source in the beginning, and after TRUNCATE.
pub const ROWS: u64 = 1500;

const SETTINGS: &[&str] = &[
    // What kills are about is kept by the kernel, so nothing is gained by fsync, which the harness turns off.
    "max_connections = 40",
    "max_worker_processes = 8",
    "max_parallel_workers = 8",
    "max_prepared_transactions = 10",
    "deadlock_timeout = '100ms'",
    "checkpoint_timeout = '30s'",
    "autovacuum_naptime = '3s'",
    "log_line_prefix = '%m [%p] %b %d %e '",
    "cumulate.enabled = on",
    "cumulate.naptime = 1",
    "cumulate.min_delay = 0",
    "cumulate.create_sales = off",
    "cumulate.lock_timeout = '400ms'",
    "cumulate.run_timeout = 1",
    // What became of each run is asked at the end.
    "cumulate.run_history_rows = 10000000",
];

pub struct Stage {
    pub cluster: Cluster,
    pub disk: Option<SmallDisk>,
    /// The start date of all tables.
    pub start: Day,
}

pub fn build() -> Stage {
    let cluster = SETTINGS.iter().fold(Cluster::builder(), |builder, line| builder.conf(line)).start();
    let disk = SmallDisk::of(&cluster);
    let mut client = cluster.connect("postgres");
    client.run(&format!("CREATE ROLE {CLOSER} LOGIN; CREATE ROLE {WRITER} LOGIN; CREATE ROLE {CROWD} LOGIN; CREATE ROLE {WITNESS} LOGIN IN ROLE {CLOSER}"));
    let on_disk = disk.as_ref().map_or(String::new(), |disk| {
        // All of the database: its tables, its catalogs and its temporary files.
        client.run(&format!("CREATE TABLESPACE small LOCATION '{}'", disk.folder().display()));
        "TABLESPACE small".to_owned()
    });
    client.run(&format!("CREATE DATABASE {DATABASE} TEMPLATE template0 {on_disk}"));
    let mut client = cluster.connect(DATABASE);
    client.run("CREATE EXTENSION pg_cumulate");
    let start = fill(&mut client);
    Stage { cluster, disk, start }
}

fn fill(client: &mut Client) -> Day {
    let columns = "id bigint GENERATED ALWAYS AS IDENTITY, shop text, item integer, kind text NOT NULL, amount integer, at timestamptz";
    client.run(&format!(
        "GRANT CREATE ON SCHEMA public TO {CLOSER};
         SET ROLE {CLOSER};
         CREATE TABLE events ({columns});
         CREATE INDEX ON events (at);
         CREATE TABLE parted_events ({columns}) PARTITION BY LIST (kind);
         CREATE TABLE parted_sells PARTITION OF parted_events FOR VALUES IN ('sell');
         CREATE TABLE parted_rest PARTITION OF parted_events DEFAULT;
         GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON events, parted_events TO {WRITER}"
    ));
    for source in ["events", "parted_events"] {
        client.run(&rows(source, ROWS, DAYS));
    }
    let start = client.value(&format!("SELECT (now() AT TIME ZONE 'UTC')::date - {DAYS}"));
    for table in TABLES {
        client.run(&table.create(start));
    }
    // A run now and then takes longer than cumulate.run_timeout.
    client.run(&format!(
        "CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN IF random() < 0.006 THEN PERFORM pg_sleep(1.1); END IF; RETURN NEW; END';
         CREATE TRIGGER hold_up BEFORE INSERT OR UPDATE ON {SLOW} FOR EACH ROW EXECUTE FUNCTION hold_up();
         RESET ROLE;
         -- A row a page, so that every process of a parallel query gets some.
         CREATE TABLE crowd WITH (fillfactor = 10, parallel_workers = 8) AS
             SELECT repeat('x', 700) AS pad FROM generate_series(1, 20);
         GRANT SELECT ON crowd TO {CROWD}"
    ));
    start
}
