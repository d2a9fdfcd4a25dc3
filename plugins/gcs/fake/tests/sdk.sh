#!/usr/bin/env bash
# Puts the fake to the vendor's own SDK: sdk.sh PATH/OF/gcs-fake [FOLDER]. The SDK is installed into FOLDER, which is kept for the next time.
set -euo pipefail
program=$1 folder=${2:-target/gcs-sdk}

sdk=3.17.1
if [ "$("$folder/bin/pip" show google-cloud-storage 2>/dev/null | sed -n 's/^Version: //p')" != "$sdk" ]; then
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "google-cloud-storage==$sdk" cryptography
fi
timeout 300 "$folder/bin/python" "$(dirname "$0")/sdk.py" "$program"
