//! Failures are kept, told, and followed by what their kind asks for; one never touches another table.

use crate::scene::{Plan, SOON, Scene, create_table, server};
use pg_cumulate_tests::{Ask, eventually};
use postgres::fallible_iterator::FallibleIterator;
use std::time::Duration;

/// A table with days to close and an insert trigger that fails with an SQLSTATE.
fn failing(name: &'static str, sqlstate: &str) -> Scene {
    let mut scene = Plan { clock: Some((name, "2024-12-10 12:00:00")), ..Plan::default() }.stage();
    scene.client.run(&format!(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
             $$BEGIN RAISE EXCEPTION 'out of order' USING ERRCODE = '{sqlstate}', HINT = 'Mend it.'; END$$;
         CREATE TRIGGER fail BEFORE INSERT ON counts FOR EACH ROW EXECUTE FUNCTION fail()"
    ));
    scene.fill("2024-12-02", "2024-12-09");
    scene
}

fn mend(mut scene: Scene) {
    scene.client.run("DROP TRIGGER fail ON counts; SELECT cumulate.resume('counts')");
    scene.wait_until_closed("2024-12-09");
    scene.check();
    assert_eq!(scene.client.lines("SELECT * FROM cumulate.health()"), [""; 0]);
}

#[test]
fn what_lasts_pauses_the_table_with_its_reason() {
    let mut scene = failing("lasts", "22012");
    scene.wait_for("the pause", "SELECT count(*) = 1 FROM cumulate.schedules WHERE state = 'paused'");
    assert_eq!(
        scene
            .client
            .lines("SELECT status, sqlstate, message, hint, from_day FROM cumulate.runs WHERE status = 'failed'"),
        ["failed|22012|out of order|Mend it.|2024-12-02"]
    );
    assert_eq!(scene.client.lines("SELECT reason, next_run FROM cumulate.schedules"), ["out of order (22012)|"]);
    let health =
        scene.client.lines("SELECT severity, target, how_to_mend FROM cumulate.health() WHERE what LIKE 'paused%'");
    assert_eq!(health, ["error|counts|SELECT cumulate.resume('counts');"]);
    let refused = scene.client.refusal("SELECT cumulate.run_now('counts')");
    assert_eq!(
        (refused.sqlstate.as_str(), refused.hint.as_deref()),
        ("55000", Some("SELECT cumulate.resume('public.counts');"))
    );
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(
        scene.client.lines("SELECT count(*) FROM cumulate.runs WHERE status = 'failed'"),
        ["1"],
        "nobody tries again"
    );
    mend(scene);
}

#[test]
fn what_passes_is_tried_again_ever_later_and_never_pauses() {
    let mut scene = failing("passes", "40001");
    scene.wait_for("three tries", "SELECT count(*) >= 3 FROM cumulate.runs WHERE status = 'failed'");
    let waits = scene.client.lines(
        "SELECT extract(epoch FROM started_at - lag(finished_at) OVER (ORDER BY run_id))::numeric(8,1) FROM cumulate.runs WHERE status = 'failed' ORDER BY run_id",
    );
    let waits: Vec<f64> = waits.iter().skip(1).map(|wait| wait.parse().expect("seconds")).collect();
    assert!(waits[0] >= 0.7 && waits[1] >= 1.4, "waited {waits:?}");
    assert_eq!(
        scene.client.lines(
            "SELECT state, failures >= 3, retry_at > clock_timestamp() - interval '5 s' FROM cumulate.schedules"
        ),
        ["retrying|t|t"]
    );
    mend(scene);
}

#[test]
fn what_nobody_knows_pauses_after_five_in_a_row() {
    let mut scene = failing("unknown", "P0001");
    scene.wait_for("the pause", "SELECT count(*) = 1 FROM cumulate.schedules WHERE state = 'paused' AND failures = 5");
    assert_eq!(scene.client.lines("SELECT count(*) FROM cumulate.runs WHERE status = 'failed'"), ["5"]);
    mend(scene);
}

#[test]
fn a_failure_touches_no_other_table() {
    let mut scene = failing("others", "P0001");
    scene.client.run(&create_table("other", "UTC", "2024-12-01", "late => 'trigger'"));
    scene.wait_for(
        "the other table",
        "SELECT count(*) = 9 FROM cumulate.days WHERE target = 'other'::regclass AND state = 'closed'",
    );
    assert_eq!(scene.client.lines("SELECT * FROM cumulate.verify('other')"), [""; 0]);
    scene.client.run("SELECT cumulate.drop_table('other')");
    mend(scene);
}

