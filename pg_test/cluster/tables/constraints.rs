//! Constraints that may be deferred: those of tables that are written to fire at once, as the owner; all others, and these
//! after the call, are as the caller has left them.

use crate::counts::{Counts, Form, cluster, day};
use pg_cumulate_tests::{Ask, Database};
use postgres::Client;

/// What a constraint trigger has seen: with whose rights, and in which operation.
const SEEN: &str = "
    CREATE TABLE seen (by name, tg_table text, op text);
    CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN INSERT INTO public.seen VALUES (current_user, TG_TABLE_NAME, TG_OP); RETURN NULL; END $$;";

const SEEN_NOW: &str = "WITH gone AS (DELETE FROM seen RETURNING *)
    SELECT by = 'owner_' || current_database(), tg_table, op, count(*) FROM gone GROUP BY 1, 2, 3 ORDER BY 2, 3";

/// A table of a role that is no superuser, with a few closed days, and a session of its owner.
fn owned(more: &str) -> (Database<'static>, Client) {
    let database = cluster().database_with_extension();
    let (mut admin, owner) = (database.connect(), format!("owner_{}", database.name()));
    admin.run(&format!("CREATE ROLE {owner} LOGIN; GRANT CREATE ON SCHEMA public TO {owner}"));
    let mut client = database.connect_as(&owner);
    client.run(&format!(
        "CREATE TABLE source (key text, at date, amount integer);
         INSERT INTO source VALUES ('a', '2024-12-01', 1), ('b', '2024-12-02', 2), ('c', '2025-01-02', 3);
         SELECT cumulate.create_table('counts', 'source', 'at', '{{key}}', '{{\"events\": \"count(*)\"}}',
                                      windows => '{{2}}', start_date => '2024-12-01', time_zone => 'UTC', {more});
         SELECT cumulate.cumulate_day('counts', '2024-12-01'); {SEEN}"
    ));
    (database, client)
}

fn drop_owner(database: Database) {
    let owner = format!("owner_{}", database.name());
    database.connect().run(&format!("DROP OWNED BY {owner}; DROP ROLE {owner}"));
}

const EACH: &str = "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION see()";

#[test]
fn a_deferred_trigger_of_one_partition_fires_at_once_as_the_owner() {
    let (database, mut client) = owned("partition_by => 'month'");
    client.run(&format!("CREATE CONSTRAINT TRIGGER see AFTER INSERT OR UPDATE OR DELETE ON counts_202412 {EACH}"));
    // Whoever calls.
    let mut admin = database.connect();
    admin.run("SELECT cumulate.cumulate_range('counts', '2024-12-02', '2024-12-03')");
    assert_eq!(client.lines(SEEN_NOW), ["t|counts_202412|INSERT|4"]);
    client.run(
        "INSERT INTO source VALUES ('a', '2024-12-02', 1), ('d', '2024-12-02', 1); DELETE FROM source WHERE key = 'b'",
    );
    admin.run("SELECT cumulate.apply_late('counts')");
    let seen = client.lines(SEEN_NOW);
    assert_eq!(seen, ["t|counts_202412|DELETE|2", "t|counts_202412|INSERT|2", "t|counts_202412|UPDATE|2"]);
    admin.run("SELECT cumulate.cumulate_range('counts', '2024-12-31', '2025-01-02')");
    assert_eq!(client.lines(SEEN_NOW), ["t|counts_202412|INSERT|2"]);
    drop_owner(database);
}

#[test]
fn deferred_triggers_fire_where_rows_are_filled_and_removed() {
    let (database, mut client) = owned("partition_by => 'none', retention => '20 days'");
    client.run(&format!(
        "SELECT cumulate.cumulate_range('counts', '2024-12-01', '2025-01-02');
         CREATE CONSTRAINT TRIGGER see AFTER INSERT OR UPDATE OR DELETE ON counts {EACH};
         CREATE CONSTRAINT TRIGGER see AFTER INSERT OR UPDATE OR DELETE ON counts_daily {EACH}"
    ));
    database.connect().run("CALL cumulate.add_metric('counts', 'amount', '\"sum(amount)\"')");
    assert_eq!(client.lines(SEEN_NOW), ["t|counts|UPDATE|66", "t|counts_daily|UPDATE|3"]);
    database.connect().run("SELECT cumulate.apply_retention('counts')");
    assert_eq!(client.lines("SELECT DISTINCT tg_table, op FROM seen"), ["counts|DELETE"]);
    drop_owner(database);
}

