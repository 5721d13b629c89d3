//! What the calls of a session work on: sources of every kind, cumulative tables over them, and things that are no
//! source, in a schema and of a role of its own.

use pg_cumulate_tests::{Ask, Dice, literal};
use postgres::Client;

/// The schema of the first world, whose aggregate function stands for all.
pub const MAIN: &str = "fuzz_0";

/// Days that have events, from the first on.
pub const DAYS: u64 = 12;

/// Cumulative tables of a world.
pub const TARGETS: [&str; 7] = ["counts", "padded", "days", "triggered", "grown", "sales_counts", "\"Odd 'name\"\"\""];

pub struct World {
    pub schema: String,
    /// The first day with events.
    pub first_day: chrono::NaiveDate,
    /// Numbers of tables that are gone.
    pub dropped: Vec<String>,
}

impl World {
    /// Makes the world of a number; the role must not exist.
    pub fn make(admin: &mut Client, owner: &mut impl FnMut(&str) -> Client, number: usize) -> (World, Client) {
        let (schema, role) = (format!("fuzz_{number}"), format!("fuzzer_{number}"));
        let database: String = admin.value("SELECT current_database()::text");
        admin.run(&format!(
            "CREATE ROLE {role} LOGIN; GRANT pg_read_all_stats TO {role}; CREATE SCHEMA {schema} AUTHORIZATION {role}; GRANT CREATE ON DATABASE {database} TO {role};
             ALTER ROLE {role} SET cumulate.enabled = on; ALTER ROLE {role} SET search_path = {schema}, public;
             GRANT USAGE ON FOREIGN SERVER nowhere TO {role}"
        ));
        let mut client = owner(&role);
        client.run("SET client_min_messages = warning; SET lock_timeout = '2s'; SET statement_timeout = '5s'");
        client.run("SET cumulate.lock_timeout = '100ms'; CREATE TEMP TABLE temporary (key text, at date)");
        client.run("CREATE TEMP TABLE temporary_events (product_id integer, event_type text, event_date date)");
        client.run(OBJECTS);
        let first_day = client.value("SELECT current_date - 14");
        let tables = TABLES.replace("{first}", &format!("DATE '{first_day}'"));
        client.run(&tables);
        let pipeline = format!("SELECT cumulate.create_sales_pipeline('{schema}_sales')");
        client.run(&pipeline);
        // The pipeline's years are as good as a fortnight here, and take longer.
        admin.run(&format!(
            "UPDATE cumulate.definition SET start_date = current_date - 14 WHERE target = '{schema}_sales.daily_cumulate'::regclass"
        ));
        let dropped = client.lines(
            "CREATE TABLE gone (key text, at date);
             SELECT cumulate.create_table('gone_counts', 'gone', 'at', '{key}', '{\"events\": \"count(*)\"}', schedule => NULL)::oid;
             SELECT 'gone'::regclass::oid;
             DROP TABLE gone CASCADE; DROP TABLE gone_counts CASCADE",
        );
        (World { schema, first_day, dropped }, client)
    }
}

const OBJECTS: &str = "
    CREATE TABLE source (key text, number integer, at timestamptz, amount numeric);
    INSERT INTO source
    SELECT (ARRAY['a', 'it''s', 'ключ', '', NULL])[1 + n % 5], n, (current_date - 14)::timestamptz + n * interval '5 hours', n / 7.0
      FROM generate_series(0, 56) AS n;
    CREATE VIEW shown AS SELECT key, at::date AS day, number FROM source WHERE key IS NOT NULL;
    CREATE MATERIALIZED VIEW stored AS SELECT * FROM shown;
    CREATE TABLE parts (key text, day date, number bigint) PARTITION BY LIST (key);
    CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a', NULL);
    CREATE TABLE parts_b PARTITION OF parts DEFAULT;
    INSERT INTO parts SELECT key, at::date, number FROM source;
    CREATE TABLE parent (key text, day date); CREATE TABLE child () INHERITS (parent);
    CREATE TABLE \"Select\" (\"user\" text, \"the \"\"day\"\"\" date, \"it's\" real);
    INSERT INTO \"Select\" SELECT 'x', current_date - n, n FROM generate_series(1, 10) AS n;
    CREATE FOREIGN TABLE abroad (key text, day date) SERVER nowhere;
    CREATE TYPE composite AS (key text, day date);
    CREATE SEQUENCE numbers; CREATE INDEX source_at ON source (at);
    CREATE TABLE guarded (product_id integer CHECK (product_id % 7 <> 3), event_type text, event_date date);
    CREATE TABLE stubborn (product_id integer, event_type text, event_date date);
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.product_id > 3 THEN RAISE 'not this one'; END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON stubborn FOR EACH ROW EXECUTE FUNCTION refuse();
    CREATE VIEW events_shown AS SELECT * FROM guarded;
    CREATE TABLE policed (product_id integer, event_type text, event_date date);
    ALTER TABLE policed ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY few ON policed USING (product_id < 3);
    CREATE TABLE noted (key text, number integer, at timestamptz);
    CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;";

