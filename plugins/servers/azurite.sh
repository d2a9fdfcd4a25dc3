#!/usr/bin/env bash
# Azurite: Azure's blob storage, the vendor's own emulator. BUCKET is the container, ACCESS_KEY the account, SECRET_KEY its key.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
readonly VERSION=3.37.0
# The account and the key that Azurite has by itself: every copy of it has them, and they open nothing else.
readonly ACCOUNT=devstoreaccount1
readonly KEY='Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='
readonly PROGRAM=$tools/azurite-$VERSION/node_modules/.bin/azurite-blob

missing() {
    local command
    [ -x "$PROGRAM" ] || echo "$PROGRAM (npm install --prefix $tools/azurite-$VERSION azurite@$VERSION)"
    command -v node >/dev/null || echo 'node, 20 or newer'
    for command in curl openssl; do
        command -v "$command" >/dev/null || echo "$command (apt install $command)"
    done
}

launch() {
    local port
    free_port port
    # In files, not in memory: there it takes no more than half of the machine's. Newer clients than itself are answered, too.
    spawn azurite "$PROGRAM" --blobHost 127.0.0.1 --blobPort "$port" --location "$folder/data" \
        --skipApiVersionCheck --silent --disableTelemetry
    wait_for 'making the container' make_container "http://127.0.0.1:$port" longshore
    tell ENDPOINT="http://127.0.0.1:$port/$ACCOUNT" REGION= BUCKET=longshore ACCESS_KEY="$ACCOUNT" SECRET_KEY="$KEY"
}

# make_container ORIGIN NAME: as "Authorize with Shared Key" of the service's reference tells. The account is in the path, and Azurite puts it in front.
make_container() {
    local date version=2021-12-02 text signature
    date=$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S GMT')
    text="PUT"$'\n\n\n\n\n\n\n\n\n\n\n\n'"x-ms-date:$date"$'\n'"x-ms-version:$version"$'\n'"/$ACCOUNT/$ACCOUNT/$2"$'\n'"restype:container"
    signature=$(printf %s "$text" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(base64 -d <<<"$KEY" | od -An -v -tx1 | tr -d ' \n')" -binary | base64)
    curl -sS -f -o /dev/null --max-time 10 -X PUT -H "x-ms-date: $date" -H "x-ms-version: $version" \
        -H "Authorization: SharedKey $ACCOUNT:$signature" -H 'Content-Length: 0' "$1/$ACCOUNT/$2?restype=container"
}

server "$@"
