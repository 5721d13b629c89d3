//! A year of days at once.

use crate::contest::{Bar, Bench, Contest, Contestant, Role};
use crate::pattern::{COLUMNS, METRICS, aggregate, digest, metrics, published, tables};
use crate::report::Report;
use pg_cumulate_tests::Ask;

const FROM: &str = "2024-01-01";
const TO: &str = "2024-12-31";

pub fn run(bench: &Bench, report: &mut Report) {
    let database = bench.cluster.database_with_extension();
    let mut client = database.connect();
    client.run(&format!(
        "CREATE TABLE events (product_id integer NOT NULL, event_type text NOT NULL, event_date date NOT NULL);
         SELECT cumulate.generate_events('events', {}, {}, '{FROM}', '{TO}', 1, 'uniform');
         CREATE INDEX ON events (event_date);
         {}; {}; {}",
        bench.scale.year_events,
        bench.scale.products,
        tables("published"),
        tables("sensible"),
        tables("copied")
    ));
    client.run("VACUUM ANALYZE events");
    let by_day = day_by_day();
    client.run(&by_day);
    client.run(&format!("CREATE TABLE finished AS SELECT {COLUMNS} FROM published ORDER BY snapshot_date, product_id"));
    let expected = client.lines(&digest("finished", "true")).concat();
    let create = format!(
        "SELECT cumulate.create_table('year', 'events', 'event_date', '{{product_id}}', '{}',
                                      start_date => '{FROM}', time_zone => 'UTC')",
        metrics()
    );
    let remove = "DO $$ BEGIN PERFORM cumulate.drop_table('year'); EXCEPTION WHEN OTHERS THEN NULL; END $$";
    let ours = format!("CALL cumulate.backfill('year', '{FROM}', '{TO}')");
    // The model agrees through verify's independent recomputation, once: the other contestants must give the same rows.
    client.run(&create);
    client.run(&ours);
    assert_eq!(client.lines("SELECT * FROM cumulate.verify('year')"), Vec::<String>::new());
    let copy = format!(
        "{};
         INSERT INTO copied SELECT * FROM finished",
        aggregate("events", "copied", "event_date")
    );
    Contest {
        row: format!("backfill a year, {} events, {} products", bench.scale.year_events, bench.scale.products),
        database: &database,
        rounds: bench.scale.rounds,
        contestants: vec![
            Contestant::new(Role::Ours, &[remove, &create], &ours, &digest("year", "true")),
            Contestant::new(
                Role::Published,
                &["TRUNCATE published, published_daily"],
                &by_day,
                &digest("published", "true"),
            ),
            Contestant::new(
                Role::Sensible,
                &["TRUNCATE sensible, sensible_daily"],
                &at_once(),
                &digest("sensible", "true"),
            ),
            Contestant::new(Role::Limit, &["TRUNCATE copied, copied_daily"], &copy, &digest("copied", "true")),
        ],
        bars: vec![Bar::at_least(25.0, Role::Published), Bar::at_most(1.5, Role::Limit)],
    }
    .run(&expected, report);
}

/// The published statements for each day, planned and committed day by day as a scheduler sends them; statistics are
/// renewed now and then, as autovacuum would.
fn day_by_day() -> String {
    format!(
        "DO $$ DECLARE today date; BEGIN
             FOR n IN 0 .. DATE '{TO}' - DATE '{FROM}' LOOP
                 today := DATE '{FROM}' + n;
                 EXECUTE $sql${}$sql$ USING today;
                 EXECUTE $sql${}$sql$ USING today;
                 IF extract(day FROM today) = 2 THEN ANALYZE published, published_daily; END IF;
                 COMMIT;
             END LOOP;
         END $$",
        aggregate("events", "published", "$1"),
        published("published", "$1")
    )
}

/// The whole year in one statement, by window functions over every product and day.
fn at_once() -> String {
    let array = |metric: &str| format!("array_agg({metric}) OVER week");
    let total = |metric: &str| format!("sum({metric}) OVER week");
    format!(
        "{};
         INSERT INTO sensible
         SELECT product_id, {}, {}, snapshot_date
           FROM (SELECT f.product_id, f.first_day + n AS snapshot_date, {}
                   FROM (SELECT product_id, min(snapshot_date) AS first_day FROM sensible_daily GROUP BY 1) AS f
                  CROSS JOIN LATERAL generate_series(0, DATE '{TO}' - f.first_day) AS n
                   LEFT JOIN sensible_daily AS t
                     ON (t.product_id, t.snapshot_date) = (f.product_id, f.first_day + n)) AS grid
         WINDOW week AS (PARTITION BY product_id ORDER BY snapshot_date DESC ROWS BETWEEN CURRENT ROW AND 6 FOLLOWING)",
        aggregate("events", "sensible", "event_date"),
        METRICS.map(array).join(", "),
        METRICS.map(total).join(", "),
        METRICS.map(|metric| format!("coalesce(t.{metric}, 0) AS {metric}")).join(", ")
    )
}
