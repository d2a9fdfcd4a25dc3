#!/usr/bin/env python3
"""Puts the fake to the vendor's own SDK, which knows how the store answers. Usage: sdk.py PATH/OF/gcs-fake

Each check is a function; one that fails is told, and the others go on. Needs the package google-cloud-storage (see sdk.sh).
"""

import base64
import concurrent.futures
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import traceback
import urllib.error
import urllib.request

PAGE_MAX = 7
MIB = 1 << 20
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def start(program, folder):
    """The fake, the address it listens at, and its key file."""
    key_file = os.path.join(folder, "key.json")
    arguments = [program, "--bucket", "bucket", "--bucket", "other", "--key-file", key_file, "--page-max", str(PAGE_MAX)]
    fake = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    address = fake.stdout.readline().strip()
    assert address, "the fake does not start"
    return fake, f"http://{address}", key_file


def expect(error, function, *arguments, **named):
    """The error that the call raises, which must be of this type."""
    try:
        function(*arguments, **named)
    except error as raised:
        return raised
    raise AssertionError(f"no {error.__name__} was raised")


def order(path, value=None, method="POST"):
    """Orders something of the fake itself."""
    request = urllib.request.Request(f"{HOST}/_fake/{path}", data=json.dumps(value).encode(), method=method)
    urllib.request.urlopen(request).read()


def fetch(url, method="GET", data=None, headers=None):
    """Status and body of a request without the SDK."""
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


# --- objects -------------------------------------------------------------------------------------------------------------


@check
def what_is_written_is_read():
    blob = BUCKET.blob("a/b c+d%41é.txt")
    blob.metadata = {"mark": "1"}
    blob.upload_from_string(b"hello world", content_type="text/plain")
    assert blob.generation and blob.size == 11 and blob.metageneration == 1
    assert blob.md5_hash == base64.b64encode(hashlib.md5(b"hello world").digest()).decode()
    found = BUCKET.get_blob(blob.name)
    assert (found.content_type, found.metadata, found.generation) == ("text/plain", {"mark": "1"}, blob.generation)
    assert found.etag and found.updated and found.time_created
    assert found.download_as_bytes() == b"hello world"
    assert BUCKET.get_blob("a/none") is None
    expect(NotFound, CLIENT.get_bucket, "nobody-has-this-one")


@check
def empty_objects_exist():
    BUCKET.blob("empty").upload_from_string(b"")
    assert BUCKET.get_blob("empty").size == 0
    assert BUCKET.blob("empty").download_as_bytes() == b""


@check
def ranges_are_cut_at_the_end_and_refused_behind_it():
    blob = BUCKET.blob("range")
    blob.upload_from_string(b"0123456789")
    assert blob.download_as_bytes(start=2, end=4) == b"234"
    assert blob.download_as_bytes(start=8, end=100) == b"89"
    assert blob.download_as_bytes(start=-3) == b"789"
    expect(RequestRangeNotSatisfiable, blob.download_as_bytes, start=10)
    with blob.open("rb", chunk_size=256 * 1024) as reader:
        reader.seek(5)
        assert reader.read() == b"56789"


@check
def checksums_are_compared():
    blob = BUCKET.blob("checked")
    for checksum in ("md5", "crc32c"):
        blob.upload_from_string(b"some bytes", checksum=checksum)
        assert blob.download_as_bytes(checksum=checksum) == b"some bytes"
    wrong = BUCKET.blob("checked")
    wrong.md5_hash = base64.b64encode(bytes(16)).decode()
    # The SDK has the bytes' checksum in the metadata only if it is told to; this one is not theirs.
    expect(BadRequest, wrong.upload_from_file, io.BytesIO(b"other bytes"), size=11, checksum=None)
    assert BUCKET.blob("checked").download_as_bytes() == b"some bytes"


