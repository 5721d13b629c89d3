//! Ways in which the extension goes: none of them takes a table of a user's, and what is left goes on without it.

use crate::counts::{Counts, Form, day};
use pg_cumulate_tests::model::Ledger;
use pg_cumulate_tests::{Ask, Cluster, Database};
use postgres::Client;
use std::sync::OnceLock;

/// A server of their own, for each extension here belongs to another superuser.
fn cluster() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| Cluster::builder().conf("cumulate.create_sales = off").start())
}

/// A cumulative table of an ordinary role; the extension belongs to another superuser.
struct Scene {
    database: Database<'static>,
    owner: Client,
    installer: String,
    definition: String,
    before: Vec<String>,
}

const TABLES: [&str; 4] = ["source", "counts", "counts_daily", "counts_latest"];

fn digest(client: &mut Client) -> Vec<String> {
    let digest = |table: &&str| {
        client.lines(&format!(
            "SELECT '{table}', count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {table} AS t"
        ))
    };
    TABLES.iter().flat_map(digest).collect()
}

impl Scene {
    fn set(test: &str) -> Scene {
        let database = cluster().database();
        let (installer, role) = (format!("installer_of_{test}"), format!("keeper_of_{test}"));
        database.connect().run(&format!(
            "CREATE ROLE {installer} LOGIN SUPERUSER; CREATE ROLE {role} LOGIN; GRANT CREATE ON SCHEMA public TO {role}"
        ));
        database.connect_as(&installer).run("CREATE EXTENSION pg_cumulate");
        let mut owner = database.connect_as(&role);
        owner.run(
            "CREATE TABLE source (key text, at date);
             INSERT INTO source SELECT 'key ' || n % 5, DATE '2024-12-01' + n % 10 FROM generate_series(1, 60) AS n;
             SELECT cumulate.create_table('counts', 'source', 'at', '{key}', '{\"events\": \"count(*)\"}',
                 start_date => '2024-12-01', time_zone => 'UTC');
             SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-10')",
        );
        let definition = owner.value("SELECT cumulate.definition('counts')");
        let before = digest(&mut owner);
        Scene { database, owner, installer, definition, before }
    }

    /// Every table is there as it was, takes rows, and is taken up again with the same answers.
    fn assert_kept(&mut self, told: &str) {
        assert_eq!(digest(&mut self.owner), self.before, "{told}");
        let gone = self.owner.value::<i64>("SELECT count(*) FROM pg_extension WHERE extname = 'pg_cumulate'");
        assert_eq!(gone, 0, "{told}");
        self.owner.run("INSERT INTO source VALUES ('late', '2024-12-03'); DELETE FROM source WHERE key = 'late'");
        self.owner.run("INSERT INTO counts_daily (snapshot_date, key, num_events) VALUES ('2024-12-20', 'x', 1); DELETE FROM counts_daily WHERE key = 'x'");
        self.database.connect().run("CREATE EXTENSION pg_cumulate");
        self.owner.run(&self.definition);
        self.owner.run("SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-10')");
        assert_eq!(digest(&mut self.owner), self.before, "{told}");
        assert_eq!(self.owner.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new(), "{told}");
        assert_eq!(self.owner.value::<String>("SELECT cumulate.definition('counts')"), self.definition, "{told}");
        self.owner.run("INSERT INTO source VALUES ('late', '2024-12-03')");
        let notes: i64 = self.owner.value("SELECT notes FROM cumulate.status WHERE target = 'counts'::regclass");
        assert_eq!(notes, 1, "{told}: notes are taken again");
    }
}

#[test]
fn no_way_of_dropping_the_extension_takes_a_table() {
    let ways = [
        "DROP EXTENSION pg_cumulate",
        "DROP EXTENSION pg_cumulate CASCADE",
        "DROP SCHEMA cumulate CASCADE",
        "DROP OWNED BY {installer} CASCADE",
        "BEGIN; DROP EXTENSION pg_cumulate; ROLLBACK; DROP EXTENSION pg_cumulate",
        "DROP EXTENSION pg_cumulate; CREATE EXTENSION pg_cumulate; DROP EXTENSION pg_cumulate CASCADE",
    ];
    for (number, way) in ways.into_iter().enumerate() {
        let mut scene = Scene::set(&format!("way_{number}"));
        let way = way.replace("{installer}", &scene.installer);
        scene.database.connect().run(&way);
        scene.assert_kept(&way);
    }
}

#[test]
fn parts_of_the_extension_cannot_be_dropped_one_by_one() {
    let mut scene = Scene::set("parts");
    let mut admin = scene.database.connect();
    for part in [
        "FUNCTION cumulate_internal.note_late() CASCADE",
        "FUNCTION cumulate.verify CASCADE",
        "PROCEDURE cumulate.backfill CASCADE",
        "TABLE cumulate.definition CASCADE",
        "TABLE cumulate.ledger CASCADE",
        "VIEW cumulate.tables CASCADE",
        "SEQUENCE cumulate.note_id_seq CASCADE",
        "SCHEMA cumulate",
        "SCHEMA cumulate_internal CASCADE",
    ] {
        assert_eq!(admin.refusal(&format!("DROP {part}")).sqlstate, "2BP01", "{part}");
    }
    assert_eq!(digest(&mut scene.owner), scene.before);
}

#[test]
fn what_a_user_has_built_on_functions_goes_with_cascade_alone() {
    let mut scene = Scene::set("built");
    scene.owner.run(
        "CREATE VIEW mine AS SELECT key, cumulate.total(events_array, 3) AS three FROM counts;
         CREATE TABLE copied (key text, history bigint[], three bigint GENERATED ALWAYS AS (cumulate.total(history, 3)) STORED);
         INSERT INTO copied SELECT key, events_array FROM counts",
    );
    let mut admin = scene.database.connect();
    assert_eq!(admin.refusal("DROP EXTENSION pg_cumulate").sqlstate, "2BP01");
    let rows: i64 = scene.owner.value("SELECT count(*) FROM copied");
    admin.run("DROP EXTENSION pg_cumulate CASCADE");
    assert_eq!(scene.owner.lines("SELECT to_regclass('mine')"), [""]);
    assert_eq!(scene.owner.value::<i64>("SELECT count(*) FROM copied"), rows, "the table stays");
    let columns = "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'copied'::regclass AND attnum > 0 AND NOT attisdropped";
    assert_eq!(scene.owner.lines(columns), ["key,history"]);
    scene.assert_kept("DROP EXTENSION ... CASCADE");
}

#[test]
fn dropping_the_sales_pipelines_schema_leaves_the_extension_and_other_tables() {
    let mut counts = Counts::new(Form::with_windows(&[3]));
    counts.insert(&[("a", 0, Some(1))]);
    counts.close_range(day(0), day(3));
    counts.client.run("SELECT cumulate.create_sales_pipeline('shop'); DROP SCHEMA shop CASCADE");
    let told = counts.client.lines("SELECT target, how_to_mend FROM cumulate.health() WHERE severity = 'error'");
    assert_eq!(told.len(), 1, "{told:?}");
    counts.client.run(told[0].split_once('|').expect("two columns").1);
    assert_eq!(
        counts.client.lines("SELECT * FROM cumulate.health() WHERE severity = 'error' AND what NOT LIKE '%scheduler%'"),
        [""; 0]
    );
    let mut ledger = Ledger::default();
    (0..=3).for_each(|number| ledger.close(day(number)));
    counts.check(&ledger);
}
