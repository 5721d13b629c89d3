//! Dump and restore: everything is there again, and goes on.

use crate::programs::{Scratch, dump, program, succeed};
use pg_cumulate_tests::{Ask, Cluster};
use postgres::Client;

/// Rows that must be the same in the restored database.
const STATE: &[&str] = &[
    "SELECT id, target, source, daily, time_column, keys, metrics, windows, start_date, time_zone, filter,
            shape, expire_idle, late, lookback, partition_by, retention, frozen_through, frozen_changes,
            created_at, cumulate.definition(target)
       FROM cumulate.definition ORDER BY id",
    "SELECT * FROM cumulate.ledger ORDER BY target::text, day",
    "SELECT * FROM cumulate.note ORDER BY id",
    "SELECT * FROM cumulate.metrics ORDER BY target::text, metric",
    "SELECT t.tgrelid::regclass, t.tgname, t.tgenabled, pg_get_triggerdef(t.oid), obj_description(t.oid, 'pg_trigger'),
            EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid
                       AND d.deptype = 'x' AND d.refclassid = 'pg_extension'::regclass)
       FROM pg_trigger AS t WHERE t.tgname LIKE 'cumulate_note_%' ORDER BY 1, 2",
    "SELECT p.oid::regprocedure, pg_get_functiondef(p.oid), pg_get_userbyid(p.proowner), obj_description(p.oid, 'pg_proc'),
            EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                       AND d.deptype = 'x' AND d.refclassid = 'pg_extension'::regclass)
       FROM pg_proc AS p WHERE p.pronamespace IN ('sales'::regnamespace, 'shop'::regnamespace) ORDER BY 1::text",
    "SELECT c.oid::regclass, c.relkind, pg_get_userbyid(c.relowner), pg_get_expr(c.relpartbound, c.oid),
            obj_description(c.oid, 'pg_class')
       FROM pg_class AS c WHERE c.relnamespace IN ('sales'::regnamespace, 'shop'::regnamespace) ORDER BY 1::text",
];

/// All tables with rows of users.
const TABLES: [&str; 8] = [
    "sales.events",
    "sales.daily",
    "sales.daily_cumulate",
    "shop.visits",
    "shop.counts",
    "shop.counts_daily",
    "shop.scanned",
    "shop.scanned_daily",
];

/// Panics with the lines that only one of them has.
fn assert_same(now: &[String], before: &[String]) {
    let lost: Vec<&String> = before.iter().filter(|line| !now.contains(line)).collect();
    let new: Vec<&String> = now.iter().filter(|line| !before.contains(line)).collect();
    assert!(lost.is_empty() && new.is_empty(), "lost: {lost:#?}\nnew: {new:#?}");
    assert_eq!(now.len(), before.len());
}

fn state(client: &mut Client) -> Vec<String> {
    let catalog = STATE.iter().flat_map(|sql| client.lines(sql)).collect::<Vec<_>>();
    let digests = TABLES.iter().flat_map(|table| {
        client.lines(&format!(
            "SELECT '{table}', count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {table} AS t"
        ))
    });
    let digests: Vec<String> = digests.collect();
    catalog.into_iter().chain(digests).collect()
}

