//! What a cumulative table is made of belongs to its owner and is as it was made: nothing else is ever called.

use crate::counts::cluster;
use pg_cumulate_tests::{Ask, Database};
use postgres::Client;

/// A table of alice's, closed for two days, in a schema where bob may make objects; and a function of bob's that keeps
/// who runs it.
struct Scene {
    admin: Client,
    alice: Client,
    bob: Client,
    /// Of alice and bob.
    names: [String; 2],
    _database: Database<'static>,
}

/// Calls by hand, each of which reads the source.
const CALLS: [&str; 6] = [
    "SELECT cumulate.cumulate_day('{table}', '2024-12-03')",
    "SELECT cumulate.populate_day('{table}', '2024-12-02')",
    "SELECT cumulate.restate('{table}', '2024-12-01', '2024-12-02')",
    "SELECT cumulate.apply_late('{table}')",
    "CALL cumulate.backfill('{table}', '2024-12-01', '2024-12-05')",
    "SELECT * FROM cumulate.verify('{table}')",
];

impl Scene {
    fn set(test: &str) -> Scene {
        let database = cluster().database_with_extension();
        let names = ["alice", "bob"].map(|role| format!("{role}_of_{test}"));
        let [alice, bob] = &names;
        let mut admin = database.connect();
        admin.run(&format!(
            "CREATE ROLE {alice} LOGIN; CREATE ROLE {bob} LOGIN; CREATE SCHEMA home AUTHORIZATION {alice};
             CREATE SCHEMA reports; CREATE SCHEMA limbo; GRANT CREATE, USAGE ON SCHEMA reports TO {alice}, {bob};
             GRANT ALL ON SCHEMA limbo TO {alice}; GRANT USAGE ON SCHEMA home TO PUBLIC;
             GRANT CREATE ON SCHEMA public TO {bob}"
        ));
        let (mut alice, mut bob) = (database.connect_as(alice), database.connect_as(bob));
        alice.run(
            "SET search_path = home; CREATE TABLE source (key text, at date); GRANT SELECT ON source TO PUBLIC;
             INSERT INTO source VALUES ('a', '2024-12-01'), ('b', '2024-12-02'), ('a', '2024-12-04')",
        );
        alice.run(&create_table("counts"));
        alice.run("SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-02'); INSERT INTO source VALUES ('c', '2024-12-01')");
        bob.run(
            "CREATE TABLE public.seen (role name); GRANT INSERT, SELECT ON public.seen TO PUBLIC;
             CREATE FUNCTION public.spy(bigint) RETURNS bigint LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO public.seen VALUES (current_user); RETURN $1 * 1000; END $$",
        );
        Scene { admin, alice, bob, names, _database: database }
    }

    /// Lets bob make a function like alice's, but for a call of his own in it, and mark it as she did.
    fn plant(&mut self, original: &str, copy: &str) {
        let made: String = self.admin.value(&format!("SELECT pg_get_functiondef('{original}'::regproc)"));
        let name = |path: &str| format!("{}.", path.rsplit('.').next().expect("a name"));
        let renamed = made.replace(original, copy).replace(&name(original), &name(copy));
        let planted = renamed.replace("count(*)", "public.spy(count(*))");
        assert_ne!(planted, made);
        self.bob.run(&planted);
        let signature: String = self.bob.value(&format!("SELECT '{copy}'::regproc::regprocedure::text"));
        self.bob.run(&format!("ALTER FUNCTION {signature} DEPENDS ON EXTENSION pg_cumulate"));
    }

    fn assert_nothing_of_bob_ran(&mut self, told: &str) {
        assert_eq!(self.admin.lines("SELECT role FROM public.seen"), [""; 0], "{told}");
    }

    /// Makes every call as alice and as the superuser.
    fn call_all(&mut self, table: &str, told: &str) {
        for call in CALLS {
            let call = call.replace("{table}", table);
            for client in [&mut self.alice, &mut self.admin] {
                client.run(&call);
            }
            self.assert_nothing_of_bob_ran(&format!("{told}: {call}"));
        }
        assert_eq!(self.alice.lines(&format!("SELECT * FROM cumulate.verify('{table}')")), [""; 0], "{told}");
    }

