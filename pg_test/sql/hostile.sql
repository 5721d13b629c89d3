-- What a hostile user does, and what goes wrong around us. After each of these the law holds, or nothing has been done.
SET client_min_messages = warning;
\set VERBOSITY terse
CREATE SCHEMA siege;
SET search_path = siege;
CREATE FUNCTION make(name text, source regclass) RETURNS regclass LANGUAGE sql AS $$
    SELECT cumulate.create_table('siege.' || name, source, 'd', '{k}', '{"c": "count(*)"}', start_date => '2024-01-01', time_zone => 'UTC')
$$;
CREATE FUNCTION differences(target regclass) RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM cumulate.verify(target) $$;
-- The note function as any other trigger: it does nothing.
CREATE TABLE evs (k int, d date NOT NULL);
SELECT make('evc', 'evs');
DO $$
DECLARE id bigint := (SELECT d.id FROM cumulate.definition d WHERE d.target = 'evc'::regclass);
BEGIN
    EXECUTE format('CREATE TRIGGER for_statement AFTER INSERT ON evs FOR EACH STATEMENT EXECUTE FUNCTION cumulate_internal.note_late(%L)', id);
    EXECUTE format('CREATE TRIGGER for_delete AFTER DELETE ON evs FOR EACH STATEMENT EXECUTE FUNCTION cumulate_internal.note_late(%L)', id);
    EXECUTE format('CREATE TRIGGER before_row BEFORE UPDATE ON evs FOR EACH ROW EXECUTE FUNCTION cumulate_internal.note_late(%L)', id);
    CREATE TRIGGER forged AFTER INSERT ON evs FOR EACH ROW EXECUTE FUNCTION cumulate_internal.note_late('x');
