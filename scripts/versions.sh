#!/usr/bin/env bash
# Other major versions of PostgreSQL: 18 is built and tested, and data of 16 is upgraded to it; 15 and 17 are type-checked.
set -euo pipefail
here=$(dirname "$0")
. "$here/setup.sh"
. "$here/server.sh"

main() {
    PG_MAJOR=18 "$here/test.sh" --test in_backend --test regress --test law --test late --test sales
    # Both are there now: the data of one goes to the other.
    PG_CUMULATE_NEWER=$SERVERS/test18/bin/pg_config "$here/test.sh" --test tables -- pg_upgrade
    setup_in_stages
    stage "PostgreSQL 17: type check" "mend what the compiler says" check_types 17
    stage "PostgreSQL 15: type check" "mend what the compiler says" check_types 15
}

# Against the bindings that pgrx ships for its documentation: there is no server of these versions in the package.
check_types() {
    cd "$ROOT"
    export CARGO_TARGET_DIR=$ROOT/target/types PGRX_HOME=$ROOT/target/types/pgrx DOCS_RS=1
    export RUSTC_WRAPPER=$ROOT/scripts/rustc_with_shipped_bindings.sh
    mkdir -p "$PGRX_HOME"
    cargo check -p pg_cumulate --no-default-features --features "pg$1"
}

main
