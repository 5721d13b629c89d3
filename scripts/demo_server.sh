# Sourced after setup.sh, package.sh and server.sh. The demo's private server, with the extension in its database.

demo_afresh='make clean removes the demo and its data, make demo makes it anew'

# Builds what is missing, starts the server, creates the extension; a line of output each.
demo_server_in_stages() {
    forget_other_servers
    make_server_folder demo
    use_server
    check_demo_data
    setup_in_stages
    stage "extension: release build (the first time about 3 minutes)" \
        "mend what the compiler says, then run the same command again" one_at_a_time package release
    stage "server: private, unix socket only, library preloaded" "$demo_afresh" ready_demo_server
    stage "CREATE EXTENSION pg_cumulate" "$demo_afresh" create_extension
}

ready_demo_server() {
    local installed
    copy_server demo
    installed=$(install_package release "$DEMO/bin/pg_config")
    if [[ $installed == *.so* ]]; then
        stop_demo_server
    fi
    start_demo_server
}

create_extension() {
    local script made_by=$DEMO/made-by
    script=$(sum_of_script)
    if [[ $(ask "SELECT count(*) FROM pg_extension WHERE extname = 'pg_cumulate'") == 0 ]]; then
        ask "CREATE EXTENSION pg_cumulate"
        echo "$script" >"$made_by"
    fi
    [[ $(cat "$made_by") == "$script" ]] || fail "the extension's SQL has changed since this database was made: $demo_afresh"
}

# Without comments, which hold line numbers, and in whatever order the functions come.
sum_of_script() {
    grep -hvE '^(--|/\*|\*/)' "$(package_folder release)$("$server_pg_config" --sharedir)"/extension/*--*.sql | sort | cksum
}

ask() {
    demo_psql -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"
}

show() {
    demo_psql -X -q -v ON_ERROR_STOP=1 -P footer=off -P pager=off -c "$1"
}
