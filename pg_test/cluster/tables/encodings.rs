//! Databases of other encodings than UTF-8: names, keys, texts and errors keep their letters, whatever their bytes.

use crate::counts::cluster;
use crate::programs::{Scratch, dump, program, succeed};
use pg_cumulate_tests::{Ask, Database, ENCODINGS};
use postgres::Client;
use std::process::Output;

/// Letters that an encoding has and that are no ASCII, as SQL writes them; in SQL_ASCII bytes that are no letters.
fn letters(encoding: &str) -> &'static str {
    match encoding {
        "UTF8" => "'Ü☃𝄞'",
        "LATIN1" => "'Üÿ'",
        "EUC_JP" => "'表ｶ'",
        _ => "E'\\xdc\\xff'",
    }
}

/// A database in which `@` stands for the letters, in what is executed and in what is answered.
struct Stage {
    database: Database<'static>,
    client: Client,
}

impl Stage {
    fn set(encoding: &str) -> Stage {
        let database = cluster().database_in(encoding);
        let mut client = database.connect();
        client.run("SET cumulate.create_sales = off; CREATE EXTENSION pg_cumulate");
        client.run(&format!("CREATE TABLE letters AS SELECT {}::text AS l", letters(encoding)));
        client.run(
            "CREATE FUNCTION act(sql text) RETURNS void LANGUAGE plpgsql AS
                 $$ BEGIN EXECUTE replace(sql, '@', (SELECT l FROM public.letters)); END $$;
             CREATE FUNCTION asked(sql text) RETURNS SETOF text LANGUAGE plpgsql AS
                 $$ DECLARE l text := (SELECT l FROM public.letters);
                 BEGIN
                     RETURN QUERY EXECUTE replace(
                         format('SELECT replace(q::text, %L, ''!'') FROM (%s) AS q', l, sql), '@', l);
                 END $$;
             CREATE FUNCTION seen(text) RETURNS text
                 RETURN encode(convert_to($1, getdatabaseencoding()), 'escape');
             CREATE FUNCTION said(sql text, OUT code text, OUT message text, OUT detail text, OUT hint text)
             LANGUAGE plpgsql AS
                 $$ DECLARE l text := (SELECT l FROM public.letters);
                 BEGIN
                     EXECUTE replace(sql, '@', l);
                 EXCEPTION WHEN OTHERS THEN
                     GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                         detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
                     message := replace(message, l, '!'); detail := replace(detail, l, '!');
                     hint := replace(hint, l, '!');
                 END $$",
        );
        Stage { database, client }
    }

    /// With a source and a cumulative table over it, everything of which has letters in its name.
    fn with_table(encoding: &str) -> Stage {
        let mut stage = Stage::set(encoding);
        stage.act(
            "CREATE TABLE \"source @\" (\"key @\" text, \"at @\" timestamptz, \"value @\" integer);
             INSERT INTO \"source @\"
                 SELECT (ARRAY['@', 'a@', 'plain', '@hidden'])[1 + n % 4], '2024-12-01 12:00+00'::timestamptz + n % 5 * interval '1 day', n
                 FROM generate_series(1, 40) n;
             SELECT cumulate.create_table('counts', '\"source @\"', 'at @', '{key @}',
                 '{\"sum @\": {\"value\": \"sum(\\\"value @\\\") FILTER (WHERE \\\"key @\\\" <> ''@no'')\"},
                   \"n\": {\"value\": \"max(\\\"key @\\\")\", \"rollup\": \"max\", \"zero\": \"zero @\"}}',
                 windows => '{3}', start_date => '2024-12-01', time_zone => 'UTC', filter => '\"key @\" <> ''@hidden''')",
        );
        stage.client.run("CALL cumulate.backfill('counts', NULL, '2024-12-06')");
        stage
    }

    fn act(&mut self, sql: &str) {
        self.client.run(&format!("SELECT act($act${sql}$act$)"));
    }

    /// The rows of a query, as records, with `!` for the letters.
    fn ask(&mut self, query: &str) -> Vec<String> {
        self.client.lines(&format!("SELECT * FROM asked($ask${query}$ask$)"))
    }

    /// Code, message, detail and hint of a command that is refused, with `!` for the letters.
    fn said(&mut self, sql: &str) -> [String; 4] {
        let row = self.client.query_one("SELECT code, seen(message), seen(detail), seen(hint) FROM said($1)", &[&sql]);
        let row = row.unwrap_or_else(|error| panic!("{error:?}\nin: {sql}"));
        [0, 1, 2, 3].map(|index| row.get::<_, Option<String>>(index).unwrap_or_else(|| panic!("not refused: {sql}")))
    }

    fn assert_right(&mut self, table: &str) {
        assert_eq!(self.ask(&format!("SELECT * FROM cumulate.verify('{table}')")), [""; 0]);
    }
}

