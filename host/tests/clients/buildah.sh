#!/usr/bin/env bash
# Images through buildah with a store of its own: one that it builds, a copied index, a zstd image.   buildah.sh HOST:PORT DIR
set -euo pipefail
. "$(dirname "$0")/lib.sh"
client_arguments "$@"
export BUILDAH_ISOLATION=chroot

buildah() {
    timeout 300 buildah --root "$work/root" --runroot "$work/run" --storage-driver vfs "$@"
}

push_and_pull() { # IMAGE ID push-option...
    local image=$1 id=$2 pushed
    local remote=$registry/buildah/$image
    shift 2
    buildah push --quiet --tls-verify=false --digestfile "$work/digest" "$@" "$id" "docker://$remote:latest"
    pushed=$(cat "$work/digest")
    same "buildah $image after the push, by HEAD" "$pushed" "$(head_digest "$remote" latest)"
    buildah rmi --all --force >/dev/null
    id=$(buildah pull --quiet --tls-verify=false "docker://$remote:latest")
    same "buildah $image after the pull" "$pushed" "$(buildah images --no-trunc --digests --format '{{.Digest}}' "$remote:latest")"
    buildah rmi --all --force >/dev/null
    ok buildah "$image" "$pushed"
}

mkdir "$work/context"
echo hello >"$work/context/hello.txt"
printf 'FROM scratch\nADD hello.txt /\nCMD ["/hello.txt"]\n' >"$work/context/Containerfile"
push_and_pull one-file "$(buildah bud --quiet --tls-verify=false --file "$work/context/Containerfile" "$work/context")"
push_and_pull debian "$(buildah pull --quiet "oci:$images/debian")"
push_and_pull zstd "$(buildah pull --quiet "oci:$images/zstd")" --compression-format zstd

# An index assembled here from the two platforms in the layout.
remote=$registry/buildah/index
buildah manifest create platforms >/dev/null
buildah manifest add --all platforms "oci:$images/index" >/dev/null
buildah manifest push --quiet --all --tls-verify=false --digestfile "$work/digest" platforms "docker://$remote:latest"
pushed=$(cat "$work/digest")
same "buildah index after the push, by HEAD" "$pushed" "$(head_digest "$remote" latest)"
count=$(manifest "$remote" latest | jq '.manifests | length')
[ "$count" = 2 ] || fail "buildah index: expected two manifests in the index but got $count"
buildah rmi --all --force >/dev/null 2>&1 || true
for architecture in amd64 arm64; do
    buildah pull --quiet --tls-verify=false --arch $architecture "docker://$remote:latest" >/dev/null
done
ok buildah index "$pushed"
