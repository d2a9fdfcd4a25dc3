#!/usr/bin/env bash
# Moto: a mock of AWS, with what no store that can be installed here has: a role that a token is exchanged for (STS), encryption with the store's own
# keys. Signatures and rights are checked, but of the next n requests where a test says so at /moto-api/reset-auth.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
readonly VERSION=5.2.5
readonly PROGRAM=$tools/moto-$VERSION/bin/moto_server

missing() {
    local packages="moto[server,s3,sts,iam]==$VERSION"
    [ -x "$PROGRAM" ] || echo "$PROGRAM (python3 -m venv $tools/moto-$VERSION && $tools/moto-$VERSION/bin/pip install '$packages')"
    command -v curl >/dev/null || echo 'curl (apt install curl)'
}

launch() {
    local port url
    free_port port
    url=http://127.0.0.1:$port
    # The set-up is done by nobody: so many requests are not checked.
    spawn moto env INITIAL_NO_AUTH_ACTION_COUNT=1000 "$PROGRAM" -H 127.0.0.1 -p "$port"
    wait_for 'the mock' curl -sS -f -o /dev/null --max-time 10 "$url/moto-api/data.json"
    echo 'a token of the platform, which Moto does not look into' >"$folder/token"
    "${PROGRAM%/*}/python" - "$url" >"$folder/made" <<'PYTHON'
import json, sys
import boto3

def client(name):
    return boto3.client(name, endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")

def policy(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})

iam = client("iam")
client("s3").create_bucket(Bucket="longshore")
may = policy(Action="s3:*", Resource="*")
trusts = policy(Principal="*", Action="sts:AssumeRoleWithWebIdentity")
print("ROLE=" + iam.create_role(RoleName="registry", AssumeRolePolicyDocument=trusts)["Role"]["Arn"])
iam.put_role_policy(RoleName="registry", PolicyName="registry", PolicyDocument=may)
iam.create_user(UserName="registry")
iam.put_user_policy(UserName="registry", PolicyName="registry", PolicyDocument=may)
key = iam.create_access_key(UserName="registry")["AccessKey"]
print("ACCESS_KEY=" + key["AccessKeyId"])
print("SECRET_KEY=" + key["SecretAccessKey"])
PYTHON
    curl -sS -f -o /dev/null --max-time 10 -H 'content-type: text/plain' -d 0 "$url/moto-api/reset-auth"
    tell ENDPOINT="$url" REGION=us-east-1 BUCKET=longshore TOKEN_FILE="$folder/token" "$(cat "$folder/made")"
}

server "$@"