    /// Every call is refused, nothing of bob's runs, and the health says what the refusal says.
    fn assert_incomplete(&mut self, table: &str, told: &str) -> String {
        let mut hint = String::new();
        for call in CALLS {
            let refusal = self.admin.refusal(&call.replace("{table}", table));
            assert_eq!(refusal.sqlstate, "55000", "{told}: {call}\n{refusal}");
            assert!(refusal.message.ends_with("is incomplete"), "{told}: {call}\n{refusal}");
            hint = refusal.hint.expect("a hint");
        }
        self.assert_nothing_of_bob_ran(told);
        let mends = self.admin.lines("SELECT how_to_mend FROM cumulate.defects");
        assert_eq!(mends.first(), Some(&hint), "{told}");
        let health = self
            .admin
            .lines("SELECT how_to_mend FROM cumulate.health() WHERE severity = 'error' AND target IS NOT NULL");
        assert_eq!(health, mends, "{told}");
        hint
    }

    /// Types what the refusals say until there is none.
    fn mend(&mut self, table: &str, told: &str) {
        for _ in 0..10 {
            match self.admin.attempt(&CALLS[0].replace("{table}", table)) {
                Ok(()) => return,
                Err(refusal) => self.admin.run(&refusal.hint.expect("a hint")),
            }
        }
        panic!("{told}: it is never mended");
    }
}

fn create_table(name: &str) -> String {
    format!(
        "SELECT cumulate.create_table('{name}', 'home.source', 'at', '{{key}}', '{{\"events\": \"count(*)\"}}',
             windows => '{{3}}', start_date => '2024-12-01', time_zone => 'UTC', partition_by => 'day')"
    )
}

#[test]
fn a_table_that_is_moved_without_its_function_never_calls_a_strangers() {
    let mut scene = Scene::set("moves");
    scene.alice.run("ALTER TABLE home.counts SET SCHEMA reports");
    scene.plant("home.counts_rows", "reports.counts_rows");
    // Nor one with fewer arguments, which a call that leaves some out would prefer.
    for schema in ["home", "reports"] {
        scene.admin.run(&format!("GRANT CREATE ON SCHEMA {schema} TO {}", scene.names[1]));
        scene.bob.run(&format!(
            "CREATE OR REPLACE FUNCTION {schema}.counts_rows(date, date)
             RETURNS TABLE (snapshot_date date, key text, num_events bigint, events bigint) LANGUAGE sql AS
             $$ SELECT $1, 'x', public.spy(1), 1::bigint $$"
        ));
    }
    scene.call_all("reports.counts", "moved");
    scene
        .alice
        .run("CALL cumulate.add_metric('reports.counts', 'last', '{\"value\": \"max(key)\", \"rollup\": \"last\"}')");
    scene.call_all("reports.counts", "moved, with a metric more");
    scene.alice.run("SELECT cumulate.drop_table('reports.counts', keep_data => true)");
    scene.assert_nothing_of_bob_ran("dropped");
}

#[test]
fn tables_of_one_name_that_change_places_keep_their_own_functions() {
    let mut scene = Scene::set("places");
    let filtered = |schema: &str, key: &str| {
        create_table(&format!("{schema}.pick")).replace("windows", &format!("filter => 'key = ''{key}''', windows"))
    };
    scene.alice.run(&format!("{}; {}", filtered("home", "a"), filtered("reports", "b")));
    scene.alice.run(
        "ALTER TABLE home.pick SET SCHEMA limbo; ALTER TABLE reports.pick SET SCHEMA home;
         ALTER TABLE limbo.pick SET SCHEMA reports",
    );
    for (table, key) in [("reports.pick", "a"), ("home.pick", "b")] {
        scene.call_all(table, table);
        assert_eq!(scene.alice.lines(&format!("SELECT DISTINCT key FROM {table}")), [key], "{table}");
        let definition: String = scene.alice.value(&format!("SELECT cumulate.definition('{table}')"));
        assert!(definition.contains(&format!("''{key}''")), "{definition}");
    }
    // The names of a function and of a daily table that a table needs are taken, wherever that table is.
    scene.alice.run("SELECT cumulate.drop_table('home.pick')");
    let refusal = scene.alice.refusal(&filtered("home", "c"));
    assert_eq!(refusal.sqlstate, "42809");
    assert_eq!(refusal.detail.as_deref(), Some("It is a part of the cumulative table reports.pick."));
    let with_another_daily = filtered("home", "c").replace("windows", "daily => 'home.picked', windows");
    assert_eq!(scene.alice.refusal(&with_another_daily).sqlstate, "42P07");
    scene.call_all("reports.pick", "after another one was dropped");
}

