#!/usr/bin/env bash
# The usual route of an extension: build, then install into the server of PG_CONFIG, then check it where it runs.
#   scripts/build.sh build|install|installcheck
set -euo pipefail
here=$(dirname "$0")
. "$here/setup.sh"
. "$here/package.sh"

main() {
    case $1 in
        build) build ;;
        install) install_into_server ;;
        installcheck) check_running_server ;;
        *) fail "scripts/build.sh takes build, install or installcheck" ;;
    esac
}

build() {
    setup
    one_at_a_time package release
    echo "built for $("$server_pg_config" --version)"
}

install_into_server() {
    local pkglibdir
    need_pg_config install
    use_server
    # Under sudo there may be no cargo; what the user has built goes in as it is.
    [[ -n ${SUDO_UID:-} && -f $(package_folder release)/.built ]] || build
    pkglibdir=${DESTDIR:-}$("$server_pg_config" --pkglibdir)
    [[ -n ${DESTDIR:-} || -w $pkglibdir ]] ||
        fail "$pkglibdir cannot be written by $(id -un): run sudo make install PG_CONFIG=$PG_CONFIG"
    install_package release "$server_pg_config"
    echo "installed; run CREATE EXTENSION pg_cumulate in a database of that server"
}

# Against the server that psql would connect to: PGHOST, PGPORT, PGUSER.
check_running_server() {
    local pg_regress results=$ROOT/target/regress options=()
    need_pg_config installcheck
    use_server
    pg_regress=$("$server_pg_config" --pkglibdir)/pgxs/src/test/regress/pg_regress
    [[ -x $pg_regress ]] || fail "PG_CONFIG=$PG_CONFIG has no pg_regress: install the server's development package (Debian: postgresql-server-dev-$server_major)"
    # PostgreSQL 15 takes the expected files from the input folder and does not know the option.
    ((server_major < 16)) || options+=(--expecteddir=pg_test)
    mkdir -p "$results"
    cd "$ROOT"
    "$pg_regress" --inputdir=pg_test "${options[@]}" --outputdir="$results" --bindir="$("$server_pg_config" --bindir)" \
        --schedule=pg_test/schedule --dbname=pg_cumulate_regression
}

need_pg_config() {
    [[ -n ${PG_CONFIG:-} ]] || fail "say which server: make $1 PG_CONFIG=/path/to/pg_config"
}

main "$@"
