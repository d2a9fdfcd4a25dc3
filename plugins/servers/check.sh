#!/usr/bin/env bash
# Tries the servers themselves: two of a kind start at once and end apart, and the S3 servers answer as docs/s3-servers.md tells.
# One that is not installed is left out by name.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap end EXIT

fail() { echo "error: $*" >&2; exit 1; }

end() {
    local folder name
    for folder in "$work"/*.[12]; do
        name=${folder##*/}
        [ ! -e "$folder" ] || ./"${name%.[12]}".sh stop "$folder" || true
    done
    rm -rf "$work"
}

# two NAME: leaves the second one running.
two() {
    local one=$work/$1.1 other=$work/$1.2 first
    ./"$1".sh start "$one" >/dev/null &
    first=$!
    ./"$1".sh start "$other" >/dev/null || fail "the second $1 did not start"
    wait "$first" || fail "the first $1 did not start"
    ! same_port "$one" "$other" || fail "two of $1 have the same address"
    [ "$(running "$one/processes")" -gt 0 ] || fail "nothing of $1 runs"
    ./"$1".sh stop "$one"
    [ "$(running "$one/processes")" = 0 ] || fail "after its stop, something of $1 runs"
    [ "$(running "$other/processes")" = "$(wc -l <"$other/processes")" ] || fail "the stop of one $1 ended something of the other"
    echo "ok $1: two at once"
}

# half_started: a gateway that ends at once fails the start of Ceph, which takes along what it had started.
half_started() {
    local folder=$work/ceph.1
    rm -rf "$folder"
    mkdir "$work/broken"
    ln -s /bin/false "$work/broken/radosgw"
    ! PATH=$work/broken:$PATH ./ceph.sh start "$folder" >/dev/null 2>"$work/said" || fail 'Ceph started without its gateway'
    grep -q 'gateway has ended' "$work/said" || { cat "$work/said" >&2; fail 'the start of Ceph did not say why it failed'; }
    [ "$(wc -l <"$folder/processes") $(running "$folder/processes")" = '3 0' ] || fail 'a start that failed left something running'
    echo 'ok ceph: a start that fails half-way'
}

same_port() { [ "$(grep ^ENDPOINT= "$1/env")" = "$(grep ^ENDPOINT= "$2/env")" ]; }

running() { # PROCESSES: how many of them
    local pid count=0
    while read -r _ pid _; do
        ! grep -qs '^State:.[^Z]' "/proc/$pid/status" || count=$((count + 1))
    done <"$1"
    echo "$count"
}

declare -A columns=([ceph]=RGW [garage]=Garage [s3s-fs]=s3s-fs)
asked=()
for name in ceph garage s3s-fs moto azurite gcs-fake; do
    ./"$name".sh present || { echo "left out: $name"; continue; }
    two "$name"
    [ "$name" != ceph ] || half_started
    [ -z "${columns[$name]-}" ] || asked+=("${columns[$name]}=$work/$name.2")
done
[ ${#asked[@]} -gt 0 ] || fail 'no S3 server is installed'
python3 differences --compare ../../docs/s3-servers.md "${asked[@]}"
