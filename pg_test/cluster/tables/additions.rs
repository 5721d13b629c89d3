//! What users add to the tables: keys, triggers, columns, partitions. The rows are the same as without.

use crate::counts::{Counts, Form, cluster, day};
use pg_cumulate_tests::Ask;
use pg_cumulate_tests::model::Ledger;

/// Additions, each with commands on a table that has closed days.
const ADDITIONS: [(&str, &str); 12] = [
    (
        "deferred foreign keys",
        "CREATE TABLE item (key text PRIMARY KEY); INSERT INTO item VALUES ('a'), ('b'), ('c');
         ALTER TABLE counts ADD FOREIGN KEY (key) REFERENCES item DEFERRABLE INITIALLY DEFERRED;
         ALTER TABLE counts_daily ADD FOREIGN KEY (key) REFERENCES item DEFERRABLE INITIALLY DEFERRED",
    ),
    (
        "a deferred unique key",
        "ALTER TABLE counts ADD UNIQUE (key, snapshot_date) DEFERRABLE INITIALLY DEFERRED;
         ALTER TABLE counts_daily ADD UNIQUE (key, snapshot_date) DEFERRABLE INITIALLY DEFERRED",
    ),
    (
        "triggers that record",
        "CREATE TABLE record (tg_table text, op text);
         CREATE FUNCTION record() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN INSERT INTO public.record VALUES (TG_TABLE_NAME, TG_OP); RETURN NULL; END $$;
         CREATE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON counts FOR EACH ROW EXECUTE FUNCTION record();
         CREATE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON counts_daily FOR EACH ROW EXECUTE FUNCTION record()",
    ),
    (
        "generated columns",
        "ALTER TABLE counts ADD COLUMN newest bigint GENERATED ALWAYS AS (events_array[1]) STORED;
         ALTER TABLE counts_daily ADD COLUMN twice bigint GENERATED ALWAYS AS (events * 2) STORED",
    ),
    (
        "columns with defaults",
        "ALTER TABLE counts ADD COLUMN remark text NOT NULL DEFAULT 'none';
         ALTER TABLE counts_daily ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY",
    ),
    (
        "indexes and checks",
        "CREATE INDEX ON counts USING gin (events_array); CREATE UNIQUE INDEX ON counts_daily (key, snapshot_date, events);
         CREATE INDEX ON counts ((total_events_4d * 2)) WHERE key <> 'b';
         ALTER TABLE counts ADD CHECK (total_events_4d >= 0)",
    ),
    ("a rule that also does nothing", "CREATE RULE nothing AS ON UPDATE TO counts DO ALSO NOTHING"),
    (
        "a partition of the user's",
        "CREATE TABLE counts_old PARTITION OF counts FOR VALUES FROM ('2025-01-01') TO ('2025-02-15')",
    ),
    (
        "a partition in parts",
        "CREATE TABLE counts_parts PARTITION OF counts FOR VALUES FROM ('2025-01-01') TO ('2025-02-01') PARTITION BY LIST (key);
         CREATE TABLE counts_b PARTITION OF counts_parts FOR VALUES IN ('b');
         CREATE TABLE counts_others PARTITION OF counts_parts DEFAULT",
    ),
    (
        "columns of a domain with a default",
        "CREATE DOMAIN remark AS text NOT NULL DEFAULT 'none';
         ALTER TABLE counts ADD COLUMN remark remark; ALTER TABLE counts_daily ADD COLUMN remark remark",
    ),
    (
        "a table above",
        "CREATE TABLE above (LIKE counts) PARTITION BY LIST (key);
         ALTER TABLE above ATTACH PARTITION counts FOR VALUES IN ('a', 'b', 'c')",
    ),
    ("a column dropped before", "ALTER TABLE counts ADD COLUMN gone integer; ALTER TABLE counts DROP COLUMN gone"),
];

