#!/usr/bin/env bash
# rustc, that takes pgrx's bindings as they are shipped instead of making them from a server's headers.
rustc=$1
shift
[[ " $* " != *" --crate-name pgrx_pg_sys "* ]] || set -- "$@" --cfg docsrs
exec "$rustc" "$@"
