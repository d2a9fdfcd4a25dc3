#!/usr/bin/env bash
# Puts a driver's file to the contract over a server of its own:
#
#   contract.sh s3 ceph|garage|s3s-fs PROGRAM FILE [OPTION...]
#   contract.sh azure azurite PROGRAM FILE [OPTION...]
#   contract.sh gcs gcs-fake PROGRAM FILE [OPTION...]
#
# PROGRAM is longshore-conformance, FILE the driver's; options go to `run`. The exit code is that of the run, or 77 where the server is not installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -lt 4 ] || [ ! -e "$here/../$1/tests/$2.toml" ]; then
    sed -n 's/^#   /usage: /p' "$0" >&2
    exit 2
fi
server=$here/$2.sh template=$here/../$1/tests/$2.toml program=$3 file=$4
shift 4

"$server" present || { echo "skipped: $server is not installed"; exit 77; }
work=$(mktemp -d)
trap '"$server" stop "$work/server"; rm -rf "$work"' EXIT
"$server" start "$work/server" >/dev/null

config=$(cat "$template")
while IFS='=' read -r name value; do
    config=${config//@$name@/$value}
done < <(cat "$work/server/env"; sed -n 's,^ENDPOINT=http://\([^/]*\).*,ADDRESS=\1,p' "$work/server/env")
printf '%s\n' "$config" >"$work/config.toml"
"$program" run "$file" --config "$work/config.toml" "$@"
