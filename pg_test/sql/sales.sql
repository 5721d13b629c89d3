-- The sales pipeline, as a newcomer uses it.
SELECT sales.generate_events(20000, 50, '2024-12-01', '2024-12-20', seed => 7, profile => 'retail');
SELECT sales.cumulate_day('2024-12-14');
SELECT * FROM sales.daily_cumulate WHERE snapshot_date = '2024-12-14' ORDER BY product_id LIMIT 3;
SELECT * FROM sales.daily WHERE snapshot_date = '2024-12-14' ORDER BY product_id LIMIT 3;
CALL sales.backfill('2024-12-01', '2024-12-20');
SELECT state, count(*), sum(rows) AS rows, sum(events) AS events FROM cumulate.days WHERE day <= '2024-12-20' GROUP BY state;
SELECT trigger, from_day, to_day, days_done, days_total, rows, status FROM cumulate.runs;
SELECT * FROM cumulate.verify('sales.daily_cumulate');
-- The same seed gives the same events.
SELECT cumulate.create_sales_pipeline('again');
SELECT again.generate_events(20000, 50, '2024-12-01', '2024-12-20', seed => 7, profile => 'retail');
SELECT count(*) FROM (
    SELECT product_id, event_type, event_date FROM sales.events
    EXCEPT ALL SELECT product_id, event_type, event_date FROM again.events) AS extra;
SELECT cumulate.drop_table('again.daily_cumulate');
SET client_min_messages = warning;
DROP SCHEMA again CASCADE;
RESET client_min_messages;
-- A late event is repaired where it differs: by the close of any later day, or at once.
INSERT INTO sales.events (product_id, event_type, event_date) VALUES (7, 'sell', '2024-12-18');
SELECT notes FROM cumulate.status;
SELECT day, why FROM cumulate.plan('sales.daily_cumulate') WHERE why = 'late changes wait';
SELECT cumulate.apply_late('sales.daily_cumulate') AS rows_changed;
INSERT INTO sales.events (product_id, event_type, event_date) VALUES (51, 'sell', '2024-12-19');
SELECT cumulate.apply_late('sales.daily_cumulate') AS rows_changed;
SELECT product_id, sell_array, snapshot_date FROM sales.daily_cumulate WHERE product_id = 51 ORDER BY snapshot_date;
SELECT * FROM cumulate.verify('sales.daily_cumulate');
-- Events that the table refuses.
\set VERBOSITY terse
INSERT INTO sales.events (product_id, event_type, event_date) VALUES (1, 'gift', '2024-12-01');
INSERT INTO sales.events (product_id, event_type, event_date) VALUES (NULL, 'sell', '2024-12-01');
\set VERBOSITY default
-- What users do with a table of theirs: a column of their own stays empty, a renamed source column is followed.
ALTER TABLE sales.daily_cumulate ADD COLUMN remark text;
ALTER TABLE sales.events RENAME COLUMN product_id TO article;
INSERT INTO sales.events (article, event_type, event_date) VALUES (52, 'sell', '2024-12-20');
SELECT sales.cumulate_day('2024-12-21');
SELECT product_id, sell_array, remark, snapshot_date FROM sales.daily_cumulate WHERE product_id = 52 ORDER BY snapshot_date;
\a
\t
SELECT cumulate.definition('sales.daily_cumulate');
\a
\t
SELECT * FROM cumulate.verify('sales.daily_cumulate');
ALTER TABLE sales.events DROP COLUMN article;
ALTER TABLE sales.events RENAME COLUMN article TO product_id;