@check
def metadata_are_patched():
    blob = BUCKET.blob("patched")
    blob.upload_from_string(b"x")
    generation = blob.generation
    blob.metadata = {"a": "1", "b": "2"}
    blob.patch()
    blob.metadata = {"a": None}
    blob.patch()
    found = BUCKET.get_blob("patched")
    assert (found.metadata, found.generation, found.metageneration) == ({"b": "2"}, generation, 3)
    expect(PreconditionFailed, blob.delete, if_metageneration_match=1)


@check
def what_is_deleted_is_gone():
    blob = BUCKET.blob("deleted")
    blob.upload_from_string(b"x")
    blob.delete()
    expect(NotFound, blob.delete)
    expect(NotFound, blob.download_as_bytes)


# --- preconditions ---------------------------------------------------------------------------------------------------------


@check
def preconditions_hold_or_the_request_fails():
    blob = BUCKET.blob("condition")
    blob.upload_from_string(b"1", if_generation_match=0)
    first = blob.generation
    expect(PreconditionFailed, BUCKET.blob("condition").upload_from_string, b"2", if_generation_match=0)
    BUCKET.blob("condition").upload_from_string(b"3", if_generation_match=first)
    expect(PreconditionFailed, BUCKET.blob("condition").upload_from_string, b"4", if_generation_match=first)
    expect(PreconditionFailed, BUCKET.blob("condition").delete, if_generation_match=first)
    expect(NotFound, BUCKET.blob("condition", generation=first).download_as_bytes)
    second = BUCKET.get_blob("condition").generation
    assert second > first
    expect(NotModified, BUCKET.blob("condition").reload, if_generation_not_match=second)
    expect(PreconditionFailed, BUCKET.blob("condition").download_as_bytes, if_generation_match=first)


@check
def of_racing_creators_one_wins():
    def create(number):
        try:
            BUCKET.blob("race").upload_from_string(str(number), if_generation_match=0)
            return [number]
        except PreconditionFailed:
            return []

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        winners = sum(pool.map(create, range(16)), [])
    assert len(winners) == 1, winners
    assert BUCKET.blob("race").download_as_bytes() == str(winners[0]).encode()


# --- pages -----------------------------------------------------------------------------------------------------------------


@check
def lists_are_in_the_order_of_bytes_and_come_in_pages():
    names = ["l/a", "l/a-b", "l/a/1", "l/a/2", "l/a0", "l/b/1"] + [f"l/n{number:02}" for number in range(20)]
    for name in names:
        OTHER.blob(name).upload_from_string(b"")
    pages = list(CLIENT.list_blobs(OTHER, prefix="l/", page_size=1000).pages)
    assert [len(list(page)) for page in pages] == [PAGE_MAX] * 3 + [len(names) - 3 * PAGE_MAX]
    assert [blob.name for blob in OTHER.list_blobs(prefix="l/")] == sorted(names)
    some = OTHER.list_blobs(prefix="l/", start_offset="l/a/1", end_offset="l/n00")
    assert [blob.name for blob in some] == ["l/a/1", "l/a/2", "l/a0", "l/b/1"]
    joined = OTHER.list_blobs(prefix="l/", delimiter="/")
    assert [blob.name for blob in joined][:3] == ["l/a", "l/a-b", "l/a0"]
    assert sorted(joined.prefixes) == ["l/a/", "l/b/"]
    after = OTHER.list_blobs(prefix="l/", delimiter="/", start_offset="l/a/~")
    assert [blob.name for blob in after][:1] == ["l/a0"] and sorted(after.prefixes) == ["l/b/"]
    assert [blob.name for blob in OTHER.list_blobs(max_results=3)] == names[:3]
    fields = OTHER.list_blobs(prefix="l/a", fields="items(name,size),nextPageToken")
    assert all(blob.size == 0 and blob.generation is None for blob in fields)


# --- uploads in several requests ---------------------------------------------------------------------------------------------