#[test]
fn who_listens_hears_of_closed_days_failures_and_pauses() {
    let mut scene = failing("heard", "22012");
    let mut listener = scene.cluster.connect("stage");
    listener.run("LISTEN cumulate");
    scene.wait_for("the pause", "SELECT count(*) = 1 FROM cumulate.schedules WHERE state = 'paused'");
    scene.client.run("DROP TRIGGER fail ON counts; SELECT cumulate.resume('counts')");
    scene.wait_until_closed("2024-12-09");
    let mut heard = Vec::new();
    eventually(SOON, "the last day", || {
        let mut notifications = listener.notifications();
        let mut pending = notifications.timeout_iter(Duration::from_millis(100));
        while let Some(notification) = pending.next().expect("the connection is open") {
            assert_eq!(notification.channel(), "cumulate");
            heard.push(notification.payload().to_owned());
        }
        heard.iter().any(|payload| payload.contains("2024-12-09"))
    });
    let closed: Vec<&String> = heard.iter().filter(|payload| payload.contains("\"closed\"")).collect();
    assert_eq!(closed.len(), 9, "{heard:?}");
    assert_eq!(closed[0], r#"{"event":"closed","target":"public.counts","day":"2024-12-01"}"#);
    assert!(scene.client.value::<i64>("SELECT count(*) FROM cumulate.runs") > 0);
}

#[test]
fn run_history_is_bounded_by_age_and_rows() {
    let mut scene = Plan {
        clock: Some(("history", "2024-12-10 12:00:00")),
        settings: &["cumulate.run_history_rows = 50", "cumulate.run_history_age = '7d'"],
        ..Plan::default()
    }
    .stage();
    scene.client.run(
        "INSERT INTO cumulate.run (target, trigger, status, pid, process_started_at, started_at, finished_at)
         SELECT 'counts', 'late', 'succeeded', 1, now(), now() - interval '1 day', now() - interval '1 day' FROM generate_series(1, 1000);
         INSERT INTO cumulate.run (target, trigger, status, pid, process_started_at, started_at, finished_at)
         SELECT 'counts', 'late', 'succeeded', 1, now(), now() - interval '8 days', now() - interval '8 days' FROM generate_series(1, 10)",
    );
    scene.fill("2024-12-02", "2024-12-09");
    scene.wait_until_closed("2024-12-09");
    scene.wait_for("the old runs to be gone", "SELECT count(*) <= 50 FROM cumulate.run");
    assert_eq!(
        scene.client.lines("SELECT count(*) FROM cumulate.run WHERE started_at < now() - interval '7 days'"),
        ["0"]
    );
    scene.check();
}

#[test]
fn notes_of_a_dropped_table_go_with_the_next_run_of_another() {
    let mut scene = Plan { clock: Some(("orphans", "2024-12-10 12:00:00")), ..Plan::default() }.stage();
    scene.client.run(&create_table("other", "UTC", "2024-12-01", "late => 'trigger'"));
    let mut writer = scene.cluster.connect("stage");
    // It holds no lock any more that the drop would wait for.
    writer.run("BEGIN; SAVEPOINT here; INSERT INTO source VALUES ('a', '2024-12-02'); ROLLBACK TO here");
    scene.client.run("SELECT cumulate.drop_table('other')");
    writer.run("COMMIT");
    scene.fill("2024-12-02", "2024-12-09");
    scene.wait_until_closed("2024-12-09");
    scene.wait_for("no note to be left", "SELECT count(*) = 0 FROM cumulate.note");
    scene.check();
}

#[test]
fn an_incomplete_table_is_left_alone_until_it_is_whole() {
    let cluster = server(None, &[]);
    let mut client = cluster.connect("postgres");
    client.run("CREATE EXTENSION pg_cumulate; CREATE TABLE source (key text, at timestamptz)");
    client.run(
        &create_table("counts", "UTC", "2024-12-01", "late => 'trigger'")
            .replace("'2024-12-01'", "(now() AT TIME ZONE 'UTC')::date - 5"),
    );
    client.run(
        "ALTER TABLE counts DROP CONSTRAINT counts_pkey; INSERT INTO source VALUES ('a', now() - interval '2 days')",
    );
    eventually(SOON, "health to say so", || {
        client.value::<bool>("SELECT count(*) = 1 FROM cumulate.health() WHERE what LIKE '%no valid unique index%'")
    });
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(client.lines("SELECT * FROM cumulate.runs"), [""; 0]);
    assert_eq!(client.lines("SELECT state FROM cumulate.schedules"), ["incomplete"]);
    client.run("ALTER TABLE counts ADD PRIMARY KEY (snapshot_date, key)");
    eventually(SOON, "the days", || {
        client.value::<bool>("SELECT count(*) = 5 FROM cumulate.days WHERE state = 'closed'")
    });
    assert_eq!(client.lines("SELECT * FROM cumulate.verify('counts')"), [""; 0]);
}