const TABLES: &str = r#"
    SELECT cumulate.create_table('counts', 'source', 'at', '{key}', '{"events": "count(*)", "amount": "sum(amount)"}',
        windows => '{3,7}', start_date => {first}, time_zone => 'UTC', schedule => NULL);
    SELECT cumulate.create_table('padded', 'shown', 'day', '{key}', '{"top": {"value": "max(number)", "rollup": "max", "zero": -1}}',
        windows => '{4}', start_date => {first}, time_zone => 'America/New_York', shape => 'padded', expire_idle => true,
        late => 'scan', lookback => 30, partition_by => 'none', schedule => NULL);
    SELECT cumulate.create_table('days', 'parts', 'day', '{key}', '{"events": "count(*)"}',
        start_date => {first}, time_zone => 'UTC', partition_by => 'day', retention => '200 years', schedule => NULL);
    SELECT cumulate.create_table('triggered', 'source', 'at', '{number}', '{"mean": {"value": "avg(amount)", "rollup": "avg"}}',
        windows => '{3}', start_date => {first}, time_zone => 'UTC', schedule => NULL);
    CREATE TRIGGER keep BEFORE INSERT OR UPDATE ON triggered FOR EACH ROW EXECUTE FUNCTION keep();
    SELECT cumulate.create_table('grown', 'source', 'at', '{key}', '{"events": "count(*)"}',
        windows => '{3}', start_date => {first}, time_zone => 'UTC', late => 'none', partition_by => 'none', schedule => NULL);
    SELECT cumulate.create_table('sales_counts', 'guarded', 'event_date', '{product_id,event_type}', '{"events": "count(*)"}',
        windows => '{3}', start_date => {first}, time_zone => 'UTC', schedule => NULL);
    SELECT cumulate.create_table('"Odd ''name"""', '"Select"', 'the "day"', '{user}', '{"it''s": {"value": "sum(\"it''s\")", "rollup": "last"}}',
        windows => '{2}', start_date => {first}, time_zone => 'UTC', schedule => NULL);
    SELECT cumulate.cumulate_range(target, {first}, {first} + 5) FROM cumulate.tables WHERE owner::text = current_user;
    CREATE TABLE policed_counts (LIKE counts);
    DO $$
    DECLARE number bigint := public.number_of('counts');
    BEGIN
        EXECUTE format('CREATE TRIGGER t1 AFTER INSERT OR UPDATE OR DELETE ON noted FOR EACH ROW EXECUTE FUNCTION cumulate_internal.note_late(%L)', number);
        CREATE TRIGGER t2 AFTER INSERT ON noted FOR EACH STATEMENT EXECUTE FUNCTION cumulate_internal.note_late('-1', 'x', '');
        CREATE TRIGGER t3 BEFORE UPDATE ON noted FOR EACH ROW WHEN (NEW.number = 3) EXECUTE FUNCTION cumulate_internal.note_late();
        CREATE TRIGGER t4 AFTER INSERT ON noted FOR EACH ROW EXECUTE FUNCTION cumulate_internal.note_late('99999999999999999999');
        CREATE TRIGGER t5 AFTER INSERT ON noted FOR EACH ROW EXECUTE FUNCTION cumulate_internal.note_late('it''s $1 \"');
        EXECUTE format('CREATE TRIGGER t6 AFTER TRUNCATE ON noted EXECUTE FUNCTION cumulate_internal.note_late(%L)', number);
        EXECUTE format('CREATE CONSTRAINT TRIGGER t7 AFTER INSERT ON noted DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION cumulate_internal.note_late(%L)', number + 1);
    END $$;
    "#;

impl World {
    /// Rows come, change and go, and the table that grows is made anew when it has become wide.
    pub fn live_on(&mut self, client: &mut Client, dice: &mut Dice) {
        let day = format!("current_date - 14 + {}", dice.below(DAYS));
        let change = match dice.below(6) {
            0 => format!("INSERT INTO source VALUES ('new {}', 3, {day}, 1.5)", dice.below(9)),
            1 => format!("DELETE FROM source WHERE number = {}", dice.below(57)),
            2 => format!("UPDATE source SET at = at + interval '1 day' WHERE number = {}", dice.below(57)),
            3 => format!("INSERT INTO parts VALUES ('b', {day}, 2)"),
            4 => format!("DELETE FROM guarded WHERE event_date < {day}"),
            _ => format!("INSERT INTO \"Select\" VALUES ('x', {day}, 'infinity')"),
        };
        // Another session may be in the way for longer than this one waits.
        let _ = client.attempt(&change);
        let columns: i64 = client.value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'grown'::regclass");
        if columns > 40 {
            let definition: String = client.value("SELECT cumulate.definition('grown')");
            client.run("SELECT cumulate.drop_table('grown')");
            client.run(&definition);
            client.run("SELECT cumulate.cumulate_range('grown', current_date - 14, current_date - 9)");
        }
    }

    /// What verify finds once everything has been repaired and closed.
    pub fn differences(&mut self, client: &mut Client) -> Vec<String> {
        let mut found = Vec::new();
        client.run("SET statement_timeout = '60s'; SET lock_timeout = '30s'; SET cumulate.lock_timeout = '20s'");
        for target in TARGETS {
            let target = literal(target);
            client.run(&format!("SELECT cumulate.restate({target}, start_date, current_date - 1) FROM cumulate.tables WHERE target = {target}::regclass AND late = 'none'"));
            client.run(&format!("CALL cumulate.backfill({target}, current_date - 14, current_date - 1)"));
            let differences = client.lines(&format!("SELECT * FROM cumulate.verify({target})"));
            found.extend(differences.into_iter().take(5).map(|line| format!("{}.{target}: {line}", self.schema)));
        }
        found
    }
}