#[test]
fn a_part_that_belongs_to_another_role_makes_a_table_incomplete() {
    let parts =
        ["TABLE home.counts", "TABLE home.counts_daily", "TABLE home.counts_20241202", "FUNCTION home.counts_rows"];
    for (number, part) in parts.into_iter().enumerate() {
        let mut scene = Scene::set(&format!("part_{number}"));
        scene.admin.run(&format!("ALTER {part} OWNER TO {}", scene.names[1]));
        scene.admin.run(&format!("GRANT CREATE ON SCHEMA home TO {}", scene.names[1]));
        // What its new owner can do then.
        if part.starts_with("FUNCTION") {
            scene.plant("home.counts_rows", "home.counts_rows");
        } else if part != "TABLE home.counts" {
            scene.bob.run(&format!("ALTER {part} ADD CHECK (public.spy(1) > 0) NOT VALID"));
        }
        scene.assert_incomplete("home.counts", part);
        scene.mend("home.counts", part);
        let owners = "SELECT count(DISTINCT owner) FROM (
             SELECT relowner FROM pg_class WHERE relname LIKE 'counts%' AND relkind IN ('r', 'p')
             UNION ALL SELECT proowner FROM pg_proc WHERE proname = 'counts_rows') AS part (owner)";
        assert_eq!(scene.admin.value::<i64>(owners), 1, "{part}");
    }
}

#[test]
fn tables_and_functions_of_strangers_are_not_adopted() {
    let mut scene = Scene::set("adoption");
    let [alice, bob] = scene.names.clone();
    scene.alice.run("SELECT cumulate.drop_table('counts', keep_data => true)");
    scene.admin.run(&format!("ALTER TABLE home.counts_20241202 OWNER TO {bob}"));
    scene.bob.run("ALTER TABLE home.counts_20241202 ADD CHECK (public.spy(1) > 0) NOT VALID");
    let refusal = scene.alice.refusal(&create_table("home.counts"));
    assert_eq!(refusal.sqlstate, "42809", "{refusal}");
    let detail = refusal.detail.expect("a detail");
    assert!(detail.contains("counts_20241202") && detail.contains(&bob), "{detail}");
    scene.admin.run(&format!("ALTER TABLE home.counts_20241202 OWNER TO {alice}"));
    // A function of a stranger's that looks as if it had been left over is neither dropped nor taken.
    scene.alice.run(&create_table("home.others"));
    scene.admin.run(&format!("GRANT CREATE ON SCHEMA home TO {bob}"));
    scene.plant("home.others_rows", "home.counts_rows");
    assert_eq!(scene.alice.refusal(&create_table("home.counts")).sqlstate, "42P07");
}

#[test]
fn a_function_that_is_not_as_it_was_made_is_not_called() {
    let columns = "RETURNS TABLE (snapshot_date date, key text, num_events bigint, events bigint) LANGUAGE";
    let plain = "SELECT s.at, s.key, count(*), count(*) FROM home.source s WHERE s.at BETWEEN $1 AND $2 GROUP BY 1, 2";
    let atomic = |query: &str| format!("{columns} sql STABLE BEGIN ATOMIC {query}; END");
    let replacements = [
        ("plpgsql", format!("{columns} plpgsql AS $$ BEGIN RETURN QUERY {plain}; END $$"), false),
        ("text", format!("{columns} sql STABLE AS $$ {plain} $$"), false),
        ("another table", atomic(&plain.replace("home.source", "home.other")), false),
        ("no aggregate", atomic("SELECT at, key, 1::bigint, 1::bigint FROM home.source"), false),
        ("a join", atomic(&plain.replace("home.source s", "home.source s JOIN home.other USING (at, key)")), false),
        ("no table", atomic("SELECT $1, 'x'::text, 1::bigint, 1::bigint"), false),
        ("two statements", atomic(&format!("{plain}; {plain}")), false),
        // This one fits, but nobody knows what it counted before.
        ("another filter", atomic(&plain.replace("WHERE", "WHERE s.key > 'a' AND")), true),
    ];
    for (number, (name, body, fits)) in replacements.into_iter().enumerate() {
        let mut scene = Scene::set(&format!("replaced_{number}"));
        scene.alice.run("CREATE TABLE home.other (key text, at date)");
        let arguments: String = scene.alice.value("SELECT pg_get_function_arguments('home.counts_rows'::regproc)");
        scene.alice.run(&format!("CREATE OR REPLACE FUNCTION home.counts_rows({arguments}) {body}"));
        let hint = scene.assert_incomplete("home.counts", name);
        if fits {
            scene.alice.run(&hint);
            assert_eq!(scene.alice.lines("SELECT * FROM cumulate.verify('home.counts')"), [""; 0], "{name}");
            assert_eq!(scene.alice.lines("SELECT DISTINCT key FROM home.counts ORDER BY 1"), ["b", "c"], "{name}");
            continue;
        }
        // To mark it again is no way around what it must be.
        let signature: String = scene.alice.value("SELECT 'home.counts_rows'::regproc::regprocedure::text");
        scene.alice.run(&format!("ALTER FUNCTION {signature} DEPENDS ON EXTENSION pg_cumulate"));
        let hint = scene.assert_incomplete("home.counts", name);
        // The definition is known without it, and takes the tables up again.
        let definition: String = scene.alice.value("SELECT cumulate.definition('home.counts')");
        scene.alice.run(&hint);
        scene.alice.run(&definition);
        scene.call_all("home.counts", name);
    }
}

