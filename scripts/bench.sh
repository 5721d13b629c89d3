#!/usr/bin/env bash
# How fast the extension is: beside plain SQL and beside the copying of finished rows, on a server of its own.
#   scripts/bench.sh            every row at full size, and the curves in docs/
#   scripts/bench.sh quick      every row, small, in about two minutes
#   scripts/bench.sh ROW...     only these rows, at full size: close fill backfill generate late arrays ingest growth forecast
#   scripts/bench.sh rounds=3   fewer rounds than the seven that count
set -euo pipefail
here=$(dirname "$0")
. "$here/setup.sh"
. "$here/package.sh"
. "$here/server.sh"

main() {
    forget_other_servers
    make_server_folder bench
    setup_in_stages
    stage "extension: release build" "mend what the compiler says" one_at_a_time package release
    stage "server: a copy for the benchmark" "run make clean, then the same command again" ready_server
    export_bench_environment
    stage_in_full "benchmark" "see the message above" bench "$@"
}

ready_server() {
    copy_server bench
    install_package release "$SERVERS/bench/bin/pg_config"
}

export_bench_environment() {
    PG_CUMULATE_RUN=$SERVERS/bench/run
    PG_CUMULATE_BENCH=$CARGO_TARGET_DIR/bench
    export PG_CUMULATE_RUN PG_CUMULATE_BENCH
    if ((EUID == 0)); then
        PG_CUMULATE_SERVER_UID=$(server_uid)
        PG_CUMULATE_SERVER_GID=$(server_gid)
        export PG_CUMULATE_SERVER_UID PG_CUMULATE_SERVER_GID
    fi
}

bench() {
    cd "$ROOT"
    PG_CONFIG=$SERVERS/bench/bin/pg_config cargo bench -p pg_cumulate_tests --bench speed -- "$@"
}

main "$@"