/// Fills a database: sales with a frozen day and a column of the user's; a table of an ordinary role over a partitioned
/// source, with notes that wait and a run that failed; and one over a view.
pub fn fill(cluster: &Cluster, database: &str) {
    let mut client = cluster.connect(database);
    client.run(&format!(
        "CREATE EXTENSION pg_cumulate;
         SELECT sales.generate_events(3000, 40, '2024-12-01', '2025-01-20', seed => 4);
         DO $$ BEGIN IF to_regrole('keeper') IS NULL THEN CREATE ROLE keeper LOGIN; END IF; END $$;
         GRANT CREATE ON DATABASE {database} TO keeper"
    ));
    client.run("CALL sales.backfill('2024-12-01', '2025-01-15')");
    client.run(
        "SELECT cumulate.freeze('sales.daily_cumulate', '2024-12-03');
         ALTER TABLE sales.daily_cumulate ADD COLUMN remark text DEFAULT 'made by the engine';
         CREATE INDEX mine ON sales.daily_cumulate (total_sell_7d)",
    );
    let mut keeper = cluster.connect_as(database, "keeper");
    keeper.run(
        "CREATE SCHEMA shop;
         CREATE FUNCTION shop.half(integer) RETURNS numeric IMMUTABLE RETURN $1 / 2.0;
         CREATE TABLE shop.visits (site text, \"When\" timestamptz, seconds integer) PARTITION BY LIST (site);
         CREATE TABLE shop.visits_home PARTITION OF shop.visits FOR VALUES IN ('home', NULL);
         CREATE TABLE shop.visits_other PARTITION OF shop.visits DEFAULT;
         INSERT INTO shop.visits
         SELECT (ARRAY['home', 'it''s', NULL])[1 + n % 3], '2024-12-10 22:00+00'::timestamptz + n * interval '3 hours', n % 50
           FROM generate_series(1, 200) AS n;
         SELECT cumulate.create_table('shop.counts', 'shop.visits', 'When', '{site}',
             '{\"long\": {\"value\": \"sum(shop.half(seconds)) FILTER (WHERE seconds > 10)\", \"rollup\": \"max\", \"zero\": -1.5},
               \"visits\": \"count(*)\"}',
             windows => '{3,2}', start_date => '2024-12-11', time_zone => 'Europe/Berlin', filter => 'seconds <> 7',
             shape => 'padded', expire_idle => true, partition_by => 'day', retention => '200 years');
         SELECT cumulate.cumulate_range('shop.counts', '2024-12-11', '2024-12-20')",
    );
    // Too long for a key: the run fails and leaves a trace.
    keeper.run(
        "INSERT INTO shop.visits SELECT string_agg(md5(n::text), ''), '2024-12-25 12:00+00', 1 FROM generate_series(1, 400) AS n",
    );
    assert_eq!(keeper.refusal("CALL cumulate.backfill('shop.counts', '2024-12-21', '2024-12-28')").sqlstate, "54000");
    assert_eq!(keeper.lines("SELECT status FROM cumulate.runs WHERE target = 'shop.counts'::regclass"), ["failed"]);
    keeper.run("DELETE FROM shop.visits WHERE length(site) > 100");
    keeper
        .run("INSERT INTO shop.visits VALUES ('it''s', '2024-12-12 05:00+00', 33), ('new', '2024-12-15 05:00+00', 40)");
    assert!(client.value::<i64>("SELECT count(*) FROM cumulate.note") >= 2);
    keeper.run(
        "CREATE VIEW shop.shown AS SELECT site, (\"When\" AT TIME ZONE 'UTC')::date AS day FROM shop.visits;
         SELECT cumulate.create_table('shop.scanned', 'shop.shown', 'day', '{site}', '{\"visits\": \"count(*)\"}',
             start_date => '2024-12-11', time_zone => 'UTC', late => 'scan', lookback => 2, partition_by => 'none');
         SELECT cumulate.cumulate_range('shop.scanned', '2024-12-11', '2024-12-14')",
    );
}

/// Tables with notes for days that were closed; days loaded after them have notes, too.
const TARGETS_THAT_WAIT: &str = "
    SELECT DISTINCT n.target::text FROM cumulate.note AS n
      JOIN cumulate.ledger AS l ON l.target = n.target AND l.day = n.day AND l.state = 'closed' ORDER BY 1";

/// What every database that was filled must be able to do, wherever it lives now.
pub fn assert_goes_on(cluster: &Cluster, database: &str) {
    let mut client = cluster.connect(database);
    let mut keeper = cluster.connect_as(database, "keeper");
    for target in ["sales.daily_cumulate", "shop.counts", "shop.scanned"] {
        assert_eq!(verified(&mut client, target), Vec::<String>::new(), "{target} as it came");
    }
    client.run("SELECT sales.cumulate_day('2025-01-16')");
    client.run("CALL sales.backfill('2025-01-16', '2025-01-18')");
    keeper.run("CALL cumulate.backfill('shop.counts', '2024-12-15', '2024-12-28')");
    keeper.run("SELECT cumulate.cumulate_day('shop.scanned', '2024-12-16')");
    assert_eq!(client.lines(TARGETS_THAT_WAIT), Vec::<String>::new(), "backfill settles what waits");
    // Late changes are noted by the triggers that came along, on the partitions, too.
    client.run("INSERT INTO sales.events (product_id, event_type, event_date) VALUES (1, 'sell', '2025-01-02')");
    keeper.run(
        "INSERT INTO shop.visits_home VALUES ('home', '2024-12-13 05:00+00', 49);
         DELETE FROM shop.visits_other WHERE \"When\" < '2024-12-13'",
    );
    assert_eq!(client.lines(TARGETS_THAT_WAIT), ["sales.daily_cumulate", "shop.counts"]);
    client.run("SELECT cumulate.apply_late('sales.daily_cumulate')");
    assert!(keeper.value::<i64>("SELECT cumulate.apply_late('shop.counts')") > 0);
    for target in ["sales.daily_cumulate", "shop.counts"] {
        assert_eq!(verified(&mut client, target), Vec::<String>::new(), "{target} after late changes");
    }
    // A new table beside them, with a number of its own.
    keeper.run(
        "SELECT cumulate.create_table('shop.second', 'shop.visits', 'When', '{site}', '{\"visits\": \"count(*)\"}',
                                      start_date => '2024-12-11', time_zone => 'UTC');
         SELECT cumulate.cumulate_range('shop.second', '2024-12-11', '2024-12-14')",
    );
    assert_eq!(verified(&mut client, "shop.second"), Vec::<String>::new());
    let unhealthy = client.lines("SELECT target, what FROM cumulate.health() WHERE severity = 'error'");
    assert_eq!(unhealthy, Vec::<String>::new());
    client.run("SELECT cumulate.drop_table('shop.second')");
}

