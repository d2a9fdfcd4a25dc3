#!/usr/bin/env bash
# Runs the official OCI distribution conformance suite, everything on, against a running registry.
#
#   oci-conformance.sh HOST:PORT REPORT_DIR
#
# Prints every failure and skip with its reason and fails on any of them. REPORT_DIR gets the suite's own files;
# report.html there holds every request and response.
#   OCI_CONFORMANCE_VERSION   another version of the suite (a module version)
#   CARGO_TARGET_DIR          the built suite is kept below it, in tools/ (default: target/ of this repository)
set -euo pipefail
[ $# = 2 ] || { echo "usage: $0 HOST:PORT REPORT_DIR" >&2; exit 2; }
registry=$1
mkdir -p "$2"
report=$(cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
. "$here/clients/lib.sh"

# Pinned, so that a run means the same tomorrow; this is the newest main of its day. It has no release with these tests yet.
version=${OCI_CONFORMANCE_VERSION:-v0.0.0-20260831232431-97274622c111}
suite=$(go_tool conformance github.com/opencontainers/distribution-spec/conformance "$version")

# Leaves of the suite's tree that may be skipped, one full name a line, each with its reason. None: an unsupported
# feature shows up as a skip, not as a failure, so a skip is a failure in disguise.
expected_skips=''

# A clean environment and REPORT_DIR as working directory: the suite reads every OCI_* variable and any
# oci-conformance.yaml that it finds. `dev` is version 1.1 plus the main branch (digest headers, upload cancel, tag
# parameters); sparse manifests are the one switch that even `dev` leaves off.
rm -f "$report"/results.yaml "$report"/junit.xml "$report"/report.html
status=0
(cd "$report" && timeout 600 env -i HOME="$HOME" PATH="$PATH" \
    OCI_REGISTRY="$registry" OCI_TLS=disabled OCI_VERSION=dev OCI_DATA_SPARSE=true \
    OCI_RESULTS_DIR="$report" OCI_LOG=error "$suite" >suite.out 2>suite.err) || status=$?

# The suite also exits 0 when it cannot read its configuration or write its reports, so the report has the last word.
if [ ! -s "$report/junit.xml" ]; then
    echo "the conformance suite ended with status $status and wrote no report:" >&2
    tail -n 20 "$report/suite.err" >&2
    exit 1
fi
EXPECTED_SKIPS=$expected_skips python3 - "$report/junit.xml" "$status" <<'P'
import os, sys
import xml.etree.ElementTree as tree

suites = tree.parse(sys.argv[1]).getroot()
status = int(sys.argv[2])
expected = {line.strip() for line in os.environ["EXPECTED_SKIPS"].splitlines() if line.strip()}
seen = {"passed": 0, "skipped": 0, "failure": 0, "error": 0}
bad = 0
for case in suites.iter("testcase"):
    kind, name = case.get("status"), case.get("name")
    seen[kind] += 1
    if kind == "passed":
        continue
    # The reason is in system-out; for a step that was not tried it is the text after "skipping test:" in system-err.
    reason = (case.findtext("system-out") or "").strip()
    if not reason:
        reason = (case.findtext("system-err") or "").partition("skipping test:")[2].strip()
    allowed = kind == "skipped" and name in expected
    bad += not allowed
    print(f"{'skip (expected)' if allowed else kind}: {name}")
    for line in reason.splitlines() or ["no reason given"]:
        print(f"    {line[:300]}")

# A leaf that passed after a part of it was skipped counts as passed above; only the totals tell.
counted = {key: int(suites.get(key, 0)) for key in ("tests", "failures", "errors", "skipped", "disabled")}
print("suite's own totals:", ", ".join(f"{value} {key}" for key, value in counted.items()))
hidden = counted["skipped"] + counted["disabled"] > 0 and seen["skipped"] == 0
if hidden:
    print("error: the totals hold skips that no leaf shows; look for Skip in suite.out")
if status and not bad:
    print(f"error: the suite ended with status {status} but its report shows no failure")
print(f"oci-conformance: {seen['passed']} passed, {seen['failure'] + seen['error']} failed, {seen['skipped']} skipped")
sys.exit(1 if bad or hidden or status or not seen["passed"] else 0)
P