#[test]
fn a_function_with_other_types_is_an_error_and_no_crash() {
    for (number, (from, to)) in
        [("events bigint)", "events text)"), ("key text", "key integer"), ("num_events bigint", "num_events text")]
            .into_iter()
            .enumerate()
    {
        let mut scene = Scene::set(&format!("types_{number}"));
        let made: String = scene.alice.value("SELECT pg_get_functiondef('home.counts_rows'::regproc)");
        let signature: String = scene.alice.value("SELECT 'home.counts_rows'::regproc::regprocedure::text");
        let head = made.split("RETURNS TABLE").next().expect("a head").to_owned();
        let columns = "(snapshot_date date, key text, num_events bigint, events bigint)".replace(from, to);
        let cast = |wanted: &str, value: &str| {
            if to.starts_with(wanted) { format!("{value}::text") } else { value.to_owned() }
        };
        let key = if to == "key integer" { "length(key)" } else { "key" };
        let values = [cast("num_events", "count(*)"), cast("events", "count(*)")].join(", ");
        scene.alice.run(&format!(
            "DROP FUNCTION {signature};
             {head} RETURNS TABLE {columns} LANGUAGE sql STABLE BEGIN ATOMIC
                 SELECT at, {key}, {values} FROM home.source WHERE at BETWEEN $1 AND $2 GROUP BY 1, 2; END;
             ALTER FUNCTION {signature} DEPENDS ON EXTENSION pg_cumulate"
        ));
        scene.assert_incomplete("home.counts", to);
    }
}

#[test]
fn what_strangers_hang_on_a_table_does_not_keep_its_owner_from_dropping_it() {
    let mut scene = Scene::set("hangers");
    scene.bob.run(
        "CREATE FUNCTION public.hanger() RETURNS regclass LANGUAGE sql BEGIN ATOMIC SELECT 'home.counts'::regclass; END;
         ALTER FUNCTION public.hanger() DEPENDS ON EXTENSION pg_cumulate",
    );
    scene.alice.run("SELECT cumulate.drop_table('home.counts', keep_data => true)");
    assert_eq!(scene.bob.lines("SELECT public.hanger()"), ["home.counts"]);
    assert_eq!(scene.alice.value::<i64>("SELECT count(*) FROM pg_proc WHERE proname = 'counts_rows'"), 0);
}

#[test]
fn a_trigger_that_notes_nothing_under_the_name_of_one_that_does_is_a_defect() {
    let mut scene = Scene::set("names");
    scene.alice.run("CREATE FUNCTION home.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$");
    let name: String = scene.alice.value(
        "SELECT tgname::text FROM pg_trigger WHERE tgrelid = 'home.source'::regclass AND tgname LIKE '%insert%'",
    );
    for trigger in [
        "AFTER INSERT ON home.source FOR EACH ROW EXECUTE FUNCTION home.nothing()",
        "AFTER INSERT ON home.source FOR EACH ROW EXECUTE FUNCTION cumulate_internal.note_late('0')",
        "AFTER INSERT ON home.source FOR EACH STATEMENT EXECUTE FUNCTION cumulate_internal.note_late('1')",
        "BEFORE INSERT ON home.source FOR EACH ROW EXECUTE FUNCTION cumulate_internal.note_late('1')",
        "AFTER DELETE ON home.source FOR EACH ROW EXECUTE FUNCTION cumulate_internal.note_late('1')",
    ] {
        scene.alice.run(&format!(
            "DROP TRIGGER {name} ON home.source; CREATE TRIGGER {name} {trigger};
             ALTER TABLE home.source ENABLE ALWAYS TRIGGER {name}"
        ));
        let defects = scene.alice.lines("SELECT what, how_to_mend FROM cumulate.defects");
        assert_eq!(defects.len(), 1, "{trigger}: {defects:?}");
        scene.alice.run(defects[0].split_once('|').expect("two columns").1);
        assert_eq!(scene.alice.lines("SELECT * FROM cumulate.defects"), [""; 0], "{trigger}");
        scene.call_all("home.counts", trigger);
    }
}
