#!/usr/bin/env bash
# Ceph RADOS Gateway: the real thing, a monitor, an object store daemon that keeps all in memory, and the gateway with S3 and Swift.
#
#   CEPH_STORE_BYTES   what the object store takes before it is full, 16 GiB unless set; it is memory only as it fills
#   CEPH_OBJECTSTORE   `memstore`, or `bluestore`, which is in files of FOLDER and outlives a daemon that is killed
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
readonly ACCESS_KEY=AKTEST SECRET_KEY=SKTESTSKTEST SWIFT_KEY=swiftsecret KMS_KEY=test-key

missing() {
    local program
    for program in ceph-mon:ceph-mon ceph-osd:ceph-osd radosgw:radosgw ceph:ceph-common radosgw-admin:radosgw curl:curl openssl:openssl; do
        command -v "${program%:*}" >/dev/null || echo "${program%:*} (apt install --no-install-recommends ${program#*:})"
    done
}

launch() {
    local monitor_port gateway_port tls_port fsid id
    free_port monitor_port
    free_port gateway_port
    free_port tls_port
    fsid=$(cat /proc/sys/kernel/random/uuid)
    export CEPH_CONF=$folder/ceph.conf
    configuration >"$CEPH_CONF"
    make_keyring
    make_certificates

    monmaptool --create --addv a "[v2:127.0.0.1:$monitor_port]" --fsid "$fsid" "$folder/monmap"
    ceph-mon --mkfs -i a --monmap "$folder/monmap" --keyring "$folder/keyring"
    spawn monitor ceph-mon -f -i a --public-addr "127.0.0.1:$monitor_port"
    wait_for 'asking the monitor' timeout 10 ceph status

    id=$(cat /proc/sys/kernel/random/uuid)
    timeout 30 ceph osd new "$id"
    ceph-osd -i 0 --mkfs --osd-uuid "$id"
    spawn object-store ceph-osd -f -i 0
    wait_for 'the object store' store_is_up

    spawn gateway radosgw -f -n client.gateway
    wait_for 'the gateway' curl -sS -o /dev/null --max-time 10 "http://127.0.0.1:$gateway_port/"
    make_user
    wait_for 'making the bucket' s3 PUT "http://127.0.0.1:$gateway_port/longshore" us-east-1 "$ACCESS_KEY" "$SECRET_KEY"
    tell ENDPOINT="http://127.0.0.1:$gateway_port" REGION=us-east-1 BUCKET=longshore ACCESS_KEY="$ACCESS_KEY" SECRET_KEY="$SECRET_KEY" \
        SWIFT_AUTH="http://127.0.0.1:$gateway_port/auth/1.0" SWIFT_USER=test:swift SWIFT_KEY="$SWIFT_KEY" CEPH_CONF="$CEPH_CONF" \
        TLS_ENDPOINT="https://127.0.0.1:$tls_port" CA_FILE="$folder/authority.pem" KMS_KEY="$KMS_KEY"
}

# Without sockets for administration: their paths may have 107 characters at most, and FOLDER's is not ours.
configuration() {
    cat <<C
[global]
fsid = $fsid
mon host = v2:127.0.0.1:$monitor_port/0
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
# One copy of everything, in few parts.
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
# The disk of a machine that runs tests is never empty.
mon data avail warn = 2
mon data avail crit = 1
# The map of a cluster that starts changes often; by default each change takes a second.
paxos propose interval = 0.05
paxos min wait = 0.01
osd objectstore = ${CEPH_OBJECTSTORE:-memstore}
memstore device bytes = ${CEPH_STORE_BYTES:-17179869184}
bluestore block size = ${CEPH_STORE_BYTES:-17179869184}
osd memory target = 939524096
run dir = $folder
admin socket =
pid file =
log file =
crash dir = $folder/crash
mon data = $folder/monitor
osd data = $folder/object-store
keyring = $folder/keyring
[client.gateway]
# Else each answer with a body waits 40 ms for an acknowledgement.
rgw frontends = beast endpoint=127.0.0.1:$gateway_port ssl_endpoint=127.0.0.1:$tls_port ssl_certificate=$folder/gateway.pem tcp_nodelay=1
# Keys of customers are taken without TLS, and keys of a service come from here.
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = $KMS_KEY=$(openssl rand -base64 32)
rgw swift account in url = true
rgw data = $folder/gateway
# Memory of deleted objects is given back within seconds instead of hours.
rgw gc obj min wait = 5
rgw gc processor period = 5
C
}

make_keyring() {
    local name create=--create-keyring
    for name in mon. client.admin client.gateway osd.0; do
        ceph-authtool $create "$folder/keyring" --gen-key -n "$name" --cap mon 'allow *' --cap osd 'allow *'
        create=''
    done
    mkdir "$folder"/{monitor,object-store,gateway,crash}
}

# An authority that nobody trusts, and a certificate of it for the gateway.
make_certificates() {
    local request=(openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
    "${request[@]}" -x509 -days 2 -subj '/CN=An authority for a test' -keyout "$folder/authority.key" -out "$folder/authority.pem"
    "${request[@]}" -subj /CN=gateway -addext subjectAltName=IP:127.0.0.1 -keyout "$folder/gateway.key" -out "$folder/gateway.csr"
    openssl x509 -req -in "$folder/gateway.csr" -copy_extensions copy -days 2 -CA "$folder/authority.pem" -CAkey "$folder/authority.key" \
        -CAcreateserial -out "$folder/gateway.crt"
    cat "$folder/gateway.crt" "$folder/gateway.key" >"$folder/gateway.pem"
}

store_is_up() { timeout 10 ceph osd stat | grep ' 1 up' >/dev/null; }

make_user() {
    timeout 30 radosgw-admin user create --uid=test --display-name=test --access-key="$ACCESS_KEY" --secret-key="$SECRET_KEY"
    timeout 30 radosgw-admin subuser create --uid=test --subuser=test:swift --access=full --key-type=swift --secret-key="$SWIFT_KEY"
}

server "$@"
