//! Ways in which rows of a source come and go without a statement on the source that says so.

use crate::cluster;
use pg_cumulate_tests::{Ask, Database};
use postgres::Client;

/// Shops, their orders as the source, and a table over these; some days of it are closed.
fn orders() -> (Database<'static>, Client) {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(
        "CREATE TABLE shop (name text PRIMARY KEY, region text);
         CREATE TABLE placed (
             id integer, shop text REFERENCES shop ON UPDATE CASCADE ON DELETE CASCADE, day date, amount integer,
             region text DEFAULT 'old') PARTITION BY LIST (region);
         CREATE TABLE placed_old PARTITION OF placed FOR VALUES IN ('old');
         CREATE TABLE placed_new PARTITION OF placed FOR VALUES IN ('new');
         INSERT INTO shop VALUES ('a'), ('b'), ('c');
         INSERT INTO placed
             SELECT n, (ARRAY['a', 'b', 'c'])[n % 3 + 1], DATE '2024-05-01' + n % 4, n FROM generate_series(1, 24) n;
         SELECT cumulate.create_table('spent', 'placed', 'day', '{shop}', '{\"spent\": \"sum(amount)\"}',
             start_date => '2024-05-01', time_zone => 'UTC', windows => '{3}');
         SELECT cumulate.cumulate_range('spent', '2024-05-01', '2024-05-06')",
    );
    (database, client)
}

/// Makes a change; panics unless exactly these keys and days are noted, and the repair leaves no difference.
fn assert_noted(client: &mut Client, change: &str, noted: &[&str]) {
    client.run(change);
    let notes = "SELECT DISTINCT coalesce(day::text, 'every day'), key FROM cumulate.note ORDER BY 1, 2";
    assert_eq!(client.lines(notes), noted, "noted by: {change}");
    client.run("SELECT cumulate.apply_late('spent')");
    assert_eq!(client.lines("SELECT * FROM cumulate.verify('spent')"), Vec::<String>::new(), "after: {change}");
    assert_eq!(client.value::<i64>("SELECT count(*) FROM cumulate.note"), 0);
}

#[test]
fn cascades_of_foreign_keys_are_noted() {
    let (_database, mut client) = orders();
    let days = ["2024-05-01", "2024-05-02", "2024-05-03", "2024-05-04"];
    let renamed: Vec<String> = days.iter().flat_map(|day| [format!("{day}|{{a}}"), format!("{day}|{{z}}")]).collect();
    let renamed: Vec<&str> = renamed.iter().map(String::as_str).collect();
    assert_noted(&mut client, "UPDATE shop SET name = 'z' WHERE name = 'a'", &renamed);
    let gone = ["2024-05-01|{b}", "2024-05-02|{b}", "2024-05-03|{b}", "2024-05-04|{b}"];
    assert_noted(&mut client, "DELETE FROM shop WHERE name = 'b'", &gone);
    assert_eq!(client.value::<i64>("SELECT count(*) FROM spent WHERE shop = 'b'"), 0);
    assert_noted(&mut client, "TRUNCATE shop CASCADE", &["every day|"]);
    assert_eq!(client.value::<i64>("SELECT count(*) FROM spent"), 0);
}

#[test]
fn what_was_changed_in_a_detached_partition_is_repaired_when_it_is_back() {
    let (_database, mut client) = orders();
    // The first and the last day of the partition are no longer in it when it comes back.
    client.run(
        "ALTER TABLE placed DETACH PARTITION placed_old;
         DELETE FROM placed_old WHERE day IN ('2024-05-01', '2024-05-04');
         ALTER TABLE placed ATTACH PARTITION placed_old FOR VALUES IN ('old')",
    );
    // No run has seen it yet, so it is a change that waits.
    assert_eq!(client.lines("SELECT * FROM cumulate.verify('spent')"), Vec::<String>::new());
    client.run("SELECT cumulate.apply_late('spent')");
    assert_eq!(client.lines("SELECT * FROM cumulate.verify('spent')"), Vec::<String>::new());
    let days = "SELECT DISTINCT snapshot_date FROM spent_daily ORDER BY 1";
    assert_eq!(client.lines(days), ["2024-05-02", "2024-05-03"]);
}

#[test]
fn rows_of_a_table_that_inherits_for_a_while_count_for_that_while() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(
        "CREATE TABLE source (key text, day date);
         INSERT INTO source VALUES ('a', '2024-05-01');
         SELECT cumulate.create_table('counts', 'source', 'day', '{key}', '{\"n\": \"count(*)\"}',
             start_date => '2024-05-01', time_zone => 'UTC', windows => '{3}');
         SELECT cumulate.cumulate_range('counts', '2024-05-01', '2024-05-02');
         CREATE TABLE heir () INHERITS (source); INSERT INTO heir VALUES ('b', '2024-05-01')",
    );
    let mut look = |change: &str, keys: &[&str]| {
        client.run(change);
        assert_eq!(client.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new(), "after: {change}");
        client.run("SELECT cumulate.apply_late('counts')");
        assert_eq!(client.lines("SELECT DISTINCT key FROM counts ORDER BY 1"), keys, "after: {change}");
        assert_eq!(client.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new(), "after: {change}");
    };
    look("SELECT", &["a", "b"]);
    // No trigger sees it, and verify does at once.
    look("INSERT INTO heir VALUES ('c', '2024-05-02'); SELECT cumulate.apply_late('counts')", &["a", "b", "c"]);
    look("ALTER TABLE heir NO INHERIT source", &["a"]);
    look("ALTER TABLE heir INHERIT source", &["a", "b", "c"]);
    look("DROP TABLE heir", &["a"]);
}

