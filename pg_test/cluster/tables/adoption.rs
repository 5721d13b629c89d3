//! Tables that outlive the extension or its definition, and are taken up again.

use crate::counts::{Counts, Form, cluster, day};
use crate::programs::{Scratch, dump, program, succeed};
use pg_cumulate_tests::model::Ledger;
use pg_cumulate_tests::{Ask, Cluster};
use postgres::Client;

fn digest(client: &mut Client, tables: &[&str]) -> Vec<String> {
    let digest = |table: &&str| {
        client.lines(&format!(
            "SELECT '{table}', count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {table} AS t"
        ))
    };
    tables.iter().flat_map(digest).collect()
}

/// A table with some closed days in December and the ledger of a client.
fn counts_with_history(form: Form) -> (Counts, Ledger) {
    let (mut counts, mut ledger) = (Counts::new(form), Ledger::default());
    counts.insert(&[("a", 0, Some(4)), ("a", 3, None), ("b", 2, Some(1)), ("it's \"b\"", 7, Some(2))]);
    for (from, to) in [(0, 5), (8, 9)] {
        counts.close_range(day(from), day(to));
        (from..=to).for_each(|number| ledger.close(day(number)));
    }
    (counts, ledger)
}

#[test]
fn dropping_the_extension_keeps_every_table_and_adoption_gives_the_same_rows() {
    for form in [Form::with_windows(&[3, 7]), Form { expire_idle: true, ..Form::with_windows(&[3]).padded() }] {
        let (mut counts, ledger) = counts_with_history(form.clone());
        let definition: String = counts.client.value("SELECT cumulate.definition('counts')");
        let before = digest(&mut counts.client, &["source", "counts", "counts_daily", "counts_latest"]);
        let versions = counts.client.lines("SELECT tableoid, ctid, xmin FROM counts ORDER BY 1, 2");
        counts.client.run("DROP EXTENSION pg_cumulate");
        assert_eq!(digest(&mut counts.client, &["source", "counts", "counts_daily", "counts_latest"]), before);
        let left = "SELECT (SELECT count(*) FROM pg_trigger WHERE tgrelid = 'source'::regclass),
                           (SELECT count(*) FROM pg_proc WHERE proname = 'counts_rows')";
        assert_eq!(counts.client.lines(left), ["0|0"]);
        counts.client.run("CREATE EXTENSION pg_cumulate");
        counts.client.run(&definition);
        assert_eq!(counts.client.value::<String>("SELECT cumulate.definition('counts')"), definition);
        counts.client.run("SELECT cumulate.apply_late('counts')");
        counts.close_range(day(0), day(5));
        counts.close_range(day(8), day(9));
        assert_eq!(digest(&mut counts.client, &["source", "counts", "counts_daily", "counts_latest"]), before);
        let after = counts.client.lines("SELECT tableoid, ctid, xmin FROM counts ORDER BY 1, 2");
        assert_eq!(after, versions, "adoption writes no row that is right");
        counts.check(&ledger);
    }
}

#[test]
fn what_changed_while_the_extension_was_away_is_repaired_after_adoption() {
    let (mut counts, ledger) = counts_with_history(Form::with_windows(&[3, 7]));
    let definition: String = counts.client.value("SELECT cumulate.definition('counts')");
    counts.client.run("DROP EXTENSION pg_cumulate");
    counts.insert(&[("a", 1, Some(9)), ("new", 0, Some(1))]);
    counts.client.run("DELETE FROM source WHERE key = 'b'; UPDATE counts SET events_array = '{77}' WHERE key = 'a'");
    counts.client.run("CREATE EXTENSION pg_cumulate");
    counts.client.run(&definition);
    counts.close_range(day(0), day(5));
    counts.close_range(day(8), day(9));
    counts.check(&ledger);
    // Notes are taken again.
    counts.insert(&[("new", 2, Some(1))]);
    assert_eq!(counts.client.value::<i64>("SELECT count(*) FROM cumulate.note"), 1);
    counts.apply_late();
    counts.check(&ledger);
}

#[test]
fn a_table_dropped_with_keep_data_can_be_made_again() {
    let (mut counts, ledger) = counts_with_history(Form::with_windows(&[3, 7]));
    let definition: String = counts.client.value("SELECT cumulate.definition('counts')");
    let before = digest(&mut counts.client, &["counts", "counts_daily"]);
    counts.client.run("SELECT cumulate.drop_table('counts', keep_data => true)");
    counts.client.run(&definition);
    counts.close_range(day(0), day(9));
    let mut ledger = ledger;
    (0..=9).for_each(|number| ledger.close(day(number)));
    counts.check(&ledger);
    counts.client.run("DELETE FROM counts WHERE snapshot_date IN ('2024-12-07', '2024-12-08')");
    assert_eq!(digest(&mut counts.client, &["counts", "counts_daily"])[0], before[0]);
}

