#!/usr/bin/env bash
# The image and the compose file, run for real: needs a Docker engine with buildx and compose 2, and the base images
# postgres:MAJOR-bookworm and rust:1.95-slim-bookworm, which it pulls where it may.
#   scripts/container.sh          PostgreSQL 16, and 18 where its base image is to be had
here=$(dirname "$0")
. "$here/stage.sh"
set -euo pipefail

IMAGE=pg_cumulate:16
# A project and a volume of its own: a compose project that somebody has running is left alone.
PROJECT=pg_cumulate_test
EVENTS=200000
HEALTHY_WITHIN=180

main() {
    command -v docker >/dev/null && docker info >/dev/null 2>&1 || fail "no Docker engine answers: start one and run the same command again"
    docker compose version >/dev/null 2>&1 || fail "docker compose 2 is missing: install it (Debian 13: docker-compose)"
    cd "$ROOT"
    export POSTGRES_PASSWORD=$RANDOM$RANDOM PORT=0 EVENTS PRODUCTS=100 SEED=7
    trap remove_everything EXIT
    remove_everything
    stage "image: PostgreSQL 16" "see the build's message" docker build -t "$IMAGE" .
    stage "image: its labels, licences and library" "mend the Dockerfile" check_image "$IMAGE"
    stage "image: a change of a document builds nothing" "look at .dockerignore and the order of COPY" check_layers
    stage "image: options of the command line keep the preloading" "look at postgresql.conf.sample" check_options
    stage "image: read-only, and not as root" "see the message" check_confined
    stage "compose: wrong values are refused before anything is made" "look at docker/start.sh" check_refusals
    stage "compose: up, healthy, filled" "see the message" check_up
    stage "compose: stop is quick; down and up keep everything" "see the message" check_down_and_up
    stage "compose: killed while events are made" "look at docker/start.sh" check_killed_in_fill
    stage "compose: killed while days are closed" "see the message" check_killed_in_backfill
    if docker image inspect postgres:18-bookworm >/dev/null 2>&1 || docker pull -q postgres:18-bookworm >/dev/null 2>&1; then
        stage "image: PostgreSQL 18" "see the build's message" docker build --build-arg PG_MAJOR=18 -t pg_cumulate:18 .
        stage "image: 18's labels, licences and library" "mend the Dockerfile" check_image pg_cumulate:18
        stage "extension image for CloudNativePG" "see the message" check_extension_image
    else
        echo "postgres:18-bookworm is not to be had here: PostgreSQL 18 and the extension image were left out"
    fi
    printf '%-62s%5d s\n' "the image and the compose file work" "$SECONDS"
}

check_image() {
    local version
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
    is "label" "$(docker inspect -f '{{index .Config.Labels "org.opencontainers.image.version"}}' "$1")" "$version"
    docker run --rm --entrypoint sh "$1" -ec '
        documents=/usr/share/doc/postgresql-$PG_MAJOR-cumulate
        grep -q "^pgrx " $documents/CRATES && grep -q MIT $documents/LICENSE
        library=$(pg_config --pkglibdir)/pg_cumulate.so
        [ "$(stat -c %s "$library")" -lt 16000000 ] || { ls -l "$library"; exit 1; }
        ! command -v cargo && ! command -v gcc'
    docker build -q --target symbols --output "type=tar,dest=-" --build-arg PG_MAJOR="${1#*:}" . | tar -t | grep -q 'pg_cumulate.so.debug$'
}

check_layers() {
    local before
    before=$(docker images -q "$IMAGE")
    echo >>README.md
    docker build -q -t "$IMAGE" .
    sed -i '$ d' README.md
    is "image" "$(docker images -q "$IMAGE")" "$before"
}

check_options() {
    docker run -d --name "${PROJECT}_options" -e POSTGRES_PASSWORD "$IMAGE" -c work_mem=8MB
    wait_for_health "${PROJECT}_options"
    is "work_mem" "$(ask "${PROJECT}_options" 'SHOW work_mem')" 8MB
    is "preloaded" "$(ask "${PROJECT}_options" 'SHOW shared_preload_libraries')" pg_cumulate
}

check_confined() {
    docker run -d --name "${PROJECT}_confined" -e POSTGRES_PASSWORD --read-only --user 999:999 --cap-drop ALL \
        --tmpfs /tmp --tmpfs /var/run/postgresql:mode=3777 "$IMAGE"
    wait_for_health "${PROJECT}_confined"
    ask "${PROJECT}_confined" 'CREATE EXTENSION pg_cumulate'
    ask "${PROJECT}_confined" "INSERT INTO sales.events (product_id, event_type, event_date) VALUES (1, 'sell', '2024-12-01')"
    is "rows of a closed day" "$(ask "${PROJECT}_confined" "SELECT sales.cumulate_day('2024-12-01')")" 1
}