#[test]
fn nested_exception_blocks_lose_no_note() {
    let (_database, mut client) = orders();
    let change = "DO $$
        BEGIN
            INSERT INTO placed VALUES (100, 'a', '2024-05-01', 1);
            BEGIN
                INSERT INTO placed VALUES (101, 'b', '2024-05-02', 1);
                BEGIN
                    INSERT INTO placed VALUES (102, 'nobody', '2024-05-03', 1);
                EXCEPTION WHEN foreign_key_violation THEN
                    INSERT INTO placed VALUES (103, 'c', '2024-05-03', 1);
                END;
                RAISE division_by_zero;
            EXCEPTION WHEN division_by_zero THEN
                INSERT INTO placed VALUES (104, 'c', '2024-05-04', 1);
            END;
        END $$";
    // A note too many is harmless: some are of rows that were rolled back.
    client.run(change);
    for kept in ["2024-05-01|{a}", "2024-05-04|{c}"] {
        assert!(client.lines("SELECT day, key FROM cumulate.note").contains(&kept.to_owned()), "{kept} is not noted");
    }
    assert_noted(&mut client, "SELECT cumulate.apply_late('spent')", &[]);
    assert_eq!(client.value::<i64>("SELECT count(*) FROM placed WHERE id > 99"), 2);
}

#[test]
fn notes_that_an_engine_call_has_written_outlive_its_savepoint() {
    let (_database, mut client) = orders();
    let late = |day: u32| format!("INSERT INTO placed VALUES (100, 'a', '2024-05-0{day}', 1)");
    let repair = "SELECT cumulate.apply_late('spent')";
    let undone = format!("BEGIN; {}; SAVEPOINT one; {repair}; ROLLBACK TO one; COMMIT", late(1));
    assert_noted(&mut client, &undone, &["2024-05-01|{a}"]);
    // The savepoint in which they were written is released into one that is rolled back.
    let merged = format!(
        "BEGIN; {}; SAVEPOINT one; SAVEPOINT two; {repair}; RELEASE two; {}; {repair}; ROLLBACK TO one; COMMIT",
        late(2),
        late(3)
    );
    client.run(&merged);
    assert!(client.lines("SELECT day, key FROM cumulate.note").contains(&"2024-05-02|{a}".to_owned()));
    assert_noted(&mut client, repair, &[]);
    let caught = format!(
        "BEGIN; {}; DO $$ BEGIN PERFORM cumulate.apply_late('spent'); RAISE division_by_zero;
         EXCEPTION WHEN division_by_zero THEN NULL; END $$; COMMIT",
        late(4)
    );
    assert_noted(&mut client, &caught, &["2024-05-04|{a}"]);
}

#[test]
fn merge_upserts_queries_that_write_and_moved_rows_are_noted() {
    let (_database, mut client) = orders();
    assert_noted(
        &mut client,
        "MERGE INTO placed AS p USING (VALUES (1, 'a'), (2, 'b'), (200, 'c')) AS new (id, shop) ON p.id = new.id
         WHEN MATCHED AND new.id = 1 THEN DELETE
         WHEN MATCHED THEN UPDATE SET day = '2024-05-04'
         WHEN NOT MATCHED THEN INSERT VALUES (200, 'c', '2024-05-01', 7)",
        &["2024-05-01|{c}", "2024-05-02|{b}", "2024-05-03|{c}", "2024-05-04|{c}"],
    );
    assert_noted(
        &mut client,
        "WITH gone AS (DELETE FROM placed WHERE id = 3 RETURNING *)
         INSERT INTO placed SELECT id, 'b', day - 1, amount FROM gone",
        &["2024-05-03|{b}", "2024-05-04|{a}"],
    );
    assert_noted(&mut client, "UPDATE placed SET region = 'new' WHERE id = 5", &["2024-05-02|{c}"]);
    assert_noted(
        &mut client,
        "UPDATE placed SET region = 'new', day = '2024-05-03' WHERE id = 9",
        &["2024-05-02|{a}", "2024-05-03|{a}"],
    );
    client.run("CREATE UNIQUE INDEX ON placed_new (id)");
    assert_noted(
        &mut client,
        "INSERT INTO placed_new VALUES (5, 'a', '2024-05-01', 1, 'new'), (300, 'a', '2024-05-02', 1, 'new')
         ON CONFLICT (id) DO UPDATE SET amount = placed_new.amount + 1",
        &["2024-05-02|{a}", "2024-05-02|{c}"],
    );
    // A trigger of somebody else that writes late rows while it handles those of today.
    client.run(
        "CREATE FUNCTION repeat_earlier() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO placed VALUES (NEW.id + 1000, NEW.shop, '2024-05-02', 1);
             RETURN NULL;
         END $$;
         CREATE TRIGGER repeat_earlier AFTER INSERT ON placed_new FOR EACH ROW EXECUTE FUNCTION repeat_earlier()",
    );
    assert_noted(&mut client, "INSERT INTO placed VALUES (400, 'b', current_date, 1, 'new')", &["2024-05-02|{b}"]);
}

