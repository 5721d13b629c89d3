# Sourced after setup.sh. Builds the extension into a folder of target and copies it from there into a server.

# package release|test   builds when something has changed since the last time
package() {
    local kind=$1 folder
    folder=$(package_folder "$kind")
    ! is_current "$folder" || return 0
    rm -rf "$folder"
    mkdir -p "$folder"
    touch "$folder/.began"
    # shellcheck disable=SC2046
    (cd "$ROOT" && cargo pgrx package --pg-config "$server_pg_config" --out-dir "$folder" $(features_of "$kind"))
    mv "$folder/.began" "$folder/.built"
}

package_folder() {
    echo "$CARGO_TARGET_DIR/package/$1"
}

features_of() {
    [[ $1 != test ]] || echo --features pg_test
}

# cargo would compile the crate again at each change between the two kinds, so it is asked only when a source is newer.
is_current() {
    local source
    [[ -f $1/.built ]] || return 1
    for source in Cargo.toml Cargo.lock build.rs pg_cumulate.control src sql pg_test/in_backend; do
        [[ -e $ROOT/$source ]] || continue
        [[ -z $(find "$ROOT/$source" -newer "$1/.built" -print -quit) ]] || return 1
    done
}

# install_package release|test PG_CONFIG   each file goes in by a rename: a running server keeps the library it has
install_package() {
    local folder to file
    folder=$(package_folder "$1")
    to=$2
    for file in "$folder$("$server_pg_config" --pkglibdir)"/*; do
        install_file "$file" "${DESTDIR:-}$("$to" --pkglibdir)" 755
    done
    for file in "$folder$("$server_pg_config" --sharedir)"/extension/*; do
        install_file "$file" "${DESTDIR:-}$("$to" --sharedir)/extension" 644
    done
}

install_file() {
    local target
    target=$2/$(basename "$1")
    ! cmp -s "$1" "$target" || return 0
    mkdir -p "$2"
    install -m "$3" "$1" "$target.new"
    mv "$target.new" "$target"
    echo "$target"
}
