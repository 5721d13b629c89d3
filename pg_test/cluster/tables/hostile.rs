//! An owner who lays traps for whoever works on its table: whatever runs there has the owner's rights and no more.

use crate::counts::cluster;
use pg_cumulate_tests::{Ask, Database};
use postgres::Client;

/// Where the owner's code sits. `trap(text)` returns true, and does no harm until the trap is set.
struct Place {
    name: &'static str,
    /// Makes the table and puts the trap there.
    commands: &'static str,
}

const TABLE: &str = "
    SELECT cumulate.create_table('counts', 'source', 'at', '{key}', '{\"events\": \"count(*)\"}',
        windows => '{3}', start_date => '2024-12-01', time_zone => 'UTC');";

const PLACES: &[Place] = &[
    Place {
        name: "a row trigger on the cumulative table",
        commands: "CREATE TRIGGER trap BEFORE INSERT OR UPDATE OR DELETE ON counts FOR EACH ROW EXECUTE FUNCTION trap_row()",
    },
    Place {
        name: "a row trigger on the daily table",
        commands: "CREATE TRIGGER trap AFTER INSERT OR UPDATE OR DELETE ON counts_daily FOR EACH ROW EXECUTE FUNCTION trap_row()",
    },
    Place {
        name: "a statement trigger on the cumulative table",
        commands: "CREATE TRIGGER trap AFTER INSERT OR UPDATE OR DELETE ON counts EXECUTE FUNCTION trap_row()",
    },
    Place {
        name: "a deferred trigger on the cumulative table",
        commands:
            "CREATE CONSTRAINT TRIGGER trap AFTER INSERT OR UPDATE OR DELETE ON counts DEFERRABLE INITIALLY DEFERRED
                   FOR EACH ROW EXECUTE FUNCTION trap_row()",
    },
    Place {
        name: "a deferred trigger on the daily table",
        commands: "CREATE CONSTRAINT TRIGGER trap AFTER INSERT OR UPDATE OR DELETE ON counts_daily
                   DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trap_row()",
    },
    Place { name: "a check of the cumulative table", commands: "ALTER TABLE counts ADD CHECK (trap(key)) NOT VALID" },
    Place { name: "a check of the daily table", commands: "ALTER TABLE counts_daily ADD CHECK (trap(key)) NOT VALID" },
    Place {
        name: "a default in the cumulative table",
        commands: "ALTER TABLE counts ADD COLUMN more boolean; ALTER TABLE counts ALTER COLUMN more SET DEFAULT trap('')",
    },
    Place {
        name: "a generated column of the daily table",
        commands: "ALTER TABLE counts_daily ADD COLUMN more boolean GENERATED ALWAYS AS (trap(key)) STORED",
    },
    Place { name: "an index of the cumulative table", commands: "CREATE INDEX ON counts (trap(key))" },
    Place { name: "an index of the daily table", commands: "CREATE INDEX ON counts_daily (key) WHERE trap(key)" },
    Place {
        name: "a rule of the cumulative table",
        commands: "CREATE RULE trap AS ON INSERT TO counts DO ALSO SELECT trap(NEW.key)",
    },
];

/// The same with a definition of its own.
const DEFINITIONS: &[Place] = &[
    Place {
        name: "a metric",
        commands: "SELECT cumulate.create_table('counts', 'source', 'at', '{key}',
                       '{\"events\": \"count(*) FILTER (WHERE trap(key))\"}',
                       windows => '{3}', start_date => '2024-12-01', time_zone => 'UTC')",
    },
    Place {
        name: "the filter",
        commands: "SELECT cumulate.create_table('counts', 'source', 'at', '{key}', '{\"events\": \"count(*)\"}',
                       filter => 'trap(key)', windows => '{3}', start_date => '2024-12-01', time_zone => 'UTC')",
    },
    Place {
        name: "a view as the source",
        commands: "CREATE VIEW shown AS SELECT * FROM source WHERE trap(key);
                   SELECT cumulate.create_table('counts', 'shown', 'at', '{key}', '{\"events\": \"count(*)\"}', late => 'scan',
                       windows => '{3}', start_date => '2024-12-01', time_zone => 'UTC')",
    },
    Place {
        name: "a domain of the key",
        commands: "CREATE DOMAIN trapped AS text CHECK (trap(VALUE));
                   ALTER TABLE source ALTER COLUMN key TYPE trapped;
                   SELECT cumulate.create_table('counts', 'source', 'at', '{key}', '{\"events\": \"count(*)\"}',
                       windows => '{3}', start_date => '2024-12-01', time_zone => 'UTC')",
    },
    Place {
        name: "a domain of a metric",
        commands: "CREATE DOMAIN trapped AS integer CHECK (trap(VALUE::text));
                   SELECT cumulate.create_table('counts', 'source', 'at', '{key}',
                       '{\"events\": {\"value\": \"count(*)\", \"type\": \"trapped\", \"rollup\": \"last\", \"zero\": 3}}',
                       windows => '{3}', start_date => '2024-12-01', time_zone => 'UTC')",
    },
];

/// What the trap tries, and what it may come to when it hides its failure.
const ATTEMPTS: [&str; 5] = [
    "ALTER ROLE {role} SUPERUSER",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "CREATE TEMP TABLE pg_class (oid oid)",
    "CREATE ROLE {role}_friend SUPERUSER",
];

