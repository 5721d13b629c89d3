#!/usr/bin/env bash
# The sales pipeline on a private server, from nothing. Run again, it keeps the data and does what is missing.
set -euo pipefail
here=$(dirname "$0")
. "$here/setup.sh"
. "$here/package.sh"
. "$here/server.sh"

EVENTS=1000000
PRODUCTS=1000
FIRST_DAY=2024-12-01
SEED=42

main() {
    forget_other_servers
    make_server_folder demo
    use_server
    check_demo_data
    setup_in_stages
    stage "extension: release build (the first time about 3 minutes)" \
        "mend what the compiler says, then make demo" one_at_a_time package release
    stage "server: private, unix socket only, library preloaded" "$afresh" ready_server
    stage "CREATE EXTENSION pg_cumulate" "$afresh" create_extension
    stage "events: 1,000,000 of 1,000 products, $FIRST_DAY to yesterday" "$afresh" generate_events
    stage_with_progress "snapshots: every day to yesterday" "$afresh" advance_snapshots
    show_snapshots
    show_commands
}

afresh='make clean removes the demo and its data, make demo makes it anew'

ready_server() {
    local installed
    copy_server demo
    installed=$(install_package release "$DEMO/bin/pg_config")
    if [[ $installed == *.so* ]]; then
        stop_demo_server
    fi
    start_demo_server
}

create_extension() {
    local script made_by=$DEMO/made-by
    script=$(sum_of_script)
    if [[ $(ask "SELECT count(*) FROM pg_extension WHERE extname = 'pg_cumulate'") == 0 ]]; then
        ask "CREATE EXTENSION pg_cumulate"
        echo "$script" >"$made_by"
    fi
    [[ $(cat "$made_by") == "$script" ]] || fail "the extension's SQL has changed since this database was made: $afresh"
}

# Without comments, which hold line numbers, and in whatever order the functions come.
sum_of_script() {
    grep -hvE '^(--|/\*|\*/)' "$(package_folder release)$("$server_pg_config" --sharedir)"/extension/*--*.sql | sort | cksum
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

ask() {
    demo_psql -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"
}

show() {
    demo_psql -X -q -v ON_ERROR_STOP=1 -P footer=off -P pager=off -c "$1"
}

main