fn verified(client: &mut Client, target: &str) -> Vec<String> {
    client.lines(&format!("SELECT * FROM cumulate.verify('{target}') LIMIT 10"))
}

fn preloaded_cluster() -> Cluster {
    Cluster::builder().conf("cumulate.enabled = off").start()
}

#[test]
fn a_custom_dump_restores_everything_and_the_tables_go_on() {
    let (cluster, scratch) = (preloaded_cluster(), Scratch::new());
    cluster.connect("postgres").run("CREATE DATABASE kept TEMPLATE template0");
    fill(&cluster, "kept");
    let before = state(&mut cluster.connect("kept"));
    dump(&cluster, "postgres", "kept", &["-Fc"], &scratch.file("custom"));
    for (database, arguments) in [("restored", &["-1"][..]), ("restored_by_two", &["-j", "2"])] {
        cluster.connect("postgres").run(&format!("CREATE DATABASE {database} TEMPLATE template0"));
        let mut restore = program("pg_restore", &cluster, "postgres");
        let said = succeed(restore.args(arguments).args(["-e", "-d", database]).arg(scratch.file("custom")));
        assert_eq!(said, "");
        assert_same(&state(&mut cluster.connect(database)), &before);
        assert_goes_on(&cluster, database);
    }
    // And the dumped database goes on, too.
    assert_same(&state(&mut cluster.connect("kept")), &before);
    assert_goes_on(&cluster, "kept");
}

#[test]
fn a_plain_dump_restores_everything_and_the_tables_go_on() {
    let (cluster, scratch) = (preloaded_cluster(), Scratch::new());
    cluster.connect("postgres").run("CREATE DATABASE kept TEMPLATE template0; ");
    fill(&cluster, "kept");
    let before = state(&mut cluster.connect("kept"));
    dump(&cluster, "postgres", "kept", &[], &scratch.file("plain.sql"));
    dump(&cluster, "postgres", "kept", &["--inserts", "--disable-triggers"], &scratch.file("inserts.sql"));
    // Its script says that row_security is on.
    dump(&cluster, "postgres", "kept", &["--enable-row-security"], &scratch.file("secured.sql"));
    for (database, file) in
        [("restored", "plain.sql"), ("restored_by_inserts", "inserts.sql"), ("restored_secured", "secured.sql")]
    {
        cluster.connect("postgres").run(&format!("CREATE DATABASE {database} TEMPLATE template0"));
        let mut psql = program("psql", &cluster, "postgres");
        psql.args(["-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-d", database, "-f"]).arg(scratch.file(file));
        let said = succeed(&mut psql);
        assert!(!said.contains("ERROR") && !said.contains("WARNING"), "{said}");
        assert_same(&state(&mut cluster.connect(database)), &before);
        assert_goes_on(&cluster, database);
    }
}

