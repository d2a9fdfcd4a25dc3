"""Questions about multipart uploads, and about copies, which large objects need them for."""

import urllib.parse
import uuid

from client import UNSIGNED
from listing import long_name, longest
from questions import PART, question


def two_parts(client, key, **headers):
    """An upload of 5 MiB and 3 bytes, ready for its end."""
    upload = client.create(key, **headers)
    parts = [(number, client.part(key, upload, number, body).headers["ETag"]) for number, body in ((1, PART), (2, b"end"))]
    return upload, parts


@question("UploadPart with UNSIGNED-PAYLOAD over plain HTTP")
def unsigned_part(client, prefix):
    upload = client.create(prefix + "o")
    part = client.part(prefix + "o", upload, 1, b"body", payload=UNSIGNED)
    client.complete(prefix + "o", upload, [(1, part.headers["ETag"])])
    return f"{part.said()}, read back: {client.call('GET', prefix + 'o').body == b'body'}"


@question("CompleteMultipartUpload; ETag in its answer, ETag in HEAD")
def complete(client, prefix):
    upload, parts = two_parts(client, prefix + "o")
    answer = client.complete(prefix + "o", upload, parts)
    told = answer.text("ETag") if answer.status == 200 else ""
    return f"{answer.said()}; {shape(told)}; {shape(client.call('HEAD', prefix + 'o').headers['ETag'])}"


def shape(etag):
    """`32 digits-2` of an ETag of two parts."""
    digits, dash, parts = etag.strip('"').partition("-")
    return f"{len(digits)} digits{dash}{parts}" if digits else "none"


@question("CompleteMultipartUpload repeated; and of another upload with `If-None-Match: *` for a key that is there")
def complete_twice(client, prefix):
    upload, parts = two_parts(client, prefix + "o")
    client.complete(prefix + "o", upload, parts)
    again = client.complete(prefix + "o", upload, parts)
    upload, parts = two_parts(client, prefix + "o")
    held = client.complete(prefix + "o", upload, parts, headers={"If-None-Match": "*"})
    client.abort(prefix + "o", upload)
    return f"{again.said()}; {held.said()}"


@question("AbortMultipartUpload after completion / of an unknown upload")
def abort(client, prefix):
    upload, parts = two_parts(client, prefix + "o")
    client.complete(prefix + "o", upload, parts)
    after = client.abort(prefix + "o", upload)
    return f"{after.said()} (object: {client.call('HEAD', prefix + 'o').said()}) / {client.abort(prefix + 'o', str(uuid.uuid4())).said()}"


@question("UploadPart / ListParts of an aborted upload")
def gone(client, prefix):
    upload, _ = two_parts(client, prefix + "o")
    client.abort(prefix + "o", upload)
    listing = client.call("GET", prefix + "o", {"uploadId": upload})
    return f"{client.part(prefix + 'o', upload, 1, b'x').said()} / {listing.said()}"


@question("bytes of the longest key, of 1,024, that CreateMultipartUpload takes")
def longest_upload_key(client, prefix):
    def takes(length):
        key = prefix + long_name(length - len(prefix))
        answer = client.call("POST", key, {"uploads": ""})
        if answer.status == 200:
            client.abort(key, answer.text("UploadId"))
        return answer.status == 200

    return longest(takes, len(prefix) + 1, 1024)


@question("a first part under 5 MiB, at completion")
def small_part(client, prefix):
    upload = client.create(prefix + "o")
    parts = [(number, client.part(prefix + "o", upload, number, b"small").headers["ETag"]) for number in (1, 2)]
    return client.complete(prefix + "o", upload, parts).said()


@question("an empty part alone")
def empty_part(client, prefix):
    upload = client.create(prefix + "o")
    part = client.part(prefix + "o", upload, 1, b"")
    done = client.complete(prefix + "o", upload, [(1, part.headers["ETag"])])
    return f"{part.said()}, {done.said()}; object: {client.call('GET', prefix + 'o').said()}"


@question("completion without a part")
def no_part(client, prefix):
    return client.complete(prefix + "o", client.create(prefix + "o"), []).said()


@question("a part sent twice: the last one counts; a completion that names the first's ETag")
def part_twice(client, prefix):
    upload = client.create(prefix + "o")
    first, last = (client.part(prefix + "o", upload, 1, body).headers["ETag"] for body in (b"first", b"last"))
    old = client.complete(prefix + "o", upload, [(1, first)])
    new = client.complete(prefix + "o", upload, [(1, last)])
    return f"{old.said()}, then {new.said()}, holds the {client.call('GET', prefix + 'o').body.decode()}"


@question("part numbers 3 and 7 only")
def gaps(client, prefix):
    upload = client.create(prefix + "o")
    parts = [(number, client.part(prefix + "o", upload, number, body).headers["ETag"]) for number, body in ((3, PART), (7, b"end"))]
    done = client.complete(prefix + "o", upload, parts)
    return f"{done.said()}, right: {client.call('GET', prefix + 'o').body == PART + b'end'}"


@question("part number 10000 / 10001")
def highest_part(client, prefix):
    upload = client.create(prefix + "o")
    answers = [client.part(prefix + "o", upload, number, b"x").said() for number in (10000, 10001)]
    client.abort(prefix + "o", upload)
    return " / ".join(answers)


