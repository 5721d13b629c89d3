#!/usr/bin/env bash
# The long forms, each with a seed of its own, for an hour unless PG_CUMULATE_LAW_SECONDS and PG_CUMULATE_FAULT_SECONDS say
# otherwise: the law with full coverage, and load under fire.
set -euo pipefail
here=$(dirname "$0")
. "$here/setup.sh"
. "$here/package.sh"
. "$here/server.sh"

main() {
    forget_other_servers
    make_server_folder test
    : "${PG_CUMULATE_LAW_SECONDS:=3600}" "${PG_CUMULATE_FAULT_SECONDS:=3600}"
    setup_in_stages
    stage "extension: with its in-backend tests" "mend what the compiler says" one_at_a_time package test
    stage "server: a copy for the tests" "run make clean, then the same command again" ready_server
    stage_in_full "the law, for $PG_CUMULATE_LAW_SECONDS s" "repeat it with the seed that is named above" soak law
    stage_in_full "load under fire, for $PG_CUMULATE_FAULT_SECONDS s" "repeat it with the seed that is named above" soak faults
}

ready_server() {
    copy_server test
    install_package test "$SERVERS/test/bin/pg_config"
}

soak() {
    cd "$ROOT"
    if ((EUID == 0)); then
        PG_CUMULATE_SERVER_UID=$(server_uid)
        PG_CUMULATE_SERVER_GID=$(server_gid)
        export PG_CUMULATE_SERVER_UID PG_CUMULATE_SERVER_GID
    fi
    PG_CONFIG=$SERVERS/test/bin/pg_config PG_CUMULATE_RUN=$SERVERS/test/run PG_CUMULATE_SOAK=1 \
        PG_CUMULATE_LAW_SECONDS=$PG_CUMULATE_LAW_SECONDS PG_CUMULATE_FAULT_SECONDS=$PG_CUMULATE_FAULT_SECONDS \
        cargo test --release -p pg_cumulate_tests --test "$1"
}

main
