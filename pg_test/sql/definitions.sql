-- Cumulative tables over other sources.
CREATE SCHEMA market;
CREATE TABLE market.orders (customer text, shop integer, amount numeric, weight double precision, ordered_at timestamptz);
SELECT cumulate.create_table('market.by_customer', 'market.orders', 'ordered_at', ARRAY['customer', 'shop'],
    '{"orders": "count(*)",
      "spent": {"value": "sum(amount)", "type": "numeric(12,2)"},
      "largest": {"value": "max(amount)", "rollup": "max"},
      "mean_weight": {"value": "avg(weight)", "rollup": "avg"},
      "newest": {"value": "max(ordered_at)", "rollup": "last"},
      "note": {"value": "min(customer)", "rollup": "none"}}',
    windows => '{2,4}', start_date => '2024-03-08', time_zone => 'America/New_York', filter => 'amount > 0', shape => 'padded',
    partition_by => 'none');
\d market.by_customer
\d market.by_customer_daily
-- Clocks went forward on 2024-03-10 in New York: that day has 23 hours.
SET TIME ZONE 'UTC';
INSERT INTO market.orders VALUES
    ('O''Neil "x"', 1, 10.50, 1, '2024-03-10 04:59:59+00'),  -- still the 9th
    ('O''Neil "x"', 1, 20.25, 2, '2024-03-10 05:00:00+00'),  -- the 10th
    ('O''Neil "x"', 1, 5.00, 4, '2024-03-11 03:59:59+00'),   -- still the 10th
    ('O''Neil "x"', 2, 7, 8, '2024-03-11 04:00:00+00'),      -- the 11th
    (E'line\nbreak', 1, 3, NULL, '2024-03-11 12:00:00+00'),
    ('free', 1, 0, 1, '2024-03-11 12:00:00+00'),
    (NULL, 1, 9, 1, '2024-03-11 12:00:00+00'),
    ('nowhen', 1, 9, 1, NULL),
    ('early', 1, 9, 1, '2024-03-01 12:00:00+00');
SELECT cumulate.cumulate_range('market.by_customer', '2024-03-08', '2024-03-12');
SELECT customer, shop, orders_array, spent_array, total_spent_2d, total_largest_4d, snapshot_date
FROM market.by_customer ORDER BY snapshot_date, customer, shop;
SELECT total_mean_weight_4d, newest_array[1:2], total_newest_4d FROM market.by_customer
WHERE snapshot_date = '2024-03-11' AND shop = 1 AND customer LIKE 'O%';
SELECT day, state, rows, events, unkeyed FROM cumulate.days
WHERE target = 'market.by_customer'::regclass AND day <= '2024-03-12' ORDER BY day;
SELECT * FROM cumulate.verify('market.by_customer');
-- verify sees what somebody has changed by hand.
UPDATE market.by_customer SET total_spent_2d = 1 WHERE snapshot_date = '2024-03-12' AND shop = 2;
DELETE FROM market.by_customer WHERE snapshot_date = '2024-03-12' AND customer LIKE 'line%';
SELECT * FROM cumulate.verify('market.by_customer', '2024-03-12', '2024-03-12');
\a
\t
SELECT cumulate.definition('market.by_customer');
\a
\t
SELECT cumulate.alter_table('market.by_customer', late => 'scan', lookback => 3, retention => '30 days');
SELECT late, lookback, retention FROM cumulate.definition WHERE target = 'market.by_customer'::regclass;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'market.orders'::regclass;
SELECT cumulate.drop_table('market.by_customer', keep_data => true);
SELECT relname FROM pg_class WHERE relnamespace = 'market'::regnamespace AND relkind IN ('r', 'p', 'v') ORDER BY relname;
-- A role without superuser, over a source of its own; nobody else's can be touched.
CREATE ROLE market_owner;
CREATE ROLE market_other;
GRANT ALL ON SCHEMA market TO market_owner, market_other;
SET ROLE market_owner;
CREATE TABLE market.visits (page text, visited_on date);
SELECT cumulate.create_table('market.visits_weekly', 'market.visits', 'visited_on', '{page}', '{"visits": "count(*)"}',
    start_date => '2024-05-01', expire_idle => true, shape => 'padded', partition_by => 'day');
GRANT INSERT ON market.visits TO market_other;
SET ROLE market_other;
INSERT INTO market.visits VALUES ('home', '2024-05-01'), ('help', '2024-05-08');
\set VERBOSITY terse
SELECT cumulate.cumulate_day('market.visits_weekly', '2024-05-01');
SELECT cumulate.drop_table('market.visits_weekly');
UPDATE cumulate.definition SET shape = 'ragged';
DELETE FROM cumulate.note;
SELECT count(*) FROM cumulate.tables WHERE target = 'market.visits_weekly'::regclass;
\set VERBOSITY default
RESET ROLE;
SET ROLE market_owner;
SELECT cumulate.cumulate_range('market.visits_weekly', '2024-05-01', '2024-05-09');
SELECT page, visits_array, total_visits_7d, snapshot_date FROM market.visits_weekly
WHERE snapshot_date >= '2024-05-07' ORDER BY snapshot_date, page;
SELECT * FROM cumulate.verify('market.visits_weekly');
RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA market CASCADE;
DROP ROLE market_owner, market_other;
