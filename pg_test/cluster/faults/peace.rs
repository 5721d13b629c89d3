//! What follows: the server is left alone, the scheduler catches up, and everything is held against the law.

use crate::stage::{DATABASE, ROWS};
use crate::tables::{Event, METRICS, SLOW, TABLES, Table, value};
use crate::world::say;
use pg_cumulate_tests::model::{Day, Entry, Key, StoredRow, differences, snapshot};
use pg_cumulate_tests::{Ask, Cluster, eventually};
use postgres::Client;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Longer than the minute between two scans, and what is due after it.
const CATCHING_UP: Duration = Duration::from_secs(200);

/// When what is left to be done is told.
const LAST_LOOKS: Duration = Duration::from_millis(50);

/// What was compared, and what was found.
#[derive(Default)]
pub struct Findings {
    pub source_rows: usize,
    pub daily_rows: usize,
    pub snapshot_rows: usize,
    pub days: usize,
    pub differences: Vec<String>,
}

/// Commits what was prepared by sessions that did not come to its end, if the server still lets it.
pub fn end_prepared(cluster: &Cluster) {
    let Ok(mut client) = cluster.try_connect(DATABASE) else { return };
    let names = client.query("SELECT quote_literal(gid) FROM pg_prepared_xacts", &[]);
    for row in names.unwrap_or_default() {
        // Its own session may have been quicker.
        let _ = client.batch_execute(&format!("COMMIT PREPARED {}", row.get::<_, String>(0)));
    }
}

/// Ends what would go on for ever, and waits until the scheduler has nothing left to do; how long that took.
pub fn make(cluster: &Cluster) -> Duration {
    let began = Instant::now();
    end_prepared(cluster);
    let mut client = cluster.connect(DATABASE);
    client.run(&format!("DROP TRIGGER hold_up ON {SLOW}"));
    client.run("ALTER SYSTEM SET cumulate.run_timeout = '1h'");
    client.run("SELECT pg_reload_conf()");
    client.run("SELECT cumulate.resume(target) FROM cumulate.schedules");
    let peace = client.lines("SELECT clock_timestamp()").concat();
    let undone = format!(
        "SELECT 'day', d.target::text, d.day::text, d.state, d.notes::text FROM cumulate.days d
         WHERE d.state NOT IN ('closed', 'dropped') OR d.notes > 0
         UNION ALL SELECT 'note', n.target::text, n.day::text, n.key::text, NULL
                   -- Those of a table that was dropped go with the next run of another.
                   FROM cumulate.note n JOIN cumulate.definition d USING (target)
                   -- A row that is moved to today is noted there, too, which counts from tomorrow on.
                   WHERE (n.day >= (clock_timestamp() AT TIME ZONE d.time_zone)::date) IS NOT TRUE
         UNION ALL SELECT 'run', r.target::text, NULL, NULL, NULL FROM cumulate.runs r WHERE r.status = 'running'
         UNION ALL SELECT 'scan', s.target::text, NULL, NULL, NULL
                   FROM cumulate.schedule s JOIN cumulate.definition d USING (target)
                   WHERE d.late = 'scan' AND (s.scanned_at < '{peace}') IS NOT FALSE"
    );
    eventually(CATCHING_UP, "the scheduler to catch up", || {
        let left = client.lines(&undone);
        if !left.is_empty() && began.elapsed() > CATCHING_UP - LAST_LOOKS {
            say(&format!("still to be done:\n{}", left.join("\n")));
            say(&client.lines("SELECT * FROM cumulate.schedules").join("\n"));
        }
        left.is_empty()
    });
    began.elapsed()
}

/// Holds all rows of all tables against the model, and asks verify.
pub fn look(cluster: &Cluster, start: Day) -> Findings {
    let mut client = cluster.connect(DATABASE);
    let mut findings = Findings::default();
    for table in TABLES {
        // In one snapshot: a day may end meanwhile.
        client.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
        look_at(&mut client, table, start, &mut findings);
        client.run("COMMIT");
    }
    findings
}

