//! Mock events of a year.

use crate::contest::{Bar, Bench, Contest, Contestant, Role};
use crate::report::Report;
use pg_cumulate_tests::{Ask, Database};

const DIGEST: &str = "count(*), sum(hashtextextended(t::text, 0)::numeric)";
const COLUMNS: &str = "product_id, event_type, event_date";
const RANDOM: &str =
    "1 + floor(random() * 1000)::integer, (ARRAY['sell', 'return', 'reorder'])[1 + floor(random() * 3)::integer]";

pub fn run(bench: &Bench, report: &mut Report) {
    let database = bench.cluster.database_with_extension();
    contest(bench, &database, report, "a table without indexes", "bigint GENERATED ALWAYS AS IDENTITY", "");
    contest(
        bench,
        &database,
        report,
        "a table with a key and an index on the day",
        "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "CREATE INDEX ON {table} (event_date)",
    );
}

/// Into tables of one kind.
fn contest(bench: &Bench, database: &Database, report: &mut Report, kind: &str, number: &str, index: &str) {
    let mut client = database.connect();
    let (events, part) = (bench.scale.generated, bench.scale.generated_part);
    for table in ["ours", "published", "sensible", "copied"] {
        client.run(&format!(
            "DROP TABLE IF EXISTS {table};
             CREATE TABLE {table} (
                 event_id {number},
                 product_id integer NOT NULL,
                 event_type text NOT NULL CHECK (event_type IN ('sell', 'return', 'reorder')),
                 event_date date NOT NULL);
             {}",
            index.replace("{table}", table)
        ));
    }
    let ours =
        format!("SELECT cumulate.generate_events('ours', {events}, 1000, '2024-01-01', '2024-12-31', 1, 'uniform')");
    client.run(&ours);
    client.run(&format!(
        "DROP TABLE IF EXISTS finished;
         CREATE TABLE finished AS SELECT {COLUMNS} FROM ours ORDER BY event_id;
         ANALYZE finished"
    ));
    let digest = |table: &str| format!("SELECT {DIGEST} FROM (SELECT {COLUMNS} FROM {table}) AS t");
    let expected = client.lines(&digest("ours")).concat();
    // The date of each row by a correlated subquery into a numbered list of the year's days.
    let published = format!(
        "INSERT INTO published ({COLUMNS})
         SELECT {RANDOM}, (SELECT d.day FROM (SELECT row_number() OVER () AS number, day::date
                                  FROM generate_series('2024-01-01'::date, '2024-12-31', '1 day') AS day) AS d
                            WHERE d.number = chosen)
           FROM (SELECT 1 + floor(random() * 366)::integer AS chosen FROM generate_series(1, {}) OFFSET 0) AS choices",
        events / part
    );
    let sensible = format!(
        "INSERT INTO sensible ({COLUMNS})
         SELECT {RANDOM}, DATE '2024-01-01' + floor(random() * 366)::integer FROM generate_series(1, {events})"
    );
    let copy = format!("INSERT INTO copied ({COLUMNS}) SELECT * FROM finished");
    Contest {
        row: format!("generate {events} events into {kind}"),
        database,
        rounds: bench.scale.rounds,
        contestants: vec![
            Contestant::new(Role::Ours, &["TRUNCATE ours"], &ours, &digest("ours")),
            Contestant::new(Role::Published, &["TRUNCATE published"], &published, "").one_part_of(part as f64),
            Contestant::new(Role::Sensible, &["TRUNCATE sensible"], &sensible, ""),
            Contestant::new(Role::Limit, &["TRUNCATE copied"], &copy, &digest("copied")),
        ],
        bars: vec![Bar::at_most(1.0, Role::Limit), Bar::at_least(100.0, Role::Published)],
    }
    .run(&expected, report);
}
