#!/usr/bin/env bash
# Every image through skopeo, there and back, byte for byte.   skopeo.sh HOST:PORT DIR
set -euo pipefail
. "$(dirname "$0")/lib.sh"
client_arguments "$@"

for image in one-file debian index docker artifact zstd large; do
    remote=$registry/skopeo/$image
    expected=$(layout_digest "$images/$image")
    # --all: without it skopeo copies only this machine's platform. --preserve-digests: fail rather than rewrite a manifest.
    timeout 300 skopeo --insecure-policy copy --quiet --all --preserve-digests --dest-tls-verify=false \
        "oci:$images/$image" "docker://$remote:latest"
    same "skopeo $image after the push, by HEAD" "$expected" "$(head_digest "$remote" latest)"
    timeout 300 skopeo --insecure-policy copy --quiet --all --preserve-digests --src-tls-verify=false \
        "docker://$remote:latest" "oci:$work/$image:latest"
    same "skopeo $image after the pull" "$expected" "$(layout_digest "$work/$image")"
    rm -rf "${work:?}/$image"
    ok skopeo $image "$expected"
done

tags=$(timeout 30 skopeo list-tags --tls-verify=false "docker://$registry/skopeo/one-file" | jq -c .Tags)
[ "$tags" = '["latest"]' ] || fail "skopeo list-tags of skopeo/one-file: expected [\"latest\"] but got $tags"
