#!/usr/bin/env bash
# One storage folder, two programs: Longshore and the reference registry (docker-registry 2.8.2) serve what the other
# wrote, in turn and at once, and the reference's garbage collection treats our tree as it treats its own.
#
#   LONGSHORE=path/to/longshore LONGSHORE_DRIVERS=folder/of/drivers layout-both-ways.sh
set -euo pipefail
. "$(dirname "$0")/clients/lib.sh"
: "${LONGSHORE:?path of the longshore program}" "${LONGSHORE_DRIVERS:?folder with the driver files}"
LONGSHORE_DRIVERS=$(cd "$LONGSHORE_DRIVERS" && pwd)
export -n LONGSHORE_DRIVERS # the program would take it for a key of its configuration
work=$(mktemp -d)
pids=()
# shellcheck disable=SC2034 # set through their names by start()
ours='' theirs='' ours_pid='' theirs_pid=''
trap 'stop "${pids[@]}"; rm -rf "$work"' EXIT

# --- servers: `start ours ROOT` sets $ours to its address and $ours_pid; the same for theirs -------------------------

theirs_config() { # ROOT PORT
    cat <<C
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $1}, delete: {enabled: true}}
http: {addr: 127.0.0.1:$2}
C
}

ours_config() { # ROOT PORT
    cat <<C
[server]
listen = "127.0.0.1:$2"
[drivers]
path = ["$LONGSHORE_DRIVERS"]
[storage.main]
driver = "filesystem"
settings = { root = "$1" }
C
}

start() { # ours|theirs ROOT
    local port pid
    port=$(free_port)
    mkdir -p "$2"
    "$1_config" "$2" "$port" >"$work/$1.config"
    if [ "$1" = ours ]; then
        setsid "$LONGSHORE" serve --config "$work/ours.config" >>"$work/ours.log" 2>&1 &
    else
        # Its S3 library panics at start over this variable, even when S3 is not used.
        setsid env -u AWS_CA_BUNDLE docker-registry serve "$work/theirs.config" >>"$work/theirs.log" 2>&1 &
    fi
    pid=$!
    pids+=("$pid")
    wait_for 20 curl -sf "http://127.0.0.1:$port/v2/" || { tail "$work/$1.log" >&2; fail "$1 did not start on $2"; }
    printf -v "$1" '127.0.0.1:%s' "$port"
    printf -v "$1_pid" '%s' "$pid"
}

collect() { # ROOT [-m]: the reference's garbage collection
    theirs_config "$1" 0 >"$work/gc.config"
    timeout 120 env -u AWS_CA_BUNDLE docker-registry garbage-collect "${@:2}" "$work/gc.config" >"$work/gc.log" 2>&1 ||
        { tail "$work/gc.log" >&2; fail "garbage-collect ${*:2} on $1 ended with an error"; }
}

# --- a client in curl: what is pushed is remembered in files of "REPOSITORY manifests|blobs DIGEST" lines -------------

fetch() { timeout 30 curl -sS "$@"; }
hash() { echo "$1:$("$1sum" | cut -d' ' -f1)"; } # sha256|sha512
known=$work/known

