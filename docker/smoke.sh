#!/bin/sh
# Run while the image is built, by the server's user: a cluster of its own, the extension, one closed day.
set -eu

data=$(mktemp -d)
trap 'pg_ctl -D "$data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$data"' EXIT
initdb -D "$data" -U postgres >/dev/null
pg_ctl -D "$data" -o "-c listen_addresses='' -k $data" -l "$data/log" -w start >/dev/null || { cat "$data/log"; exit 1; }
psql -X -q -o /dev/null -v ON_ERROR_STOP=1 -h "$data" -U postgres <<'SQL'
CREATE EXTENSION pg_cumulate;
INSERT INTO sales.events (product_id, event_type, event_date) VALUES (1, 'sell', '2024-12-01'), (1, 'sell', '2024-12-02');
-- Division by zero ends the build.
SELECT 1 / (sales.cumulate_day('2024-12-02') = 1)::integer;
SELECT 1 / count(*) FROM sales.daily_cumulate WHERE snapshot_date = '2024-12-02' AND sell_array = '{1,1}';
SELECT 1 / count(*) FROM pg_stat_activity WHERE backend_type = 'pg_cumulate launcher';
SQL
echo "smoke test passed"
