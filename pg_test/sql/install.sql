-- CREATE EXTENSION, and what it gives.
\set VERBOSITY terse
-- On a server whose scheduler works, days would be closed before the tests look at them.
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET cumulate.enabled = off', current_database()); END $$;
\c
CREATE EXTENSION pg_cumulate;
SELECT extname, extversion, extnamespace::regnamespace, obj_description(oid, 'pg_extension') FROM pg_extension WHERE extname = 'pg_cumulate';
SELECT nspname, nspowner::regrole = current_user::regrole AS mine FROM pg_namespace WHERE nspname IN ('cumulate', 'sales') ORDER BY 1;
-- The pipeline is nobody's member: a dump keeps it, DROP EXTENSION keeps its tables.
SELECT count(*) FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_cumulate'
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
  AND (pg_identify_object(d.classid, d.objid, d.objsubid)).schema = 'sales';
SELECT target, source, keys, windows, start_date, time_zone, shape, late, owner = current_user::regrole AS mine FROM cumulate.tables;
SELECT metric, value, rollup, daily_column FROM cumulate.metrics;
\a
\t
SELECT cumulate.definition('sales.daily_cumulate');
\a
\t
-- Without the extension its tables are ordinary tables; with it again, they are taken back.
INSERT INTO sales.events (product_id, event_type, event_date) VALUES (1, 'sell', '2024-12-01'), (1, 'sell', '2024-12-03');
SELECT sales.cumulate_day('2024-12-03');
DROP EXTENSION pg_cumulate;
SELECT relname FROM pg_class WHERE relnamespace = 'sales'::regnamespace AND relkind IN ('r', 'p', 'v') ORDER BY 1;
INSERT INTO sales.events (product_id, event_type, event_date) VALUES (2, 'sell', '2024-12-02');
CREATE EXTENSION pg_cumulate;
SELECT cumulate.create_sales_pipeline('sales');
SELECT state, count(*) FROM cumulate.days WHERE day <= '2024-12-03' GROUP BY state ORDER BY state;
SELECT cumulate.apply_late('sales.daily_cumulate') AS changed;
SELECT product_id, sell_array, total_sell_7d, snapshot_date FROM sales.daily_cumulate ORDER BY snapshot_date, product_id;
SELECT sales.cumulate_day('2024-12-03');
SELECT * FROM cumulate.verify('sales.daily_cumulate');
-- A second pipeline, and its end.
SELECT cumulate.create_sales_pipeline('shop');
SELECT cumulate.drop_table('shop.daily_cumulate');
DROP SCHEMA shop CASCADE;
SELECT target FROM cumulate.tables ORDER BY 1;
DROP EXTENSION pg_cumulate;
DROP SCHEMA sales CASCADE;
CREATE EXTENSION pg_cumulate;