@check
def resumable_uploads_have_their_quantum():
    content = os.urandom(MIB + 100)
    blob = BUCKET.blob("resumable", chunk_size=256 * 1024)
    blob.upload_from_file(io.BytesIO(content), size=len(content))
    assert blob.download_as_bytes() == content
    unknown = BUCKET.blob("unknown-size", chunk_size=256 * 1024)
    with unknown.open("wb") as writer:
        writer.write(content)
    assert BUCKET.blob("unknown-size").download_as_bytes() == content


@check
def resumable_uploads_keep_their_preconditions():
    BUCKET.blob("resumable-condition").upload_from_string(b"x")
    blob = BUCKET.blob("resumable-condition", chunk_size=256 * 1024)
    expect(PreconditionFailed, blob.upload_from_file, io.BytesIO(bytes(MIB)), size=MIB, if_generation_match=0)
    late = BUCKET.blob("resumable-late")
    url = late.create_resumable_upload_session(size=3, if_generation_match=0)
    late.upload_from_string(b"first")
    assert fetch(url, "PUT", b"new")[0] == 412
    assert late.download_as_bytes() == b"first"


@check
def resumable_uploads_tell_where_they_are_and_are_cancelled():
    url = BUCKET.blob("session").create_resumable_upload_session(content_type="text/plain")
    state = ("PUT", b"", {"Content-Range": "bytes */*"})
    assert ask_session(url, *state) == (308, None)
    quantum = 256 * 1024
    assert ask_session(url, "PUT", bytes(quantum), {"Content-Range": f"bytes 0-{quantum - 1}/*"}) == (308, f"bytes=0-{quantum - 1}")
    assert ask_session(url, "PUT", b"x", {"Content-Range": f"bytes {quantum}-{quantum}/*"})[0] == 400
    assert ask_session(url, "PUT", bytes(quantum), {"Content-Range": f"bytes {2 * quantum}-{3 * quantum - 1}/*"})[0] == 503
    assert ask_session(url, *state) == (308, f"bytes=0-{quantum - 1}")
    assert ask_session(url, "DELETE", b"", {})[0] == 499
    assert ask_session(url, *state)[0] == 404
    assert BUCKET.get_blob("session") is None


def ask_session(url, method, data, headers):
    """Status and `Range` of an answer; `308` means something else to clients of the web."""
    answer = requests.request(method, url, data=data, headers=headers, allow_redirects=False, timeout=10)
    return answer.status_code, answer.headers.get("range")


@check
def parts_are_uploaded_concurrently():
    content = os.urandom(17 * MIB + 5)
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        blob = BUCKET.blob("parts/17 MiB")
        upload = transfer_manager.upload_chunks_concurrently
        upload(file.name, blob, chunk_size=5 * MIB, worker_type=transfer_manager.THREAD, max_workers=4)
    found = BUCKET.get_blob("parts/17 MiB")
    # Only what came in one request has an MD5.
    assert (found.size, found.md5_hash, found.component_count) == (len(content), None, 4)
    assert found.download_as_bytes(checksum="crc32c") == content


@check
def parts_are_as_large_as_they_must_be():
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(2 * MIB))
        file.flush()
        blob = BUCKET.blob("parts/small")
        upload = transfer_manager.upload_chunks_concurrently
        raised = expect(Exception, upload, file.name, blob, chunk_size=MIB, worker_type=transfer_manager.THREAD)
    assert "400" in str(raised), raised
    assert BUCKET.get_blob("parts/small") is None


# --- objects out of objects --------------------------------------------------------------------------------------------------