#[test]
fn keys_names_filters_and_definitions_keep_their_letters() {
    for encoding in ENCODINGS {
        let mut stage = Stage::with_table(encoding);
        let rows = "SELECT \"key @\", \"sum @_array\", \"total_sum @_3d\", total_n_3d FROM counts
                    WHERE snapshot_date = '2024-12-06' ORDER BY \"total_sum @_3d\"";
        let expected =
            ["(!,\"{0,28,36}\",64,!)", "(a!,\"{0,38,46}\",84,\"zero !\")", "(plain,\"{0,48,56}\",104,\"zero !\")"];
        assert_same(&stage.ask(rows), &expected, encoding);
        stage.assert_right("counts");
        // Late changes of such keys, in each way that they come.
        stage.act(
            "INSERT INTO \"source @\" VALUES ('@', '2024-12-02 12:00+00', 1000), ('new @', '2024-12-03 12:00+00', 1);
             UPDATE \"source @\" SET \"key @\" = 'b@' WHERE \"key @\" = 'a@' AND \"at @\" < '2024-12-03';
             DELETE FROM \"source @\" WHERE \"key @\" = '@' AND \"at @\" > '2024-12-05'",
        );
        let keys = stage.ask("SELECT DISTINCT key[1] FROM cumulate.note");
        assert_same(&keys, &["(!)", "(a!)", "(b!)", "(\"new !\")"], encoding);
        stage.client.run("SELECT cumulate.apply_late('counts')");
        assert_eq!(stage.client.value::<i64>("SELECT count(*) FROM cumulate.note"), 0);
        stage.assert_right("counts");
        assert_eq!(
            stage.ask("SELECT count(DISTINCT \"key @\") FROM counts WHERE \"key @\" IN ('b@', 'new @')"),
            ["(2)"],
            "{encoding}"
        );
        // The call makes the same table.
        let call = stage.ask("SELECT cumulate.definition('counts')");
        stage.client.run(
            "DO $$ DECLARE call text := cumulate.definition('counts');
             BEGIN PERFORM cumulate.drop_table('counts'); EXECUTE call; END $$",
        );
        assert_eq!(stage.ask("SELECT cumulate.definition('counts')"), call, "{encoding}");
        stage.client.run("SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-06')");
        stage.assert_right("counts");
    }
}

#[test]
fn a_table_that_is_renamed_goes_on_with_all_that_is_said_of_it() {
    for encoding in ENCODINGS {
        let mut stage = Stage::with_table(encoding);
        stage.act("ALTER TABLE counts RENAME TO \"counts @\"; ALTER TABLE counts_daily RENAME TO \"daily @\"");
        assert_eq!(stage.ask("SELECT target FROM cumulate.health() WHERE severity = 'error'"), [""; 0], "{encoding}");
        stage.act("SELECT cumulate.pause('\"counts @\"', 'Because of @')");
        assert_eq!(stage.ask("SELECT reason FROM cumulate.schedules"), ["(\"Because of !\")"]);
        let unhealthy = stage.ask(
            "SELECT target, what LIKE 'paused since%: Because of @', how_to_mend
             FROM cumulate.health() WHERE severity = 'error'",
        );
        assert_eq!(
            unhealthy,
            ["(\"\"\"counts !\"\"\",t,\"SELECT cumulate.resume('\"\"counts !\"\"');\")"],
            "{encoding}"
        );
        let refused = stage.said("SELECT cumulate.run_now('\"counts @\"')");
        assert_eq!(refused[0], "55000");
        assert_eq!(refused[2], "The reason is: Because of !", "{encoding}");
        assert_eq!(refused[3], "SELECT cumulate.resume('public.\"counts !\"');", "{encoding}");
        stage.act(
            "SELECT cumulate.resume('\"counts @\"');
             INSERT INTO \"source @\" VALUES ('late @', '2024-12-02 12:00+00', 1);
             SELECT cumulate.apply_late('\"counts @\"');
             SELECT cumulate.cumulate_day('\"counts @\"', '2024-12-07');
             SELECT cumulate.restate('\"counts @\"', '2024-12-02', '2024-12-03');
             SELECT cumulate.alter_table('\"counts @\"', retention => '100 years')",
        );
        stage.assert_right("\"counts @\"");
        stage.act("SELECT cumulate.drop_table('\"counts @\"', keep_data => true)");
    }
}

