#!/usr/bin/env bash
# Puts the driver's file to the contract over a server of its own:
#
#   contract.sh ceph|garage|s3s-fs PROGRAM FILE [OPTION...]
#
# PROGRAM is longshore-conformance, FILE the driver's; options go to `run`. The exit code is that of the run, or 77 where the server is not installed.
set -euo pipefail
if [ $# -lt 3 ] || [ ! -e "$(dirname "$0")/$1.toml" ]; then
    echo "usage: $0 ceph|garage|s3s-fs PROGRAM FILE [OPTION...]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
server=$here/../../servers/$1.sh template=$here/$1.toml program=$2 file=$3
shift 3

"$server" present || { echo "skipped: $server is not installed"; exit 77; }
work=$(mktemp -d)
trap '"$server" stop "$work/server"; rm -rf "$work"' EXIT
"$server" start "$work/server" >/dev/null

config=$(cat "$template")
while IFS='=' read -r name value; do
    config=${config//@$name@/$value}
done < <(cat "$work/server/env"; sed -n 's,^ENDPOINT=http://,ADDRESS=,p' "$work/server/env")
printf '%s\n' "$config" >"$work/config.toml"
"$program" run "$file" --config "$work/config.toml" "$@"