/// What a superuser may do to somebody's table without a second thought.
const CALLS: [&str; 7] = [
    "SELECT cumulate.cumulate_day('counts', '2024-12-03')",
    "SELECT cumulate.cumulate_range('counts', '2024-12-03', '2024-12-05')",
    "SELECT cumulate.populate_day('counts', '2024-12-02')",
    "SELECT cumulate.restate('counts', '2024-12-01', '2024-12-02')",
    "SELECT cumulate.apply_late('counts')",
    "CALL cumulate.backfill('counts', '2024-12-03', '2024-12-05')",
    "SELECT * FROM cumulate.verify('counts')",
];

/// What changes a table where the trap is not in its way.
const CHANGES: [&str; 2] = [
    "CALL cumulate.add_metric('counts', 'later', '\"count(*)\"')",
    "SELECT cumulate.alter_table('counts', retention => '1 year'), cumulate.apply_retention('counts')",
];

/// The owner, its database, and the superuser who will step into the trap.
struct Scene {
    role: String,
    owner: Client,
    superuser: Client,
    _database: Database<'static>,
}

impl Scene {
    fn set(role: &str, commands: &[&str]) -> Scene {
        let database = cluster().database_with_extension();
        let mut superuser = database.connect();
        superuser.run(&format!("CREATE ROLE {role} LOGIN CREATEROLE; GRANT CREATE ON SCHEMA public TO {role}"));
        let mut owner = database.connect_as(role);
        owner.run(
            "CREATE FUNCTION trap(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN true; END $$;
             CREATE FUNCTION trap_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM public.trap('');
                 RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
             END $$;
             CREATE TABLE source (key text, at date);
             INSERT INTO source VALUES ('a', '2024-12-01'), ('b', '2024-12-02'), ('a', '2024-12-03'), ('c', '2024-12-05')",
        );
        commands.iter().for_each(|command| owner.run(command));
        owner.run(
            "SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-02');
             INSERT INTO source VALUES ('a', '2024-12-01'), ('d', '2024-12-02'); DELETE FROM source WHERE key = 'b'",
        );
        Scene { role: role.to_owned(), owner, superuser, _database: database }
    }

    /// From now on the trap tries something, and tells of its failure or hides it.
    fn arm(&mut self, attempt: &str, hides: bool) {
        let handler = if hides { "EXCEPTION WHEN OTHERS THEN NULL;" } else { "" };
        let attempt = attempt.replace("{role}", &self.role);
        // What trap itself does is read-only, as it is immutable.
        self.owner.run(&format!(
            "CREATE OR REPLACE FUNCTION spring() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
                 EXECUTE '{attempt}'; {handler}
             END $$;
             CREATE OR REPLACE FUNCTION trap(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
                 PERFORM public.spring();
                 RETURN true;
             END $$"
        ));
    }

    /// Everything that must stay as it is.
    fn digest(&mut self) -> Vec<String> {
        let tables = ["counts", "counts_daily", "cumulate.ledger", "cumulate.note"];
        let digest = |table: &&str| {
            let sql = format!("SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {table} AS t");
            self.superuser.lines(&sql)
        };
        tables.iter().flat_map(digest).collect()
    }

    fn assert_nobody_rose(&mut self, told: &str) {
        let superusers = "SELECT rolname FROM pg_roles WHERE rolsuper ORDER BY 1";
        assert_eq!(self.superuser.lines(superusers), ["postgres"], "{told}");
        let session = "SELECT current_user, session_user, to_regclass('pg_temp.pg_class')";
        assert_eq!(self.superuser.lines(session), ["postgres|postgres|"], "{told}");
    }
}

/// A role name for each place; roles belong to the whole server.
fn scenes(of: &str) -> impl Iterator<Item = (&'static str, Scene)> {
    let on_tables = PLACES.iter().map(|place| (place.name, vec![TABLE, place.commands]));
    let in_definitions = DEFINITIONS.iter().map(|place| (place.name, vec![place.commands]));
    on_tables
        .chain(in_definitions)
        .enumerate()
        .map(move |(index, (name, commands))| (name, Scene::set(&format!("burglar_{of}_{index}"), &commands)))
}

#[test]
fn a_trap_gains_nothing_and_changes_nothing() {
    for (name, mut scene) in scenes("open") {
        let before = scene.digest();
        for attempt in ATTEMPTS {
            scene.arm(attempt, false);
            let mut sprung = 0;
            for call in CALLS {
                let told = format!("{name}: {attempt} in {call}");
                scene.superuser.run("BEGIN");
                if call.starts_with("CALL") {
                    scene.superuser.run("ROLLBACK");
                }
                if let Err(refusal) = scene.superuser.attempt(call) {
                    assert_eq!(refusal.sqlstate, "42501", "{told}\n{refusal}");
                    sprung += 1;
                }
                scene.superuser.run("ROLLBACK");
                scene.assert_nobody_rose(&told);
            }
            assert!(sprung > 0, "{name}: nothing ran the trap");
        }
        assert_eq!(scene.digest(), before, "{name}");
    }
}

#[test]
fn a_trap_that_hides_its_failure_gains_nothing() {
    for (name, mut scene) in scenes("hidden") {
        for attempt in ATTEMPTS {
            scene.arm(attempt, true);
            for call in CALLS.into_iter().chain(CHANGES) {
                // Committed, so that what is deferred comes to pass.
                let told = format!("{name}: {attempt} in {call}");
                if let Err(refusal) = scene.superuser.attempt(call) {
                    assert_eq!(refusal.sqlstate, "42501", "{told}\n{refusal}");
                }
                scene.assert_nobody_rose(&told);
            }
        }
        assert_eq!(scene.superuser.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new(), "{name}");
    }
}
