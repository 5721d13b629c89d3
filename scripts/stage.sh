# Sourced. A stage is one line of output with its seconds; its own output goes to a log,
# and a stage that fails prints the end of that log and what to do.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
LOGS=$ROOT/target/log

# stage TITLE ADVICE COMMAND...   runs COMMAND in a subshell
stage() {
    local title=$1 advice=$2 began=$SECONDS log status
    shift 2
    log=$(log_of "$title")
    printf '%-62s' "$title"
    set +e
    (
        set -e
        "$@"
    ) >"$log" 2>&1 </dev/null
    status=$?
    set -e
    printf '%5d s\n' $((SECONDS - began))
    ((status == 0)) || stop_with_log "$title" "$advice" "$log"
}

# As stage, for a command that reports its progress: a few lines of that are shown.
stage_with_progress() {
    local title=$1 advice=$2 began=$SECONDS log status
    shift 2
    log=$(log_of "$title")
    printf '%s\n' "$title"
    set +e
    (
        set -e
        "$@"
    ) 2>&1 </dev/null | tee "$log" | now_and_then
    status=${PIPESTATUS[0]}
    set -e
    printf '%-62s%5d s\n' '  done' $((SECONDS - began))
    ((status == 0)) || stop_with_log "$title" "$advice" "$log"
}

# As stage, for a command whose whole output is wanted.
stage_in_full() {
    local title=$1 advice=$2 began=$SECONDS status
    shift 2
    printf '== %s\n' "$title"
    set +e
    (
        set -e
        "$@"
    ) </dev/null
    status=$?
    set -e
    printf '== %-59s%5d s\n' "$title" $((SECONDS - began))
    ((status == 0)) || fail "$title failed: $advice"
}

fail() {
    printf 'pg_cumulate: %s\n' "$*" >&2
    exit 1
}

log_of() {
    mkdir -p "$LOGS"
    local name=${1%%[:(]*}
    name=${name,,}
    name=${name% }
    printf '%s/%s.log' "$LOGS" "${name//[^a-z0-9.]/-}"
}

stop_with_log() {
    local title=$1 advice=$2 log=$3
    # A message of our own says all that is needed.
    if [[ $(tail -n 1 "$log") == "pg_cumulate: "* ]]; then
        tail -n 1 "$log" >&2
        exit 1
    fi
    printf '\n%s failed. The end of %s:\n' "$title" "${log#"$ROOT/"}" >&2
    sed 's/\x1b\[[0-9;]*m//g' "$log" | tail -n 15 | cut -c 1-300 | sed 's/^/  | /' >&2
    printf 'What to do: %s\n' "$advice" >&2
    exit 1
}

# A line now, and then more and more rarely: five at most.
now_and_then() {
    local line shown=0 last=$SECONDS
    while IFS= read -r line; do
        if ((SECONDS - last > 2 * shown && shown < 5)); then
            printf '  %.100s\n' "${line#NOTICE:  }"
            shown=$((shown + 1)) last=$SECONDS
        fi
    done
}
