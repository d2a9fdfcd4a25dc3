# shellcheck shell=bash
# Shared by the client scripts and the conformance run; sourced, not run.

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
tools=${CARGO_TARGET_DIR:-$checkout/target}/tools

# An error inside $(...) ends the script too, and no script ends without saying where. (With pipefail, never write
# `... | grep -q`: it ends its writer early, which then fails now and then.)
shopt -s inherit_errexit
set -E
trap 'echo "error: $0, line $LINENO: failed: $BASH_COMMAND" >&2' ERR

fail() { echo "error: $*" >&2; exit 1; }

# go_tool NAME MODULE VERSION: prints the path of a Go program, built at that version once and kept.
# The folder carries the version, so a changed pin is a new build and never an old binary.
go_tool() {
    local bin=$tools/$1-$3
    if [ ! -x "$bin/$1" ]; then
        echo "building $2@$3" >&2
        mkdir -p "$bin"
        GOFLAGS=-buildvcs=false GOBIN=$bin timeout 1200 go install "$2@$3" >&2 || fail "go install $2@$3 failed"
    fi
    echo "$bin/$1"
}

# free_port: a port that nothing listens on now.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# wait_for SECONDS COMMAND...: until the command succeeds; its output is not shown.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

# stop PID...: ends a server which was started with setsid and waits for it; it is killed if it takes more than 15 s.
stop() {
    local pid
    for pid in "$@"; do
        kill "$pid" 2>/dev/null || continue
        wait_for 15 sh -c "! kill -0 $pid" || kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
}

# client_arguments HOST:PORT DIR: sets registry, images and a work folder that goes away at exit.
client_arguments() {
    [ $# = 2 ] || fail "usage: $0 HOST:PORT DIR (DIR as made by images.sh)"
    # shellcheck disable=SC2034 # for the script that sources this
    registry=$1
    # shellcheck disable=SC2034
    images=$(cd "$2" && pwd)
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
}

# manifest HOST:PORT/REPOSITORY TAG [curl option...]: asks the registry itself, without any client's help.
manifest() {
    local accept='application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json'
    accept="$accept, application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"
    timeout 30 curl -sSf -H "Accept: $accept" "${@:3}" "http://${1%%/*}/v2/${1#*/}/manifests/$2"
}

# head_digest HOST:PORT/REPOSITORY TAG: the digest in the answer to HEAD.
head_digest() {
    manifest "$1" "$2" -I | tr -d '\r' | awk 'tolower($1) == "docker-content-digest:" { print $2 }'
}

# layout_digest LAYOUT: digest of the one manifest or index that an OCI layout names.
layout_digest() {
    jq -er 'if (.manifests | length) == 1 then .manifests[0].digest else error("not one manifest") end' "$1/index.json"
}

# same WHAT EXPECTED GOT: fails with a sentence unless both digests are equal and not empty.
same() {
    if [ -z "$2" ] || [ "$2" != "$3" ]; then
        fail "$1: expected digest '$2' but got '$3'"
    fi
}

ok() { echo "ok $1 $2 $3"; }