#[test]
fn with_what_users_add_the_rows_are_the_same() {
    for (name, commands) in ADDITIONS {
        println!("{name}");
        let (mut counts, mut ledger) = (Counts::new(Form::with_windows(&[4])), Ledger::default());
        counts.insert(&[("a", 0, Some(1)), ("b", 3, Some(2)), ("c", 33, Some(3))]);
        counts.close_range(day(0), day(5));
        (0..=5).for_each(|number| ledger.close(day(number)));
        counts.client.run(commands);
        // A day, days in one pass, a new partition, rows that come, change and go.
        counts.close(day(6));
        counts.close_range(day(30), day(35));
        (30..=35).chain([6]).for_each(|number| ledger.close(day(number)));
        counts.check(&ledger);
        counts.insert(&[("a", 2, Some(5)), ("c", 1, Some(1))]);
        counts.client.run("DELETE FROM source WHERE key = 'b'");
        counts.apply_late();
        counts.check(&ledger);
        counts.close(day(2));
        counts.restate(day(0), day(35));
        counts.check(&ledger);
    }
}

#[test]
fn a_key_that_users_added_is_kept_and_a_day_that_breaks_it_is_not_closed() {
    for deferrable in ["", "DEFERRABLE INITIALLY DEFERRED"] {
        let mut counts = Counts::new(Form::with_windows(&[4]));
        counts.insert(&[("a", 0, Some(1)), ("b", 1, Some(2))]);
        counts.client.run(&format!(
            "CREATE TABLE item (key text PRIMARY KEY); INSERT INTO item VALUES ('a');
             ALTER TABLE counts ADD FOREIGN KEY (key) REFERENCES item {deferrable}"
        ));
        counts.close(day(0));
        for call in ["cumulate_day('counts', '2024-12-02')", "cumulate_range('counts', '2024-12-02', '2024-12-05')"] {
            let refusal = counts.client.refusal(&format!("SELECT cumulate.{call}"));
            assert_eq!(refusal.sqlstate, "23503", "{call}\n{refusal}");
        }
        assert_eq!(counts.client.lines("SELECT DISTINCT snapshot_date FROM counts"), ["2024-12-01"]);
        assert_eq!(counts.client.lines("SELECT DISTINCT snapshot_date FROM counts_daily"), ["2024-12-01"]);
        counts.client.run("INSERT INTO item VALUES ('b')");
        counts.close_range(day(1), day(4));
        let mut ledger = Ledger::default();
        (0..=4).for_each(|number| ledger.close(day(number)));
        counts.check(&ledger);
    }
}

#[test]
fn a_table_that_is_a_partition_takes_no_row_beyond_its_bounds() {
    for partition_by in ["month", "day", "none"] {
        let mut counts = Counts::new(Form::with_windows(&[4]));
        counts.client.run(&format!(
            "SELECT cumulate.create_table('bound', 'source', 'at', '{{key}}', '{{\"n\": \"count(*)\"}}',
                                          start_date => '2024-12-01', time_zone => 'UTC', partition_by => '{partition_by}');
             CREATE TABLE above (LIKE bound) PARTITION BY LIST (key);
             ALTER TABLE above ATTACH PARTITION bound FOR VALUES IN ('a')"
        ));
        counts.insert(&[("a", 0, Some(1)), ("b", 2, Some(2))]);
        counts.client.run("SELECT cumulate.cumulate_range('bound', '2024-12-01', '2024-12-02')");
        let refusal = counts.client.refusal("SELECT cumulate.cumulate_day('bound', '2024-12-03')");
        assert_eq!(refusal.sqlstate, "23514", "{partition_by}: a new snapshot\n{refusal}");
        counts.client.run("DELETE FROM source WHERE key = 'b'");
        counts.client.run("SELECT cumulate.cumulate_day('bound', '2024-12-03')");
        counts.insert(&[("b", 0, Some(2))]);
        let refusal = counts.client.refusal("SELECT cumulate.apply_late('bound')");
        assert_eq!(refusal.sqlstate, "23514", "{partition_by}: a repair\n{refusal}");
        assert_eq!(counts.client.lines("SELECT DISTINCT key FROM bound"), ["a"]);
    }
}

