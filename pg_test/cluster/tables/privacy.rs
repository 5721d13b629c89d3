//! What somebody finds out who may not read a table: its name and how it is doing are no secret, all else is.

use pg_cumulate_tests::{Ask, Cluster, eventually};
use postgres::fallible_iterator::FallibleIterator;
use postgres::{Client, NoTls, SimpleQueryMessage};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Part of everything that only some may know.
const SECRET: &str = "s3cr3t";

/// Where the extension keeps such things.
const PLACES: [&str; 9] = [
    "SELECT key::text FROM cumulate.note",
    "SELECT message FROM cumulate.run",
    "SELECT detail FROM cumulate.run",
    "SELECT hint FROM cumulate.run",
    "SELECT reason FROM cumulate.schedule WHERE target = 'private.failing'::regclass",
    "SELECT reason FROM cumulate.schedule WHERE target = 'private.counts'::regclass",
    "SELECT filter FROM cumulate.definition",
    "SELECT metrics::text FROM cumulate.definition",
    "SELECT adding::text FROM cumulate.definition",
];

/// A server whose scheduler works, a database of `dba`, and tables of `keeper` with secrets in every place.
struct Scene {
    cluster: Cluster,
    admin: Client,
    /// Of a role that may CONNECT and nothing else, since before anything happened.
    listener: Client,
    /// The owner, in the middle of add_metric.
    keeper: Client,
}

impl Scene {
    fn set() -> Scene {
        let cluster = Cluster::builder()
            .conf("cumulate.enabled = on")
            .conf("cumulate.naptime = 1")
            .conf("cumulate.min_delay = 0")
            .conf("cumulate.create_sales = off")
            .start();
        cluster.connect("postgres").run(
            "CREATE ROLE dba LOGIN; CREATE ROLE keeper LOGIN; CREATE ROLE partner LOGIN; GRANT keeper TO partner;
             CREATE ROLE somebody LOGIN; CREATE ROLE reader LOGIN; CREATE ROLE guest LOGIN;
             CREATE ROLE auditor LOGIN; GRANT pg_read_all_data TO auditor; CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher",
        );
        cluster.connect("postgres").run("CREATE DATABASE stage TEMPLATE template0 OWNER dba");
        let mut admin = cluster.connect("stage");
        admin.run(
            "CREATE EXTENSION pg_cumulate;
             CREATE SCHEMA private AUTHORIZATION keeper; GRANT USAGE ON SCHEMA private TO PUBLIC;
             CREATE SCHEMA tricks AUTHORIZATION somebody; GRANT USAGE ON SCHEMA tricks TO PUBLIC",
        );
        let mut listener = cluster.connect_as("stage", "somebody");
        listener.run("LISTEN cumulate");
        let mut keeper = cluster.connect_as("stage", "keeper");
        keeper.run("CREATE TABLE private.source (key text, at date); CREATE TABLE private.open (key text, at date)");
        for (name, source) in [("counts", "source"), ("failing", "source"), ("other", "open")] {
            keeper.run(&format!(
                "SELECT cumulate.create_table('private.{name}', 'private.{source}', 'at', '{{key}}',
                     '{{\"events\": \"count(*) FILTER (WHERE key <> ''{SECRET} metric'')\"}}', schedule => NULL,
                     filter => 'key <> ''{SECRET} filter''', start_date => current_date - 5, time_zone => 'UTC')"
            ));
        }
        keeper.run(&format!(
            "GRANT SELECT ON private.other TO reader; GRANT SELECT ON private.failing TO guest;
             SELECT cumulate.cumulate_range('private.counts', current_date - 5, current_date - 1);
             SELECT cumulate.pause('private.counts', '{SECRET} reason');
             INSERT INTO private.source VALUES ('{SECRET} key', current_date - 3);
             CREATE FUNCTION private.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 RAISE 'not this %', NEW.key USING ERRCODE = '22023', DETAIL = 'It is ' || NEW.key, HINT = 'Not ' || NEW.key;
             END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON private.failing FOR EACH ROW EXECUTE FUNCTION private.refuse();
             SELECT cumulate.schedule('private.failing')"
        ));
        keeper.run(&format!(
            "SELECT cumulate_internal.add_metric_begin('private.other', 'more', '\"count(*) FILTER (WHERE key = ''{SECRET}'')\"')"
        ));
        eventually(Duration::from_secs(40), "the scheduler to fail and pause", || {
            admin.value("SELECT count(*) > 0 FROM cumulate.schedule WHERE target = 'private.failing'::regclass AND paused_at IS NOT NULL")
        });
        for place in PLACES {
            assert!(admin.lines(place).concat().contains(SECRET), "nothing is hidden in {place}");
        }
        Scene { cluster, admin, listener, keeper }
    }
}

/// A session that keeps all that it is told: rows, errors in all their parts, notices.
struct Session {
    client: Client,
    notices: Arc<Mutex<String>>,
    heard: String,
}

