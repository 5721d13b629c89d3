#!/usr/bin/env bash
# Every test, or with "quick" those for everyday use: pure, in-backend, regress.
set -euo pipefail
here=$(dirname "$0")
. "$here/setup.sh"
. "$here/package.sh"
. "$here/server.sh"

main() {
    forget_other_servers
    make_server_folder test
    setup_in_stages
    stage "libfaketime $LIBFAKETIME_VERSION" "check that python3 -m pip can reach its registry, then run the same command again" one_at_a_time get_faketime
    stage "extension: with its in-backend tests" "mend what the compiler says" one_at_a_time package test
    stage "server: a copy for the tests" "run make clean, then the same command again" ready_server
    export_test_environment
    stage_in_full "pure tests" "see the test's message above" pure_tests
    if [[ ${1:-} == quick ]]; then
        stage_in_full "in-backend tests and regress" "see the test's message above" server_tests --test in_backend --test regress
    else
        stage_in_full "tests with servers" "see the test's message above" server_tests
    fi
    printf '%-62s%5d s\n' "all tests passed" "$SECONDS"
}

ready_server() {
    copy_server test
    install_package test "$SERVERS/test/bin/pg_config"
    install_file "$TOOLS/faketime/libfaketime.so.1" "$SERVERS/test" 755
}

export_test_environment() {
    PG_CUMULATE_RUN=$SERVERS/test/run
    PG_CONFIG_OF_TESTS=$SERVERS/test/bin/pg_config
    PG_CUMULATE_FAKETIME=$SERVERS/test/libfaketime.so.1
    export PG_CUMULATE_RUN PG_CUMULATE_FAKETIME
    if ((EUID == 0)); then
        PG_CUMULATE_SERVER_UID=$(server_uid)
        PG_CUMULATE_SERVER_GID=$(server_gid)
        export PG_CUMULATE_SERVER_UID PG_CUMULATE_SERVER_GID
    fi
}

# The release profile, so that every crate is compiled once for demo, tests and lint.
pure_tests() {
    cd "$ROOT"
    cargo test --release --lib -p pg_cumulate --no-default-features --features "pg$server_major"
}

server_tests() {
    cd "$ROOT"
    PG_CONFIG=$PG_CONFIG_OF_TESTS cargo test --release -p pg_cumulate_tests "$@"
}

main "$@"
