//! A session's memory over many calls, answered and refused.

use crate::campaign::{prepare, server};
use crate::world::World;
use pg_cumulate_tests::{Ask, own_memory};
use postgres::Client;
use std::collections::BTreeMap;

/// Calls between two looks.
const CALLS: usize = 10_000;
/// Calls that fill what is kept once: catalog caches, buffers, the library's own.
const CALLS_BEFORE: usize = 5_000;
/// What has not grown from one look to the next is flat. A leak grows each time; once may grow what malloc keeps, for
/// a plan may change when a table is analyzed.
const LOOKS: usize = 3;
/// Bytes of contexts that may come and go.
const CONTEXTS: i64 = 64 * 1024;
/// Kilobytes of the process that may: less than 60 bytes a call.
const RESIDENT: i64 = 512;

pub fn run() {
    // Otherwise malloc keeps the more the more has been freed at once.
    let cluster = server(&[("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_TRIM_THRESHOLD_", "131072")]);
    let database = cluster.database_with_extension();
    let mut admin = prepare(&database);
    let (_, mut client) = World::make(&mut admin, &mut |role| database.connect_as(role), 0);
    let (quick, slow) = calls();
    let mut made = 0;
    let mut make = |client: &mut Client, calls: usize| {
        let until = made + calls;
        while made < until {
            made += round(client, &quick);
            // One after another, for all of them take longer than the others together.
            made += round(client, std::slice::from_ref(&slow[made / quick.len() % slow.len()]));
        }
    };
    make(&mut client, CALLS_BEFORE);
    let mut before = Look::at(&mut client);
    let mut grown = Vec::new();
    for _ in 0..LOOKS {
        make(&mut client, CALLS);
        let after = Look::at(&mut client);
        eprintln!("{CALLS} calls: {before} -> {after}");
        if after.is_flat_since(&before) {
            return;
        }
        grown.push(after.grown_since(&before));
        before = after;
    }
    panic!("the session has grown each time:\n{}", grown.join("\n"));
}

/// What a session has taken.
struct Look {
    /// Bytes by kind of context.
    contexts: BTreeMap<String, i64>,
    /// Kilobytes of the process's own, without what it shares with others.
    resident: i64,
}

impl Look {
    fn at(client: &mut Client) -> Look {
        let pid: i32 = client.value("SELECT pg_backend_pid()");
        let rows = client.query(
            "SELECT name || coalesce(' ' || left(ident, 80), ''), sum(total_bytes)::bigint FROM pg_backend_memory_contexts GROUP BY 1",
            &[],
        );
        Look {
            contexts: rows.expect("the view can be read").iter().map(|row| (row.get(0), row.get(1))).collect(),
            resident: (own_memory(pid) / 1024) as i64,
        }
    }

    fn total(&self) -> i64 {
        self.contexts.values().sum()
    }

    fn is_flat_since(&self, before: &Look) -> bool {
        self.total() - before.total() < CONTEXTS && self.resident - before.resident < RESIDENT
    }

    fn grown_since(&self, before: &Look) -> String {
        let grown = self.contexts.iter().filter_map(|(name, bytes)| {
            let was = before.contexts.get(name).copied().unwrap_or_default();
            (*bytes > was).then(|| format!("; {name}: {was} -> {bytes}"))
        });
        format!("{before} -> {self}{}", grown.collect::<String>())
    }
}

impl std::fmt::Display for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "contexts {} bytes, resident {} kB", self.total(), self.resident)
    }
}

/// Makes all of these calls; how many that are.
fn round(client: &mut Client, calls: &[String]) -> usize {
    for call in calls {
        // Refused as often as not.
        if client.batch_execute(call).is_err() {
            client.run("ROLLBACK");
        }
    }
    calls.len()
}

