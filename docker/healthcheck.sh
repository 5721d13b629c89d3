#!/bin/sh
# Healthy: the server takes connections, and the scheduler's launcher runs. With "sales", too: the sales pipeline has
# events, and every day up to the day before yesterday is closed (yesterday may be under way).
# By TCP: while the first start's scripts run, the server listens on its socket only.
set -eu

ask() {
    psql -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -U "${POSTGRES_USER:-postgres}" \
        -d "${POSTGRES_DB:-${POSTGRES_USER:-postgres}}" -c "$1"
}

expect() {
    [ "$(ask "$2")" = t ] || { echo "unhealthy: $1"; exit 1; }
}

expect "the scheduler's launcher does not run" \
    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_cumulate launcher')"
[ "${1:-}" = sales ] || exit 0
expect "sales has no events" "SELECT EXISTS (SELECT FROM sales.events)"
expect "days of sales.daily_cumulate are not closed" \
    "SELECT lag_days <= 1 AND missing_days <= 1 FROM cumulate.status WHERE target = 'sales.daily_cumulate'::regclass"
