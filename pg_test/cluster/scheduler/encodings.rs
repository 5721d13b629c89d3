//! The scheduler in databases of other encodings: nothing that a table is called stops the others.

use crate::scene::{HELD, SOON, create_table, hold_at, server};
use pg_cumulate_tests::{Ask, ENCODINGS, eventually};

#[test]
fn tables_of_any_name_are_worked_on_in_every_encoding() {
    let cluster = server(None, &[]);
    let start = "(now() AT TIME ZONE 'UTC')::date - 5";
    let databases = ENCODINGS.map(|encoding| (encoding, cluster.database_with_extension_in(encoding)));
    for (encoding, database) in &databases {
        let mut client = database.connect();
        client.run("CREATE TABLE source (key text, at timestamptz)");
        for name in ["counts", "other"] {
            client.run(&create_table(name, "UTC", "2024-12-01", "late => 'trigger'").replace("'2024-12-01'", start));
        }
        // Half of a letter, where there are none.
        let letters = if *encoding == "SQL_ASCII" { "E'\\xc3'" } else { "'Ü'" };
        client.run(&format!("DO $$ BEGIN EXECUTE format('ALTER TABLE counts RENAME TO %I', {letters}); END $$"));
        client.run(&format!(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN RAISE EXCEPTION USING MESSAGE = 'no ' || {letters}, ERRCODE = '22012'; END $$;
             DO $$ BEGIN EXECUTE format('CREATE TRIGGER fail BEFORE INSERT ON %I FOR EACH ROW EXECUTE FUNCTION fail()', {letters}); END $$;
             INSERT INTO source SELECT {letters}, now() - interval '2 days'"
        ));
    }
    for (encoding, database) in &databases {
        let mut client = database.connect();
        let closed = "SELECT count(*) = 5 FROM cumulate.days WHERE target = 'other'::regclass AND state = 'closed'";
        eventually(SOON, &format!("the other table in {encoding}"), || client.value::<bool>(closed));
        let letters = if *encoding == "SQL_ASCII" { "E'\\xc3'" } else { "'Ü'" };
        let paused =
            format!("SELECT count(*) = 1 FROM cumulate.schedules WHERE reason = 'no ' || {letters} || ' (22012)'");
        eventually(SOON, &format!("the pause in {encoding}"), || client.value::<bool>(&paused));
        let told =
            format!("SELECT count(*) FROM cumulate.health() WHERE what LIKE 'paused since%: no ' || {letters} || '%'");
        assert_eq!(client.value::<i64>(&told), 1, "{encoding}");
        client.run(&format!(
            "SET client_min_messages = warning; DROP FUNCTION fail CASCADE;
             DO $$ BEGIN PERFORM cumulate.resume(format('%I', {letters})::regclass); END $$"
        ));
        let all = "SELECT count(*) = 10 FROM cumulate.days WHERE state = 'closed'";
        eventually(SOON, &format!("all days in {encoding}"), || client.value::<bool>(all));
        let wrong = format!("SELECT count(*) FROM cumulate.verify(format('%I', {letters})::regclass)");
        assert_eq!(client.value::<i64>(&wrong), 0, "{encoding}");
    }
}

#[test]
fn what_a_worker_does_is_shown_by_the_name_of_its_table() {
    let cluster = server(None, &[]);
    let database = cluster.database_with_extension_in("LATIN1");
    let mut client = database.connect();
    client.run("CREATE TABLE source (key text, at timestamptz)");
    let start = "(now() AT TIME ZONE 'UTC')::date - 5";
    client.run(&create_table("counts", "UTC", "2024-12-01", "late => 'trigger'").replace("'2024-12-01'", start));
    let day: String = client.lines("SELECT (now() AT TIME ZONE 'UTC')::date - 2").concat();
    hold_at(&mut client, &day);
    client.run("ALTER TABLE counts RENAME TO \"Prüfung\"; INSERT INTO source VALUES ('ä', now() - interval '3 days')");
    eventually(SOON, "a run in its middle", || client.value::<bool>(HELD));
    let shown =
        "SELECT query FROM pg_stat_activity WHERE backend_type = 'pg_cumulate worker' AND wait_event = 'PgSleep'";
    assert_eq!(client.lines(shown), [format!("public.Prüfung {day} (4/5)")]);
    client.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_cumulate worker'");
}