/// Calls that leave everything as they found it, quick ones and slow ones: of each kind some that are answered and some
/// that are refused, also in the middle of their work.
fn calls() -> (Vec<String>, Vec<String>) {
    let quick = [
        "SELECT cumulate.shift('{1,2,3}'::integer[], 4, 7), cumulate.shift('{1.5,2}'::numeric[], 4, 7)",
        "SELECT cumulate.total('{1,2}'::float8[]), cumulate.total('{1,2}'::numeric[], 1)",
        "SELECT cumulate.shift('{{1,2}}'::integer[], 4, 7)",
        "SELECT cumulate.total('{9223372036854775807,1}'::bigint[])",
        "SELECT cumulate.shift('{1}'::integer[], 4, 0)",
        "SELECT count(*) FROM cumulate.next_runs('*/5 * * * *', 'Europe/Berlin', 50)",
        "SELECT * FROM cumulate.next_runs('60 * * * *')",
        "SELECT cumulate.definition('counts')",
        "SELECT cumulate.definition('source')",
        "SELECT * FROM cumulate.status, cumulate.writers('counts') WHERE target = 'counts'::regclass",
        "SELECT cumulate.cumulate_day('counts', 'infinity')",
        "SELECT cumulate.cumulate_range('days', current_date, current_date - 10)",
        "SELECT cumulate.restate('triggered', '0001-01-01 BC', current_date - 9)",
        "SELECT cumulate.apply_late('counts')",
        "SELECT cumulate.apply_late('pg_class')",
        "SELECT cumulate.apply_retention('days'), cumulate_internal.retention_step('days')",
        "SELECT cumulate.verify('nothing')",
        "CALL cumulate.backfill('counts', current_date + 5)",
        "SELECT cumulate_internal.backfill_step(1)",
        "SELECT cumulate.forget(1)",
        "SELECT count(*) FROM cumulate.growth('counts', 'day', NULL, current_date - 12)",
        "SELECT count(*) FROM cumulate.cohorts('counts', '3', to_day => current_date - 12, metric => 'amount')",
        "SELECT count(*) FROM cumulate.active_keys('padded', to_day => current_date - 12)",
        "SELECT count(*) FROM cumulate.series('counts', 'amount', '{\"key\": \"a\"}', to_day => current_date - 12)",
        "SELECT count(*) FROM cumulate.top('counts', 'amount', current_date - 12), cumulate.movers('counts', 'amount', current_date - 11, 2)",
        "SELECT * FROM cumulate.series('counts', 'amount', '{\"keys\": 1}')",
        "SELECT count(*) FROM cumulate.forecast('counts', 'amount', as_of => current_date - 12)",
        "SELECT count(*) FROM cumulate.forecast('counts', 'amount', key => '{\"key\": 1, \"more\": 2}')",
        "SELECT count(*) FROM cumulate.anomalies('counts', 'amount', to_day => current_date - 12, threshold => 1)",
        "SELECT * FROM cumulate.growth('counts', to_day => current_date)",
        "SELECT cumulate.schedule('counts', '@never')",
        "SELECT cumulate.pause('counts', 'a while'), cumulate.resume('counts'), cumulate.unschedule('counts')",
        "SELECT cumulate.create_table('counts', 'source', 'at', '{key}', '{\"n\": 1}', time_zone => 'No/Where')",
        // A plan that is kept for many rows, and a row that is refused.
        "SELECT cumulate.generate_events('stubborn', 20, 20, '2024-12-01', '2024-12-02', 1)",
        "SELECT cumulate.generate_events('policed', 20, 20, '2024-12-01', '2024-12-02', 1)",
        "SELECT cumulate.generate_events('guarded', 100, 20, '2024-12-01', '2024-12-02', 1)",
        "SELECT cumulate.generate_events('stubborn', 0)",
        "BEGIN; SELECT cumulate.generate_events('guarded', 20, 2, '2024-12-01', '2024-12-02', 1); ROLLBACK",
        "BEGIN; SELECT cumulate.generate_events('events_shown', 20, 2, '2024-12-01', '2024-12-02', 1); ROLLBACK",
    ];
    let slow = [
        "SELECT * FROM cumulate.health(), cumulate.plan('counts')",
        "SELECT cumulate.cumulate_day('counts', current_date - 10)",
        "SELECT cumulate.cumulate_range('days', current_date - 14, current_date - 10)",
        "SELECT cumulate.populate_day('padded', current_date - 11)",
        "SELECT cumulate.restate('triggered', current_date - 14, current_date - 9)",
        "SELECT count(*) FROM cumulate.verify('counts')",
        "CALL cumulate.backfill('\"Odd ''name\"\"\"', current_date - 14, current_date - 12)",
        "CALL cumulate.add_metric('grown', 'events', '\"count(*)\"')",
        "CALL cumulate.add_metric('grown', 'more', '\"sum(nothing)\"')",
        "SELECT cumulate.schedule('counts', '@daily', 'No/Where')",
        "SELECT cumulate.create_table('made', 'source', 'at', '{nothing}', '{\"n\": \"count(*)\"}')",
        "SELECT cumulate.create_table('made', 'source', 'at', '{key}', '{\"n\": \"sum(key)\"}')",
        "SELECT cumulate.create_table('made', 'source', 'at', '{key}', '{\"n\": \"count(*)\"}', filter => '(SELECT true)')",
        "BEGIN; SELECT cumulate.create_table('made', 'source', 'at', '{key}', '{\"n\": \"count(*)\"}', schedule => NULL); ROLLBACK",
        "BEGIN; SELECT cumulate.alter_table('counts', late => 'none'), cumulate.alter_table('counts', late => 'trigger'); ROLLBACK",
        "BEGIN; SELECT cumulate.drop_table('padded'); ROLLBACK",
        "BEGIN; SELECT cumulate.freeze('days', current_date - 12); ROLLBACK",
        "BEGIN; DELETE FROM source WHERE number < 9; SELECT cumulate.apply_late('counts'), cumulate.apply_late('triggered'); ROLLBACK",
        // A row that is refused, while rows are changed and while they are made.
        "BEGIN; ALTER TABLE triggered ADD CHECK (number <> 30) NOT VALID; UPDATE source SET amount = amount + 1; SELECT cumulate.apply_late('triggered'); ROLLBACK",
        "BEGIN; ALTER TABLE triggered ADD CHECK (number <> 30) NOT VALID; SELECT cumulate.cumulate_range('triggered', current_date - 8, current_date - 5); ROLLBACK",
        "BEGIN; ALTER TABLE counts ADD CHECK (key <> 'a') NOT VALID; SELECT cumulate.cumulate_range('counts', current_date - 8, current_date - 5); ROLLBACK",
    ];
    let owned = |calls: &[&str]| calls.iter().map(|call| (*call).to_owned()).collect();
    (owned(&quick), owned(&slow))
}
