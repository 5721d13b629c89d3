#!/usr/bin/env bash
# Format, clippy with warnings denied, the rules of the house, licences, the install script, the scripts themselves.
set -euo pipefail
here=$(dirname "$0")
. "$here/setup.sh"
. "$here/package.sh"

main() {
    local component
    setup_in_stages
    cd "$ROOT"
    for component in fmt clippy; do
        cargo "$component" --version >/dev/null 2>&1 || fail "cargo $component is missing: rustup component add rustfmt clippy"
    done
    stage "rustfmt" "run cargo fmt --all" cargo fmt --all --check
    stage "clippy, the extension" "mend what clippy says" clippy -p pg_cumulate --no-default-features --features "pg$server_major"
    stage "clippy, with in-backend tests" "mend what clippy says" clippy -p pg_cumulate --no-default-features --features "pg$server_major,pg_test"
    stage "clippy, the test crate" "mend what clippy says" clippy -p pg_cumulate_tests
    stage "rules of the house" "see the first lines of scripts/house_rules.py" python3 "$here/house_rules.py" src
    stage "licences" "take another crate, or add a permissive licence to scripts/licences.py" check_licences
    stage "pgspot $PGSPOT_VERSION" "check that python3 -m pip can reach its registry, then run the same command again" one_at_a_time get_pgspot
    stage "extension: release build, for its install script" "mend what the compiler says" one_at_a_time package release
    stage "install script" "qualify what pgspot names, or accept it in scripts/install_script.py with the reason" check_install_script
    stage "mutants" "adapt the mutants that are named to the sources" "$here/mutants.sh" --check
    stage "image: versions" "bring the ARGs of Dockerfile to Cargo.toml" check_image_versions
    stage "shell scripts" "mend what is said of the script" check_scripts
}

# The release profile, so that build scripts and bindings are made once for demo, tests and lint.
clippy() {
    cargo clippy --release --all-targets "$@" -- -D warnings
}

check_licences() {
    cargo metadata --format-version 1 --locked | python3 scripts/licences.py
}

check_install_script() {
    local script
    script=$(echo "$(package_folder release)$("$server_pg_config" --sharedir)"/extension/pg_cumulate--*.sql)
    python3 "$here/install_script.py" "$TOOLS/pgspot:$TOOLS/pglast" "$script"
}

check_image_versions() {
    diff <(sed -n 's/^version = "\(.*\)"/VERSION=\1/p; s/^rust-version = "\(.*\)"/RUST=\1/p; s/^pgrx = "=\(.*\)"/PGRX=\1/p' Cargo.toml | sort) \
        <(sed -n 's/^ARG \(VERSION\|RUST\|PGRX\)=/\1=/p' Dockerfile | sort)
}

check_scripts() {
    local script
    for script in scripts/*.sh scripts/psql .ci/run docker/*.sh; do
        bash -n "$script"
    done
    # SC2154: variables that a sourced file sets.
    ! command -v shellcheck || shellcheck -s bash -x -P scripts -e SC2154 scripts/*.sh scripts/psql .ci/run docker/*.sh
}

main
