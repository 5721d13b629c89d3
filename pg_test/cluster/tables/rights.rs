//! Who may do what: owners, members, strangers, and the extension's own tables.

use crate::counts::cluster;
use pg_cumulate_tests::{Ask, Database};
use postgres::Client;

/// Calls that change or read a cumulative table.
const CALLS: [&str; 20] = [
    "SELECT cumulate.cumulate_day('counts', '2024-12-03')",
    "SELECT cumulate.cumulate_range('counts', '2024-12-03', '2024-12-04')",
    "SELECT cumulate.populate_day('counts', '2024-12-03')",
    "SELECT cumulate.restate('counts', '2024-12-01', '2024-12-02')",
    "SELECT cumulate.restate('counts', '2024-12-01', '2024-12-02', '{\"key\": \"a\"}')",
    "SELECT cumulate.apply_late('counts')",
    "SELECT cumulate.refresh('counts')",
    "SELECT * FROM cumulate.verify('counts')",
    "CALL cumulate.backfill('counts', '2024-12-01', '2024-12-05')",
    "SELECT cumulate.alter_table('counts', retention => '200 years')",
    "SELECT cumulate.apply_retention('counts')",
    "CALL cumulate.add_metric('counts', 'later', '\"max(amount)\"')",
    "SELECT cumulate_internal.add_metric_show('counts')",
    "SELECT cumulate_internal.retention_step('counts')",
    "SELECT cumulate.schedule('counts', '@hourly')",
    "SELECT cumulate.pause('counts', 'by hand')",
    "SELECT cumulate.resume('counts')",
    "SELECT cumulate.unschedule('counts')",
    "SELECT cumulate.freeze('counts', '2024-12-01')",
    "SELECT cumulate.drop_table('counts')",
];

/// Roles belong to the whole server, so each test has its own.
struct Roles {
    owner: String,
    member: String,
    stranger: String,
}

/// A database of `owner`, with a table of two closed days and a late event.
fn database_of(test: &str) -> (Database<'static>, Roles) {
    let database = cluster().database_with_extension();
    let name = |role: &str| format!("{role}_of_{test}");
    let roles = Roles { owner: name("owner"), member: name("member"), stranger: name("stranger") };
    let Roles { owner, member, stranger } = &roles;
    database.connect().run(&format!(
        "CREATE ROLE {owner} LOGIN; CREATE ROLE {member} LOGIN; CREATE ROLE {stranger} LOGIN; GRANT {owner} TO {member};
         GRANT CREATE ON SCHEMA public TO {owner}, {stranger}"
    ));
    let mut client = database.connect_as(owner);
    client.run(
        "CREATE TABLE source (key text, at date, amount integer);
         INSERT INTO source VALUES ('a', '2024-12-01', 1), ('b', '2024-12-02', 2), ('a', '2024-12-04', 3)",
    );
    client.run(&create_table("counts", "source", "trigger"));
    client.run(
        "SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-02');
         INSERT INTO source VALUES ('a', '2024-12-01', 5)",
    );
    (database, roles)
}

fn create_table(name: &str, source: &str, late: &str) -> String {
    format!(
        "SELECT cumulate.create_table('{name}', '{source}', 'at', '{{key}}', '{{\"amount\": \"sum(amount)\"}}',
             start_date => '2024-12-01', time_zone => 'UTC', late => '{late}')"
    )
}

/// Everything that a refused call must leave as it is.
fn digest(database: &Database) -> Vec<String> {
    let mut client = database.connect();
    let tables = ["counts", "counts_daily", "cumulate.definition", "cumulate.ledger", "cumulate.note", "cumulate.run"];
    let digest = |table: &&str| {
        client.lines(&format!(
            "SELECT '{table}', count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {table} AS t"
        ))
    };
    tables.iter().flat_map(digest).collect()
}

fn assert_refused(client: &mut Client, call: &str, sqlstate: &str) {
    let refusal = client.refusal(call);
    assert_eq!(refusal.sqlstate, sqlstate, "{call}\n{refusal}");
}

