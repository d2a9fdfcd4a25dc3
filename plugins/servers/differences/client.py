"""A client for S3 that sends what it is told to and hides nothing of the answer; for `differences.py`.

Signatures are those of "Authenticating Requests (AWS Signature Version 4)" in the S3 API reference. Only the standard library is needed.
"""

import datetime
import hashlib
import hmac
import http.client
import urllib.parse
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, replace

UNSIGNED = "UNSIGNED-PAYLOAD"


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def xml(self):
        """The body as elements without their namespaces."""
        root = ElementTree.fromstring(self.body)
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        return root

    def texts(self, path):
        return [element.text or "" for element in self.xml().findall(path)]

    def text(self, path):
        return (self.texts(path) or [""])[0]

    def said(self):
        """The status and, of an error, its code: `404 NoSuchKey`."""
        code = ""
        if self.body and self.body.lstrip().startswith(b"<"):
            root = self.xml()
            code = root.findtext("Code") if root.tag == "Error" else ""
        elif self.body and self.status >= 300:
            code = f"(a body that is no XML, {len(self.body)} bytes)"
        return f"{self.status} {code}".strip()


@dataclass
class Client:
    endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: str
    clock_skew: datetime.timedelta = datetime.timedelta(0)

    def but(self, **changes):
        return replace(self, **changes)

    def call(self, method, key="", query=None, headers=None, body=b"", payload=None):
        """One request for an object, or for the bucket if `key` is empty. `payload` is what stands for the body's hash."""
        path = "/" + self.bucket + ("/" + quote(key, safe="/") if key else "")
        text = "&".join(f"{quote(name)}={quote(str(value))}" for name, value in sorted((query or {}).items()))
        place = urllib.parse.urlsplit(self.endpoint)
        sent = {"host": place.netloc, **{name.lower(): value for name, value in (headers or {}).items()}}
        sent["x-amz-content-sha256"] = payload or hashlib.sha256(body).hexdigest()
        self._sign(method, path, text, sent)
        connection = http.client.HTTPConnection(place.netloc, timeout=60)
        try:
            connection.request(method, path + ("?" + text if text else ""), body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def _sign(self, method, path, query, headers):
        now = (datetime.datetime.now(datetime.timezone.utc) + self.clock_skew).strftime("%Y%m%dT%H%M%SZ")
        headers["x-amz-date"] = now
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
        request = "\n".join([method, path, query, lines, names, headers["x-amz-content-sha256"]])
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        to_sign = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest()])
        key = ("AWS4" + self.secret_key).encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope},SignedHeaders={names},Signature={signature}"
        )

    # Multipart uploads, which many questions begin with.

    def create(self, key, **headers):
        return self.call("POST", key, {"uploads": ""}, headers).text("UploadId")

    def part(self, key, upload, number, body, **options):
        return self.call("PUT", key, {"partNumber": number, "uploadId": upload}, body=body, **options)

    def complete(self, key, upload, parts, **options):
        """`parts`: pairs of number and ETag."""
        entries = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in parts)
        body = f"<CompleteMultipartUpload>{entries}</CompleteMultipartUpload>".encode()
        return self.call("POST", key, {"uploadId": upload}, body=body, **options)

    def abort(self, key, upload):
        return self.call("DELETE", key, {"uploadId": upload})


def quote(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "-._~")
