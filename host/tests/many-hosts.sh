#!/usr/bin/env bash
# Three hosts on one store behind a plain round robin: the official conformance suite, each request at another host; then hosts are killed at
# random while skopeo, crane and a client of our own push, and everything that was acknowledged is verified.   many-hosts.sh [SECONDS]
#
# SECONDS of killing, 60 by default. LONGSHORE_TEST_SEED repeats a run, LONGSHORE_TEST_STORAGE names another store than a folder
# (host/tests/it/support/hosts.rs), and TMPDIR says where that folder is.
set -euo pipefail
. "$(dirname "$0")/clients/lib.sh"
[ $# -le 1 ] || fail "usage: $0 [SECONDS]"
command -v skopeo >/dev/null || fail "skopeo is not installed; .ci/install installs it"
crane=$(go_tool crane github.com/google/go-containerregistry/cmd/crane v0.22.1)

cd "$checkout"
# The drivers' files are made by a build, not by a test.
cargo build --workspace
LONGSHORE_TEST_SECS=${1:-60} LONGSHORE_TEST_CRANE=$crane \
    cargo test -p longshore --test it -- --ignored --nocapture --test-threads=1 many_hosts killed_hosts