push_blob() { # REGISTRY REPOSITORY FILE [sha512]: prints the digest
    local digest location
    digest=$(hash "${4:-sha256}" <"$3")
    location=$(fetch -f -o /dev/null -D - -X POST "http://$1/v2/$2/blobs/uploads/" | tr -d '\r' | awk 'tolower($1) == "location:" { print $2 }')
    case $location in /*) location=http://$1$location ;; esac
    case $location in *\?*) location="$location&digest=$digest" ;; *) location="$location?digest=$digest" ;; esac
    fetch -f -o /dev/null -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$3" "$location"
    echo "$2 blobs $digest" >>"$known"
    echo "$digest"
}

push_manifest() { # REGISTRY REPOSITORY REFERENCE JSON: prints the digest; an empty REFERENCE means by digest
    local digest
    digest=$(printf %s "$4" | hash sha256)
    fetch -f -o /dev/null -X PUT -H "Content-Type: $(jq -r .mediaType <<<"$4")" --data-binary "$4" "http://$1/v2/$2/manifests/${3:-$digest}"
    echo "$2 manifests $digest" >>"$known"
    echo "$digest"
}

oci=application/vnd.oci.image
push_image() { # REGISTRY REPOSITORY REFERENCE LAYER-TEXT [SUBJECT-JSON]
    local config layer file
    file=$(mktemp -p "$work")
    printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}' >"$file"
    config=$(push_blob "$1" "$2" "$file")
    printf %s "$4" >"$file"
    layer=$(push_blob "$1" "$2" "$file")
    push_manifest "$1" "$2" "$3" "$(jq -cn --arg config "$config" --arg layer "$layer" --argjson size ${#4} --argjson subject "${5:-null}" '{
        schemaVersion: 2, mediaType: "'$oci'.manifest.v1+json",
        config: {mediaType: "'$oci'.config.v1+json", digest: $config, size: 78},
        layers: [{mediaType: "'$oci'.layer.v1.tar", digest: $layer, size: $size}]} + if $subject then {subject: $subject} else {} end')"
    rm "$file"
}

descriptor() { # REGISTRY REPOSITORY DIGEST
    jq -cn --arg digest "$3" --argjson size "$(manifest "$1/$2" "$3" | wc -c)" \
        '{mediaType: "'$oci'.manifest.v1+json", digest: $digest, size: $size}'
}

push_index() { # REGISTRY REPOSITORY TAG CHILD-DIGEST
    push_manifest "$1" "$2" "$3" "$(jq -cn --argjson child "$(descriptor "$1" "$2" "$4")" \
        '{schemaVersion: 2, mediaType: "'$oci'.index.v1+json", manifests: [$child]}')"
}

delete() { # REGISTRY REPOSITORY REFERENCE
    local code
    code=$(fetch -o /dev/null -w '%{http_code}' -X DELETE "http://$1/v2/$2/manifests/$3")
    [ "$code" = 202 ] || fail "DELETE $2/manifests/$3 was answered $code by $1"
}

# --- what a registry shows, as sorted text that can be compared -----------------------------------------------------

names() { # REGISTRY: catalog and tags with their digests
    local repository tag
    fetch -f "http://$1/v2/_catalog?n=1000" | jq -r '.repositories[]' | sort | while read -r repository; do
        echo "$repository"
        # A repository without tags may answer 404 as well as an empty list.
        fetch "http://$1/v2/$repository/tags/list" | jq -r '.tags // [] | .[]' | sort | while read -r tag; do
            echo "$repository:$tag $(head_digest "$1/$repository" "$tag")"
        done
    done
}

contents() { # REGISTRY: for all that was ever pushed: is it served, and are its bytes those of its digest
    local number=0 repository kind digest code
    rm -rf "$work/bodies" && mkdir "$work/bodies"
    sort -u "$known" >"$work/list"
    while read -r repository kind digest; do
        number=$((number + 1))
        : >"$work/bodies/$number"
        printf 'url = "http://%s/v2/%s/%s/%s"\noutput = "%s/bodies/%s"\n' "$1" "$repository" "$kind" "$digest" "$work" "$number"
    done <"$work/list" >"$work/requests"
    # One curl for all: hundreds of them would be most of this test's time.
    timeout 300 curl -sS -H "Accept: $oci.manifest.v1+json, $oci.index.v1+json" -w '%{http_code}\n' -K "$work/requests" >"$work/codes"
    number=0
    paste -d' ' "$work/list" "$work/codes" | while read -r repository kind digest code; do
        number=$((number + 1))
        if [ "$code" = 200 ] && [ "$(hash "${digest%%:*}" <"$work/bodies/$number")" != "$digest" ]; then
            code='200 with wrong bytes'
        fi
        echo "$repository $kind $digest $code"
    done
}

agree() { # WHAT: both registries show the same names and contents
    local view
    for view in names contents; do
        "$view" "$ours" >"$work/ours.$view"
        "$view" "$theirs" >"$work/theirs.$view"
        diff -u "$work/theirs.$view" "$work/ours.$view" >&2 || fail "$1: the $view differ (- the reference registry, + Longshore)"
        ! grep -q 'wrong bytes' "$work/ours.$view" || fail "$1: wrong bytes were served"
    done
    echo "ok $1: $(grep -c : "$work/ours.names") tags, $(grep -c ' 200$' "$work/ours.contents") of $(wc -l <"$work/ours.contents") things ever pushed are served"
}

tag_is() { # REPOSITORY TAG DIGEST: by both
    same "$1:$2 by Longshore" "$3" "$(head_digest "$ours/$1" "$2")"
    same "$1:$2 by the reference registry" "$3" "$(head_digest "$theirs/$1" "$2")"
}

gone() { # REPOSITORY REFERENCE: for both
    local registry
    for registry in "$ours" "$theirs"; do
        [ "$(fetch -o /dev/null -w '%{http_code}' -I "http://$registry/v2/$1/manifests/$2")" = 404 ] || fail "$1/manifests/$2 was deleted but $registry still serves it"
    done
}

# Names that extend one another: where sorted and prefix listings go wrong.
repositories=(a a-b a.b a/b a0)

write() { # REGISTRY SALT TAG...: every kind of content, the same bytes for the same salt
    local registry=$1 salt=$2 repository tag digest
    for repository in "${repositories[@]}"; do
        for tag in "${@:3}"; do
            push_image "$registry" "$repository" "$tag" "$salt $repository $tag" >/dev/null
        done
    done
    digest=$(push_image "$registry" a '' "$salt child")
    push_index "$registry" a "$salt-index" "$digest" >/dev/null
    push_image "$registry" a "$salt-empty" '' >/dev/null
    push_image "$registry" a/b "$salt-moved" "$salt before" >/dev/null
    push_image "$registry" a/b "$salt-moved" "$salt after" >/dev/null
    digest=$(push_image "$registry" a.b "$salt-subject" "$salt subject")
    push_image "$registry" a.b '' "$salt report" "$(descriptor "$registry" a.b "$digest")" >/dev/null
    digest=$(push_image "$registry" a0 "$salt-deleted" "$salt deleted")
    delete "$registry" a0 "$digest"
    echo "$salt in no manifest" >"$work/loose"
    push_blob "$registry" a-b "$work/loose" >/dev/null
    # Stored under its sha256, reachable by both names.
    echo "$salt by sha512" >"$work/loose"
    push_blob "$registry" a/b "$work/loose" sha512 >/dev/null
    # An upload that is begun and never ended.
    fetch -f -o /dev/null -X POST "http://$registry/v2/a-b/blobs/uploads/"
}

# --- 1. in turn ------------------------------------------------------------------------------------------------------

root=$work/root
start theirs "$root"
write "$theirs" theirs v1 v1.0
old=$(head_digest "$theirs/a" v1)
stop "$theirs_pid"

start ours "$root"
write "$ours" ours v1-rc v10
moved=$(push_image "$ours" a v1 'moved by Longshore')
dropped=$(head_digest "$ours/a-b" v1)
delete "$ours" a-b v1
deleted=$(head_digest "$ours/a.b" v1.0)
delete "$ours" a.b "$deleted"
stop "$ours_pid"

start theirs "$root"
moved_back=$(push_image "$theirs" a0 v10 'moved by the reference registry')
deleted_back=$(head_digest "$theirs/a/b" v10)
delete "$theirs" a/b "$deleted_back"
start ours "$root"
agree 'in turn'
tag_is a v1 "$moved"
tag_is a0 v10 "$moved_back"
gone a-b v1
gone a.b v1.0
gone a.b "$deleted"
gone a/b v10
gone a/b "$deleted_back"
# A tag that moved or was deleted takes no manifest with it.
for registry in "$ours" "$theirs"; do
    for kept in "a $old" "a-b $dropped"; do
        same "untagged ${kept% *} at $registry" "${kept#* }" "$(head_digest "$registry/${kept% *}" "${kept#* }")"
    done
done

# --- 2. at once ------------------------------------------------------------------------------------------------------

for round in 1 2 3 4 5; do
    tag_is both "$round" "$(push_image "$ours" both "$round" "ours $round")"
    tag_is both "$round" "$(push_image "$theirs" both "$round" "theirs $round")"
    tag_is both moving "$(push_image "$ours" both moving "ours moving $round")"
    tag_is both moving "$(push_image "$theirs" both moving "theirs moving $round")"
done
for writer in ours theirs; do
    for number in 1 2 3 4 5 6 7 8 9 10; do
        push_image "${!writer}" both "$writer-$number" "$writer $number" >/dev/null
        push_image "${!writer}" both "$number" "$writer $number" >/dev/null
    done &
    writers+=($!)
done
wait "${writers[@]}"
agree 'at once'

# --- 3. what others leave behind -------------------------------------------------------------------------------------

registry_root=$root/docker/registry/v2
link=$registry_root/repositories/a/_manifests/tags/v1/current
hex=${moved#sha256:}
echo partial >"$link/link.0d1f9a52-3bd6-4d8b-9d3a-0c3f5d7f2f11.tmp"
echo partial >"$registry_root/blobs/sha256/${hex:0:2}/$hex/data.0d1f9a52-3bd6-4d8b-9d3a-0c3f5d7f2f11.tmp"
mkdir -p "$registry_root/repositories/a/_unknown/v1/current" "$registry_root/repositories/_unknown/_manifests" "$root/docker/registry/unknown"
echo 'not a digest' | tee "$registry_root/repositories/a/_unknown/v1/current/link" "$registry_root/repositories/a/stray" >"$root/docker/registry/unknown/link"
signature=$registry_root/repositories/a/_manifests/revisions/sha256/$hex/signatures/sha256/$hex
mkdir -p "$signature"
printf %s "$moved" >"$signature/link"
agree 'with stray files'
cp "$work/ours.contents" "$work/before"

# --- 4. garbage collection on copies of the shared tree: ends well, and all manifests survive -------------------------

stop "$ours_pid" "$theirs_pid"
for option in '' -m; do
    rm -rf "$work/copy"
    cp -a "$root" "$work/copy"
    collect "$work/copy" ${option:+"$option"}
    start ours "$work/copy"
    start theirs "$work/copy"
    agree "after garbage-collect $option"
    if [ -z "$option" ]; then
        grep ' manifests ' "$work/ours.contents" >"$work/after"
        grep ' manifests ' "$work/before" | diff -u - "$work/after" >&2 || fail 'garbage-collect removed a manifest'
    fi
    stop "$ours_pid" "$theirs_pid"
done

# --- 5. the same content written by each alone: collection leaves the same --------------------------------------------

: >"$known"
start ours "$work/alone-ours"
start theirs "$work/alone-theirs"
write "$ours" alone v1 v1-rc v1.0 v10
write "$theirs" alone v1 v1-rc v1.0 v10
agree 'written by each alone'
stop "$ours_pid" "$theirs_pid"
for option in '' -m; do
    for who in ours theirs; do
        collect "$work/alone-$who" ${option:+"$option"}
        start theirs "$work/alone-$who"
        names "$theirs" >"$work/$who.alone"
        contents "$theirs" >>"$work/$who.alone"
        stop "$theirs_pid"
    done
    diff -u "$work/theirs.alone" "$work/ours.alone" >&2 || fail "garbage-collect $option left something else of our tree (+) than of its own (-)"
    start ours "$work/alone-ours"
    { names "$ours" && contents "$ours"; } | diff -u "$work/ours.alone" - >&2 || fail "after garbage-collect $option Longshore (+) and the reference registry (-) disagree on our tree"
    stop "$ours_pid"
    echo "ok garbage-collect $option: $(grep -c ' 200$' "$work/ours.alone") of $(wc -l <"$work/list") things survive, as in the reference's own tree"
done
