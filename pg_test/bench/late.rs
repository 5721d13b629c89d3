//! One late batch: a hundredth of the keys has events more on a day in the middle, or is new on that day.

use crate::contest::{Bar, Bench, Contest, Contestant, Role};
use crate::pattern::{METRICS, aggregate, digest, metrics, published, tables};
use crate::report::Report;
use pg_cumulate_tests::{Ask, Database};
use postgres::Client;

const FROM: &str = "DATE '2024-01-01'";
/// Days of a window: what the published pattern makes anew.
const WINDOW: i64 = 7;

pub fn run(bench: &Bench, report: &mut Report) {
    let database = bench.cluster.database_with_extension();
    let mut client = database.connect();
    let late = Late { keys: bench.scale.late_keys, days: bench.scale.late_days };
    late.prepare(&mut client);
    late.known_keys(&database, bench, report);
    late.assert_rows(&mut client, WINDOW * late.keys / 100);
    late.new_keys(&database, bench, report);
    late.assert_rows(&mut client, (late.days - late.middle()) * late.keys / 100);
    assert_eq!(
        client.lines(&format!("SELECT * FROM cumulate.verify('counts', {0}, {0} + 6)", late.day())),
        Vec::<String>::new()
    );
}

struct Late {
    keys: i64,
    days: i64,
}

impl Late {
    fn middle(&self) -> i64 {
        self.days / 2
    }

    /// The day that the late events are of.
    fn day(&self) -> String {
        format!("({FROM} + {})", self.middle())
    }

    fn prepare(&self, client: &mut Client) {
        let (keys, days) = (self.keys, self.days);
        client.run(&format!(
            "CREATE TABLE events (product_id integer NOT NULL, event_type text NOT NULL, event_date date NOT NULL);
             CREATE TABLE rounds (name text PRIMARY KEY);
             CREATE TABLE changed (rows bigint);
             INSERT INTO events
             SELECT product, (ARRAY['sell', 'return', 'reorder'])[1 + product % 3], {FROM} + day
               FROM generate_series(0, {days} - 1) AS day, generate_series(1, {keys}) AS product
              WHERE day = 0 OR hashint8extended((product::bigint << 20) + day, 0) % 100 BETWEEN -35 AND 35;
             CREATE INDEX ON events (event_date, product_id);
             SELECT cumulate.create_table('counts', 'events', 'event_date', '{{product_id}}', '{}',
                                          start_date => {FROM}, time_zone => 'UTC');
             {}; {}",
            metrics(),
            tables("published"),
            tables("sensible")
        ));
        client.run("VACUUM ANALYZE events");
        client.run(&format!("CALL cumulate.backfill('counts', {FROM}, {FROM} + {days} - 1)"));
        for table in ["published", "sensible"] {
            client.run(&format!(
                "INSERT INTO {table} SELECT * FROM counts;
                 INSERT INTO {table}_daily SELECT product_id, sell, return, reorder, snapshot_date FROM counts_daily"
            ));
        }
        client.run("VACUUM ANALYZE");
    }

    fn known_keys(&self, database: &Database, bench: &Bench, report: &mut Report) {
        let come = self.come("known {round}", &format!("product % 100 = {{round}} AND product <= {}", self.keys));
        let mut contestants = self.contestants(&come, 1.0);
        contestants.push(Contestant::new(
            Role::Limit,
            &[&come, "VACUUM sensible"],
            &self.patch(),
            &self.digest("sensible"),
        ));
        Contest {
            row: format!("1% of {} keys late on one day, {} days", self.keys, self.days),
            database,
            rounds: bench.scale.long_rounds,
            contestants,
            bars: vec![Bar::at_least(100.0, Role::Published)],
        }
        .run_until_all_agree(report);
    }

    /// The published pattern makes all later days anew: one window of them is run.
    fn new_keys(&self, database: &Database, bench: &Bench, report: &mut Report) {
        let first = format!("{} + {{round}} * {} / 100", self.keys, self.keys);
        let come = self.come("new {round}", &format!("product > {first} AND product <= {first} + {} / 100", self.keys));
        let later = self.days - self.middle();
        Contest {
            row: format!("1% new keys late on one day, {} keys, {later} later days", self.keys),
            database,
            rounds: bench.scale.long_rounds,
            contestants: self.contestants(&come, later as f64 / WINDOW as f64),
            bars: vec![Bar::at_least(100.0, Role::Published)],
        }
        .run_until_all_agree(report);
    }

    /// The late events come once a round, whoever is first.
    fn come(&self, name: &str, which: &str) -> String {
        format!(
            "INSERT INTO events SELECT product, 'sell', {} FROM generate_series(1, {} * 2) AS product
              WHERE {which} AND NOT EXISTS (SELECT FROM rounds WHERE name = '{name}');
             INSERT INTO rounds VALUES ('{name}') ON CONFLICT DO NOTHING",
            self.day(),
            self.keys
        )
    }

    fn contestants(&self, come: &str, parts: f64) -> Vec<Contestant> {
        let apply = "INSERT INTO changed SELECT cumulate.apply_late('counts')";
        vec![
            Contestant::new(Role::Ours, &[come, "TRUNCATE changed", "VACUUM counts"], apply, &self.digest("counts")),
            Contestant::new(Role::Published, &[come, "VACUUM published"], &self.rebuild(), &self.digest("published"))
                .one_part_of(parts),
        ]
    }

    fn digest(&self, table: &str) -> String {
        digest(table, &format!("snapshot_date BETWEEN {0} AND {0} + 6", self.day()))
    }

    /// The published pattern for a window of days, one after the other.
    fn rebuild(&self) -> String {
        let day = self.day();
        format!(
            "DO $$ DECLARE today date; BEGIN
                 DELETE FROM published_daily WHERE snapshot_date = {day};
                 {};
                 FOR today IN SELECT {day} + n FROM generate_series(0, {WINDOW} - 1) AS n LOOP
                     DELETE FROM published WHERE snapshot_date = today;
                     {};
                 END LOOP;
             END $$",
            aggregate("events", "published", &day),
            published("published", "today")
        )
    }

    /// Only the rows that differ, by somebody who knows which keys are late.
    fn patch(&self) -> String {
        let day = self.day();
        let set = |metric: &str| {
            format!(
                "{metric}_array[c.snapshot_date - {day} + 1] = t.{metric},
                 total_{metric}_7d = c.total_{metric}_7d - c.{metric}_array[c.snapshot_date - {day} + 1] + t.{metric}"
            )
        };
        let count = |metric: &str| format!("count(*) FILTER (WHERE event_type = '{metric}') AS {metric}");
        format!(
            "UPDATE sensible AS c SET {}
               FROM (SELECT product_id, {} FROM events
                      WHERE event_date = {day} AND product_id % 100 = {{round}} GROUP BY product_id) AS t
              WHERE c.product_id = t.product_id AND c.snapshot_date BETWEEN {day} AND {day} + 6",
            METRICS.map(set).join(", "),
            METRICS.map(count).join(", ")
        )
    }

    /// Rows written are rows that differ.
    fn assert_rows(&self, client: &mut Client, expected: i64) {
        assert_eq!(client.value::<i64>("SELECT rows FROM changed"), expected, "rows that the repair changed");
    }
}
