#!/usr/bin/env bash
# Stops our servers, removes their folders, the packaged extension, logs and results;
# compiled crates and fetched tools stay, so that the next command is quick.
set -euo pipefail
here=$(dirname "$0")
. "$here/setup.sh"
. "$here/server.sh"

main() {
    stop_demo_server
    stop_test_servers
    remove_servers
    rm -rf "$ROOT"/target/{package,log,tmp,mutants} "$ROOT"/target/for-*/package
}

# Left behind only when a test run was killed.
stop_test_servers() {
    local file
    [[ -d $SERVERS/test ]] || return 0
    find "$SERVERS/test" -name postmaster.pid | while IFS= read -r file; do
        as_server "$SERVERS/test/bin/pg_ctl" stop -s -m immediate -D "$(dirname "$file")" || true
    done
}

remove_servers() {
    [[ -d $SERVERS && -O $SERVERS && ! -L $SERVERS ]] || return 0
    rm -rf "$SERVERS/demo" "$SERVERS/test"
    rmdir --ignore-fail-on-non-empty "$SERVERS"
}

main
