"""Questions about whole objects: ranges, conditions, sums, and who may."""

import base64
import concurrent.futures
import datetime
import hashlib
import http.client
import uuid
import zlib

from client import UNSIGNED
from listing import fill
from questions import MIB, question


@question("PutObject with UNSIGNED-PAYLOAD over plain HTTP")
def unsigned_put(client, prefix):
    put = client.call("PUT", prefix + "o", body=b"body", payload=UNSIGNED)
    return f"{put.said()}, read back: {client.call('GET', prefix + 'o').body == b'body'}"


@question("DeleteObject of an absent key")
def delete_absent(client, prefix):
    return client.call("DELETE", prefix + "absent").said()


@question("GET / HEAD of an absent key")
def absent_key(client, prefix):
    return both(client, prefix + "absent")


@question("GET / HEAD of a key in an absent bucket")
def absent_bucket(client, prefix):
    return both(without_bucket(client), prefix + "o")


@question("list / PUT in an absent bucket")
def list_absent_bucket(client, prefix):
    absent = without_bucket(client)
    return f"{absent.call('GET', query={'list-type': '2'}).said()} / {absent.call('PUT', prefix + 'o', body=b'x').said()}"


@question("HEAD of the bucket: there / absent")
def head_bucket(client, _):
    return f"{client.call('HEAD').said()} / {without_bucket(client).call('HEAD').said()}"


@question("GET / HEAD with an unknown access key")
def wrong_key(client, prefix):
    return both(client.but(access_key="GKffffffffffffffffffffffff"), prefix + "absent")


@question("GET / HEAD with a wrong secret key")
def wrong_secret(client, prefix):
    return both(client.but(secret_key="0" * 64), prefix + "absent")


@question("GET / HEAD signed for a wrong region")
def wrong_region(client, prefix):
    return both(client.but(region="eu-north-1"), prefix + "absent")


@question("GET with a clock 20 min slow")
def wrong_clock(client, prefix):
    return client.but(clock_skew=datetime.timedelta(minutes=-20)).call("GET", prefix + "absent").said()


def without_bucket(client):
    return client.but(bucket=f"absent-{uuid.uuid4().hex}")


def both(client, key):
    return f"{client.call('GET', key).said()} / {client.call('HEAD', key).said()}"


def ranged(client, key, text):
    answer = client.call("GET", key, headers={"Range": f"bytes={text}"})
    length = f", {len(answer.body)} bytes" if answer.status < 300 else ""
    return f"{answer.said()}{length}, Content-Range {answer.headers['Content-Range'] or 'none'}"


@question("range `8-20` of 10 bytes")
def range_over(client, prefix):
    client.call("PUT", prefix + "o", body=b"0123456789")
    return ranged(client, prefix + "o", "8-20")


@question("range `10-` of 10 bytes")
def range_at_end(client, prefix):
    client.call("PUT", prefix + "o", body=b"0123456789")
    return ranged(client, prefix + "o", "10-")


@question("range `20-30` of 10 bytes")
def range_beyond(client, prefix):
    client.call("PUT", prefix + "o", body=b"0123456789")
    return ranged(client, prefix + "o", "20-30")


@question("range `0-` of an empty object")
def range_of_nothing(client, prefix):
    client.call("PUT", prefix + "o")
    return ranged(client, prefix + "o", "0-")


@question("GET with `If-Match`: right / wrong ETag")
def get_if_match(client, prefix):
    etag = client.call("PUT", prefix + "o", body=b"x").headers["ETag"]
    right = client.call("GET", prefix + "o", headers={"If-Match": etag})
    wrong = client.call("GET", prefix + "o", headers={"If-Match": '"00000000000000000000000000000000"'})
    return f"{right.said()} / {wrong.said()}"


@question("the same with a range")
def range_if_match(client, prefix):
    etag = client.call("PUT", prefix + "o", body=b"x").headers["ETag"]
    right = client.call("GET", prefix + "o", headers={"If-Match": etag, "Range": "bytes=0-0"})
    wrong = client.call("GET", prefix + "o", headers={"If-Match": '"00000000000000000000000000000000"', "Range": "bytes=0-0"})
    return f"{right.said()} / {wrong.said()}"