impl Session {
    fn of(cluster: &Cluster, role: &str) -> Session {
        let notices = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&notices);
        let mut config = cluster.config("stage");
        config.user(role).notice_callback(move |notice| {
            kept.lock().expect("one writer").push_str(&format!("{notice} {:?} {:?}\n", notice.detail(), notice.hint()));
        });
        Session { client: config.connect(NoTls).expect("the role may connect"), notices, heard: String::new() }
    }

    /// What a command gives, whether it succeeds or not; whether it did.
    fn hear(&mut self, sql: &str) -> bool {
        let answer = self.client.simple_query(sql);
        let succeeded = answer.is_ok();
        match answer {
            Ok(messages) => {
                for message in messages {
                    let SimpleQueryMessage::Row(row) = message else { continue };
                    (0..row.len()).for_each(|column| self.heard.push_str(row.get(column).unwrap_or_default()));
                    self.heard.push('\n');
                }
            }
            Err(error) => {
                let error = error.as_db_error().unwrap_or_else(|| panic!("{error}\nin: {sql}"));
                self.heard.push_str(&format!("{error} {:?} {:?} {:?}\n", error.detail(), error.hint(), error.where_()));
            }
        }
        self.heard.push_str(&std::mem::take(&mut *self.notices.lock().expect("one writer")));
        assert!(!self.heard.contains(SECRET), "{sql}\n{}", self.heard);
        succeeded
    }
}

/// Everything that can be selected from in the extension's schemas, with its columns.
fn relations(admin: &mut Client) -> Vec<(String, Vec<String>)> {
    let rows = admin.lines(
        "SELECT format('%I.%I', n.nspname, c.relname), string_agg(quote_ident(a.attname), ',' ORDER BY a.attnum)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE n.nspname IN ('cumulate', 'cumulate_internal') AND c.relkind NOT IN ('i', 't') GROUP BY 1 ORDER BY 1",
    );
    let split = |row: &String| {
        let (name, columns) = row.split_once('|').expect("two columns");
        (name.to_owned(), columns.split(',').map(str::to_owned).collect())
    };
    rows.iter().map(split).collect()
}

/// A call of every function, with values that reach the tables of others.
fn calls(admin: &mut Client) -> Vec<String> {
    let values = "CASE format_type(a.type, NULL)
             WHEN 'regclass' THEN '{target}' WHEN 'oid' THEN '{target}::oid' WHEN 'bigint' THEN '{number}::bigint' WHEN 'json' THEN '''\"count(*)\"'''
             WHEN 'date' THEN 'current_date - 3' WHEN 'text' THEN '''x''' WHEN 'text[]' THEN '''{key}''' WHEN 'boolean' THEN 'true'
             WHEN 'interval' THEN '''1 year''' ELSE 'NULL::' || format_type(a.type, NULL) END";
    admin.lines(&format!(
        "SELECT format('%s %s.%I(%s)', CASE p.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT * FROM' END, p.pronamespace::regnamespace, p.proname,
                       (SELECT string_agg({values}, ', ' ORDER BY a.number) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, number)))
         FROM pg_proc p WHERE p.pronamespace IN ('cumulate'::regnamespace, 'cumulate_internal'::regnamespace)
           AND p.prorettype <> 'trigger'::regtype ORDER BY p.oid"
    ))
}

#[test]
fn who_may_not_read_a_table_finds_nothing_of_it_anywhere() {
    let mut scene = Scene::set();
    let (relations, calls) = (relations(&mut scene.admin), calls(&mut scene.admin));
    assert!(relations.len() > 15 && calls.len() > 50, "{} relations, {} calls", relations.len(), calls.len());
    scene.cluster.connect_as("stage", "somebody").run(
        "CREATE FUNCTION tricks.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
         $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$",
    );
    for role in ["somebody", "reader"] {
        let mut session = Session::of(&scene.cluster, role);
        let mut read = Vec::new();
        for (relation, columns) in &relations {
            if session.hear(&format!("SELECT x::text FROM {relation} AS x")) {
                read.push(relation.as_str());
            }
            // A condition that tells what it sees must not see rows before they were chosen.
            for column in columns {
                session.hear(&format!("SELECT FROM {relation} AS x WHERE tricks.tell(x.{column}::text)"));
            }
        }
        let views: Vec<&str> = read.iter().filter_map(|name| name.strip_prefix("cumulate.")).collect();
        assert_eq!(
            views,
            ["days", "defects", "metrics", "progress", "runs", "schedules", "status", "tables"],
            "{role}"
        );
        session.hear("SELECT description FROM pg_description");
        session.hear("SELECT FROM cumulate.health() AS x WHERE tricks.tell(x.what) AND tricks.tell(x.how_to_mend)");
        for call in &calls {
            for target in ["'private.counts'", "'private.failing'", "'private.other'"] {
                for number in if call.contains("{number}") { 0..8 } else { 0..1 } {
                    let sql = call.replace("{target}", target).replace("{number}", &number.to_string());
                    if call.starts_with("CALL") {
                        session.hear(&sql);
                    } else {
                        session.hear("BEGIN");
                        session.hear(&sql);
                        session.hear("ROLLBACK");
                    }
                }
            }
        }
    }
    // What listeners are told, whoever they are.
    let mut told = Vec::new();
    let mut payloads = scene.listener.notifications();
    let mut pending = payloads.timeout_iter(Duration::from_secs(2));
    while let Some(payload) = pending.next().expect("the session lives") {
        told.push(payload.payload().to_owned());
    }
    for event in ["\"failed\"", "\"paused\""] {
        assert!(told.iter().any(|payload| payload.contains(event)), "{told:?}");
    }
    assert!(!told.concat().contains(SECRET), "{told:?}");
}

