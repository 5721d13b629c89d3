//! Mock events of a year.

use crate::contest::{Bar, Bench, Contest, Contestant, Role};
use crate::report::Report;
use pg_cumulate_tests::Ask;

pub fn run(bench: &Bench, report: &mut Report) {
    let database = bench.cluster.database_with_extension();
    let mut client = database.connect();
    let events = bench.scale.generated;
    let part = bench.scale.generated_part;
    for table in ["ours", "published", "sensible", "copied"] {
        client.run(&format!(
            "CREATE TABLE {table} (
                 event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                 product_id integer NOT NULL,
                 event_type text NOT NULL CHECK (event_type IN ('sell', 'return', 'reorder')),
                 event_date date NOT NULL);
             CREATE INDEX ON {table} (event_date)"
        ));
    }
    let generate =
        format!("SELECT cumulate.generate_events('ours', {events}, 1000, '2024-01-01', '2024-12-31', 1, 'uniform')");
    client.run(&generate);
    client.run(
        "CREATE TABLE finished AS SELECT product_id, event_type, event_date FROM ours ORDER BY event_id;
         ANALYZE finished",
    );
    let digest = |table: &str| {
        format!(
            "SELECT count(*), sum(hashtextextended(t::text, 0)::numeric)
               FROM (SELECT product_id, event_type, event_date FROM {table}) AS t"
        )
    };
    let expected = client.lines(&digest("ours")).concat();
    let random =
        "1 + floor(random() * 1000)::integer, (ARRAY['sell', 'return', 'reorder'])[1 + floor(random() * 3)::integer]";
    // The date of each row by a correlated subquery into a numbered list of the year's days.
    let published = format!(
        "INSERT INTO published (product_id, event_type, event_date)
         SELECT {random}, (SELECT d.day FROM (SELECT row_number() OVER () AS number, day::date
                                  FROM generate_series('2024-01-01'::date, '2024-12-31', '1 day') AS day) AS d
                            WHERE d.number = chosen)
           FROM (SELECT 1 + floor(random() * 366)::integer AS chosen FROM generate_series(1, {}) OFFSET 0) AS choices",
        events / part
    );
    let sensible = format!(
        "INSERT INTO sensible (product_id, event_type, event_date)
         SELECT {random}, DATE '2024-01-01' + floor(random() * 366)::integer FROM generate_series(1, {events})"
    );
    let copy = "INSERT INTO copied (product_id, event_type, event_date) SELECT * FROM finished";
    Contest {
        row: format!("generate {events} events"),
        database: &database,
        rounds: bench.scale.rounds,
        contestants: vec![
            Contestant::new(Role::Ours, &["TRUNCATE ours"], &generate, &digest("ours")),
            Contestant::new(Role::Published, &["TRUNCATE published"], &published, "").one_part_of(part as f64),
            Contestant::new(Role::Sensible, &["TRUNCATE sensible"], &sensible, ""),
            Contestant::new(Role::Limit, &["TRUNCATE copied"], copy, &digest("copied")),
        ],
        bars: vec![Bar::at_most(1.0, Role::Limit), Bar::at_least(100.0, Role::Published)],
    }
    .run(&expected, report);
}
