#!/bin/sh
# Starts the server, and fills the sales pipeline when it is empty: at the first start, and again when that was cut short.
# What was asked for is checked before anything is made.
set -eu

main() {
    number EVENTS "$EVENTS" 1 100000000
    number PRODUCTS "$PRODUCTS" 1 1000000
    number SEED "$SEED" 0 2147483647
    # A grandchild: it is not the server's to wait for.
    (fill &)
    exec docker-entrypoint.sh "$@"
}

number() {
    case $2 in
        '' | *[!0-9]*) refuse "$1=$2 is not a whole number" ;;
    esac
    [ "${#2}" -le 10 ] && [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] || refuse "$1=$2 is not from $3 to $4"
}

refuse() {
    echo "pg_cumulate: $*: set $1 in docker/.env" >&2
    exit 64
}

# By TCP: while the first start's scripts run, the server listens on its socket only.
fill() {
    until pg_isready -q -h 127.0.0.1; do
        sleep 1
    done
    psql -X -q -v ON_ERROR_STOP=1 --single-transaction -h 127.0.0.1 -U "${POSTGRES_USER:-postgres}" \
        -d "${POSTGRES_DB:-${POSTGRES_USER:-postgres}}" \
        -v events="$EVENTS" -v products="$PRODUCTS" -v seed="$SEED" -f /opt/pg_cumulate/sales.sql ||
        echo "pg_cumulate: sales were not filled: see the error above; the next start tries again" >&2
}

main "$@"