#[test]
fn texts_of_errors_are_for_the_owner_and_for_who_may_read_everything() {
    let scene = Scene::set();
    let run = "SELECT status, sqlstate, message, detail, hint FROM cumulate.runs
               WHERE target = 'private.failing'::regclass ORDER BY run_id LIMIT 1";
    let reason = "SELECT state, reason FROM cumulate.schedules WHERE target = 'private.failing'::regclass";
    let problem = "SELECT what FROM cumulate.health() WHERE target = 'private.failing' AND what LIKE 'paused%'";
    let text = format!("not this {SECRET} key");
    let whole = format!("failed|22023|{text}|It is {SECRET} key|Not {SECRET} key");
    let expressions = "SELECT cumulate.definition('private.failing')
               UNION ALL SELECT value FROM cumulate.metrics WHERE target = 'private.failing'::regclass";
    for role in ["keeper", "partner", "dba", "auditor", "postgres"] {
        let mut client = scene.cluster.connect_as("stage", role);
        assert_eq!(client.lines(run), [whole.as_str()], "{role}");
        assert_eq!(client.lines(reason), [format!("paused|{text} (22023)")], "{role}");
        assert!(client.lines(problem).concat().contains(&text), "{role}");
        let shown = client.lines(expressions).concat();
        assert!(shown.contains(&format!("{SECRET} filter")) && shown.contains(&format!("{SECRET} metric")), "{role}");
    }
    // Others who may read the table, or watch the server, see that it failed, when and with which code.
    for role in ["guest", "watcher"] {
        let mut client = scene.cluster.connect_as("stage", role);
        assert_eq!(client.lines(run), ["failed|22023|||"], "{role}");
        assert_eq!(client.lines(reason), ["paused|"], "{role}");
        assert_eq!(client.lines(problem).len(), 1, "{role}");
        assert!(!client.lines("SELECT x::text FROM cumulate.health() AS x").concat().contains(SECRET), "{role}");
        let metrics = "SELECT metric, value, rollup FROM cumulate.metrics WHERE target = 'private.failing'::regclass";
        assert_eq!(client.lines(metrics), ["events||sum"], "{role}");
        assert_eq!(client.refusal("SELECT cumulate.definition('private.failing')").sqlstate, "42501", "{role}");
    }
    let mut watcher = scene.cluster.connect_as("stage", "watcher");
    assert_eq!(watcher.value::<i64>("SELECT count(*) FROM cumulate.tables"), 3);
    let mut guest = scene.cluster.connect_as("stage", "guest");
    assert_eq!(guest.lines("SELECT target FROM cumulate.tables"), ["private.failing"]);
    for role in ["guest", "watcher", "keeper"] {
        let mut client = scene.cluster.connect_as("stage", role);
        for table in ["definition", "ledger", "note", "run", "schedule", "note_id_seq"] {
            assert_eq!(client.refusal(&format!("SELECT FROM cumulate.{table}")).sqlstate, "42501", "{role}: {table}");
        }
    }
    drop(scene.keeper);
}

#[test]
fn an_ordinary_owner_has_all_that_a_superuser_has_for_a_table_of_its_own() {
    let mut scene = Scene::set();
    let mut keeper = scene.cluster.connect_as("stage", "keeper");
    for question in [
        "SELECT * FROM cumulate.tables",
        "SELECT * FROM cumulate.metrics",
        "SELECT * FROM cumulate.days ORDER BY target, day",
        "SELECT * FROM cumulate.status",
        "SELECT * FROM cumulate.runs ORDER BY run_id",
        "SELECT * FROM cumulate.schedules",
        "SELECT * FROM cumulate.defects",
        "SELECT severity, target, what, how_to_mend FROM cumulate.health() WHERE target IS NOT NULL",
        "SELECT * FROM cumulate.plan('private.counts')",
        "SELECT cumulate.definition('private.counts')",
    ] {
        let seen = keeper.lines(question);
        assert_eq!(seen, scene.admin.lines(question), "{question}");
        assert!(!seen.is_empty() || question.contains("defects"), "{question}");
    }
    keeper.run("DROP TRIGGER refuse ON private.failing; SELECT cumulate.resume('private.failing'); SELECT cumulate.run_now('private.failing')");
    keeper.run(
        "SELECT cumulate.drop_table('private.counts'); SELECT cumulate.drop_table('private.other', keep_data => true)",
    );
    keeper.run("DROP TABLE private.open CASCADE; DROP TABLE private.other_daily, private.other CASCADE");
}
