#!/usr/bin/env bash
# Images through podman with a store of its own.   podman.sh HOST:PORT DIR
set -euo pipefail
. "$(dirname "$0")/lib.sh"
client_arguments "$@"

podman() {
    timeout 300 podman --root "$work/root" --runroot "$work/run" --tmpdir "$work/tmp" --storage-driver vfs "$@"
}

# podman unpacks layers and packs them anew, so the pushed digest is its own: it must agree with the registry and with the pull.
push_and_pull() { # IMAGE push-option...
    local image=$1 id pushed
    local remote=$registry/podman/$image
    shift
    id=$(podman pull --quiet "oci:$images/$image")
    podman push --quiet --tls-verify=false --digestfile "$work/digest" "$@" "$id" "docker://$remote:latest"
    pushed=$(cat "$work/digest")
    same "podman $image after the push, by HEAD" "$pushed" "$(head_digest "$remote" latest)"
    podman rmi --all --force >/dev/null
    id=$(podman pull --quiet --tls-verify=false "docker://$remote:latest")
    same "podman $image after the pull" "$pushed" "$(podman image inspect --format '{{.Digest}}' "$id")"
    podman rmi --all --force >/dev/null
    ok podman "$image" "$pushed"
}

push_and_pull one-file
push_and_pull debian
push_and_pull docker --format v2s2
manifest "$registry/podman/docker" latest | grep 'application/vnd.docker.distribution.manifest.v2+json' >/dev/null ||
    fail "podman docker: the manifest in the registry is not Docker schema 2"
push_and_pull zstd --compression-format zstd
manifest "$registry/podman/zstd" latest | grep 'tar+zstd' >/dev/null || fail "podman zstd: the layer in the registry is not zstd"