END
$$;
INSERT INTO evs VALUES (1, '2024-01-01'), (2, '2024-01-02');
SELECT cumulate_internal.note_late();
SELECT cumulate.cumulate_range('evc', '2024-01-01', '2024-01-03'), differences('evc');
-- Types of our columns changed under us.
ALTER TABLE evc_daily ALTER COLUMN c TYPE numeric;
SELECT cumulate.cumulate_day('evc', '2024-01-04');
ALTER TABLE evc_daily ALTER COLUMN c TYPE bigint;
DROP VIEW evc_latest;
ALTER TABLE evc ALTER COLUMN total_c_7d TYPE numeric;
SELECT cumulate.cumulate_day('evc', '2024-01-04');
ALTER TABLE evc ALTER COLUMN total_c_7d TYPE bigint;
-- A late change while the definition cannot be read is noted all the same.
ALTER TABLE evc RENAME COLUMN c_array TO x;
INSERT INTO evs VALUES (3, '2024-01-02');
ALTER TABLE evc RENAME COLUMN x TO c_array;
SELECT cumulate.apply_late('evc') AS changed, differences('evc');
-- Columns that change between two writes of one transaction.
BEGIN;
INSERT INTO evs VALUES (4, '2024-01-01');
ALTER TABLE evs ADD COLUMN before_k int, ADD COLUMN note text;
INSERT INTO evs VALUES (5, '2024-01-01');
COMMIT;
SELECT cumulate.apply_late('evc') AS changed, differences('evc');
-- Notes that could not be written are not lost with the savepoint.
SELECT cumulate.cumulate_range('evc', '2024-01-04', '2024-02-10') > 0 AS closed;
BEGIN;
INSERT INTO evs SELECT g % 10000, DATE '2024-01-01' + g % 40 FROM generate_series(1, 100000) g;
SAVEPOINT s;
SET LOCAL statement_timeout = '10ms';
SELECT cumulate.apply_late('evc');
ROLLBACK TO s;
COMMIT;
SELECT cumulate.apply_late('evc') > 0 AS changed, differences('evc');
-- TRUNCATE between the aggregation of days and their snapshots.
CREATE TABLE n1 (k int, d date NOT NULL);
SELECT make('n1c', 'n1');
INSERT INTO n1 SELECT g % 3, DATE '2024-01-01' + g % 5 FROM generate_series(0, 20) g;
SELECT sum(cumulate.populate_day('n1c', day::date)) FROM generate_series(timestamp '2024-01-01', '2024-01-05', '1 day') day;
TRUNCATE n1;
SELECT cumulate.cumulate_day('n1c', '2024-01-01'), cumulate.cumulate_range('n1c', '2024-01-02', '2024-01-05'), differences('n1c');
-- A table over another table's daily table.
CREATE TABLE s1 (k int, d date NOT NULL);
SELECT make('a1', 's1');
SELECT cumulate.create_table('siege.b1', 'a1_daily', 'snapshot_date', '{k}', '{"n": "sum(c)"}', start_date => '2024-01-01', time_zone => 'UTC');
INSERT INTO s1 SELECT g % 3, DATE '2024-01-01' + g % 5 FROM generate_series(0, 20) g;
SELECT cumulate.cumulate_range('b1', '2024-01-01', '2024-01-05'), cumulate.cumulate_range('a1', '2024-01-01', '2024-01-05');
SELECT cumulate.apply_late('b1') AS changed, differences('a1'), differences('b1');
SELECT cumulate.drop_table('a1', keep_data => true);
SELECT cumulate.cumulate_day('b1', '2024-01-06'), differences('b1');
-- Adoption with a later start, and with days that cannot be.
SELECT cumulate.create_table('siege.a1', 's1', 'd', '{k}', '{"c": "count(*)"}', start_date => '2024-01-04', time_zone => 'UTC');
SELECT cumulate.cumulate_range('a1', '2024-01-04', '2024-01-06'), differences('a1');
CREATE TABLE far (k int NOT NULL, c_array bigint[], total_c_7d bigint, snapshot_date date NOT NULL, PRIMARY KEY (snapshot_date, k));
INSERT INTO far VALUES (1, '{1}', 1, '5000000-01-01'), (1, '{1}', 1, 'infinity');
SELECT cumulate.create_table('siege.far', 's1', 'd', '{k}', '{"c": "count(*)"}', start_date => '2024-01-01', time_zone => 'UTC', partition_by => 'none');
SET statement_timeout = '10s';
SELECT cumulate.cumulate_day('far', '2024-01-05'), differences('far');
RESET statement_timeout;
-- Names that the engine uses itself.
CREATE TABLE names ("day" int, kind int, i int, present int, d date);
INSERT INTO names VALUES (1, 1, 1, 1, '2024-01-01'), (2, 1, 1, 1, '2024-01-02');
SELECT cumulate.create_table('siege.named', 'names', 'd', '{day,kind,i,present}', '{"m0": "count(*)", "first_day": "sum(i)", "has_events": "max(kind)", "number": "count(*)"}',
    start_date => '2024-01-01', time_zone => 'UTC');
