#!/usr/bin/env bash
# Our strict fake of Google Cloud Storage (plugins/gcs/fake), since no server of that store can be installed. Each name that begins with BUCKET is
# a bucket of its own; lists end after 100 names, so that a page of the contract takes several of the store's.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
readonly PROGRAM=${GCS_FAKE:-${CARGO_TARGET_DIR:-$checkout/target}/debug/gcs-fake}

missing() { [ -x "$PROGRAM" ] || echo 'gcs-fake (cargo build -p longshore-gcs-fake)'; }

launch() {
    local port
    free_port port
    # It ends when its standard input does, and this one never does.
    mkfifo "$folder/input"
    # shellcheck disable=SC2016 # for the shell that becomes the command
    spawn gcs-fake bash -c 'exec "$@" <>"$0"' "$folder/input" \
        "$PROGRAM" --listen "127.0.0.1:$port" --made case- --page-max 100 --key-file "$folder/key.json"
    wait_for 'the fake' test -s "$folder/log/gcs-fake"
    tell ENDPOINT="http://127.0.0.1:$port" REGION= BUCKET=case- ACCESS_KEY= SECRET_KEY= KEY_FILE="$folder/key.json"
}

server "$@"
