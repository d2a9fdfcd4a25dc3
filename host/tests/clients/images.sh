#!/usr/bin/env bash
# Makes the images that the client scripts push, each an OCI layout below DIR; what is there already is kept.
#
#   images.sh DIR
#
#   one-file  an image with one small file          docker    a Docker schema 2 image
#   debian    a Debian root of about 50 MB          artifact  an artifact whose subject is one-file
#   index     two platforms                         zstd      an image with a zstd layer
#   large     ten layers of 100 MiB, random bytes
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)

# The only image that needs the network; its root is kept, as it is by far the slowest to make.
if [ ! -d "$dir/debian" ] && [ ! -s "$dir/debian.tar" ]; then
    timeout 600 mmdebstrap --quiet --variant=essential bookworm "$dir/debian.tmp.tar"
    mv "$dir/debian.tmp.tar" "$dir/debian.tar"
fi
python3 "$here/images.py" "$dir"
rm -f "$dir/debian.tar"