@question("PutObject with `If-None-Match: *`, twice")
def put_twice(client, prefix):
    answers = [client.call("PUT", prefix + "o", headers={"If-None-Match": "*"}, body=text) for text in (b"first", b"second")]
    return f"{answers[0].said()}, {answers[1].said()}; holds the {client.call('GET', prefix + 'o').body.decode()}"


@question("16 such PUTs at once: how many are told 200", varies=True)
def put_race(client, prefix):
    def create(number):
        return client.call("PUT", prefix + "o", headers={"If-None-Match": "*"}, body=b"%d" % number).status

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        return str(list(pool.map(create, range(16))).count(200))


@question("PutObject with `If-Match`: right / wrong ETag / absent key")
def put_if_match(client, prefix):
    etag = client.call("PUT", prefix + "o", body=b"x").headers["ETag"]
    right = client.call("PUT", prefix + "o", headers={"If-Match": etag}, body=b"y")
    wrong = client.call("PUT", prefix + "o", headers={"If-Match": '"00000000000000000000000000000000"'}, body=b"z")
    absent = client.call("PUT", prefix + "absent", headers={"If-Match": etag}, body=b"z")
    return f"{right.said()} / {wrong.said()} / {absent.said()}"


@question("40 GETs of 8 MiB while it is overwritten by two writers: whole, mixed, cut short, refused", varies=True)
def overwritten(client, prefix):
    bodies = [b"a" * 8 * MIB, b"b" * 8 * MIB]
    client.call("PUT", prefix + "o", body=bodies[0])

    def read(_):
        try:
            answer = client.call("GET", prefix + "o")
        except http.client.IncompleteRead:
            return "cut"
        return "failed" if answer.status != 200 else "whole" if answer.body in bodies else "mixed"

    with concurrent.futures.ThreadPoolExecutor(2) as writers, concurrent.futures.ThreadPoolExecutor(2) as readers:
        for number in range(20):
            writers.submit(client.call, "PUT", prefix + "o", body=bodies[number % 2])
        found = list(readers.map(read, range(40)))
    return ", ".join(str(found.count(kind)) for kind in ("whole", "mixed", "cut", "failed"))


@question("DeleteObjects of one key that is there and one that is not")
def delete_many(client, prefix):
    fill(client, prefix, "o")
    keys = "".join(f"<Object><Key>{prefix}{name}</Key></Object>" for name in ("o", "absent"))
    body = f"<Delete>{keys}</Delete>".encode()
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    answer = client.call("POST", query={"delete": ""}, headers={"Content-MD5": md5}, body=body)
    if answer.status != 200:
        return answer.said()
    return f"{answer.said()}, Deleted: {len(answer.texts('Deleted'))}, Error: {len(answer.texts('Error'))}"


@question("PutObject with a right / wrong `x-amz-checksum-crc32`")
def checksum(client, prefix):
    right, wrong = (base64.b64encode(zlib.crc32(text).to_bytes(4, "big")).decode() for text in (b"body", b"else"))
    answers = [client.call("PUT", prefix + "o", headers={"x-amz-checksum-crc32": sum_}, body=b"body").said() for sum_ in (right, wrong)]
    return " / ".join(answers)


@question("PutObject with a wrong `Content-MD5` / a wrong signed SHA-256")
def wrong_sums(client, prefix):
    md5 = base64.b64encode(hashlib.md5(b"else").digest()).decode()
    first = client.call("PUT", prefix + "o", headers={"Content-MD5": md5}, body=b"body")
    second = client.call("PUT", prefix + "o", body=b"body", payload=hashlib.sha256(b"else").hexdigest())
    return f"{first.said()} / {second.said()}"


@question("`x-amz-meta-*` of PutObject in HEAD")
def put_metadata(client, prefix):
    client.call("PUT", prefix + "o", headers={"x-amz-meta-longshore": "seen"}, body=b"x")
    return client.call("HEAD", prefix + "o").headers["x-amz-meta-longshore"] or "not there"


@question("CopyObject of an absent key")
def copy_absent(client, prefix):
    return client.call("PUT", prefix + "copy", headers={"x-amz-copy-source": f"/{client.bucket}/{prefix}absent"}).said()