@check
def objects_are_composed():
    parts = [BUCKET.blob(f"compose/{number}") for number in range(3)]
    for number, part in enumerate(parts):
        part.upload_from_string(str(number) * 3)
    whole = BUCKET.blob("compose/whole")
    whole.content_type = "text/plain"
    whole.compose(parts)
    assert whole.download_as_bytes(checksum="crc32c") == b"000111222"
    assert (BUCKET.get_blob(whole.name).component_count, BUCKET.get_blob(whole.name).md5_hash) == (3, None)
    generations = [part.generation for part in parts]
    whole.compose(parts, if_source_generation_match=generations)
    expect(PreconditionFailed, whole.compose, parts, if_source_generation_match=[1] + generations[1:])
    expect(PreconditionFailed, whole.compose, parts, if_generation_match=0)
    expect(BadRequest, whole.compose, parts * 11)
    expect(NotFound, whole.compose, parts + [BUCKET.blob("compose/none")])
    nearline = BUCKET.blob("compose/nearline")
    nearline.storage_class = "NEARLINE"
    nearline.upload_from_string(b"x")
    expect(BadRequest, whole.compose, parts + [nearline])


@check
def rewrites_take_as_many_calls_as_they_need():
    content = os.urandom(20 * MIB)
    source, target = BUCKET.blob("rewrite/a"), OTHER.blob("rewrite/b")
    source.metadata = {"kept": "yes"}
    source.upload_from_string(content, content_type="text/x-own")
    token, calls = None, 0
    while calls == 0 or token:
        token, written, size = target.rewrite(source, token=token)
        calls += 1
        assert written <= size == len(content)
        assert (OTHER.get_blob("rewrite/b") is None) == bool(token)
    assert calls > 1
    found = OTHER.get_blob("rewrite/b")
    assert (found.content_type, found.metadata) == ("text/x-own", {"kept": "yes"})
    assert found.download_as_bytes() == content
    expect(PreconditionFailed, target.rewrite, source, if_generation_match=0)
    expect(NotFound, target.rewrite, BUCKET.blob("rewrite/none"))
    small = BUCKET.blob("rewrite/small")
    small.upload_from_string(b"x")
    copy = BUCKET.copy_blob(small, OTHER, "rewrite/copy")
    assert copy.download_as_bytes() == b"x"


@check
def batches_are_answered_one_by_one():
    for number in range(5):
        BUCKET.blob(f"batch/{number}").upload_from_string(b"x")
    with CLIENT.batch():
        for number in range(5):
            BUCKET.blob(f"batch/{number}").delete()
    assert list(BUCKET.list_blobs(prefix="batch/")) == []
    BUCKET.blob("batch/there").upload_from_string(b"x")
    with CLIENT.batch(raise_exception=False) as batch:
        BUCKET.blob("batch/none").delete()
        BUCKET.blob("batch/there").delete()
    assert [answer.status_code for answer in batch._responses] == [404, 204]
    BUCKET.delete_blobs([BUCKET.blob("batch/none")], on_error=lambda blob: None)

    def too_many():
        with CLIENT.batch():
            for number in range(101):
                BUCKET.blob(f"batch/{number}").delete()

    expect(BadRequest, too_many)


# --- who may -----------------------------------------------------------------------------------------------------------------


@check
def signed_urls_are_good_for_what_was_signed():
    blob = BUCKET.blob("signed/a b")
    blob.upload_from_string(b"signed")

    def sign(method, **named):
        seconds = datetime.timedelta(seconds=named.pop("seconds", 60))
        return blob.generate_signed_url(seconds, version="v4", method=method, api_access_endpoint=HOST, **named)

    url = sign("GET")
    assert fetch(url) == (200, b"signed")
    assert fetch(url, headers={"Range": "bytes=1-2"}) == (206, b"ig")
    assert fetch(url, "PUT", b"x")[0] == 403, "another method"
    assert fetch(url.replace("a%20b", "a%20c"))[0] == 403, "another object"
    assert fetch(url.replace("X-Goog-Expires=60", "X-Goog-Expires=600"))[0] == 403, "another time"
    assert b"SignatureDoesNotMatch" in fetch(url[:-4] + "0000")[1], "another signature"
    typed = sign("PUT", content_type="text/plain")
    assert fetch(typed, "PUT", b"x", {"Content-Type": "text/html"})[0] == 403, "another type"
    assert fetch(typed, "PUT", b"new", {"Content-Type": "text/plain"})[0] == 200
    assert BUCKET.blob("signed/a b").download_as_bytes() == b"new"
    order("clock", {"ahead_secs": 61})
    late = fetch(url)
    order("clock", {"ahead_secs": 0})
    assert late[0] == 400 and b"ExpiredToken" in late[1]


