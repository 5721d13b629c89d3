//! What forecasts, back-tests and anomalies of many keys over a year take, and how much memory.

use crate::contest::Bench;
use crate::report::Report;
use crate::stopwatch::{self, Sample};
use pg_cumulate_tests::{Ask, Database};

/// The bar of the contract, in microseconds for each key of a year.
const MOST_A_KEY: f64 = 100.0;

/// What the document says that one key takes, its own bytes and places included; the rest is fixed.
const BYTES_A_KEY: f64 = 1_600.0;
const FIXED_BYTES: f64 = 32e6;

pub fn run(bench: &Bench, report: &mut Report) {
    let database = bench.cluster.database_with_extension();
    let keys = bench.scale.forecast_keys;
    prepare(&database, keys);
    let reading = least(
        bench,
        &database,
        "SELECT sum(extract(day FROM snapshot_date) * sell) FROM (SELECT * FROM year_daily ORDER BY snapshot_date OFFSET 0) AS d",
    );
    println!("  reading: {:.2} s", reading.wall);
    for call in ["forecast('year', 'sell')", "backtest('year', 'sell')", "anomalies('year', 'sell')"] {
        let sample = least(bench, &database, &format!("SELECT count(*) FROM cumulate.{call}"));
        println!("  {call}: {:.2} s, {:.0} MB", sample.wall, sample.memory / 1e6);
        let a_key = (sample.wall - reading.wall) / keys as f64 * 1e6;
        let of_contract = call.starts_with("forecast");
        let bar = if of_contract { MOST_A_KEY } else { 2.0 * MOST_A_KEY };
        report.judge(&format!("{call}: microseconds a key of {keys} over 365 days, reading apart"), a_key, bar);
        if of_contract {
            let bytes = (sample.memory - FIXED_BYTES) / keys as f64;
            report.judge(
                &format!("{call}: bytes of memory a key, {:.0} MB apart", FIXED_BYTES / 1e6),
                bytes,
                BYTES_A_KEY,
            );
        }
    }
}

fn least(bench: &Bench, database: &Database, command: &str) -> Sample {
    let samples: Vec<Sample> =
        (0..bench.scale.long_rounds.min(3)).map(|_| stopwatch::time(database, "", command)).collect();
    let of = |part: fn(&Sample) -> f64| samples.iter().map(part).fold(f64::INFINITY, f64::min);
    Sample { wall: of(|sample| sample.wall), cpu: of(|sample| sample.cpu), memory: of(|sample| sample.memory) }
}

/// A year of daily rows by a closed formula: a key has sells on one day in fifteen, and one key in fifty on all.
fn prepare(database: &Database, keys: i64) {
    let mut client = database.connect();
    client.run(&format!(
        "CREATE TABLE events (product_id integer, event_date date);
         SELECT cumulate.create_table('year', 'events', 'event_date', '{{product_id}}', '{{\"sell\": \"count(*)\"}}',
                                      start_date => '2024-01-01', time_zone => 'UTC', schedule => NULL);
         INSERT INTO year_daily (product_id, num_events, sell, snapshot_date)
         SELECT k, n, n, DATE '2024-01-01' + d
         FROM generate_series(0, 364) AS d, generate_series(1, {keys}) AS k,
              LATERAL (SELECT CASE WHEN k % 50 = 0 THEN 20 + k % 30 + (k * 31 + d * 17 + d * d) % 13 ELSE 1 + (k + d) % 2 END) AS of_day (n)
         WHERE k % 50 = 0 OR d = k % 30 OR hashint4(d * 1000003 + k) % 15 = 0;
         INSERT INTO cumulate.ledger (target, day, state, rows, aggregated_at, closed_at)
         SELECT 'year', DATE '2024-01-01' + d, 'closed', 0, now(), now() FROM generate_series(0, 364) AS d"
    ));
    client.run("VACUUM ANALYZE year_daily");
}
