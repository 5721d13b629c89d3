#!/usr/bin/env bash
# Faults that the tests must find: each file of pg_test/mutants changes a scratch copy of the tree, which is then built and
# tested until a test fails. Fails when all suites pass with a mutant.
#   scripts/mutants.sh            all mutants
#   scripts/mutants.sh NAME...    those of pg_test/mutants/NAME.toml, with the tests alone that they name
#   scripts/mutants.sh --check    only looks whether every mutant fits the sources
set -euo pipefail
here=$(dirname "$0")
. "$here/setup.sh"
. "$here/package.sh"
. "$here/server.sh"

SCRATCH=$ROOT/target/mutants
# Below the folder of the tests, so that make clean takes it along.
SERVER=test/mutants
# From the quickest to the slowest.
SUITES=(pure in_backend regress law sales late tables analytics faults)
# What some mutants are found by: they do not compile, for the reason that they name.
COMPILER=compiler
# What must pass without a mutant, and fail with it.
TRIED=("${SUITES[@]}")
# A mutant may run for ever: it gets so many times the seconds that a suite takes without one, and a minute.
PATIENCE=3
MOST_SECONDS=3600

main() {
    local name names killed=0 began
    check_mutants || exit 1
    [[ ${1:-} != --check ]] || exit 0
    if (($#)); then
        for name in "$@"; do
            [[ -f $ROOT/pg_test/mutants/$name.toml ]] || fail "there is no pg_test/mutants/$name.toml"
        done
        readarray -t TRIED < <(named_by "$@")
    else
        readarray -t names < <(names_of_all)
        set -- "${names[@]}"
    fi
    forget_other_servers
    make_server_folder test
    make_server_folder "$SERVER"
    setup_in_stages
    trap clean_up EXIT
    stage "libfaketime $LIBFAKETIME_VERSION" "check that python3 -m pip can reach its registry, then run the same command again" one_at_a_time get_faketime
    stage "extension: with its in-backend tests" "mend what the compiler says" one_at_a_time package test
    stage "scratch copy of tree and compiled crates" "make room in target" one_at_a_time make_scratch
    stage "server: a copy for the mutants" "run make clean, then the same command again" ready_server
    enter_scratch
    stage_in_full "without a mutant every suite passes" "mend the tests first" suites_pass
    began=$SECONDS
    for name in "$@"; do
        try_mutant "$name" && killed=$((killed + 1))
    done
    printf '%-62s%5d s\n' "$killed of $# mutants were found" $((SECONDS - began))
    ((killed == $#)) || fail "a mutant was not found: add a test that fails with it"
}

check_mutants() {
    python3 "$here/mutants.py" check "$ROOT" "$ROOT/pg_test/mutants" "${SUITES[@]}" "$COMPILER"
}

names_of_all() {
    local file
    for file in "$ROOT"/pg_test/mutants/*.toml; do
        basename "$file" .toml
    done
}

# The suites and tests by which these mutants say that they are found.
named_by() {
    local name
    for name in "$@"; do
        sed -n 's/^found_by = "\(.*\)"$/\1/p' "$ROOT/pg_test/mutants/$name.toml"
    done | sort -u | sed "/^$COMPILER /d"
}

# Third-party crates are compiled already; ours is compiled as fast as can be, with what is compiled of it left out.
make_scratch() {
    local compiled=$CARGO_TARGET_DIR/release
    rm -rf "$SCRATCH"
    mkdir -p "$SCRATCH/tree" "$SCRATCH/target/release" "$SCRATCH/log"
    tar -C "$ROOT" --exclude=./target --exclude=./.git -c . | tar -C "$SCRATCH/tree" -x
    tar -C "$compiled" --exclude='*pg_cumulate*' -c build deps .fingerprint | tar -C "$SCRATCH/target/release" -x
    printf '\n[profile.release.package.pg_cumulate]\nopt-level = 0\ndebug = 0\n' >>"$SCRATCH/tree/Cargo.toml"
    # That a case fails is enough: nobody looks for the smallest one.
    sed -i 's/^const SHRINK_ITERATIONS: u32 = .*;/const SHRINK_ITERATIONS: u32 = 0;/' "$SCRATCH/tree/pg_test/cluster/law/campaign.rs"
    cp -R "$SCRATCH/tree" "$SCRATCH/original"
}

ready_server() {
    copy_server "$SERVER"
    install_file "$TOOLS/faketime/libfaketime.so.1" "$SERVERS/$SERVER" 755
}

# From here on ROOT and what is compiled are those of the scratch copy; tools and bindings stay the same.
enter_scratch() {
    ROOT=$SCRATCH/tree
    CARGO_TARGET_DIR=$SCRATCH/target
    PG_CUMULATE_RUN=$SERVERS/$SERVER/run
    PG_CUMULATE_FAKETIME=$SERVERS/$SERVER/libfaketime.so.1
    PG_CUMULATE_LAW_SECONDS=${PG_CUMULATE_LAW_SECONDS:-20}
    PG_CUMULATE_FAULT_SECONDS=${PG_CUMULATE_FAULT_SECONDS:-60}
    export CARGO_TARGET_DIR PG_CUMULATE_RUN PG_CUMULATE_FAKETIME PG_CUMULATE_LAW_SECONDS PG_CUMULATE_FAULT_SECONDS
    if ((EUID == 0)); then
        PG_CUMULATE_SERVER_UID=$(server_uid)
        PG_CUMULATE_SERVER_GID=$(server_gid)
        export PG_CUMULATE_SERVER_UID PG_CUMULATE_SERVER_GID
    fi
    cd "$ROOT"
}

suites_pass() {
    local suite began
    local -a words
    build || { tail -n 20 "$SCRATCH/log/build"; return 1; }
    for suite in "${TRIED[@]}"; do
        began=$SECONDS
        read -ra words <<<"$suite"
        run_suite "${words[@]}" || { tail -n 40 "$SCRATCH/log/${words[0]}"; return 1; }
        echo $((PATIENCE * (SECONDS - began) + 60)) >"$SCRATCH/log/${words[0]}.limit"
        printf '%-62s%5d s\n' "$suite" $((SECONDS - began))
    done
}

# try_mutant NAME   prints what found it; fails when nothing did
try_mutant() {
    local name=$1 began=$SECONDS file verdict
    local -a answer
    read -ra answer < <(python3 "$here/mutants.py" apply "$SCRATCH/original" "$ROOT" "$ROOT/pg_test/mutants" "$name")
    file=${answer[0]}
    verdict=$(hunt "${answer[@]:1}")
    cat "$SCRATCH/original/$file" >"$ROOT/$file"
    printf '%-34s %-80s %4d s\n' "$name" "$verdict" $((SECONDS - began))
    [[ $verdict == found* ]]
}

# hunt SUITE [TEST]   what fails: that test, or any other
hunt() {
    local suite
    local -a words
    if [[ $1 == "$COMPILER" ]]; then
        refused_for "${*:2}"
        return
    fi
    if [[ $1 == pure ]]; then
        run_suite "$@" || { found pure; return; }
    fi
    build || { compiler_error build; return; }
    [[ $1 == pure ]] || run_suite "$@" || { found "$1"; return; }
    for suite in "${TRIED[@]}"; do
        read -ra words <<<"$suite"
        run_suite "${words[@]}" || { found "${words[0]}" ", not by $*"; return; }
    done
    echo "NOT FOUND"
}

# refused_for REASON   whether the compiler finds the mutant
refused_for() {
    if build; then
        echo "NOT FOUND"
    elif grep -qF "error: $1" "$SCRATCH/log/build"; then
        echo "found by the compiler"
    else
        compiler_error build
    fi
}

# found SUITE [REMARK]   a suite that does not compile has found nothing
found() {
    if grep -q '^error: could not compile' "$SCRATCH/log/$1"; then
        compiler_error "$1"
    else
        echo "found by $1$(first_failure "$1")${2:-}"
    fi
}

compiler_error() {
    echo "DOES NOT COMPILE: $(grep -m 1 -A 3 '^error' "$SCRATCH/log/$1" | tr -s '\n ' ' ')"
}

build() {
    {
        rm -rf "$(package_folder test)"
        package test && install_package test "$SERVERS/$SERVER/bin/pg_config"
    } >"$SCRATCH/log/build" 2>&1
}

# run_suite SUITE [TEST]
run_suite() {
    local limit=$MOST_SECONDS command=(cargo test --release -p pg_cumulate_tests --test "$1" -- "${@:2}")
    [[ $1 != pure ]] || command=(cargo test --release --lib -p pg_cumulate --no-default-features --features "pg$server_major" -- "${@:2}")
    [[ ! -f $SCRATCH/log/$1.limit ]] || limit=$(<"$SCRATCH/log/$1.limit")
    PG_CONFIG=$SERVERS/$SERVER/bin/pg_config timeout "$limit" "${command[@]}" >"$SCRATCH/log/$1" 2>&1 </dev/null
}

# The name of the first test that failed, when there is more than one in the suite.
first_failure() {
    local name
    name=$(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$SCRATCH/log/$1" | head -n 1)
    [[ -z $name || $1 == law || $1 == in_backend || $1 == regress ]] || printf ': %s' "$name"
}

clean_up() {
    rm -rf "$SCRATCH" "${SERVERS:?}/$SERVER"
}

main "$@"
