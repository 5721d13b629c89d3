//! Closing one day from a filled daily table, into a partition of its own and into a month that is there.

use crate::contest::{Bar, Bench, Contest, Contestant, Role};
use crate::pattern::{COLUMNS, digest, published, sensible, tables};
use crate::report::Report;
use crate::week::{FIRST, TODAY, YESTERDAY, check_with_model, create, database};
use pg_cumulate_tests::{Ask, Database};
use postgres::Client;

pub fn run(bench: &Bench, report: &mut Report) {
    let database = database(bench);
    let mut client = database.connect();
    let expected = prepare(&mut client);
    let keys = bench.scale.keys;
    let copy = "CREATE TABLE copied AS SELECT * FROM finished;
                ALTER TABLE copied ADD PRIMARY KEY (snapshot_date, product_id)";
    Contest {
        row: format!("close a day, {keys} keys, partition_by => 'day'"),
        database: &database,
        rounds: bench.scale.rounds,
        contestants: contestants("by_day", &reset_day(), copy, &["DROP TABLE IF EXISTS copied"], "copied"),
        bars: vec![Bar::at_most(1.3, Role::Limit), Bar::at_least(6.0, Role::Published)],
    }
    .run(&expected, report);
    month(&database, bench, &expected, report);
}

fn month(database: &Database, bench: &Bench, expected: &str, report: &mut Report) {
    database.connect().run(
        "CREATE TABLE month_copy (LIKE by_month INCLUDING ALL) PARTITION BY RANGE (snapshot_date);
        CREATE TABLE month_copy_june PARTITION OF month_copy FOR VALUES FROM ('2024-06-01') TO ('2024-07-01')",
    );
    Contest {
        row: format!("close a day, {} keys, a month that is there", bench.scale.keys),
        database,
        rounds: bench.scale.rounds,
        contestants: contestants(
            "by_month",
            &reset_month(),
            "INSERT INTO month_copy SELECT * FROM finished",
            &["TRUNCATE month_copy", "INSERT INTO month_copy SELECT * FROM base", "VACUUM month_copy"],
            "month_copy",
        ),
        bars: vec![Bar::at_most(1.1, Role::Limit), Bar::at_least(4.5, Role::Published)],
    }
    .run(expected, report);
}

/// Ours and its daily rows, the tables by hand, yesterday's and today's finished rows in the order of their keys; the
/// digest of today, which the model has agreed to.
fn prepare(client: &mut Client) -> String {
    create(client, "by_month", "partition_by => 'month'");
    create(client, "by_day", "partition_by => 'day'");
    client.run(&format!(
        "SELECT cumulate.populate_day('by_month', DATE '{FIRST}' + n) FROM generate_series(0, 9) AS n;
         SELECT cumulate.cumulate_range('by_month', '{YESTERDAY}', '{YESTERDAY}')"
    ));
    client.run(&format!(
        "CREATE TABLE base AS SELECT {COLUMNS} FROM by_month ORDER BY product_id;
         SELECT cumulate.populate_day('by_day', '{TODAY}');
         CREATE TABLE by_day_20240609 PARTITION OF by_day FOR VALUES FROM ('{YESTERDAY}') TO ('{TODAY}');
         INSERT INTO by_day SELECT * FROM base;
         UPDATE cumulate.ledger AS d SET state = m.state, rows = m.rows, aggregated_at = m.aggregated_at,
                closed_at = m.closed_at
           FROM cumulate.ledger AS m
          WHERE d.day = m.day AND d.target = 'by_day'::regclass AND m.target = 'by_month'::regclass;
         INSERT INTO cumulate.ledger
         SELECT 'by_day', day, state, rows, events, unkeyed_events, aggregated_at, closed_at
           FROM cumulate.ledger WHERE target = 'by_month'::regclass ON CONFLICT DO NOTHING;
         {}; {};
         INSERT INTO published_daily SELECT product_id, sell, return, reorder, snapshot_date FROM by_month_daily;
         INSERT INTO sensible_daily SELECT * FROM published_daily;
         CREATE TABLE ledger_before AS SELECT * FROM cumulate.ledger;
         SELECT cumulate.cumulate_range('by_month', '{TODAY}', '{TODAY}');
         CREATE TABLE finished AS SELECT {COLUMNS} FROM by_month WHERE snapshot_date = '{TODAY}' ORDER BY product_id",
        tables("published"),
        tables("sensible")
    ));
    check_with_model(client, "finished");
    client.run("VACUUM ANALYZE");
    client.lines(&digest("finished", "true")).concat()
}

/// The ledger as it was before today was closed.
const FORGET_TODAY: &str = "
    DELETE FROM cumulate.ledger AS l USING ledger_before AS b
     WHERE (l.target, l.day) = (b.target, b.day) AND l.day = '2024-06-10';
    INSERT INTO cumulate.ledger SELECT * FROM ledger_before ON CONFLICT DO NOTHING";

fn reset_day() -> Vec<String> {
    vec!["DROP TABLE IF EXISTS by_day_20240610".to_owned(), FORGET_TODAY.to_owned()]
}

fn reset_month() -> Vec<String> {
    let commands = ["TRUNCATE by_month_202406", "INSERT INTO by_month SELECT * FROM base", "VACUUM by_month_202406"];
    commands.iter().map(|command| (*command).to_owned()).chain([FORGET_TODAY.to_owned()]).collect()
}

fn contestants(ours: &str, reset: &[String], copy: &str, reset_copy: &[&str], copied: &str) -> Vec<Contestant> {
    let today = format!("snapshot_date = '{TODAY}'");
    let day = format!("DATE '{TODAY}'");
    let reset: Vec<&str> = reset.iter().map(String::as_str).collect();
    let by_hand = |role: Role, name: &str, work: &str| {
        let (truncate, insert) = (format!("TRUNCATE {name}"), format!("INSERT INTO {name} SELECT * FROM base"));
        let vacuum = format!("VACUUM ANALYZE {name}");
        Contestant::new(role, &[&truncate, &insert, &vacuum], work, &digest(name, &today))
    };
    let close = format!("SELECT cumulate.cumulate_range('{ours}', '{TODAY}', '{TODAY}')");
    vec![
        Contestant::new(Role::Ours, &reset, &close, &digest(ours, &today)),
        by_hand(Role::Published, "published", &published("published", &day)),
        by_hand(Role::Sensible, "sensible", &sensible("sensible", &day)),
        Contestant::new(Role::Limit, reset_copy, copy, &digest(copied, &today)),
    ]
}