#[test]
fn generated_events_leave_deferred_constraints_to_the_end_of_the_transaction() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(
        "CREATE TABLE product (id integer PRIMARY KEY);
         CREATE TABLE event (product_id integer REFERENCES product DEFERRABLE INITIALLY DEFERRED,
                             event_type text, event_date date);
         BEGIN;
         SELECT cumulate.generate_events('event', 100, 10);
         INSERT INTO product SELECT generate_series(1, 10);
         COMMIT",
    );
    assert_eq!(client.value::<i64>("SELECT count(*) FROM event"), 100);
}

#[test]
fn triggers_see_every_row_that_is_written_and_no_other() {
    let mut counts = Counts::new(Form::with_windows(&[2]));
    counts.insert(&[("a", 0, Some(1)), ("b", 1, Some(2))]);
    counts.client.run(ADDITIONS[2].1);
    counts.close_range(day(0), day(2));
    assert_eq!(recorded(&mut counts), ["counts_202412|INSERT|5", "counts_daily|INSERT|2"]);
    counts.close_range(day(0), day(2));
    counts.close(day(1));
    assert_eq!(recorded(&mut counts), Vec::<String>::new());
    counts.client.run("UPDATE source SET at = '2024-12-03' WHERE key = 'b'");
    counts.apply_late();
    assert_eq!(
        recorded(&mut counts),
        ["counts_202412|DELETE|1", "counts_202412|UPDATE|1", "counts_daily|DELETE|1", "counts_daily|INSERT|1"]
    );
}

#[test]
fn triggers_for_statements_see_closes_and_repairs() {
    let mut counts = Counts::new(Form::with_windows(&[2]));
    counts.insert(&[("a", 0, Some(1))]);
    counts.client.run(ADDITIONS[2].1);
    counts.client.run(
        "DROP TRIGGER record ON counts; DROP TRIGGER record ON counts_daily;
         CREATE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON counts FOR EACH STATEMENT EXECUTE FUNCTION record()",
    );
    counts.close_range(day(0), day(2));
    assert_eq!(recorded(&mut counts), ["counts|INSERT|3"]);
    counts.insert(&[("a", 0, Some(1)), ("b", 1, Some(1))]);
    counts.apply_late();
    assert_eq!(recorded(&mut counts), ["counts|INSERT|2", "counts|UPDATE|2"]);
}

#[test]
fn a_trigger_on_one_partition_sees_the_rows_of_that_one() {
    let mut counts = Counts::new(Form::with_windows(&[2]));
    counts.insert(&[("a", 0, Some(1)), ("b", 33, Some(2))]);
    counts.close_range(day(0), day(0));
    counts.client.run(ADDITIONS[2].1);
    counts.client.run(
        "DROP TRIGGER record ON counts; DROP TRIGGER record ON counts_daily;
         CREATE TRIGGER record AFTER INSERT OR UPDATE ON counts_202412 FOR EACH ROW EXECUTE FUNCTION record()",
    );
    counts.close_range(day(1), day(30));
    assert_eq!(recorded(&mut counts), ["counts_202412|INSERT|30"]);
    counts.close_range(day(31), day(35));
    assert_eq!(recorded(&mut counts), Vec::<String>::new());
    counts.insert(&[("a", 29, Some(3))]);
    counts.apply_late();
    assert_eq!(recorded(&mut counts), ["counts_202412|UPDATE|2"]);
    let mut ledger = Ledger::default();
    (0..=35).for_each(|number| ledger.close(day(number)));
    counts.check(&ledger);
}

/// What the triggers that record have seen since they were last asked.
fn recorded(counts: &mut Counts) -> Vec<String> {
    counts.client.lines(
        "WITH gone AS (DELETE FROM record RETURNING *)
         SELECT tg_table, op, count(*) FROM gone GROUP BY 1, 2 ORDER BY 1, 2",
    )
}