#[test]
fn added_metrics_pipelines_and_mock_events_take_such_names() {
    for encoding in ENCODINGS {
        let mut stage = Stage::with_table(encoding);
        // A procedure commits, so the letters come from the server by psql's \gexec.
        let call = "SELECT format('CALL cumulate.add_metric(%L, %L, %L)', 'counts', 'more ' || l,
                        format('{\"value\": \"min(\\\"value %s\\\")\", \"rollup\": \"min\"}', l)) FROM letters \\gexec";
        psql(&stage.database, "SQL_ASCII", call.as_bytes());
        stage.assert_right("counts");
        assert_eq!(
            stage.ask(
                "SELECT min(\"total_more @_3d\") FROM counts WHERE \"key @\" = 'plain' AND snapshot_date = '2024-12-06'"
            ),
            ["(14)"],
            "{encoding}"
        );
        assert_eq!(
            stage.ask("SELECT metric FROM cumulate.metrics ORDER BY length(metric)"),
            ["(n)", "(\"sum !\")", "(\"more !\")"],
            "{encoding}"
        );
        stage.act(
            "SELECT cumulate.create_sales_pipeline('shop @');
             SELECT \"shop @\".generate_events(500, 20, '2024-12-01', '2024-12-05', seed => 1);
             SELECT \"shop @\".cumulate_day('2024-12-05');
             CREATE TABLE \"events @\" (\"number @\" bigint GENERATED ALWAYS AS IDENTITY, product_id integer, event_type text, event_date date);
             SELECT cumulate.generate_events('\"events @\"', 500, 20, '2024-12-01', '2024-12-05', seed => 1)",
        );
        stage.assert_right("\"shop @\".daily_cumulate");
        assert_eq!(stage.ask("SELECT count(*) FROM \"events @\""), ["(500)"], "{encoding}");
    }
}

#[test]
fn what_verify_finds_and_errors_say_keep_their_letters() {
    for encoding in ENCODINGS {
        let mut stage = Stage::with_table(encoding);
        stage.act("UPDATE counts SET \"total_sum @_3d\" = -1 WHERE \"key @\" = '@' AND snapshot_date = '2024-12-05'");
        assert_eq!(
            stage.ask("SELECT key ->> 'key @', column_name, stored FROM cumulate.verify('counts')"),
            ["(!,\"total_sum !_3d\",-1)"],
            "{encoding}"
        );
        // Of our own,
        let [code, message, detail, _] = stage
            .said("SELECT cumulate.create_table('other', '\"source @\"', 'at @', '{no @}', '{\"n\": \"count(*)\"}')");
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("42703", "column \"no !\" of \"public.source !\" does not exist")
        );
        assert_eq!(detail, "Its columns are \"key !\", \"at !\", \"value !\".", "{encoding}");
        let [code, message, detail, _] = stage.said("SELECT count(*) FROM cumulate.next_runs('@ * * * *')");
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("22023", "\"! * * * *\" is not a schedule"),
            "{encoding}: {detail}"
        );
        // of PostgreSQL, named and as they are,
        let bad = "SELECT cumulate.create_table('other', '\"source @\"', 'at @', '{key @}', '{\"n @\": \"sum(\\\"no @\\\")\"}')";
        let [code, message, ..] = stage.said(bad);
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("42703", "metric \"n !\": column \"no !\" does not exist"),
            "{encoding}"
        );
        stage.act(
            "ALTER TABLE counts ADD CONSTRAINT \"only @\" CHECK (snapshot_date < '2024-12-08');
             CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN RAISE ''no @'' USING DETAIL = ''for @'', HINT = ''try @''; END'",
        );
        let [code, message, detail, _] = stage.said("SELECT cumulate.cumulate_day('counts', '2024-12-08')");
        assert_eq!(code, "23514");
        assert_eq!(
            message, "new row for relation \"counts_202412\" violates check constraint \"only !\"",
            "{encoding}"
        );
        assert!(detail.starts_with("Failing row contains ("), "{encoding}: {detail}");
        // and of users, through every way back.
        stage.act("CREATE TRIGGER refuse BEFORE INSERT ON counts FOR EACH ROW EXECUTE FUNCTION refuse()");
        let refused = stage.said("SELECT cumulate.cumulate_day('counts', '2024-12-07')");
        assert_eq!(refused, ["P0001", "no !", "for !", "try !"], "{encoding}");
        stage.client.attempt("CALL cumulate.backfill('counts', '2024-12-07', '2024-12-07')").expect_err("refused");
        assert_eq!(
            stage.ask("SELECT sqlstate, message, detail, hint FROM cumulate.runs WHERE status = 'failed'"),
            ["(P0001,\"no !\",\"for !\",\"try !\")"],
            "{encoding}"
        );
    }
}

