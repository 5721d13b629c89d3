//! Who may ask: readers of the columns that an answer is about, and nobody from whom a policy hides rows.

use crate::scene::{Form, Scene};
use pg_cumulate_tests::Ask;
use postgres::Client;

const WITHOUT_METRIC: [&str; 3] =
    ["cumulate.active_keys('counts')", "cumulate.growth('counts')", "cumulate.cohorts('counts')"];
const WITH_METRIC: [&str; 9] = [
    "cumulate.active_keys('counts', metric => 'amount')",
    "cumulate.growth('counts', metric => 'amount')",
    "cumulate.cohorts('counts', metric => 'amount')",
    "cumulate.series('counts', 'amount')",
    "cumulate.top('counts', 'amount')",
    "cumulate.movers('counts', 'amount', days => 2)",
    "cumulate.forecast('counts', 'amount')",
    "cumulate.backtest('counts', 'amount')",
    "cumulate.anomalies('counts', 'amount')",
];

fn scene_with_reader(role: &str) -> (Scene, Client) {
    let mut scene = Scene::new(Form::PLAIN);
    scene.visit(&[("north", 1, 0, Some(1)), ("south", 2, 9, Some(2))]);
    scene.close(10);
    scene.client.run(&format!("CREATE ROLE {role} LOGIN"));
    let client = scene.database.connect_as(role);
    (scene, client)
}

fn assert_allowed(client: &mut Client, calls: &[&str]) {
    for call in calls {
        client.run(&format!("SELECT * FROM {call}"));
    }
}

fn assert_refused(client: &mut Client, calls: &[&str]) {
    for call in calls {
        let refusal = client.refusal(&format!("SELECT * FROM {call}"));
        assert_eq!(refusal.sqlstate, "42501", "{call}\n{refusal}");
    }
}

#[test]
fn readers_need_the_columns_that_an_answer_is_about() {
    let (mut scene, mut reader) = scene_with_reader("column_reader");
    let grants = [
        ("", false, false),
        ("GRANT SELECT ON visits, counts_daily TO column_reader", false, false),
        ("GRANT SELECT (shop, snapshot_date, amount_array) ON counts TO column_reader", false, false),
        ("GRANT SELECT (visitor) ON counts TO column_reader", true, false),
        ("GRANT SELECT (total_amount_7d, total_amount_28d) ON counts TO column_reader", true, true),
        (
            "REVOKE ALL ON counts FROM column_reader; REVOKE ALL ON visits, counts_daily FROM column_reader",
            false,
            false,
        ),
        ("GRANT SELECT ON counts TO column_reader", true, true),
    ];
    for (grant, keys, metric) in grants {
        scene.client.run(grant);
        let check = |client: &mut Client, may: bool, calls: &[&str]| {
            if may { assert_allowed(client, calls) } else { assert_refused(client, calls) }
        };
        check(&mut reader, keys, &WITHOUT_METRIC);
        check(&mut reader, metric, &WITH_METRIC);
    }
    let schema =
        "CREATE SCHEMA hidden; ALTER TABLE counts SET SCHEMA hidden; SELECT 'hidden.counts'::regclass::oid::bigint";
    let number = scene.client.lines(schema).concat();
    assert_refused(&mut reader, &[&format!("cumulate.growth({number}::oid::regclass)")]);
    scene.client.run("GRANT USAGE ON SCHEMA hidden TO column_reader");
    assert_allowed(&mut reader, &["cumulate.growth('hidden.counts')"]);
}

#[test]
fn what_a_refusal_proposes_helps() {
    let (mut scene, mut reader) = scene_with_reader("asking_reader");
    let refusal = reader.refusal("SELECT * FROM cumulate.series('counts', 'amount')");
    assert_eq!(refusal.message, "permission denied for table public.counts");
    scene.client.run(&refusal.hint.expect("a hint"));
    assert_allowed(&mut reader, &["cumulate.series('counts', 'amount')"]);
}

#[test]
fn where_row_security_applies_to_the_reader_there_is_no_answer() {
    let (mut scene, mut reader) = scene_with_reader("secured_reader");
    scene.client.run(
        "GRANT SELECT ON counts TO secured_reader; ALTER TABLE counts ENABLE ROW LEVEL SECURITY;
         CREATE POLICY north ON counts USING (shop = 'north')",
    );
    assert_refused(&mut reader, &WITHOUT_METRIC);
    assert_refused(&mut reader, &WITH_METRIC);
    reader.run("SET row_security = off");
    assert_refused(&mut reader, &WITHOUT_METRIC);
    // The owner, and who bypasses it, see all rows.
    assert_allowed(&mut scene.client, &WITH_METRIC);
    scene.client.run("ALTER ROLE secured_reader BYPASSRLS");
    reader.run("RESET row_security");
    assert_allowed(&mut reader, &WITH_METRIC);
}

#[test]
fn nothing_of_a_users_runs_with_more_rights_than_the_owners() {
    let (mut scene, mut reader) = scene_with_reader("curious_reader");
    scene.client.run(
        "GRANT SELECT ON counts TO curious_reader; GRANT CREATE ON SCHEMA public TO curious_reader;
         CREATE ROLE plain_owner; GRANT USAGE, CREATE ON SCHEMA public TO plain_owner;
         ALTER TABLE visits OWNER TO plain_owner; ALTER TABLE counts OWNER TO plain_owner;
         ALTER TABLE counts_daily OWNER TO plain_owner;
         ALTER FUNCTION counts_rows OWNER TO plain_owner;
         DO $$ DECLARE part regclass; BEGIN
             FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'counts'::regclass LOOP
                 EXECUTE format('ALTER TABLE %s OWNER TO plain_owner', part);
             END LOOP;
         END $$",
    );
    // Its own operators and casts stand before PostgreSQL's.
    reader.run(
        "CREATE FUNCTION public.count(bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;
         CREATE FUNCTION public.never(bigint, integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;
         CREATE OPERATOR public.> (LEFTARG = bigint, RIGHTARG = integer, FUNCTION = public.never);
         SET search_path = public, pg_catalog",
    );
    assert_allowed(&mut reader, &WITHOUT_METRIC);
    assert_allowed(&mut reader, &WITH_METRIC);
    assert_eq!(reader.value::<String>("SELECT current_user::text"), "curious_reader");
    // A standby, or a transaction that may not write, answers, too.
    reader.run("BEGIN READ ONLY");
    assert_allowed(&mut reader, &WITH_METRIC);
    reader.run("COMMIT");
}
