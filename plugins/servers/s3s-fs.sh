#!/usr/bin/env bash
# s3s-fs: S3 over a folder, an emulator; the quickest to start, for tests that need no real server.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
readonly ACCESS_KEY=AKTEST SECRET_KEY=SKTESTSKTEST

missing() {
    command -v s3s-fs >/dev/null || echo 's3s-fs (cargo install s3s-fs --version 0.14.1 --features binary --locked)'
    command -v curl >/dev/null || echo 'curl (apt install curl)'
}

launch() {
    local port
    free_port port
    mkdir "$folder/data"
    spawn s3s-fs s3s-fs --host 127.0.0.1 --port "$port" --access-key "$ACCESS_KEY" --secret-key "$SECRET_KEY" "$folder/data"
    wait_for 'making the bucket' s3 PUT "http://127.0.0.1:$port/longshore" us-east-1 "$ACCESS_KEY" "$SECRET_KEY"
    tell ENDPOINT="http://127.0.0.1:$port" REGION=us-east-1 BUCKET=longshore ACCESS_KEY="$ACCESS_KEY" SECRET_KEY="$SECRET_KEY"
}

server "$@"
