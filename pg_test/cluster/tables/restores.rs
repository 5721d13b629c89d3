//! Restoring beside a scheduler that looks every second: it touches nothing that is not whole, and then goes on by itself.

use crate::dumps::fill;
use crate::programs::{Scratch, dump, program, succeed};
use pg_cumulate_tests::{Ask, Cluster, eventually};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(90);

/// What a user has said of the tables, and what no scheduler may change.
const KEPT: [&str; 3] = [
    "SELECT target, schedule, time_zone, paused_at, reason FROM cumulate.schedules ORDER BY target::text",
    "SELECT target, day, state, rows, events FROM cumulate.ledger WHERE target = 'shop.scanned'::regclass ORDER BY day",
    "SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM sales.daily_cumulate AS t
      WHERE snapshot_date <= '2025-01-15'",
];

#[test]
fn a_dump_is_restored_beside_a_scheduler_that_looks_every_second() {
    let settings = ["cumulate.enabled = on", "cumulate.naptime = 1", "cumulate.min_delay = 0"];
    let cluster = settings.iter().fold(Cluster::builder(), |builder, line| builder.conf(line)).start();
    let scratch = Scratch::new();
    let mut client = cluster.connect("postgres");
    client.run("CREATE DATABASE kept TEMPLATE template0");
    client.run("ALTER DATABASE kept SET cumulate.enabled = off");
    fill(&cluster, "kept");
    let mut kept = cluster.connect("kept");
    kept.run(
        "SELECT cumulate.schedule('sales.daily_cumulate', '*/5 * * * *', 'America/New_York');
         SELECT cumulate.schedule('shop.counts', '@hourly');
         SELECT cumulate.alter_table('shop.counts', retention => '30 days');
         SELECT cumulate.pause('shop.scanned', 'until the view is mended')",
    );
    let waiting: i64 = kept.value("SELECT count(*) FROM cumulate.note");
    assert!(waiting > 0, "notes wait in the dump");
    dump(&cluster, "postgres", "kept", &["-Fc"], &scratch.file("custom"));
    for (round, arguments) in [&[][..], &["-j", "2"], &["-1"]].iter().enumerate() {
        let restored = format!("restored_{round}");
        client.run(&format!("CREATE DATABASE {restored} TEMPLATE template0"));
        let mut restore = program("pg_restore", &cluster, "postgres");
        let said = succeed(restore.args(*arguments).args(["-e", "-d", &restored]).arg(scratch.file("custom")));
        assert_eq!(said, "", "pg_restore {arguments:?}");
        assert_caught_up(&cluster, &restored, &KEPT.map(|sql| kept.lines(sql)));
    }
    let errors: Vec<String> = cluster
        .log()
        .lines()
        .filter(|line| line.contains("ERROR") && line.contains("restored_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}

/// The scheduler closes what is due and repairs what was noted; nothing that was there is lost or changed.
fn assert_caught_up(cluster: &Cluster, database: &str, kept: &[Vec<String>]) {
    let mut client = cluster.connect(database);
    eventually(SOON, "the scheduler to catch up", || {
        let due =
            "SELECT * FROM cumulate.plan('sales.daily_cumulate') UNION ALL SELECT * FROM cumulate.plan('shop.counts')";
        client.lines(due).is_empty()
    });
    for (sql, before) in KEPT.iter().zip(kept) {
        assert_eq!(client.lines(sql), *before, "{database}: {sql}");
    }
    for target in ["sales.daily_cumulate", "shop.counts", "shop.scanned"] {
        assert_eq!(client.lines(&format!("SELECT * FROM cumulate.verify('{target}') LIMIT 10")), Vec::<String>::new());
    }
    let failed = client.lines("SELECT target, message FROM cumulate.runs WHERE status = 'failed'");
    assert_eq!(failed, Vec::<String>::new(), "{database}: no run touched what was not whole yet");
}
