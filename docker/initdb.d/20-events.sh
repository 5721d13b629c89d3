#!/bin/sh
# EVENTS mock events of PRODUCTS products, from the start date to yesterday; the same SEED gives the same events.
set -eu

psql -X -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" \
    -v events="${EVENTS:-1000000}" -v products="${PRODUCTS:-1000}" -v seed="${SEED:-42}" <<'SQL'
SELECT sales.generate_events(:'events', :'products', '2024-12-01', (now() AT TIME ZONE 'UTC')::date - 1,
                             seed => :'seed', profile => 'retail') AS events;
SQL