#[test]
fn a_dump_restored_in_two_steps_is_the_same() {
    let (cluster, scratch) = (preloaded_cluster(), Scratch::new());
    cluster.connect("postgres").run("CREATE DATABASE kept TEMPLATE template0");
    fill(&cluster, "kept");
    let before = state(&mut cluster.connect("kept"));
    dump(&cluster, "postgres", "kept", &["-Fc"], &scratch.file("custom"));
    cluster.connect("postgres").run("CREATE DATABASE restored TEMPLATE template0");
    for section in ["pre-data", "data", "post-data"] {
        let mut restore = program("pg_restore", &cluster, "postgres");
        restore.args(["-e", "-d", "restored", "--section", section]).arg(scratch.file("custom"));
        assert_eq!(succeed(&mut restore), "");
    }
    assert_same(&state(&mut cluster.connect("restored")), &before);
    assert_goes_on(&cluster, "restored");
}

/// What the extension's own tables hold, with the numbers that come next.
const OWN_TABLES: [&str; 6] = [
    "SELECT * FROM cumulate.definition ORDER BY id",
    "SELECT * FROM cumulate.ledger ORDER BY target::text, day",
    "SELECT * FROM cumulate.note ORDER BY id",
    "SELECT * FROM cumulate.schedule ORDER BY target::text",
    "SELECT last_value, is_called FROM cumulate.definition_id_seq UNION ALL SELECT last_value, is_called FROM cumulate.note_id_seq",
    "SELECT last_value, is_called FROM cumulate.run_run_id_seq",
];

#[test]
fn an_ordinary_role_dumps_its_database() {
    let (cluster, scratch) = (preloaded_cluster(), Scratch::new());
    let mut client = cluster.connect("postgres");
    client.run("CREATE ROLE keeper LOGIN; CREATE ROLE archivist LOGIN; GRANT pg_read_all_data TO archivist");
    client.run("CREATE DATABASE kept TEMPLATE template0 OWNER keeper");
    cluster.connect("kept").run("SET cumulate.create_sales = off; CREATE EXTENSION pg_cumulate");
    let mut keeper = cluster.connect_as("kept", "keeper");
    keeper.run(
        "CREATE TABLE source (key text, at date);
         INSERT INTO source VALUES ('a', '2024-12-01'), ('b', '2024-12-02');
         SELECT cumulate.create_table('counts', 'source', 'at', '{key}', '{\"events\": \"count(*)\"}', time_zone => 'UTC');
         SELECT cumulate.cumulate_day('counts', '2024-12-02')",
    );
    keeper.run("CALL cumulate.backfill('counts', '2024-12-01', '2024-12-03')");
    keeper.run(
        "SELECT cumulate.schedule('counts', '@hourly'); SELECT cumulate.pause('counts', 'moving');
         INSERT INTO source VALUES ('late', '2024-12-01')",
    );
    let own = |database: &str| {
        let mut client = cluster.connect(database);
        OWN_TABLES.map(|sql| client.lines(sql))
    };
    let before = own("kept");
    for role in ["keeper", "archivist"] {
        let (restored, file) = (format!("restored_{role}"), scratch.file(role));
        dump(&cluster, role, "kept", &["-Fc"], &file);
        client.run(&format!("CREATE DATABASE {restored} TEMPLATE template0 OWNER keeper"));
        let mut restore = program("pg_restore", &cluster, "postgres");
        assert_eq!(succeed(restore.args(["-e", "-d", &restored]).arg(file)), "");
        assert_eq!(own(&restored), before, "dumped by {role}");
        let mut keeper = cluster.connect_as(&restored, "keeper");
        keeper.run("SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-05')");
        assert_eq!(keeper.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
        assert_eq!(keeper.value::<i64>("SELECT count(*) FROM counts WHERE key = 'late'"), 5);
    }
}
