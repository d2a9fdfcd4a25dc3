#!/usr/bin/env bash
# Garage: three real nodes with GARAGE_COPIES (3) copies of everything. It keeps no conditions (`If-None-Match` on writes is ignored), and it shows what
# a driver does when one of several endpoints is gone. With three copies a list may have what was deleted a moment ago, with two it may not
# (docs/s3-servers.md).
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
ACCESS_KEY=GK0123456789abcdef01234567
SECRET_KEY=$(printf '0123456789abcdef%.0s' 1 2 3 4)
readonly ACCESS_KEY SECRET_KEY NODES=(1 2 3) COPIES=${GARAGE_COPIES:-3}

missing() {
    command -v garage >/dev/null ||
        echo 'garage (cargo install garage --version 2.5.0 --locked --no-default-features --features bundled-libs,sqlite)'
    local command
    for command in curl jq openssl; do
        command -v "$command" >/dev/null || echo "$command (apt install $command)"
    done
}

launch() {
    local node secret s3_ports=() rpc_ports=() admin_ports=() ids=()
    secret=$(openssl rand -hex 32)
    for node in "${NODES[@]}"; do
        free_port "s3_ports[$node]"
        free_port "rpc_ports[$node]"
        free_port "admin_ports[$node]"
        configuration "$node" >"$folder/$node.toml"
        RUST_LOG=garage=warn spawn "node-$node" garage -c "$folder/$node.toml" server
    done
    for node in "${NODES[@]}"; do
        wait_for "the key of node $node" node_has_key "$node"
        ids[node]=$(garage -c "$folder/$node.toml" node id -q)
    done
    # All to all, and then asked: nodes that know of each other by hearsay connect within a minute, too late for a test that ends one.
    wait_for 'connecting nodes 1 and 2' ask 1 node connect "${ids[2]}"
    wait_for 'connecting nodes 1 and 3' ask 1 node connect "${ids[3]}"
    wait_for 'connecting nodes 2 and 3' ask 2 node connect "${ids[3]}"
    for node in "${NODES[@]}"; do
        # A weight, not a limit: nodes of equal weight share all that there is.
        ask 1 layout assign -z "zone-$node" -c 1T "${ids[node]%@*}"
    done
    ask 1 layout apply --version 1
    ask 1 key import --yes -n test "$ACCESS_KEY" "$SECRET_KEY"
    ask 1 key allow --create-bucket "$ACCESS_KEY"
    for node in "${NODES[@]}"; do
        wait_for "the health of node $node" is_healthy "$node"
    done
    wait_for 'making the bucket' s3 PUT "http://127.0.0.1:${s3_ports[1]}/longshore" us-east-1 "$ACCESS_KEY" "$SECRET_KEY"
    for node in "${NODES[@]}"; do
        wait_for "the bucket at node $node" s3 GET "http://127.0.0.1:${s3_ports[node]}/longshore" us-east-1 "$ACCESS_KEY" "$SECRET_KEY"
    done
    tell ENDPOINT="http://127.0.0.1:${s3_ports[1]}" ENDPOINT_2="http://127.0.0.1:${s3_ports[2]}" ENDPOINT_3="http://127.0.0.1:${s3_ports[3]}" \
        REGION=us-east-1 BUCKET=longshore ACCESS_KEY="$ACCESS_KEY" SECRET_KEY="$SECRET_KEY"
}

configuration() { # NODE
    cat <<C
metadata_dir = "$folder/node-$1/meta"
data_dir = "$folder/node-$1/data"
db_engine = "sqlite"
replication_factor = $COPIES
rpc_bind_addr = "127.0.0.1:${rpc_ports[$1]}"
rpc_public_addr = "127.0.0.1:${rpc_ports[$1]}"
rpc_secret = "$secret"
[s3_api]
s3_region = "us-east-1"
api_bind_addr = "127.0.0.1:${s3_ports[$1]}"
root_domain = ".s3.garage.localhost"
[admin]
api_bind_addr = "127.0.0.1:${admin_ports[$1]}"
admin_token = "test"
C
}

node_has_key() { timeout 10 garage -c "$folder/$1.toml" node id -q; }
ask() { RUST_LOG=error timeout 30 garage -c "$folder/$1.toml" "${@:2}"; }

# Connected with all others, and every part of the data has its copies.
is_healthy() {
    curl -sS -f --max-time 10 -H 'Authorization: Bearer test' "http://127.0.0.1:${admin_ports[$1]}/v2/GetClusterHealth" | jq -e '.status == "healthy"'
}

server "$@"
