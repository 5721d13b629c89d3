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
    stage_with_progress "snapshots: every day to yesterday, by the scheduler" "$demo_afresh" watch_the_scheduler
    show_runs
    show_snapshots
    show_commands
}

generate_events() {
    [[ $(ask "SELECT NOT EXISTS (SELECT FROM sales.events)") == t ]] || return 0
    ask "SELECT sales.generate_events($EVENTS, $PRODUCTS, '$FIRST_DAY', $yesterday, seed => $SEED, profile => 'retail')"
}

yesterday="(now() AT TIME ZONE 'UTC')::date - 1"

# Nobody has told it to: there are events, and days that are over.
watch_the_scheduler() {
    local progress="SELECT format('%s: %s (%s/%s days, %s rows a second)', target, current_day, days_done, days_total, rows_per_second)
                    FROM cumulate.progress WHERE target = 'sales.daily_cumulate'::regclass"
    local tries=0
    until [[ $(ask "SELECT missing_days FROM cumulate.status WHERE target = 'sales.daily_cumulate'::regclass") == 0 ]]; do
        ask "$progress"
        ((tries++ < 600)) || { ask "SELECT what, how_to_mend FROM cumulate.health()"; fail "the days have not advanced in five minutes: see above"; }
        sleep 0.5
    done
}

show_runs() {
    printf '\nWhat it has done:\n'
    show "SELECT run_id, trigger, from_day, to_day, days_done, rows, status, date_trunc('second', finished_at - started_at) AS took
          FROM cumulate.runs WHERE target = 'sales.daily_cumulate'::regclass ORDER BY run_id DESC LIMIT 3"
}

show_snapshots() {
    local columns='product_id, sell_array, return_array, total_sell_7d, total_return_7d'
    printf 'The snapshot of 2024-12-14, the four best sellers:\n'
    show "SELECT $columns FROM sales.daily_cumulate WHERE snapshot_date = '2024-12-14' ORDER BY total_sell_7d DESC, product_id LIMIT 4"
    printf 'The latest, of %s:\n' "$(ask "SELECT max(snapshot_date) FROM sales.daily_cumulate_latest")"
    show "SELECT $columns FROM sales.daily_cumulate_latest ORDER BY total_sell_7d DESC, product_id LIMIT 4"
}

show_commands() {
    cat <<'TRY'
Try (make stop ends the server):
  scripts/psql
  scripts/psql -c "SELECT product_id, sell_array, total_sell_7d FROM sales.daily_cumulate_latest ORDER BY 3 DESC LIMIT 10"
  scripts/psql -c "SELECT * FROM cumulate.status" -c "SELECT target, schedule, next_run, state FROM cumulate.schedules"
TRY
}

main
