#!/usr/bin/env bash
# Images through crane, byte for byte: push, pull, copy to another repository.   crane.sh HOST:PORT DIR
set -euo pipefail
. "$(dirname "$0")/lib.sh"
client_arguments "$@"
export DOCKER_CONFIG=$work
binary=$(go_tool crane github.com/google/go-containerregistry/cmd/crane v0.22.1)
crane() { timeout 300 "$binary" --insecure "$@"; }

for image in one-file debian index docker artifact zstd; do
    remote=$registry/crane/$image
    expected=$(layout_digest "$images/$image")
    pushed=$(crane push "$images/$image" "$remote:latest" 2>"$work/log") || { cat "$work/log" >&2; fail "crane push of $image failed"; }
    same "crane $image as reported by the push" "$expected" "${pushed#*@}"
    same "crane $image after the push, by HEAD" "$expected" "$(head_digest "$remote" latest)"
    crane pull --format oci "$remote:latest" "$work/$image"
    same "crane $image after the pull" "$expected" "$(layout_digest "$work/$image")"
    # Another repository on the same registry: crane mounts the blobs.
    crane copy "$remote:latest" "$registry/crane/copy/$image:latest" 2>"$work/log" || { cat "$work/log" >&2; fail "crane copy of $image failed"; }
    same "crane $image after the copy, by HEAD" "$expected" "$(head_digest "$registry/crane/copy/$image" latest)"
    ok crane $image "$expected"
done

crane validate --remote "$registry/crane/debian:latest" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "crane validate of debian failed"; }
crane tag "$registry/crane/one-file:latest" second 2>"$work/log" || { cat "$work/log" >&2; fail "crane tag failed"; }
tags=$(crane ls "$registry/crane/one-file" | sort | tr '\n' ' ')
[ "$tags" = 'latest second ' ] || fail "crane ls of crane/one-file: expected 'latest second' but got '$tags'"
crane catalog "$registry" | grep -x crane/one-file >/dev/null || fail "crane catalog does not name crane/one-file"
