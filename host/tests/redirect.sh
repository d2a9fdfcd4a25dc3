#!/usr/bin/env bash
# Real clients pull an image whose layer they are sent elsewhere for: from a driver that signs URLs (the specimen "presigns") to an HTTP
# server that has the bytes. Its log shows that they came from there, the clients that the digests are right. As root, for docker.
#
#   LONGSHORE=path/to/longshore LONGSHORE_DRIVERS=folder/of/drivers redirect.sh
set -euo pipefail
. "$(dirname "$0")/clients/lib.sh"
: "${LONGSHORE:?path of the longshore program}" "${LONGSHORE_DRIVERS:?folder with the driver files, the specimen among them}"
LONGSHORE_DRIVERS=$(cd "$LONGSHORE_DRIVERS" && pwd)
export -n LONGSHORE_DRIVERS # the program would take it for a key of its configuration
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
pids=()
trap 'stop "${pids[@]}"; rm -rf "$work"' EXIT

signature=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
python3 "$here/redirect.py" image "$work/image"
setsid python3 "$here/redirect.py" serve "$work/image" "$signature" "$work/asked" >"$work/port" &
pids+=($!)
wait_for 20 test -s "$work/port" || fail "the server of blobs did not start"

port=$(free_port)
registry=127.0.0.1:$port
cat >"$work/registry.toml" <<C
server.listen = "$registry"
log.level = "trace"
drivers.path = ["$LONGSHORE_DRIVERS"]
[storage.main]
driver = "specimen-presigns"
redirect = true
settings = { url = "http://127.0.0.1:$(cat "$work/port")", signature = "$signature" }
C
setsid "$LONGSHORE" serve --config "$work/registry.toml" >"$work/log" 2>&1 &
pids+=($!)
wait_for 20 curl -sf "http://$registry/v2/" || { tail "$work/log" >&2; fail "the registry did not start"; }

remote=docker://$registry/team/image:latest
expected=$(layout_digest "$work/image")
layer=$(jq -er '.layers[0].digest' "$work/image/blobs/sha256/${expected#sha256:}")
timeout 60 skopeo --insecure-policy copy --quiet --preserve-digests --dest-tls-verify=false "oci:$work/image:latest" "$remote"

# came_from_elsewhere CLIENT: the layer, and nothing but it, was fetched by a signed URL since the last call.
came_from_elsewhere() {
    [ "$(cut -d' ' -f1,2 "$work/asked")" = "200 $layer" ] || fail "$1: the layer $layer is fetched once, but: $(cat "$work/asked")"
    ok "$1" "$(cut -d' ' -f3- "$work/asked")" "$layer"
    rm "$work/asked"
}

timeout 60 skopeo --insecure-policy copy --quiet --preserve-digests --src-tls-verify=false "$remote" "oci:$work/pulled:latest"
same "skopeo after the pull" "$expected" "$(layout_digest "$work/pulled")"
came_from_elsewhere skopeo

podman() { timeout 120 podman --root "$work/root" --runroot "$work/run" --tmpdir "$work/tmp" --storage-driver vfs "$@"; }
id=$(podman pull --quiet --tls-verify=false "$remote")
same "podman after the pull" "$expected" "$(podman image inspect --format '{{.Digest}}' "$id")"
podman rmi --all --force >/dev/null
came_from_elsewhere podman

setsid dockerd --data-root "$work/data" --exec-root "$work/exec" -H "unix://$work/socket" -p "$work/pid" \
    --storage-driver=vfs --iptables=false --ip6tables=false --bridge=none >"$work/docker.log" 2>&1 &
pids+=($!)
docker() { DOCKER_CONFIG=$work/config timeout 120 docker -H "unix://$work/socket" "$@"; }
wait_for 30 docker version || { tail -n 20 "$work/docker.log" >&2; fail "dockerd did not start"; }
docker pull --quiet "${remote#docker://}" >/dev/null
same "docker after the pull" "$expected" "$(docker image inspect --format '{{index .RepoDigests 0}}' "${remote#docker://}" | sed 's/.*@//')"
came_from_elsewhere docker

blob=http://$registry/v2/team/image/blobs/$layer
[ "$(curl -sS -o /dev/null -w '%{http_code}' "$blob")" = 307 ] || fail "curl without -L sees a 307"
same "curl -L" "$layer" "sha256:$(curl -sSfL "$blob" | sha256sum | cut -d' ' -f1)"
came_from_elsewhere curl

if grep -q "$signature" "$work/log"; then fail "a signed URL is in the log"; fi
