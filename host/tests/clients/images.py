"""Writes the test images as OCI layouts; called by images.sh. Standard library only, and the same bytes on every run
(but for the Debian root), so that a digest in a log can be looked for in another log."""

import gzip
import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"
MIB = 1 << 20


class Sha256Writer:
    """Passes bytes on to a file and hashes them on the way."""

    def __init__(self, out):
        self.out, self.hash, self.size = out, hashlib.sha256(), 0

    def write(self, data):
        self.hash.update(data)
        self.size += len(data)
        return self.out.write(data)

    def flush(self):
        self.out.flush()


class Layout:
    """An OCI layout under a temporary name, which finish() gives its real one: a layout is whole or not there."""

    def __init__(self, root, name):
        self.final = os.path.join(root, name)
        self.path = self.final + ".tmp"
        shutil.rmtree(self.path, ignore_errors=True)
        self.blobs = os.path.join(self.path, "blobs", "sha256")
        os.makedirs(self.blobs)

    def blob(self, media_type, data, **more):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(self.blobs, digest), "wb") as out:
            out.write(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def json(self, media_type, value, **more):
        return self.blob(media_type, json.dumps(value, separators=(",", ":")).encode(), **more)

    def layer(self, tar, compression="gzip", media_type=None):
        """Stores a tar (a file object), compressed; returns its descriptor and its diff id."""
        plain, temporary = hashlib.sha256(), os.path.join(self.path, "layer")
        with open(temporary, "wb") as file:
            out = Sha256Writer(file)
            if compression == "zstd":
                data = tar.read()
                plain.update(data)
                out.write(subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout)
            else:
                # Stored, not deflated, for random bytes: still gzip to every client, and ten times as fast to make.
                level = 0 if compression == "stored" else 6
                with gzip.GzipFile("", "wb", level, out, mtime=0) as packer:
                    while data := tar.read(MIB):
                        plain.update(data)
                        packer.write(data)
        digest = out.hash.hexdigest()
        os.rename(temporary, os.path.join(self.blobs, digest))
        kind = "zstd" if compression == "zstd" else "gzip"
        descriptor = {"mediaType": media_type or f"{OCI}.layer.v1.tar+{kind}", "digest": f"sha256:{digest}", "size": out.size}
        return descriptor, f"sha256:{plain.hexdigest()}"

    def image(self, layers, architecture="amd64", docker=False, **more):
        """Stores config and manifest over layers made by layer(); returns the manifest's descriptor."""
        config_type = f"{DOCKER}.container.image.v1+json" if docker else f"{OCI}.config.v1+json"
        manifest_type = f"{DOCKER}.distribution.manifest.v2+json" if docker else f"{OCI}.manifest.v1+json"
        config = {
            "created": "2024-01-01T00:00:00Z",
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/bin/sh"]},
            "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
            "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "images.py"} for _ in layers],
        }
        return self.json(
            manifest_type,
            {
                "schemaVersion": 2,
                "mediaType": manifest_type,
                "config": self.json(config_type, config),
                "layers": [layer for layer, _ in layers],
            },
            **more,
        )

    def finish(self, manifest):
        manifest = {**manifest, "annotations": {"org.opencontainers.image.ref.name": "latest"}}
        manifest.pop("platform", None)
        with open(os.path.join(self.path, "index.json"), "w") as out:
            json.dump({"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": [manifest]}, out)
        with open(os.path.join(self.path, "oci-layout"), "w") as out:
            out.write('{"imageLayoutVersion":"1.0.0"}')
        os.rename(self.path, self.final)
        print(os.path.basename(self.final), manifest["digest"])


def tar_of(name, data):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.mtime = len(data), 0o644, 1704067200
        tar.addfile(entry, io.BytesIO(data))
    out.seek(0)
    return out


def text(word, size=8192):
    return (f"{word} " * size).encode()[:size]


def one_file(layout):
    return layout.image([layout.layer(tar_of("hello.txt", text("hello")))])


def debian(layout):
    with open(layout.final + ".tar", "rb") as root:
        return layout.image([layout.layer(root)])


def index(layout):
    platforms = []
    for architecture in ("amd64", "arm64"):
        layers = [layout.layer(tar_of("platform.txt", text(architecture)))]
        platforms.append(layout.image(layers, architecture, platform={"os": "linux", "architecture": architecture}))
    media_type = f"{OCI}.index.v1+json"
    return layout.json(media_type, {"schemaVersion": 2, "mediaType": media_type, "manifests": platforms})


def docker(layout):
    layer_type = f"{DOCKER}.image.rootfs.diff.tar.gzip"
    return layout.image([layout.layer(tar_of("docker.txt", text("docker")), media_type=layer_type)], docker=True)


def artifact(layout):
    # The subject is stored as well: a client that copies the artifact walks into it.
    subject = one_file(layout)
    media_type = f"{OCI}.manifest.v1+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "artifactType": "application/vnd.example.report",
        "config": layout.blob("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [
            layout.blob("text/plain", b"nothing found\n", annotations={"org.opencontainers.image.title": "report.txt"})
        ],
        "subject": subject,
        "annotations": {"org.opencontainers.image.created": "2024-01-01T00:00:00Z"},
    }
    return layout.json(media_type, manifest)


def zstd(layout):
    return layout.image([layout.layer(tar_of("zstd.txt", text("zstd")), "zstd")])


def large(layout):
    layers = []
    for number in range(10):
        data = random.Random(number).randbytes(100 * MIB)
        layers.append(layout.layer(tar_of(f"random-{number}.bin", data), "stored"))
    return layout.image(layers)


def main(root):
    for make in (one_file, debian, index, docker, artifact, zstd, large):
        name = make.__name__.replace("_", "-")
        if not os.path.isdir(os.path.join(root, name)):
            layout = Layout(root, name)
            layout.finish(make(layout))


main(sys.argv[1])
