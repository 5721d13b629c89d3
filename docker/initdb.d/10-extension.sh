#!/bin/sh
# The extension, and with it the schema sales.
set -eu

psql -X -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c 'CREATE EXTENSION pg_cumulate'
