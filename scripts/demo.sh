#!/usr/bin/env bash
# The sales pipeline on a private server, from nothing. Run again, it keeps the data and does what is missing.
set -euo pipefail
here=$(dirname "$0")
. "$here/setup.sh"
. "$here/package.sh"
. "$here/server.sh"
. "$here/demo_server.sh"

EVENTS=1000000
PRODUCTS=1000
FIRST_DAY=2024-12-01
SEED=42

main() {
    demo_server_in_stages
    stage "events: 1,000,000 of 1,000 products, $FIRST_DAY to yesterday" "$demo_afresh" generate_events
    stage_with_progress "snapshots: every day to yesterday" "$demo_afresh" advance_snapshots
    show_snapshots
    show_commands
}

generate_events() {
    [[ $(ask "SELECT NOT EXISTS (SELECT FROM sales.events)") == t ]] || return 0
    ask "SELECT sales.generate_events($EVENTS, $PRODUCTS, '$FIRST_DAY', $yesterday, seed => $SEED, profile => 'retail')"
}

yesterday="(now() AT TIME ZONE 'UTC')::date - 1"

advance_snapshots() {
    ask "CALL sales.backfill()"
}

show_snapshots() {
    local columns='product_id, sell_array, return_array, total_sell_7d, total_return_7d'
    printf '\nThe snapshot of 2024-12-14, the five best sellers:\n'
    show "SELECT $columns FROM sales.daily_cumulate WHERE snapshot_date = '2024-12-14' ORDER BY total_sell_7d DESC, product_id LIMIT 5"
    printf 'The latest, of %s:\n' "$(ask "SELECT max(snapshot_date) FROM sales.daily_cumulate_latest")"
    show "SELECT $columns FROM sales.daily_cumulate_latest ORDER BY total_sell_7d DESC, product_id LIMIT 5"
}

show_commands() {
    cat <<'TRY'
Try (make stop ends the server):
  scripts/psql
  scripts/psql -c "SELECT product_id, sell_array, total_sell_7d FROM sales.daily_cumulate_latest ORDER BY 3 DESC LIMIT 10"
  scripts/psql -c "SELECT sales.cumulate_day('2024-12-14')"
TRY
}

main