#[test]
fn a_stranger_can_neither_run_nor_change_another_roles_table() {
    let (database, roles) = database_of("strangers");
    let (mut owner, mut stranger) = (database.connect_as(&roles.owner), database.connect_as(&roles.stranger));
    let before = digest(&database);
    // Not even who may read all of it.
    for grant in ["", "GRANT SELECT ON source, counts, counts_daily TO PUBLIC"] {
        owner.run(grant);
        for call in CALLS {
            assert_refused(&mut stranger, call, "42501");
        }
    }
    assert_eq!(digest(&database), before);
    assert_refused(&mut stranger, &create_table("mine", "source", "trigger"), "42809");
    assert_refused(&mut stranger, &create_table("counts", "source", "none"), "42P07");
    // A table of the stranger's own over the source that it may read is its own business.
    stranger.run(&create_table("mine", "source", "scan"));
    stranger.run("SELECT cumulate.cumulate_range('mine', '2024-12-01', '2024-12-05')");
    assert_eq!(stranger.lines("SELECT * FROM cumulate.verify('mine')"), Vec::<String>::new());
    assert_eq!(digest(&database)[..2], before[..2]);
}

#[test]
fn a_member_of_the_owner_does_all_that_the_owner_may() {
    let (database, roles) = database_of("members");
    let mut member = database.connect_as(&roles.member);
    for call in CALLS.iter().take(CALLS.len() - 1) {
        member.run(call);
    }
    assert_eq!(member.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
    // What a member makes there belongs to the owner: partitions of January, too.
    member.run("SELECT cumulate.cumulate_day('counts', '2025-01-01')");
    let owners =
        "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relname LIKE 'counts%' AND relkind <> 'i'";
    assert_eq!(member.lines(owners), [roles.owner.as_str()]);
    member.run("SELECT cumulate.drop_table('counts')");
    assert_eq!(member.value::<i64>("SELECT count(*) FROM pg_class WHERE relname LIKE 'counts%'"), 0);
}

#[test]
fn an_owner_that_may_no_longer_read_its_source_closes_nothing() {
    let (database, roles) = database_of("readers");
    let (mut owner, mut stranger) = (database.connect_as(&roles.owner), database.connect_as(&roles.stranger));
    assert_refused(&mut stranger, &create_table("mine", "source", "none"), "42501");
    owner.run(&format!("GRANT SELECT ON source TO {}", roles.stranger));
    stranger.run(&create_table("mine", "source", "scan"));
    stranger.run("SELECT cumulate.cumulate_day('mine', '2024-12-01')");
    owner.run(&format!("REVOKE SELECT ON source FROM {}", roles.stranger));
    let rows = "SELECT * FROM mine UNION ALL SELECT key, NULL, NULL, snapshot_date FROM mine_daily ORDER BY 1, 2";
    let before = stranger.lines(rows);
    let calls = [
        "SELECT cumulate.cumulate_day('mine', '2024-12-02')",
        "SELECT cumulate.cumulate_range('mine', '2024-12-01', '2024-12-04')",
        "SELECT cumulate.restate('mine', '2024-12-01', '2024-12-01')",
        "SELECT * FROM cumulate.verify('mine')",
        "CALL cumulate.backfill('mine', '2024-12-01', '2024-12-05')",
    ];
    for call in calls {
        assert_refused(&mut stranger, call, "42501");
        // The caller's own rights do not help: the table is its owner's.
        assert_refused(&mut database.connect(), call, "42501");
    }
    assert_eq!(stranger.lines(rows), before);
    assert_eq!(
        stranger
            .value::<i64>("SELECT count(*) FROM cumulate.days WHERE target = 'mine'::regclass AND state <> 'missing'"),
        1
    );
}

#[test]
fn row_security_that_binds_the_owner_is_an_error_and_never_half_a_snapshot() {
    let (database, roles) = database_of("policies");
    let mut owner = database.connect_as(&roles.owner);
    owner.run(
        "CREATE POLICY part ON source USING (key = 'a');
         ALTER TABLE source ENABLE ROW LEVEL SECURITY",
    );
    // It does not bind the owner yet.
    owner.run("SELECT cumulate.cumulate_day('counts', '2024-12-02')");
    assert_eq!(owner.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
    owner.run("ALTER TABLE source FORCE ROW LEVEL SECURITY; INSERT INTO source VALUES ('a', '2024-12-02', 7)");
    let before = digest(&database);
    for call in &CALLS[..7] {
        for client in [&mut owner, &mut database.connect_as(&roles.member), &mut database.connect()] {
            // Whatever the session says of row security.
            for setting in ["on", "off"] {
                client.run(&format!("SET row_security = {setting}"));
                let refusal = client.refusal(call);
                assert_eq!(refusal.sqlstate, "42501", "{call}\n{refusal}");
                let hint = refusal.hint.as_deref().unwrap_or_default();
                assert_eq!(hint, "ALTER TABLE public.source NO FORCE ROW LEVEL SECURITY;", "{call}\n{refusal}");
            }
        }
    }
    // The failed backfills keep their errors; nothing else is different.
    assert_eq!(digest(&database)[..5], before[..5]);
    owner.run("ALTER TABLE source NO FORCE ROW LEVEL SECURITY");
    owner.run("SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-05')");
    assert_eq!(owner.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
}

#[test]
fn a_member_that_does_not_inherit_may_not_do_what_the_owner_may() {
    let (database, roles) = database_of("heirs");
    let heir = format!("heir_of_{}", roles.owner);
    database.connect().run(&format!("CREATE ROLE {heir} LOGIN NOINHERIT; GRANT {} TO {heir}", roles.owner));
    let mut client = database.connect_as(&heir);
    let before = digest(&database);
    for call in CALLS {
        assert_refused(&mut client, call, "42501");
    }
    assert_eq!(digest(&database), before);
    client.run(&format!("SET ROLE {}", roles.owner));
    client.run(CALLS[0]);
}

#[test]
fn an_owner_that_may_not_insert_into_its_tables_adds_no_row_to_them() {
    let (database, roles) = database_of("readonly");
    let mut owner = database.connect_as(&roles.owner);
    owner.run("INSERT INTO source VALUES ('c', '2024-12-01', 1)");
    // A repair of both tables, a new day of both, and a new snapshot over daily rows that are there.
    for table in ["counts_daily", "counts, counts_202412"] {
        owner.run(&format!("REVOKE INSERT ON {table} FROM {}", roles.owner));
        for call in ["SELECT cumulate.apply_late('counts')", "SELECT cumulate.cumulate_day('counts', '2024-12-04')"] {
            assert_refused(&mut owner, call, "42501");
        }
        owner.run(&format!("GRANT INSERT ON {table} TO {}", roles.owner));
    }
    owner.run("SELECT cumulate.cumulate_day('counts', '2024-12-04')");
    assert_eq!(owner.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
}

#[test]
fn who_may_write_a_source_needs_no_right_for_its_notes() {
    let (database, roles) = database_of("writers");
    let (mut owner, mut writer) = (database.connect_as(&roles.owner), database.connect_as(&roles.stranger));
    owner.run(&format!("GRANT INSERT, UPDATE, DELETE, SELECT, TRUNCATE ON source TO {}", roles.stranger));
    owner.run("SELECT cumulate.apply_late('counts')");
    // Not even that of looking at the extension.
    database.connect().run(
        "REVOKE ALL ON SCHEMA cumulate FROM PUBLIC; REVOKE ALL ON ALL TABLES IN SCHEMA cumulate FROM PUBLIC;
         REVOKE ALL ON ALL FUNCTIONS IN SCHEMA cumulate FROM PUBLIC",
    );
    let mut admin = database.connect();
    for change in [
        "INSERT INTO source VALUES ('c', '2024-12-01', 1)",
        "UPDATE source SET amount = 2 WHERE key = 'c'",
        "DELETE FROM source WHERE key = 'c'",
        "TRUNCATE source",
    ] {
        let notes: i64 = admin.value("SELECT count(*) FROM cumulate.note");
        writer.run(change);
        assert!(admin.value::<i64>("SELECT count(*) FROM cumulate.note") > notes, "{change} is noted");
    }
    assert_refused(&mut writer, "SELECT * FROM cumulate.note", "42501");
    admin.run("SELECT cumulate.apply_late('counts')");
    assert_eq!(admin.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
}

#[test]
fn partitions_of_a_source_are_looked_at_whatever_the_owner_may_see_of_the_extension() {
    let (database, roles) = database_of("blind");
    let (mut owner, mut admin) = (database.connect_as(&roles.owner), database.connect());
    owner.run(
        "CREATE TABLE parts (key text, day date) PARTITION BY LIST (key);
         CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
         INSERT INTO parts VALUES ('a', '2024-12-01');
         SELECT cumulate.create_table('parted', 'parts', 'day', '{key}', '{\"n\": \"count(*)\"}', start_date => '2024-12-01', time_zone => 'UTC');
         SELECT cumulate.cumulate_day('parted', '2024-12-01')",
    );
    admin.run("REVOKE ALL ON FUNCTION cumulate_internal.partitions, cumulate_internal.leaves FROM PUBLIC");
    owner.run(
        "CREATE TABLE parts_b PARTITION OF parts FOR VALUES IN ('b'); INSERT INTO parts VALUES ('b', '2024-12-01')",
    );
    admin.run("SELECT cumulate.apply_late('parted')");
    assert_eq!(admin.lines("SELECT key FROM parted ORDER BY 1"), ["a", "b"]);
}

#[test]
fn the_view_of_the_newest_snapshot_shows_no_more_than_its_table() {
    let (database, roles) = database_of("newest");
    let (mut owner, mut stranger) = (database.connect_as(&roles.owner), database.connect_as(&roles.stranger));
    let newest = "SELECT count(*) FROM counts_latest";
    assert_refused(&mut stranger, newest, "42501");
    owner.run("GRANT SELECT ON counts_latest TO PUBLIC");
    assert_refused(&mut stranger, newest, "42501");
    owner.run("GRANT SELECT ON counts TO PUBLIC");
    assert!(stranger.value::<i64>(newest) > 0);
    owner.run("ALTER TABLE counts ENABLE ROW LEVEL SECURITY");
    assert_eq!(stranger.value::<i64>(newest), 0, "row security of the table counts for the reader");
    assert!(owner.value::<i64>(newest) > 0);
}

#[test]
fn row_security_of_another_roles_source_is_an_error() {
    let (database, roles) = database_of("foreign_policies");
    let (mut owner, mut stranger) = (database.connect_as(&roles.owner), database.connect_as(&roles.stranger));
    owner.run("GRANT SELECT ON source TO PUBLIC");
    stranger.run(&create_table("mine", "source", "none"));
    stranger.run("SELECT cumulate.cumulate_day('mine', '2024-12-01')");
    owner.run("CREATE POLICY part ON source USING (key = 'a'); ALTER TABLE source ENABLE ROW LEVEL SECURITY");
    for call in [
        "SELECT cumulate.cumulate_day('mine', '2024-12-02')",
        "SELECT cumulate.restate('mine', '2024-12-01', '2024-12-01')",
        "SELECT * FROM cumulate.verify('mine')",
    ] {
        let refusal = stranger.refusal(call);
        assert_eq!(refusal.sqlstate, "42501", "{call}\n{refusal}");
        assert_eq!(refusal.hint, Some(format!("ALTER ROLE {} BYPASSRLS;", roles.stranger)), "{call}");
    }
    assert_eq!(stranger.lines("SELECT DISTINCT snapshot_date FROM mine"), ["2024-12-01"]);
    database.connect().run(&format!("ALTER ROLE {} BYPASSRLS", roles.stranger));
    stranger.run("SELECT cumulate.cumulate_range('mine', '2024-12-02', '2024-12-04')");
    assert_eq!(stranger.lines("SELECT * FROM cumulate.verify('mine')"), Vec::<String>::new());
}

#[test]
fn the_extensions_own_tables_cannot_be_written_by_hand() {
    let (database, roles) = database_of("catalogs");
    let mut owner = database.connect_as(&roles.owner);
    let before = digest(&database);
    let mut commands: Vec<String> = Vec::new();
    for table in ["definition", "ledger", "note", "run"] {
        commands.extend([
            format!("UPDATE cumulate.{table} SET target = target"),
            format!("DELETE FROM cumulate.{table}"),
            format!("TRUNCATE cumulate.{table}"),
            format!("INSERT INTO cumulate.{table} OVERRIDING SYSTEM VALUE SELECT * FROM cumulate.{table}"),
            format!("DO $$ BEGIN LOCK TABLE cumulate.{table} IN EXCLUSIVE MODE; END $$"),
            format!("ALTER TABLE cumulate.{table} ADD COLUMN mine text"),
            format!("DROP TABLE cumulate.{table}"),
            format!(
                "CREATE TRIGGER mine AFTER INSERT ON cumulate.{table} EXECUTE FUNCTION cumulate_internal.note_late('1')"
            ),
            format!("SELECT * FROM cumulate.{table} FOR UPDATE"),
            format!("CREATE TABLE mine (LIKE cumulate.{table}, FOREIGN KEY (target) REFERENCES cumulate.{table})"),
        ]);
    }
    for sequence in ["definition_id_seq", "note_id_seq", "run_run_id_seq"] {
        commands.push(format!("SELECT nextval('cumulate.{sequence}')"));
        commands.push(format!("SELECT setval('cumulate.{sequence}', 1)"));
    }
    commands.extend([
        "CREATE TABLE cumulate.mine ()".to_owned(),
        "CREATE FUNCTION cumulate.mine() RETURNS integer RETURN 1".to_owned(),
        "CREATE OR REPLACE VIEW cumulate.tables AS SELECT 1".to_owned(),
        "DROP FUNCTION cumulate_internal.note_late() CASCADE".to_owned(),
        "ALTER EXTENSION pg_cumulate DROP TABLE cumulate.note".to_owned(),
        "DROP EXTENSION pg_cumulate CASCADE".to_owned(),
    ]);
    for command in &commands {
        assert_refused(&mut owner, command, "42501");
    }
    assert_eq!(digest(&database), before);
    assert_refused(&mut owner, "SELECT cumulate_internal.note_late()", "0A000");
}

#[test]
fn a_note_trigger_on_a_strangers_table_notes_nothing_for_others() {
    let (database, roles) = database_of("triggers");
    let mut stranger = database.connect_as(&roles.stranger);
    let before = digest(&database);
    let id: i64 = database.connect().value("SELECT id FROM cumulate.definition WHERE target = 'counts'::regclass");
    stranger.run("CREATE TABLE mine (key text, at date, amount integer)");
    for (name, argument) in [("one", id.to_string()), ("two", "no number".to_owned()), ("three", "99".to_owned())] {
        stranger.run(&format!(
            "CREATE TRIGGER {name} AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION cumulate_internal.note_late('{argument}')"
        ));
    }
    stranger.run(&format!(
        "CREATE TRIGGER four AFTER TRUNCATE ON mine EXECUTE FUNCTION cumulate_internal.note_late('{id}');
         CREATE TRIGGER five BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION cumulate_internal.note_late()"
    ));
    stranger
        .run("ALTER TABLE mine DISABLE TRIGGER five; INSERT INTO mine VALUES ('a', '2024-12-01', 1); TRUNCATE mine");
    assert_eq!(digest(&database), before);
}

#[test]
fn views_show_the_tables_that_the_reader_may_read() {
    let (database, roles) = database_of("views");
    let (mut owner, mut stranger) = (database.connect_as(&roles.owner), database.connect_as(&roles.stranger));
    let views = ["tables", "metrics", "days", "status", "runs"];
    owner.run("CALL cumulate.backfill('counts', '2024-12-01', '2024-12-05')");
    for view in views {
        let count = format!("SELECT count(*) FROM cumulate.{view} WHERE target = 'counts'::regclass");
        assert!(owner.value::<i64>(&count) > 0, "{view} for the owner");
        assert_eq!(stranger.value::<i64>(&count), 0, "{view} for a stranger");
    }
    owner.run("GRANT SELECT ON counts TO PUBLIC");
    for view in views {
        let count = format!("SELECT count(*) FROM cumulate.{view} WHERE target = 'counts'::regclass");
        assert!(stranger.value::<i64>(&count) > 0, "{view} for a reader");
    }
}
