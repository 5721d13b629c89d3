#!/usr/bin/env bash
# Stops the demo's server; its data stays.
set -euo pipefail
here=$(dirname "$0")
. "$here/setup.sh"
. "$here/server.sh"

if demo_server_runs; then
    stop_demo_server
    echo "the demo's server is stopped; make demo starts it again"
else
    echo "the demo's server is not running"
fi