SELECT cumulate.cumulate_range('named', '2024-01-01', '2024-01-03'), differences('named');
INSERT INTO names VALUES (3, 1, 1, 1, '2024-01-01');
SELECT cumulate.apply_late('named') AS changed, differences('named');
-- Keys that cannot be arrays, functions that are not ours, events of the future.
CREATE TABLE odd (k int[], d date);
SELECT make('oddc', 'odd');
CREATE FUNCTION takenc_rows(date, date, regclass) RETURNS int LANGUAGE sql AS 'SELECT 1';
SELECT make('takenc', 's1');
CREATE TABLE later (k int, d date);
INSERT INTO later VALUES (1, '2999-01-01');
SELECT cumulate.create_table('siege.laterc', 'later', 'd', '{k}', '{"c": "count(*)"}', time_zone => 'UTC');
CALL cumulate.backfill('laterc');
SELECT start_date FROM cumulate.tables WHERE target = 'laterc'::regclass;
-- Generated events do not pass row security, and do not leave their partition.
CREATE ROLE siege_evil;
GRANT USAGE ON SCHEMA siege TO siege_evil;
CREATE TABLE guarded (product_id int, event_type text, event_date date);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON guarded FOR INSERT TO siege_evil WITH CHECK (product_id < 0);
GRANT INSERT, SELECT ON guarded TO siege_evil;
SET ROLE siege_evil;
SELECT cumulate.generate_events('guarded', 5, 5, '2024-01-01', '2024-01-02', 1);
RESET ROLE;
CREATE TABLE pf (product_id int, event_type text, event_date date) PARTITION BY RANGE (event_date);
CREATE TABLE pf1 PARTITION OF pf FOR VALUES FROM ('2024-01-01') TO ('2024-01-10');
SELECT cumulate.create_table('siege.pfc', 'pf', 'event_date', '{product_id}', '{"c": "count(*)"}', start_date => '2024-01-01', time_zone => 'UTC');
SELECT cumulate.cumulate_range('pfc', '2024-01-01', '2024-01-05');
SELECT cumulate.generate_events('pf1', 50, 5, '2024-01-01', '2024-01-05', 1);
SELECT cumulate.apply_late('pfc') > 0 AS changed, differences('pfc');
SELECT cumulate.generate_events('pf1', 50, 5, '2024-01-05', '2024-02-05', 1);
-- A parallel query that feeds two partitions.
CREATE TABLE wide (k int, d date NOT NULL);
INSERT INTO wide SELECT g % 500, DATE '2024-01-01' + g % 60 FROM generate_series(1, 60000) g;
SELECT make('widec', 'wide');
SELECT sum(cumulate.populate_day('widec', day::date)) > 0 FROM generate_series(timestamp '2024-01-25', '2024-02-08', '1 day') day;
SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
SET enable_indexscan = off; SET enable_bitmapscan = off;
SELECT cumulate.cumulate_range('widec', '2024-01-25', '2024-02-08') > 0 AS closed, differences('widec');
RESET ALL;
SET client_min_messages = warning;
SET search_path = siege;
-- Deferred constraints, defaults and generated columns of the owner's on the table.
CREATE TABLE dim (k int PRIMARY KEY);
INSERT INTO dim SELECT generate_series(0, 10);
CREATE TABLE facts (k int, d date NOT NULL);
INSERT INTO facts VALUES (1, '2024-01-01'), (2, '2024-01-02');
SELECT make('factsc', 'facts');
ALTER TABLE factsc ADD FOREIGN KEY (k) REFERENCES dim DEFERRABLE INITIALLY DEFERRED, ADD COLUMN made_at timestamptz DEFAULT now();
SELECT cumulate.cumulate_range('factsc', '2024-01-01', '2024-01-03'), differences('factsc');
SELECT count(*) FROM factsc WHERE made_at IS NULL;
-- A row that breaks a constraint of the owner's is refused as by INSERT, though it is not written by one.
CREATE TABLE plain (k int, d date NOT NULL);
INSERT INTO plain VALUES (1, '2024-01-01'), (2, '2024-01-02');
SELECT make('plainc', 'plain');
ALTER TABLE plainc ADD CONSTRAINT small CHECK (k < 2);
SELECT cumulate.cumulate_range('plainc', '2024-01-01', '2024-01-03');
ALTER TABLE plainc DROP CONSTRAINT small;
ALTER TABLE plainc_daily ALTER COLUMN c SET NOT NULL, ADD CONSTRAINT small CHECK (k < 2);
SELECT cumulate.cumulate_range('plainc', '2024-01-01', '2024-01-03');
ALTER TABLE plainc_daily DROP CONSTRAINT small;
SELECT cumulate.cumulate_range('plainc', '2024-01-01', '2024-01-03'), differences('plainc');
RESET search_path;
DROP SCHEMA siege CASCADE;
SELECT cumulate.forget(id) FROM cumulate.definition d WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = d.target);
DROP ROLE siege_evil;
