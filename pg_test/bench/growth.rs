//! How time and memory grow with the keys and with the days, out of line where arrays are long.

use crate::chart::{Curve, Panel};
use crate::contest::Bench;
use crate::pattern::{METRICS, metrics};
use crate::report::Report;
use crate::statistics::Spread;
use crate::stopwatch::{self, Sample};
use pg_cumulate_tests::{Ask, Database};

/// Days after which the values of a key come again.
const PERIOD: i64 = 97;
const YESTERDAY: &str = "2024-06-09";
const TODAY: &str = "2024-06-10";
const WORK_MEM: f64 = 4.0 * 1024.0 * 1024.0;
const A_YEAR: i64 = 365;

pub fn run(bench: &Bench, report: &mut Report) {
    let database = bench.cluster.database_with_extension();
    let mut time = Panel::new("Closing one day", "keys", "nanoseconds a key and day of its arrays");
    let mut memory = Panel::new("Memory of that", "keys", "MB");
    for window in bench.scale.growth_windows {
        let sizes = bench.scale.growth_keys.iter().map(|keys| keys * A_YEAR / A_YEAR.max(*window));
        let measured: Vec<(i64, Sample)> = sizes.map(|keys| (keys, close(bench, &database, *window, keys))).collect();
        let name = format!("window {window}");
        let points =
            |of: &dyn Fn(i64, &Sample) -> f64| measured.iter().map(|(keys, s)| (*keys as f64, of(*keys, s))).collect();
        time.curves.push(Curve {
            name: name.clone(),
            points: points(&|keys, sample| sample.wall / (keys * window) as f64 * 1e9),
        });
        memory.curves.push(Curve { name, points: points(&|_, sample| sample.memory / 1e6) });
        let (small, large) = ends(&measured);
        report.judge(
            &format!("window {window}: time a key, {} against {} keys", large.0, small.0),
            (large.1.wall / large.0 as f64) / (small.1.wall / small.0 as f64),
            1.3,
        );
        report.judge(
            &format!("window {window}: more memory with {} than with {} keys, in work_mem", large.0, small.0),
            (large.1.memory - small.1.memory) / WORK_MEM,
            1.0,
        );
    }
    report.draw(vec![time, memory, days(bench)]);
}

/// About a tenth of the keys and all of them.
fn ends(measured: &[(i64, Sample)]) -> ((i64, Sample), (i64, Sample)) {
    let large = measured[measured.len() - 1];
    let small = measured.iter().find(|(keys, _)| *keys >= large.0 / 11).copied().unwrap_or(large);
    (small, large)
}

/// Closes one day into a month that has the day before; the least of some rounds.
fn close(bench: &Bench, database: &Database, window: i64, keys: i64) -> Sample {
    let mut client = database.connect();
    client.run(&prepare(window, keys));
    client.run("VACUUM ANALYZE");
    let columns = |prefix: &str| {
        let arrays = METRICS.map(|metric| format!("{prefix}{metric}_array"));
        let totals = METRICS.map(|metric| format!("{prefix}total_{metric}_{window}d"));
        format!("{}, {}", arrays.join(", "), totals.join(", "))
    };
    let digest =
        |rows: String| format!("SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM ({rows}) AS t");
    let expected = client.lines(&digest(format!(
        "SELECT product, {}, DATE '{TODAY}' FROM generate_series(1, {keys}) AS product
           JOIN waves AS w ON w.phase = (product + 1) % {PERIOD}",
        columns("w.")
    )));
    let stored =
        digest(format!("SELECT product_id, {}, snapshot_date FROM grown WHERE snapshot_date = '{TODAY}'", columns("")));
    let samples = (0..bench.scale.growth_rounds).map(|_| {
        client.run(&format!("DELETE FROM grown WHERE snapshot_date = '{TODAY}'"));
        client.run("VACUUM grown");
        client.run(&format!(
            "UPDATE cumulate.ledger SET state = 'missing', rows = 0
              WHERE target = 'grown'::regclass AND day = '{TODAY}'"
        ));
        let close = format!("SELECT cumulate.cumulate_range('grown', '{TODAY}', '{TODAY}')");
        let sample = stopwatch::time(database, "", &close);
        assert_eq!(client.lines(&stored), expected, "window {window}, {keys} keys: the snapshot is wrong");
        sample
    });
    let samples: Vec<Sample> = samples.collect();
    client.run("SELECT cumulate.drop_table('grown'); DROP TABLE events, waves");
    let least = |of: fn(&Sample) -> f64| samples.iter().map(of).fold(f64::INFINITY, f64::min);
    let most = samples.iter().map(|sample| sample.memory).fold(0.0, f64::max);
    Sample { wall: least(|sample| sample.wall), cpu: least(|sample| sample.cpu), memory: most }
}

