"""For redirect.sh: an image to push, and an HTTP server that keeps its blobs where a driver's signed URLs lead. Standard library only.

    redirect.py image LAYOUT                  writes an OCI layout with one layer of 4 MiB
    redirect.py serve LAYOUT SIGNATURE LOG    serves its blobs by signed URL; prints the port, logs a line a request
"""

import gzip
import hashlib
import http.server
import io
import json
import os
import random
import sys
import tarfile

OCI = "application/vnd.oci.image"


def image(layout):
    blobs = os.path.join(layout, "blobs", "sha256")
    os.makedirs(blobs)

    def blob(kind, data):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as out:
            out.write(data)
        return {"mediaType": f"{OCI}.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as out:
        entry = tarfile.TarInfo("random.bin")
        entry.size = 4 << 20
        out.addfile(entry, io.BytesIO(random.Random(1).randbytes(entry.size)))
    plain = tar.getvalue()
    rootfs = {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(plain).hexdigest()]}
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": blob("config.v1+json", json.dumps(config).encode()),
        "layers": [blob("layer.v1.tar+gzip", gzip.compress(plain, 1, mtime=0))],
    }
    descriptor = {**blob("manifest.v1+json", json.dumps(manifest).encode()), "annotations": {"org.opencontainers.image.ref.name": "latest"}}
    for name, value in [("index.json", {"schemaVersion": 2, "manifests": [descriptor]}), ("oci-layout", {"imageLayoutVersion": "1.0.0"})]:
        with open(os.path.join(layout, name), "w") as out:
            json.dump(value, out)


def serve(layout, signature, log):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path, _, query = self.path.partition("?")
            digest = path.split("/")[-2]
            file = os.path.join(layout, "blobs", "sha256", digest)
            known = query.endswith(f"&signature={signature}") and path.endswith("/data") and os.path.isfile(file)
            with open(log, "a") as out:
                print(200 if known else 403, f"sha256:{digest}", self.headers.get("User-Agent"), file=out)
            if not known:
                self.send_error(403)
                return
            with open(file, "rb") as data:
                body = data.read()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


{"image": image, "serve": serve}[sys.argv[1]](*sys.argv[2:])