@check
def strangers_are_turned_away():
    assert fetch(f"{HOST}/storage/v1/b/bucket/o")[0] == 401
    assert fetch(f"{HOST}/storage/v1/b/bucket/o", headers={"Authorization": "Bearer ya29.none"})[0] == 401
    assert fetch(f"{HOST}/bucket/x", headers={"Authorization": "Bearer a.b.c"})[0] == 401
    key = json.load(open(KEY_FILE))
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = stranger.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    wrong = service_account.Credentials.from_service_account_info({**key, "private_key": pem.decode()}, scopes=scopes)
    expect(RefreshError, wrong.refresh, auth_requests.Request())
    good = service_account.Credentials.from_service_account_file(KEY_FILE, scopes=scopes)
    order("clock", {"ahead_secs": 7200})
    late = expect(RefreshError, good.refresh, auth_requests.Request())
    order("clock", {"ahead_secs": 0})
    assert "reasonable timeframe" in str(late)
    good.refresh(auth_requests.Request())
    assert good.valid
    # Tokens that the key signs itself, as the SDK does where it is told to.
    own = good.with_always_use_jwt_access(True)
    own._create_self_signed_jwt(None)
    own.refresh(auth_requests.Request())
    assert fetch(f"{HOST}/storage/v1/b/bucket", headers={"Authorization": f"Bearer {own.token}"})[0] == 200
    expect(Forbidden, CLIENT.bucket("forbidden").blob("x").download_as_bytes)


@check
def faults_come_when_ordered():
    blob = BUCKET.blob("fault")
    order("faults", {"status": 503, "retry_after": 1, "count": 2, "method": "POST"})
    expect(ServiceUnavailable, blob.upload_from_string, b"x", retry=None)
    # The SDK makes what is safe to make again again, until it is done.
    blob.upload_from_string(b"x", if_generation_match=0)
    assert blob.download_as_bytes() == b"x"
    order("faults", {"status": 503, "done": True, "method": "DELETE"})
    expect(ServiceUnavailable, blob.delete, retry=None)
    expect(NotFound, blob.delete, retry=None)


def main():
    failed = 0
    for function in CHECKS:
        try:
            function()
            print(f"ok    {function.__name__}")
        except Exception:
            failed += 1
            print(f"FAIL  {function.__name__}\n{traceback.format_exc()}")
    print(f"{len(CHECKS) - failed} of {len(CHECKS)} checks of google-cloud-storage {storage.__version__} pass")
    return 1 if failed or not CHECKS else 0


if __name__ == "__main__":
    folder = tempfile.TemporaryDirectory()
    server, HOST, KEY_FILE = start(sys.argv[1], folder.name)
    os.environ["STORAGE_EMULATOR_HOST"] = HOST
    os.environ["GOOGLE_APPLICATION_CREDENTIALS"] = KEY_FILE

    import datetime

    import requests
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from google.api_core.exceptions import BadRequest, Forbidden, NotFound, NotModified, PreconditionFailed
    from google.api_core.exceptions import RequestRangeNotSatisfiable, ServiceUnavailable
    from google.auth.exceptions import RefreshError
    from google.auth.transport import requests as auth_requests
    from google.cloud import storage
    from google.cloud.storage import transfer_manager
    from google.oauth2 import service_account

    # Against an emulator the SDK uses no credentials unless it is given some.
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    CLIENT = storage.Client("fake-project", service_account.Credentials.from_service_account_file(KEY_FILE, scopes=scopes))
    BUCKET, OTHER = CLIENT.bucket("bucket"), CLIENT.bucket("other")
    try:
        status = main()
    finally:
        server.stdin.close()
        server.wait(10)
    sys.exit(status)
