#!/usr/bin/env bash
# Images through the Rust crate oci-client, byte for byte; the program is in oci-client/.   oci-client.sh HOST:PORT DIR
set -euo pipefail
. "$(dirname "$0")/lib.sh"
client_arguments "$@"

# A crate outside of the workspace, in a folder of its own below the target folder: about a minute, the first time.
manifest=$(dirname "$0")/oci-client/Cargo.toml
timeout 1200 cargo run --quiet --locked --manifest-path "$manifest" --target-dir "$(dirname "$tools")/oci-client" -- \
    "$registry" "$images"/{one-file,debian,docker,artifact,zstd}
