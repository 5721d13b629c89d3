//! What loading rows costs more when the table has note triggers.

use crate::contest::{Bar, Bench, Contest, Contestant, Role};
use crate::pattern::metrics;
use crate::report::Report;
use pg_cumulate_tests::{Ask, Database};

pub fn run(bench: &Bench, report: &mut Report) {
    let database = bench.cluster.database_with_extension();
    let mut client = database.connect();
    for table in ["noted", "plain"] {
        client.run(&format!(
            "CREATE TABLE {table} (
                 event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                 product_id integer NOT NULL,
                 event_type text NOT NULL,
                 event_date date NOT NULL);
             CREATE INDEX ON {table} (event_date)"
        ));
    }
    client.run(&format!(
        "SELECT cumulate.create_table('counts', 'noted', 'event_date', '{{product_id}}', '{}',
                                      start_date => '2024-01-01', time_zone => 'UTC')",
        metrics()
    ));
    contest(bench, &database, "today", "(now() AT TIME ZONE 'UTC')::date", 1.1, report);
    contest(bench, &database, "past days", "(now() AT TIME ZONE 'UTC')::date - 1 - n % 30", 1.5, report);
}

fn contest(bench: &Bench, database: &Database, name: &str, day: &str, bar: f64, report: &mut Report) {
    let load = |role, table: &str| {
        let (truncate, rows) = (format!("TRUNCATE {table}"), bench.scale.ingested);
        let insert = format!(
            "INSERT INTO {table} (product_id, event_type, event_date)
             SELECT n % 1000, (ARRAY['sell', 'return', 'reorder'])[1 + n % 3], {day}
               FROM generate_series(1, {rows}) AS n"
        );
        let count = format!("SELECT count(*) FROM {table}");
        Contestant::new(role, &[&truncate, "DELETE FROM cumulate.note", "VACUUM cumulate.note"], &insert, &count)
    };
    Contest {
        row: format!("load {} rows of {name} with note triggers", bench.scale.ingested),
        database,
        rounds: bench.scale.rounds,
        contestants: vec![load(Role::Ours, "noted"), load(Role::Limit, "plain")],
        bars: vec![Bar::at_most(bar, Role::Limit).by_cpu()],
    }
    .run(&bench.scale.ingested.to_string(), report);
}