check_refusals() {
    local pair answer
    answer=$(POSTGRES_PASSWORD='' compose config 2>&1) || true
    [[ $answer == *'choose one in docker/.env'* ]] || { echo "$answer"; return 1; }
    for pair in EVENTS=abc EVENTS=0 EVENTS=99999999999 PRODUCTS=-1 SEED=1.5; do
        if env "$pair" docker compose -p "$PROJECT" -f docker/compose.yaml up --wait --wait-timeout 60; then
            echo "$pair was accepted"
            return 1
        fi
        compose logs --no-log-prefix db | grep "pg_cumulate: ${pair%%=*}="
        # Nothing was made.
        docker run --rm -v "${PROJECT}_data:/data" --entrypoint sh "$IMAGE" -ec '! [ -e /data/PG_VERSION ]'
        compose down -v
    done
}

check_up() {
    up
    # Others cannot come in.
    is "port" "$(docker port "$(container)" 5432 | cut -d : -f 1)" 127.0.0.1
    check_filled
}

check_filled() {
    is "events" "$(ask_db 'SELECT count(*) FROM sales.events')" "$EVENTS"
    is "closed" "$(ask_db "SELECT newest_closed >= current_date - 2 FROM cumulate.status WHERE target = 'sales.daily_cumulate'::regclass")" t
    is "differences" "$(ask_db "SELECT * FROM cumulate.verify('sales.daily_cumulate', current_date - 9, current_date - 2)")" ""
}

check_down_and_up() {
    local began=$SECONDS rows
    rows=$(ask_db 'SELECT count(*) FROM sales.daily_cumulate')
    compose stop
    is "stopped within 5 seconds" "$((SECONDS - began <= 5))" 1
    compose down
    up
    check_filled
    is "rows are kept" "$(ask_db "SELECT count(*) >= $rows FROM sales.daily_cumulate")" t
    compose down -v
}

check_killed_in_fill() {
    compose up -d
    wait_until "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_events%' AND pid <> pg_backend_pid()" 1
    compose kill
    up
    check_filled
    compose down -v
}

check_killed_in_backfill() {
    compose up -d
    wait_until "SELECT count(*) > 20 FROM cumulate.days WHERE state = 'closed'" t
    compose kill
    up
    check_filled
    compose down -v
}

check_extension_image() {
    docker build --build-arg PG_MAJOR=18 --target cloudnative-pg -t "${PROJECT}_extension" .
    # As CloudNativePG mounts it: a folder beside an ordinary server.
    rm -rf target/extension-image
    mkdir -p target/extension-image
    docker create --name "${PROJECT}_files" "${PROJECT}_extension" none
    docker cp "${PROJECT}_files:/." target/extension-image
    docker run -d --name "${PROJECT}_mounted" -e POSTGRES_PASSWORD -v "$ROOT/target/extension-image:/extensions/pg_cumulate:ro" \
        postgres:18-bookworm -c 'extension_control_path=/extensions/pg_cumulate/share:$system' \
        -c 'dynamic_library_path=/extensions/pg_cumulate/lib:$libdir' -c shared_preload_libraries=pg_cumulate
    wait_until_ready "${PROJECT}_mounted"
    ask "${PROJECT}_mounted" 'CREATE EXTENSION pg_cumulate'
    is "launchers" "$(ask "${PROJECT}_mounted" "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_cumulate launcher'")" 1
}

# is WHAT FOUND EXPECTED
is() {
    [[ $2 == "$3" ]] || {
        echo "$1: found \"$2\", expected \"$3\""
        return 1
    }
}

compose() {
    docker compose -p "$PROJECT" -f docker/compose.yaml "$@"
}

up() {
    compose up --wait --wait-timeout "$HEALTHY_WITHIN" || {
        compose logs --tail 20 >&2
        return 1
    }
}

container() {
    compose ps -a -q db
}

ask_db() {
    ask "$(container)" "$1"
}

ask() {
    docker exec "$1" psql -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -U postgres -c "$2"
}

wait_until() {
    local deadline=$((SECONDS + HEALTHY_WITHIN))
    until [[ $(ask_db "$1" 2>/dev/null) == "$2" ]]; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

wait_until_ready() {
    local deadline=$((SECONDS + HEALTHY_WITHIN))
    until docker exec "$1" pg_isready -q -h 127.0.0.1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.5
    done
}

wait_for_health() {
    local deadline=$((SECONDS + HEALTHY_WITHIN))
    until [[ $(docker inspect -f '{{.State.Health.Status}}' "$1") == healthy ]]; do
        ((SECONDS < deadline)) || {
            docker logs "$1" | tail -n 20 >&2
            return 1
        }
        sleep 1
    done
}

remove_everything() {
    local name
    compose down -v >/dev/null 2>&1 || true
    for name in options confined files mounted; do
        docker rm -f -v "${PROJECT}_$name" >/dev/null 2>&1 || true
    done
    docker image rm "${PROJECT}_extension" >/dev/null 2>&1 || true
    rm -rf "$ROOT/target/extension-image"
}

main "$@"