/// Yesterday's snapshot and today's daily rows by a closed formula: a key's values are a wave, shifted by its number.
fn prepare(window: i64, keys: i64) -> String {
    let arrays = (1..=3).map(|metric| {
        let value = format!("CASE WHEN phase_of * 37 % 100 < 35 THEN 1 + phase_of * {metric} % 5 ELSE 0 END");
        format!(
            "ARRAY(SELECT {value} FROM generate_series(0, {window} - 1) AS age,
                   LATERAL (SELECT ((phase - age) % {PERIOD} + {PERIOD}) % {PERIOD}) AS p (phase_of) ORDER BY age)"
        )
    });
    let named: Vec<String> = arrays.zip(METRICS).map(|(array, metric)| format!("{array} AS {metric}_array")).collect();
    let totals =
        METRICS.map(|metric| format!("(SELECT sum(n) FROM unnest({metric}_array) AS n) AS total_{metric}_{window}d"));
    format!(
        "CREATE TABLE events (product_id integer NOT NULL, event_type text NOT NULL, event_date date NOT NULL);
         CREATE TABLE waves AS SELECT *, {} FROM (SELECT phase, {} FROM generate_series(0, {PERIOD} - 1) AS phase) AS w;
         SELECT cumulate.create_table('grown', 'events', 'event_date', '{{product_id}}', '{}',
                                      windows => '{{{window}}}', start_date => DATE '{TODAY}' - 200,
                                      time_zone => 'UTC', partition_by => 'none');
         {external};
         INSERT INTO grown (product_id, {columns}, snapshot_date)
         SELECT product, {columns}, '{YESTERDAY}' FROM generate_series(1, {keys}) AS product
           JOIN waves ON phase = product % {PERIOD} ORDER BY product;
         INSERT INTO grown_daily (product_id, num_events, sell, return, reorder, snapshot_date)
         SELECT product, 1, sell_array[1], return_array[1], reorder_array[1], '{TODAY}'
           FROM generate_series(1, {keys}) AS product JOIN waves ON phase = (product + 1) % {PERIOD}
          WHERE sell_array[1] > 0 ORDER BY product;
         INSERT INTO cumulate.ledger (target, day, state, rows, aggregated_at, closed_at)
         VALUES ('grown', '{YESTERDAY}', 'closed', {keys}, now(), now()),
                ('grown', '{TODAY}', 'missing', 0, now(), NULL)",
        totals.join(", "),
        named.join(", "),
        metrics(),
        // Values of waves would be compressed to almost nothing.
        external =
            METRICS.map(|metric| format!("ALTER TABLE grown ALTER {metric}_array SET STORAGE EXTERNAL")).join("; "),
        columns = METRICS.map(|m| format!("{m}_array")).join(", ")
            + ", "
            + &METRICS.map(|m| format!("total_{m}_{window}d")).join(", ")
    )
}

/// Backfills of more and more days.
fn days(bench: &Bench) -> Panel {
    let database = bench.cluster.database_with_extension();
    let mut client = database.connect();
    client.run(&format!(
        "CREATE TABLE events (product_id integer NOT NULL, event_type text NOT NULL, event_date date NOT NULL);
         SELECT cumulate.generate_events('events', {}, {}, '2024-01-01', '2024-12-31', 1, 'uniform');
         CREATE INDEX ON events (event_date)",
        bench.scale.year_events, bench.scale.products
    ));
    client.run("VACUUM ANALYZE events");
    let mut panel = Panel::new("Backfill", "days", "milliseconds a day");
    let points = bench.scale.growth_days.iter().map(|days| {
        let samples = (0..bench.scale.growth_rounds).map(|_| {
            client.run(&format!(
                "SELECT cumulate.create_table('year', 'events', 'event_date', '{{product_id}}', '{}',
                                              start_date => '2024-01-01', time_zone => 'UTC')",
                metrics()
            ));
            let call = format!("CALL cumulate.backfill('year', '2024-01-01', DATE '2024-01-01' + {days} - 1)");
            let sample = stopwatch::time(&database, "", &call);
            assert_eq!(client.lines("SELECT * FROM cumulate.verify('year')"), Vec::<String>::new());
            client.run("SELECT cumulate.drop_table('year')");
            sample.wall
        });
        (*days as f64, Spread::of(samples).median / *days as f64 * 1e3)
    });
    let name = format!("{} products", bench.scale.products);
    panel.curves.push(Curve { name, points: points.collect() });
    panel
}
