#!/usr/bin/env bash
# Images through a docker daemon of its own, stopped at the end.   docker.sh HOST:PORT DIR   (as root)
set -euo pipefail
. "$(dirname "$0")/lib.sh"
client_arguments "$@"

# No bridge and no firewall rules: nothing here runs a container, and the machine's network stays as it is.
setsid dockerd --data-root "$work/data" --exec-root "$work/exec" -H "unix://$work/socket" -p "$work/pid" \
    --storage-driver=vfs --iptables=false --ip6tables=false --bridge=none >"$work/log" 2>&1 &
daemon=$!
trap 'stop $daemon; rm -rf "$work"' EXIT
docker() { DOCKER_CONFIG=$work/config timeout 300 docker -H "unix://$work/socket" "$@"; }
wait_for 30 docker version || { tail -n 20 "$work/log" >&2; fail "dockerd did not start"; }

repository_digest() { docker image inspect --format '{{index .RepoDigests 0}}' "$1" | sed 's/.*@//'; }

pull() { # IMAGE DIGEST
    local remote=$registry/docker/$1
    docker rmi --force "$remote:latest" >/dev/null 2>&1 || true
    docker pull --quiet "$remote:latest" >/dev/null
    same "docker $1 after the pull" "$2" "$(repository_digest "$remote:latest")"
    ok docker "$1" "$2"
}

# The daemon takes and pushes only its own formats, so skopeo packs the layouts for `docker load`.
for image in one-file debian docker; do
    remote=$registry/docker/$image
    timeout 120 skopeo --insecure-policy copy --quiet "oci:$images/$image" "docker-archive:$work/$image.tar:$remote:latest"
    docker load --quiet --input "$work/$image.tar" >/dev/null
    rm "$work/$image.tar"
    pushed=$(docker push "$remote:latest" | sed -n 's/^latest: digest: \(sha256:[0-9a-f]*\).*/\1/p')
    same "docker $image after the push, by HEAD" "$pushed" "$(head_digest "$remote" latest)"
    pull $image "$pushed"
done

# It cannot push an index, but must pull one that somebody else pushed.
timeout 120 skopeo --insecure-policy copy --quiet --all --preserve-digests --dest-tls-verify=false \
    "oci:$images/index" "docker://$registry/docker/index:latest"
pull index "$(layout_digest "$images/index")"