fn look_at(client: &mut Client, table: &Table, start: Day, findings: &mut Findings) {
    let name = table.name;
    let found = &mut findings.differences;
    found.extend(client.lines(&format!("SELECT 'verify', '{name}', v.* FROM cumulate.verify('{name}') AS v")));
    let ledger = client.query(
        &format!("SELECT day, state, rows FROM cumulate.days WHERE target = '{name}'::regclass ORDER BY day"),
        &[],
    );
    let ledger = ledger.expect("the ledger can be read");
    let entries = source(client, table);
    if entries.len() < ROWS as usize / 2 {
        found.push(format!("{name}: {} rows are no load", entries.len()));
    }
    let definition = table.definition(start);
    let metrics: Vec<&str> = METRICS.iter().map(|(metric, _)| *metric).collect();
    let mut stored = table.reader().snapshots(client).expect("the table can be read");
    for row in &ledger {
        let (day, state, rows): (Day, String, i64) = (row.get(0), row.get(1), row.get(2));
        if state != "closed" {
            continue;
        }
        let of_day: Vec<StoredRow> = stored.remove(&day).unwrap_or_default();
        if rows != of_day.len() as i64 {
            found.push(format!("{name} {day}: the ledger says {rows} rows, there are {}", of_day.len()));
        }
        let expected = snapshot(&definition, &entries, day);
        found.extend(differences(day, &metrics, &expected, &of_day).into_iter().map(|told| format!("{name} {told}")));
        findings.days += 1;
        findings.snapshot_rows += of_day.len();
    }
    found.extend(stored.keys().map(|day| format!("{name} {day}: not closed, but has rows")));
    let newest = ledger.iter().map(|row| row.get::<_, Day>(0)).max().unwrap_or(start);
    let (daily, expected) = (daily(client, table), expected_daily(table, &entries, (start, newest)));
    findings.daily_rows += daily.len();
    findings.source_rows += entries.len();
    for (key, row) in &expected {
        if daily.get(key) != Some(row) {
            found.push(format!("{name} daily {key:?}: stored {:?}, expected {row:?}", daily.get(key)));
        }
    }
    let strange = daily.keys().filter(|key| key.0 <= newest && !expected.contains_key(*key));
    found.extend(strange.map(|key| format!("{name} daily {key:?}: stored, but has no events")));
}

/// The source, its days cut by PostgreSQL in a plain query.
fn source(client: &mut Client, table: &Table) -> Vec<Entry<Event>> {
    let keys = table.key_texts();
    let sql = format!(
        "SELECT (at AT TIME ZONE '{}')::date, kind, amount::bigint, {} FROM {}",
        table.zone,
        keys.join(", "),
        table.source
    );
    let rows = client.query(&sql, &[]).expect("the source can be read");
    let entry = |row: &postgres::Row| Entry {
        key: (0..keys.len()).map(|index| row.get::<_, Option<String>>(3 + index)).collect(),
        day: row.get(0),
        event: Event { kind: row.get(1), amount: row.get(2) },
    };
    rows.iter().map(entry).collect()
}

/// Rows of a daily table by day and key: the number of events, and each metric, as text.
type Daily = BTreeMap<(Day, Key), Vec<String>>;

fn daily(client: &mut Client, table: &Table) -> Daily {
    let keys = table.key_texts();
    let metrics: Vec<String> = METRICS.iter().map(|(metric, _)| format!("coalesce({metric}::text, 'NULL')")).collect();
    let sql = format!(
        "SELECT snapshot_date, num_events::text, {}, {} FROM {}_daily",
        metrics.join(", "),
        keys.join(", "),
        table.name
    );
    let rows = client.query(&sql, &[]).expect("the daily table can be read");
    let read = |row: &postgres::Row| {
        let texts = (1..=1 + METRICS.len()).map(|column| row.get::<_, String>(column));
        let key = (0..keys.len()).map(|index| row.get(2 + METRICS.len() + index));
        ((row.get(0), key.collect()), texts.collect())
    };
    rows.iter().map(read).collect()
}

fn expected_daily(table: &Table, entries: &[Entry<Event>], days: (Day, Day)) -> Daily {
    let definition = table.definition(days.0);
    let mut events: BTreeMap<(Day, Key), Vec<&Event>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| (definition.filter)(&entry.event)) {
        if let (Some(day), Some(key)) = (entry.day, &entry.key)
            && (days.0..=days.1).contains(&day)
        {
            events.entry((day, key.clone())).or_default().push(&entry.event);
        }
    }
    let row = |events: &Vec<&Event>| {
        let metrics = METRICS.iter().map(|(metric, _)| value(metric, events).to_string());
        std::iter::once(events.len().to_string()).chain(metrics).collect()
    };
    events.iter().map(|(key, events)| (key.clone(), row(events))).collect()
}
