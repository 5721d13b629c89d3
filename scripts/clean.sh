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
    rm -rf "$ROOT"/target/{package,log,tmp,mutants,bench} "$ROOT"/target/for-*/package
}

# Left behind only when a run of the tests or the benchmark was killed.
stop_test_servers() {
    local name file
    for name in test test18 bench; do
        [[ -d $SERVERS/$name ]] || continue
        find "$SERVERS/$name" -name postmaster.pid | while IFS= read -r file; do
            as_server "$SERVERS/$name/bin/pg_ctl" stop -s -m immediate -D "$(dirname "$file")" || true
        done
    done
}

remove_servers() {
    [[ -d $SERVERS && -O $SERVERS && ! -L $SERVERS ]] || return 0
    rm -rf "$SERVERS/demo" "$SERVERS/test" "$SERVERS/test18" "$SERVERS/bench"
    rmdir --ignore-fail-on-non-empty "$SERVERS"
}

main
