# Sourced after setup.sh. Private copies of the server: one for the demo, one for the tests
# (a test build must not replace the library under a running demo). They lie outside the checkout,
# in a short folder, because a socket's path ends at 107 bytes and the server's user,
# who is never root, may not be able to read the checkout.

SERVERS=${PG_CUMULATE_HOME:-/var/tmp/pg_cumulate-$(id -u)-$(checksum_of "$ROOT")}
DEMO=$SERVERS/demo
DEMO_CLUSTER=$DEMO/cluster

# What a user has set for another server must not reach ours.
forget_other_servers() {
    local name
    for name in "${!PG@}"; do
        case $name in
            PG_* | PGRX_*) ;;
            *) unset "$name" ;;
        esac
    done
}

# make_server_folder NAME   SERVERS/NAME, for a copy of the server that belongs to us
make_server_folder() {
    local folder=$SERVERS/$1
    [[ $SERVERS == /* ]] || fail "PG_CUMULATE_HOME=$SERVERS does not begin with /: give a full path"
    ((${#folder} <= 70)) || fail "$SERVERS is too long for a socket's path: set PG_CUMULATE_HOME to a shorter one"
    if ! mkdir -m 755 "$SERVERS" 2>/dev/null && [[ ! -d $SERVERS || -L $SERVERS || ! -O $SERVERS ]]; then
        fail "$SERVERS cannot be used by $(id -un): set PG_CUMULATE_HOME to a short path of your own"
    fi
    mkdir -p "$folder"
    chmod 755 "$folder"
    as_server test -x "$folder" ||
        fail "user $(server_uid) cannot reach $SERVERS: set PG_CUMULATE_HOME to a short path that everybody may enter"
}

# PostgreSQL refuses to run as root.
server_uid() {
    ((EUID != 0)) && id -u && return
    id -u postgres 2>/dev/null || id -u nobody
}

server_gid() {
    ((EUID != 0)) && id -g && return
    id -g postgres 2>/dev/null || id -g nobody
}

as_server() {
    if ((EUID == 0)); then
        (cd / && HOME=/ setpriv --reuid="$(server_uid)" --regid="$(server_gid)" --clear-groups -- "$@")
    else
        (cd / && "$@")
    fi
}

# server_name NAME   NAME, with the version where that is not PostgreSQL 16
server_name() {
    if ((server_major == 16)); then echo "$1"; else echo "$1$server_major"; fi
}

# copy_server NAME   makes or renews SERVERS/NAME/server from the server the extension is built for
copy_server() {
    local folder=$SERVERS/$1/server bin=$SERVERS/$1/bin origin common
    origin="$server_pg_config $("$server_pg_config" --version)"
    [[ $(cat "$folder/.copied" 2>/dev/null) != "$origin" ]] || return 0
    [[ $1 != demo ]] || stop_demo_server
    rm -rf "$folder" "$folder.new"
    mkdir -m 755 "$folder.new"
    if [[ -n ${PG_CONFIG:-} ]]; then
        common=$(common_folder)
        copy_explicit_server "$common" "$folder.new"
    else
        common=$PG_WHEEL_FOLDER/
        cp -R "$PG_WHEEL_FOLDER/." "$folder.new/"
    fi
    chmod -R u+w,a+rX "$folder.new"
    mv "$folder.new" "$folder"
    ln -sfn "$(path_in "$folder" bindir "$common")" "$bin"
    check_server_copy "$folder" "$bin"
    echo "$origin" >"$folder/.copied"
}

path_in() {
    local path
    path=$("$server_pg_config" "--$2")
    echo "$1/${path#"$3"}"
}

# PostgreSQL finds its folders by their way from its programs, so they are copied below their common path.
copy_explicit_server() {
    local common=$1 to=$2 kind
    [[ -x $("$server_pg_config" --bindir)/postgres ]] ||
        fail "PG_CONFIG=$PG_CONFIG has no server beside it: install one (Debian: postgresql-$server_major)"
    for kind in bindir pkglibdir sharedir; do
        mkdir -p "$(path_in "$to" "$kind" "$common")"
    done
    copy_programs "$("$server_pg_config" --bindir)" "$(path_in "$to" bindir "$common")"
    for kind in pkglibdir sharedir; do
        cp -R "$("$server_pg_config" "--$kind")/." "$(path_in "$to" "$kind" "$common")/"
    done
}

copy_programs() {
    local program
    for program in pg_config postgres initdb pg_ctl psql pgbench pg_dump pg_dumpall pg_restore pg_basebackup \
        pg_controldata pg_isready pg_resetwal pg_upgrade pg_waldump createdb dropdb vacuumdb; do
        [[ ! -x $1/$program ]] || cp -L "$1/$program" "$2/"
    done
}

common_folder() {
    local common
    common=$("$server_pg_config" --bindir)/
    until [[ $("$server_pg_config" --pkglibdir)/ == "$common"* && $("$server_pg_config" --sharedir)/ == "$common"* ]]; do
        common=${common%/*/}/
    done
    echo "$common"
}

check_server_copy() {
    local folder=$1 bin=$2 kind
    for kind in bindir pkglibdir sharedir; do
        [[ $("$bin/pg_config" "--$kind") == "$folder/"* ]] ||
            fail "the server of PG_CONFIG=${PG_CONFIG:-} cannot be copied, and is left as it is: use make install PG_CONFIG=${PG_CONFIG:-} and a cluster of your own"
    done
    as_server "$bin/postgres" --version
}

# The data of another major version cannot be read.
check_demo_data() {
    local major
    major=$(cat "$DEMO_CLUSTER/data/PG_VERSION" 2>/dev/null) || return 0
    [[ $major == "$server_major" ]] ||
        fail "the demo's data is of PostgreSQL $major, the server is $server_major: make clean removes the data, make demo makes it anew"
}

start_demo_server() {
    make_demo_cluster
    demo_server_runs && return
    as_server "$DEMO/bin/pg_ctl" start -w -t 60 -s -D "$DEMO_CLUSTER/data" -l "$DEMO_CLUSTER/log" || {
        tail -n 12 "$DEMO_CLUSTER/log"
        return 1
    }
}

# Data, log and socket, in a folder that only root and the server's user can enter.
make_demo_cluster() {
    [[ ! -f $DEMO_CLUSTER/data/PG_VERSION ]] || return 0
    rm -rf "$DEMO_CLUSTER"
    mkdir -m 700 "$DEMO_CLUSTER"
    ((EUID != 0)) || chown "$(server_uid):$(server_gid)" "$DEMO_CLUSTER"
    as_server "$DEMO/bin/initdb" -D "$DEMO_CLUSTER/new" -U postgres -A trust --no-locale -E UTF8
    as_server tee -a "$DEMO_CLUSTER/new/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$DEMO_CLUSTER'
shared_preload_libraries = 'pg_cumulate'
timezone = 'UTC'
log_timezone = 'UTC'
shared_buffers = '256MB'
max_wal_size = '4GB'
CONF
    as_server mv "$DEMO_CLUSTER/new" "$DEMO_CLUSTER/data"
}

demo_server_runs() {
    [[ -x $DEMO/bin/pg_ctl ]] && as_server "$DEMO/bin/pg_ctl" status -D "$DEMO_CLUSTER/data" >/dev/null 2>&1
}

stop_demo_server() {
    ! demo_server_runs || as_server "$DEMO/bin/pg_ctl" stop -s -m fast -D "$DEMO_CLUSTER/data"
}

# The client runs as whoever calls it, so that it can read and write their files.
demo_psql() {
    (
        forget_other_servers
        PGHOST=$DEMO_CLUSTER PGUSER=postgres PGDATABASE=postgres exec "$DEMO/bin/psql" "$@"
    )
}
