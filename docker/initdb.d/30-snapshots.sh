#!/bin/sh
# Closes every day from the start date to yesterday.
set -eu

psql -X -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c 'CALL sales.backfill()'