#[test]
fn rows_of_today_and_to_come_and_before_the_start_are_not_noted() {
    let (_database, mut client) = orders();
    assert_noted(
        &mut client,
        "INSERT INTO placed SELECT 1, 'a', current_date + n, 1 FROM generate_series(0, 9) n",
        &[],
    );
    assert_noted(&mut client, "INSERT INTO placed VALUES (1, 'a', '2024-04-30', 1), (1, 'a', NULL, 1)", &[]);
    assert_noted(&mut client, "INSERT INTO placed VALUES (1, NULL, '2024-05-01', 1)", &[]);
}

#[test]
fn of_a_row_that_is_moved_only_days_that_are_over_and_count_are_noted() {
    let (_database, mut client) = orders();
    let moves = [
        ("UPDATE placed SET day = current_date WHERE id = 4", "2024-05-01|{b}"),
        ("UPDATE placed SET day = current_date + 1, region = 'new' WHERE id = 5", "2024-05-02|{c}"),
        ("UPDATE placed SET day = '2024-04-30' WHERE id = 6", "2024-05-03|{a}"),
        ("UPDATE placed SET day = NULL WHERE id = 7", "2024-05-04|{b}"),
        ("UPDATE placed SET day = '2024-05-01' WHERE id = 4", "2024-05-01|{b}"),
    ];
    for (change, noted) in moves {
        assert_noted(&mut client, change, &[noted]);
    }
    let waits = "SELECT what FROM cumulate.health() WHERE what LIKE '%notes%'";
    assert_eq!(client.lines(waits), Vec::<String>::new());
}

#[test]
fn what_was_changed_while_triggers_were_disabled_is_repaired_when_they_are_enabled_again() {
    let tables = ["placed", "placed_new"];
    let by = ["TRIGGER ALL", "TRIGGER USER", "TRIGGER cumulate_note_delete_%"];
    for table in tables {
        for triggers in by {
            let (_database, mut client) = orders();
            client.run("UPDATE placed SET region = 'new'; SELECT cumulate.apply_late('spent')");
            let id: i64 = client.value("SELECT id FROM cumulate.definition WHERE target = 'spent'::regclass");
            let triggers = triggers.replace('%', &id.to_string());
            client.run(&format!(
                "ALTER TABLE {table} DISABLE {triggers}; DELETE FROM placed WHERE id < 9;
                 ALTER TABLE {table} ENABLE {triggers}"
            ));
            client.run("SELECT cumulate.apply_late('spent'); DELETE FROM placed WHERE id = 9");
            // ENABLE alone is not what they were: whoever enables them does as health says.
            let all = format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER cumulate_note_%_{id}");
            for event in ["insert", "update", "delete", "truncate"] {
                client.run(&all.replace('%', event));
            }
            // No run has looked yet, so all days wait.
            assert_eq!(client.lines("SELECT * FROM cumulate.verify('spent')"), Vec::<String>::new());
            client.run("SELECT cumulate.apply_late('spent')");
            assert_eq!(client.lines("SELECT * FROM cumulate.verify('spent')"), Vec::<String>::new());
            assert_eq!(
                client.value::<i64>("SELECT sum(num_events)::bigint FROM spent_daily"),
                15,
                "{table}: {triggers}"
            );
            assert_noted(&mut client, "SELECT cumulate.apply_late('spent')", &[]);
        }
    }
}

#[test]
fn a_trigger_that_is_missing_is_reported_by_health_which_says_how_to_make_it() {
    let (_database, mut client) = orders();
    let problems =
        "SELECT regexp_replace(what, '_[0-9]+', '_N') FROM cumulate.health() WHERE severity = 'error' ORDER BY 1";
    assert_eq!(client.lines(problems), Vec::<String>::new());
    let id: i64 = client.value("SELECT id FROM cumulate.definition WHERE target = 'spent'::regclass");
    client.run(&format!("DROP TRIGGER cumulate_note_delete_{id} ON placed"));
    let missing =
        |table: &str| format!("trigger cumulate_note_delete_N on {table} is missing: late changes are not noted");
    assert_eq!(client.lines(problems), ["placed", "placed_new", "placed_old"].map(missing));
    let mend = client.lines("SELECT DISTINCT how_to_mend FROM cumulate.health() WHERE severity = 'error'");
    client.run(&mend.concat());
    assert_eq!(client.lines(problems), Vec::<String>::new());
    client.run("SELECT cumulate.apply_late('spent')");
    assert_noted(&mut client, "DELETE FROM placed WHERE id = 3", &["2024-05-04|{a}"]);
}
