#!/usr/bin/env bash
# Images and artifacts through oras, byte for byte; a report attached and found again.   oras.sh HOST:PORT DIR
set -euo pipefail
. "$(dirname "$0")/lib.sh"
client_arguments "$@"
export DOCKER_CONFIG=$work
binary=$(go_tool oras oras.land/oras/cmd/oras v1.3.6)
oras() { timeout 300 "$binary" "$@"; }

for image in one-file debian index docker artifact zstd; do
    remote=$registry/oras/$image
    expected=$(layout_digest "$images/$image")
    oras cp --no-tty --from-oci-layout "$images/$image:latest" --to-plain-http "$remote:latest" >"$work/log" || { cat "$work/log" >&2; fail "oras cp of $image to the registry failed"; }
    same "oras $image after the push, by HEAD" "$expected" "$(head_digest "$remote" latest)"
    oras cp --no-tty --from-plain-http "$remote:latest" --to-oci-layout "$work/$image:latest" >"$work/log" || { cat "$work/log" >&2; fail "oras cp of $image from the registry failed"; }
    # The copy also names the manifests it found on the way, untagged; the tagged one is the image.
    same "oras $image after the pull" "$expected" \
        "$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "latest") | .digest' "$work/$image/index.json")"
    ok oras $image "$expected"
done

# Attach a report to an image, find it through the referrers of that image, and read it back.
cd "$work"
echo 'nothing found' >report.txt
subject=$registry/oras/one-file:latest
attached=$(oras attach --no-tty --plain-http --artifact-type application/vnd.example.report --format go-template='{{.digest}}' "$subject" report.txt:text/plain)
found=$(oras discover --plain-http --format json --artifact-type application/vnd.example.report "$subject" | jq -r '[.. | objects | select(.artifactType? == "application/vnd.example.report") | .digest] | unique | join(" ")')
same "oras discover of the attached report" "$attached" "$found"
rm report.txt
oras pull --no-tty --plain-http --output "$work/pulled" "$registry/oras/one-file@$attached" >/dev/null
[ "$(cat "$work/pulled/report.txt")" = 'nothing found' ] || fail "oras: the attached report came back changed"
ok oras attach "$attached"