#[test]
fn a_letter_that_the_database_has_not_is_refused_by_name() {
    for (encoding, snowman) in [("LATIN1", "0xe2 0x98 0x83"), ("EUC_JP", "0xe2 0x98 0x83")] {
        let mut stage = Stage::with_table(encoding);
        let refused = stage.said(
            "SELECT cumulate.create_table('other', '\"source @\"', 'at @', '{key @}', '{\"\\u2603\": \"count(*)\"}')",
        );
        let message = format!(
            "character with byte sequence {snowman} in encoding \"UTF8\" has no equivalent in encoding \"{encoding}\""
        );
        assert_eq!((refused[0].as_str(), &refused[1]), ("22P05", &message));
    }
}

#[test]
fn a_client_of_another_encoding_reads_and_writes_its_own() {
    for encoding in ["UTF8", "LATIN1"] {
        let stage = Stage::set(encoding);
        let script = b"CREATE TABLE source (\"gr\xf6\xdfe\" text, at date);
            SELECT cumulate.create_table('gr\xf6\xdfer', 'source', 'at', '{gr\xf6\xdfe}', '{\"\xfcber\": \"count(*)\"}', time_zone => 'UTC');
            LISTEN cumulate;
            SELECT cumulate.pause('gr\xf6\xdfer', 'Pr\xfcfung');
            SELECT reason FROM cumulate.schedules;
            SELECT cumulate.definition('gr\xf6\xdfer');
            SELECT cumulate.cumulate_day('source', '2024-12-01');
            SELECT cumulate.create_table('other', 'source', 'at', '{\xe4}', '{\"n\": \"count(*)\"}');";
        let output = psql_lines(&stage.database, "LATIN1", script);
        let (out, said) = (&output.stdout, &output.stderr);
        let has = |text: &[u8], part: &[u8]| text.windows(part.len()).any(|window| window == part);
        let shown = String::from_utf8_lossy(out);
        assert!(has(out, b"Pr\xfcfung\n") && has(out, b"ARRAY['gr\xf6\xdfe']"), "{encoding}: {shown}");
        assert!(
            has(out, b"\"target\":\"public.\\\"gr\xf6\xdfer\\\"\"") || has(out, b"gr\xf6\xdfer"),
            "{encoding}: {shown}"
        );
        let shown = String::from_utf8_lossy(said);
        assert!(has(said, b"column \"\xe4\" of \"public.source\" does not exist"), "{encoding}: {shown}");
        assert!(has(said, b"Its columns are \"gr\xf6\xdfe\", \"at\"."), "{encoding}: {shown}");
    }
}

#[test]
fn dumps_of_such_databases_restore_everything() {
    for encoding in ENCODINGS {
        let mut stage = Stage::with_table(encoding);
        stage.act(
            "ALTER TABLE counts RENAME TO \"counts @\";
             INSERT INTO \"source @\" VALUES ('late @', '2024-12-02 12:00+00', 1);
             SELECT cumulate.pause('\"counts @\"', 'Because of @')",
        );
        let state =
            "SELECT cumulate.definition('\"counts @\"'), (SELECT count(*) FROM \"counts @\"), s.reason, n.key, n.day
                     FROM cumulate.schedule s, cumulate.note n";
        let before = stage.ask(state);
        let (scratch, cluster) = (Scratch::new(), cluster());
        dump(cluster, "postgres", stage.database.name(), &["-Fc", "-E", encoding], &scratch.file("custom"));
        let restored = cluster.database_in(encoding);
        let mut restore = program("pg_restore", cluster, "postgres");
        assert_eq!(succeed(restore.args(["-e", "-d", restored.name()]).arg(scratch.file("custom"))), "");
        let mut stage = Stage { client: restored.connect(), database: restored };
        assert_eq!(stage.ask(state), before, "{encoding}");
        stage.act("SELECT cumulate.apply_late('\"counts @\"')");
        stage.assert_right("\"counts @\"");
    }
}

/// Panics unless these are the rows, in any order.
fn assert_same(found: &[String], expected: &[&str], encoding: &str) {
    let (mut found, mut expected) = (found.to_vec(), expected.to_vec());
    found.sort();
    expected.sort_unstable();
    assert_eq!(found, expected, "{encoding}");
}

/// Runs a script that must succeed.
fn psql(database: &Database, encoding: &str, script: &[u8]) {
    let output = psql_lines(database, encoding, script);
    assert_eq!(String::from_utf8_lossy(&output.stderr).replace("NOTICE", ""), "", "in: {script:?}");
}

/// Runs a script with a client encoding.
fn psql_lines(database: &Database, encoding: &str, script: &[u8]) -> Output {
    use std::io::Write;
    use std::process::Stdio;
    let mut psql = program("psql", database.cluster(), "postgres");
    psql.args(["-X", "-A", "-t", "-d", database.name()]).env("PGCLIENTENCODING", encoding);
    psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = psql.spawn().expect("psql can be run");
    child.stdin.take().expect("a pipe").write_all(script).expect("psql reads");
    child.wait_with_output().expect("psql ends")
}