@question("`x-amz-meta-*` and Content-Type of CreateMultipartUpload in HEAD after completion")
def multipart_metadata(client, prefix):
    upload, parts = two_parts(client, prefix + "o", **{"x-amz-meta-longshore": "seen", "content-type": "text/x-longshore"})
    client.complete(prefix + "o", upload, parts)
    headers = client.call("HEAD", prefix + "o").headers
    return f"{headers['x-amz-meta-longshore'] or 'not there'}, {headers['Content-Type']}"


@question("ListParts by pages of `max-parts=1`: number and size (in any order); whether ETags are told")
def list_parts(client, prefix):
    upload, _ = two_parts(client, prefix + "o")
    found, marker, etags = [], {}, 0
    for _ in range(4):
        answer = client.call("GET", prefix + "o", {"uploadId": upload, "max-parts": "1", **marker})
        if answer.status != 200:
            return answer.said()
        etags += len(answer.texts("Part/ETag"))
        found.append("+".join(sorted(f"{n}:{size}" for n, size in zip(answer.texts("Part/PartNumber"), answer.texts("Part/Size")))))
        if answer.text("IsTruncated") != "true":
            break
        marker = {"part-number-marker": answer.text("NextPartNumberMarker")}
    client.abort(prefix + "o", upload)
    return " · ".join(found) + ("; told" if etags == 2 else "; not told")


@question("ListMultipartUploads with a prefix, of uploads of `a b/c d`; whether Initiated is told")
def list_uploads(client, prefix):
    uploads = [(prefix + name, client.create(prefix + name)) for name in ("a", "b/c", "d")]
    answer = client.call("GET", query={"uploads": "", "prefix": prefix + "b"})
    said = answer.said()
    if answer.status == 200:
        said = " ".join(key.removeprefix(prefix) for key in answer.texts("Upload/Key")) + f"; {'told' if answer.text('Upload/Initiated') else 'not told'}"
    for key, upload in uploads:
        client.abort(key, upload)
    return said


@question("the same by pages of `max-uploads=1`, two of one key")
def list_uploads_pages(client, prefix):
    uploads = [(prefix + name, client.create(prefix + name)) for name in ("a", "a", "b")]
    found, marker = [], {}
    for _ in range(6):
        answer = client.call("GET", query={"uploads": "", "prefix": prefix, "max-uploads": "1", **marker})
        if answer.status != 200:
            found.append(answer.said())
            break
        found.append("+".join(key.removeprefix(prefix) for key in answer.texts("Upload/Key")) or "(empty)")
        if answer.text("IsTruncated") != "true":
            break
        marker = {"key-marker": answer.text("NextKeyMarker"), "upload-id-marker": answer.text("NextUploadIdMarker")}
    for key, upload in uploads:
        client.abort(key, upload)
    return " · ".join(found)


@question("CopyObject of an object of two parts; its ETag")
def copy_multipart(client, prefix):
    upload, parts = two_parts(client, prefix + "o")
    client.complete(prefix + "o", upload, parts)
    copy = client.call("PUT", prefix + "copy", headers={"x-amz-copy-source": f"/{client.bucket}/{prefix}o"})
    same = client.call("GET", prefix + "copy").body == PART + b"end"
    return f"{copy.said()}, right: {same}, {shape(client.call('HEAD', prefix + 'copy').headers['ETag'])}"


@question("CopyObject from a key with `+ % ~ =`, its source percent-encoded")
def copy_odd(client, prefix):
    name = prefix + "a+b%41~c=d"
    client.call("PUT", name, body=b"odd")
    client.call("PUT", prefix + "copy", headers={"x-amz-copy-source": "/" + client.bucket + "/" + urllib.parse.quote(name, safe="/")})
    answer = client.call("GET", prefix + "copy")
    return f"{answer.said()}, right: {answer.body == b'odd'}"


@question("UploadPartCopy of `0-5242879` and `5242881-5242882`, of an object of two parts")
def part_copy(client, prefix):
    upload, parts = two_parts(client, prefix + "o")
    client.complete(prefix + "o", upload, parts)
    source = {"x-amz-copy-source": f"/{client.bucket}/{prefix}o"}
    upload, copied = client.create(prefix + "copy"), []
    for number, range_ in ((1, "0-5242879"), (2, "5242881-5242882")):
        answer = client.part(prefix + "copy", upload, number, b"", headers={**source, "x-amz-copy-source-range": f"bytes={range_}"})
        if answer.status != 200:
            return answer.said()
        copied.append((number, answer.text("ETag")))
    done = client.complete(prefix + "copy", upload, copied)
    return f"{done.said()}, right: {client.call('GET', prefix + 'copy').body == PART + b'nd'}"


@question("UploadPartCopy of a range beyond the end")
def part_copy_beyond(client, prefix):
    client.call("PUT", prefix + "o", body=b"0123456789")
    upload = client.create(prefix + "copy")
    headers = {"x-amz-copy-source": f"/{client.bucket}/{prefix}o", "x-amz-copy-source-range": "bytes=8-20"}
    answer = client.part(prefix + "copy", upload, 1, b"", headers=headers)
    client.abort(prefix + "copy", upload)
    return answer.said()
