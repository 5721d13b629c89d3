-- Late changes: noted whoever makes them, repaired where they differ; frozen days stand as they are.
CREATE SCHEMA depot;
CREATE TABLE depot.moves (item text, amount integer, moved_on date) PARTITION BY RANGE (moved_on);
CREATE TABLE depot.moves_may PARTITION OF depot.moves FOR VALUES FROM ('2024-05-01') TO ('2024-06-01');
INSERT INTO depot.moves VALUES ('nut', 1, '2024-05-01'), ('nut', 2, '2024-05-03'), ('bolt', 4, '2024-05-02');
SELECT cumulate.create_table('depot.weekly', 'depot.moves', 'moved_on', '{item}', '{"amount": "sum(amount)"}',
    start_date => '2024-05-01', time_zone => 'UTC', windows => '{3}');
SELECT cumulate.cumulate_range('depot.weekly', '2024-05-01', '2024-05-06');
CREATE VIEW depot.shown AS SELECT item, amount_array, total_amount_3d, snapshot_date FROM depot.weekly ORDER BY snapshot_date, item;
-- Straight into a partition, by COPY, by UPDATE that moves a row, by DELETE, inside a savepoint that is rolled back.
INSERT INTO depot.moves_may VALUES ('screw', 8, '2024-05-04');
COPY depot.moves FROM STDIN;
screw	16	2024-05-05
\.
UPDATE depot.moves SET moved_on = '2024-05-04' WHERE item = 'bolt';
BEGIN;
DELETE FROM depot.moves WHERE item = 'nut' AND moved_on = '2024-05-01';
SAVEPOINT here;
INSERT INTO depot.moves VALUES ('never', 1, '2024-05-02');
ROLLBACK TO here;
COMMIT;
SELECT day, key FROM cumulate.note n JOIN cumulate.tables t USING (target) WHERE target = 'depot.weekly'::regclass ORDER BY day, key;
SELECT cumulate.apply_late('depot.weekly') AS rows_changed;
SELECT * FROM depot.shown;
SELECT * FROM cumulate.verify('depot.weekly');
-- A partition is attached, truncated, detached: no row trigger fires.
CREATE TABLE depot.moves_april (item text, amount integer, moved_on date);
CREATE TABLE depot.moves_june (moved_on date, amount integer, item text);
INSERT INTO depot.moves_june VALUES ('2024-06-01', 32, 'cog');
ALTER TABLE depot.moves ATTACH PARTITION depot.moves_june FOR VALUES FROM ('2024-06-01') TO ('2024-07-01');
SELECT cumulate.cumulate_range('depot.weekly', '2024-05-07', '2024-06-02');
INSERT INTO depot.moves VALUES ('cog', 64, '2024-06-01');
SELECT cumulate.apply_late('depot.weekly') AS rows_changed;
SELECT * FROM depot.shown WHERE item = 'cog';
TRUNCATE depot.moves_june;
SELECT cumulate.apply_late('depot.weekly') AS rows_changed;
SELECT count(*) FROM depot.shown WHERE item = 'cog';
INSERT INTO depot.moves VALUES ('cog', 1, '2024-06-02');
SELECT cumulate.apply_late('depot.weekly') AS rows_changed;
ALTER TABLE depot.moves DETACH PARTITION depot.moves_june;
SELECT cumulate.apply_late('depot.weekly') AS rows_changed;
SELECT count(*) FROM depot.shown WHERE item = 'cog';
SELECT * FROM cumulate.verify('depot.weekly');
-- A trigger that is missing or disabled is a problem that health knows.
SELECT severity, what FROM cumulate.health() WHERE target = 'depot.weekly' AND severity = 'error';
ALTER TABLE depot.moves_may DISABLE TRIGGER ALL;
SELECT severity, regexp_replace(what, '_\d+', '_N', 'g') AS what FROM cumulate.health()
WHERE target = 'depot.weekly' AND severity = 'error' ORDER BY what;
ALTER TABLE depot.moves_may ENABLE TRIGGER ALL;
SELECT cumulate.alter_table('depot.weekly', late => 'none'), cumulate.alter_table('depot.weekly', late => 'trigger');
SELECT count(*) FROM cumulate.health() WHERE target = 'depot.weekly' AND severity = 'error';
SELECT cumulate.apply_late('depot.weekly') AS rows_changed;
-- Frozen days: their source rows may go, and go on counting.
SELECT cumulate.freeze('depot.weekly', '2024-05-04');
DELETE FROM depot.moves WHERE moved_on <= '2024-05-04';
SELECT cumulate.apply_late('depot.weekly') AS rows_changed;
SELECT * FROM depot.shown WHERE snapshot_date BETWEEN '2024-05-03' AND '2024-05-06';
INSERT INTO depot.moves VALUES ('nut', 5, '2024-05-05');
SELECT cumulate.cumulate_day('depot.weekly', '2024-05-05');
SELECT * FROM depot.shown WHERE snapshot_date BETWEEN '2024-05-05' AND '2024-05-06';
SELECT * FROM cumulate.verify('depot.weekly');
SELECT frozen_through, frozen_changes FROM cumulate.definition WHERE target = 'depot.weekly'::regclass;
SELECT state, count(*) FROM cumulate.days WHERE target = 'depot.weekly'::regclass AND day <= '2024-06-02' GROUP BY state ORDER BY state;
-- scan finds changes of the last days by itself, for sources without triggers.
CREATE VIEW depot.all_moves AS SELECT * FROM depot.moves;
SELECT cumulate.create_table('depot.scanned', 'depot.all_moves', 'moved_on', '{item}', '{"amount": "sum(amount)"}',
    start_date => '2024-05-05', time_zone => 'UTC', late => 'scan', lookback => 3660, partition_by => 'none');
SELECT cumulate.cumulate_day('depot.scanned', '2024-05-07');
INSERT INTO depot.moves VALUES ('late', 7, '2024-05-06');
SELECT cumulate.apply_late('depot.scanned') AS rows_changed;
SELECT item, amount_array, snapshot_date FROM depot.scanned ORDER BY snapshot_date, item;
SELECT * FROM cumulate.verify('depot.scanned');
-- What has been dropped is said, and can be forgotten.
SET client_min_messages = warning;
DROP TABLE depot.moves CASCADE;
RESET client_min_messages;
SELECT severity, target, what FROM cumulate.health() WHERE target LIKE 'depot.%' AND what LIKE '%dropped' ORDER BY target;
SELECT cumulate.forget(id) FROM cumulate.definition WHERE target::text LIKE 'depot.%';
SELECT count(*) FROM cumulate.definition WHERE target::text LIKE 'depot.%';
SET client_min_messages = warning;
DROP SCHEMA depot CASCADE;