/// A table of the caller's whose deferred key is broken for now, and rows of it that refer to a snapshot to come.
const CALLERS_OWN: &str = "
    CREATE TABLE item (key text PRIMARY KEY);
    CREATE TABLE basket (key text CONSTRAINT basket_item REFERENCES item DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE remark (key text, day date,
        CONSTRAINT remark_row FOREIGN KEY (key, day) REFERENCES counts (key, snapshot_date) DEFERRABLE INITIALLY DEFERRED);";

#[test]
fn what_the_caller_has_deferred_stays_deferred() {
    // With deferred constraints of the written table's own, and without.
    for constraint in [
        "",
        "ALTER TABLE counts ADD CONSTRAINT known FOREIGN KEY (key) REFERENCES product DEFERRABLE INITIALLY DEFERRED",
    ] {
        let mut counts = Counts::new(Form { more: "partition_by => 'none'", ..Form::with_windows(&[2]) });
        counts.insert(&[("a", 0, Some(1)), ("b", 1, Some(1))]);
        counts.client.run("CREATE TABLE product (key text PRIMARY KEY); INSERT INTO product VALUES ('a'), ('b')");
        counts.close(day(0));
        counts.client.run(CALLERS_OWN);
        counts.client.run(constraint);
        counts.client.run("BEGIN; INSERT INTO basket VALUES ('apple'); INSERT INTO remark VALUES ('b', '2024-12-02')");
        counts.close(day(1));
        counts.client.run("INSERT INTO source (key, at, amount) VALUES ('a', '2024-12-01', 5)");
        assert_eq!(counts.apply_late(), 2);
        // Still deferred for what comes now.
        counts.client.run("INSERT INTO basket VALUES ('pear'); INSERT INTO item VALUES ('apple'), ('pear'); COMMIT");
        let both = counts.client.refusal("BEGIN; INSERT INTO basket VALUES ('plum'); COMMIT");
        assert_eq!(both.sqlstate, "23503", "{constraint}");
    }
}

#[test]
fn constraints_of_the_table_are_left_as_the_caller_had_set_them() {
    let stray = "INSERT INTO counts (key, events_array, amount_array, snapshot_date) VALUES ('stray', '{1}', '{1}', '2024-12-02')";
    for (initially, set, deferred) in [
        ("IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED", true),
        ("IMMEDIATE", "SET CONSTRAINTS known DEFERRED", true),
        ("IMMEDIATE", "", false),
        ("DEFERRED", "", true),
        ("DEFERRED", "SET CONSTRAINTS known IMMEDIATE", false),
        ("DEFERRED", "SET CONSTRAINTS ALL IMMEDIATE", false),
        ("DEFERRED", "SET CONSTRAINTS ALL DEFERRED; SAVEPOINT s; SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK TO s", true),
    ] {
        for partition_by in ["partition_by => 'none'", "partition_by => 'month'"] {
            let mut counts = Counts::new(Form { more: partition_by, ..Form::with_windows(&[2]) });
            counts.insert(&[("a", 0, Some(1)), ("a", 1, Some(1))]);
            counts.close(day(0));
            counts.client.run(&format!(
                "CREATE TABLE product (key text PRIMARY KEY); INSERT INTO product VALUES ('a');
                 ALTER TABLE counts ADD CONSTRAINT known FOREIGN KEY (key) REFERENCES product
                     DEFERRABLE INITIALLY {initially};
                 ALTER TABLE counts_daily ADD CONSTRAINT known FOREIGN KEY (key) REFERENCES product
                     DEFERRABLE INITIALLY {initially};
                 BEGIN; {set}"
            ));
            counts.close(day(1));
            counts.client.run("INSERT INTO source (key, at, amount) VALUES ('a', '2024-12-01', 5)");
            assert_eq!(counts.apply_late(), 2);
            let what = format!("initially {initially}, {set}, {partition_by}");
            let written = counts.client.attempt(stray);
            assert_eq!(written.is_ok(), deferred, "{what}");
            if deferred {
                counts.client.run("DELETE FROM counts WHERE key = 'stray'; COMMIT");
            } else {
                counts.client.run("ROLLBACK");
            }
        }
    }
}

#[test]
fn rows_that_a_foreign_key_takes_along_are_checked_at_once() {
    let mut counts = Counts::new(Form { more: "partition_by => 'none'", ..Form::with_windows(&[2]) });
    counts.insert(&[("a", 0, Some(1)), ("b", 0, Some(1))]);
    counts.close_range(day(0), day(1));
    counts.client.run(
        "CREATE TABLE remark (id integer PRIMARY KEY, key text, day date,
             FOREIGN KEY (key, day) REFERENCES counts (key, snapshot_date) ON DELETE CASCADE);
         CREATE TABLE reply (to_remark integer REFERENCES remark ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
         CREATE TABLE seen (op text);
         CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN INSERT INTO public.seen VALUES (TG_TABLE_NAME); RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER see AFTER DELETE ON reply DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION see();
         INSERT INTO remark VALUES (1, 'b', '2024-12-01'); INSERT INTO reply VALUES (1);
         DELETE FROM source WHERE key = 'b'",
    );
    assert_eq!(counts.apply_late(), 2);
    assert_eq!(counts.client.lines("SELECT op FROM seen"), ["reply"]);
}

#[test]
fn constraints_are_as_they_were_after_a_call_that_failed() {
    let mut counts = Counts::new(Form { more: "partition_by => 'none'", ..Form::with_windows(&[2]) });
    counts.insert(&[("a", 0, Some(1)), ("b", 1, Some(1))]);
    counts.close(day(0));
    counts.client.run(
        "CREATE TABLE product (key text PRIMARY KEY); INSERT INTO product VALUES ('a');
         ALTER TABLE counts ADD CONSTRAINT known FOREIGN KEY (key) REFERENCES product DEFERRABLE INITIALLY DEFERRED;
         BEGIN; SAVEPOINT s",
    );
    let refusal = counts.client.refusal("SELECT cumulate.cumulate_day('counts', '2024-12-02')");
    assert_eq!(refusal.sqlstate, "23503", "{refusal}");
    counts.client.run(
        "ROLLBACK TO s;
         INSERT INTO counts (key, events_array, amount_array, snapshot_date) VALUES ('b', '{1}', '{1}', '2024-12-02');
         INSERT INTO product VALUES ('b'); COMMIT",
    );
}