#[test]
fn the_sales_pipeline_is_adopted_after_the_extension_was_away() {
    let database = cluster().database();
    let mut client = database.connect();
    client.run(
        "SET cumulate.create_sales = on;
         CREATE EXTENSION pg_cumulate;
         SELECT sales.generate_events(2000, 30, '2024-12-01', '2024-12-31', seed => 1)",
    );
    client.run("CALL sales.backfill('2024-12-01', '2024-12-31')");
    let tables = ["sales.events", "sales.daily", "sales.daily_cumulate", "sales.daily_cumulate_latest"];
    let before = digest(&mut client, &tables);
    client.run("DROP EXTENSION pg_cumulate; CREATE EXTENSION pg_cumulate");
    assert_eq!(client.value::<i64>("SELECT count(*) FROM cumulate.tables"), 0, "a schema that exists is left alone");
    client.run("SELECT cumulate.create_sales_pipeline('sales')");
    client.run("CALL sales.backfill('2024-12-01', '2024-12-31')");
    assert_eq!(digest(&mut client, &tables), before);
    assert_eq!(client.lines("SELECT * FROM cumulate.verify('sales.daily_cumulate')"), Vec::<String>::new());
    let states = "SELECT state, count(*) FROM cumulate.days WHERE day <= '2024-12-31' GROUP BY 1";
    assert_eq!(client.lines(states), ["closed|31"]);
}

#[test]
fn tables_dumped_by_name_are_plain_tables_that_create_table_adopts() {
    let (cluster, scratch) = (Cluster::builder().conf("cumulate.enabled = off").start(), Scratch::new());
    let mut client = cluster.connect("postgres");
    client.run("CREATE ROLE keeper LOGIN");
    for database in ["kept", "restored"] {
        client.run(&format!("CREATE DATABASE {database} TEMPLATE template0 OWNER keeper"));
        cluster.connect(database).run("CREATE EXTENSION pg_cumulate");
    }
    let mut keeper = cluster.connect_as("kept", "keeper");
    keeper.run(
        "CREATE TABLE source (key text, at date);
         INSERT INTO source SELECT 'key ' || n % 7, DATE '2024-12-01' + n % 20 FROM generate_series(1, 100) AS n;
         SELECT cumulate.create_table('counts', 'source', 'at', '{key}', '{\"events\": \"count(*)\"}',
                                      start_date => '2024-12-01', time_zone => 'UTC', partition_by => 'day');
         SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-12')",
    );
    let definition: String = keeper.value("SELECT cumulate.definition('counts')");
    let before = digest(&mut keeper, &["source", "counts", "counts_daily"]);
    let tables = ["-Fc", "-t", "source", "-t", "counts*"];
    dump(&cluster, "keeper", "kept", &tables, &scratch.file("custom"));
    let mut restore = program("pg_restore", &cluster, "keeper");
    assert_eq!(succeed(restore.args(["-e", "-1", "-d", "restored"]).arg(scratch.file("custom"))), "");
    let mut keeper = cluster.connect_as("restored", "keeper");
    assert_eq!(keeper.value::<i64>("SELECT count(*) FROM cumulate.tables WHERE target::text = 'counts'"), 0);
    assert_eq!(digest(&mut keeper, &["source", "counts", "counts_daily"]), before);
    // Triggers that came along belong to no definition here.
    keeper.run("INSERT INTO source VALUES ('key 1', '2024-12-02')");
    assert_eq!(keeper.value::<i64>("SELECT count(*) FROM cumulate.note"), 0);
    keeper.run("DELETE FROM source WHERE ctid = (SELECT max(ctid) FROM source)");
    keeper.run(&definition);
    keeper.run("SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-12')");
    assert_eq!(digest(&mut keeper, &["source", "counts", "counts_daily"]), before);
    keeper.run("INSERT INTO source VALUES ('key 1', '2024-12-02')");
    assert_eq!(keeper.value::<i64>("SELECT count(*) FROM cumulate.note"), 1);
    keeper.run("SELECT cumulate.cumulate_range('counts', '2024-12-13', '2024-12-20')");
    assert_eq!(keeper.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
    assert_eq!(keeper.lines("SELECT what FROM cumulate.health() WHERE severity = 'error'"), Vec::<String>::new());
}
