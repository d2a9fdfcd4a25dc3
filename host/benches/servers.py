"""The servers that are compared, and the stores that they keep their content in."""
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
# What starts an S3 server of its own for a store, by its name.
S3_SERVERS = {name: PROJECT / f"plugins/servers/{name}.sh" for name in ("ceph", "garage", "s3s-fs")}
LONGSHORE, DISTRIBUTION, NGINX = "longshore", "docker-registry", "nginx"
# The files that nginx serves, by the workload that asks for them.
NGINX_FILES = {"pull-blob-1": "large", "pull-blob": "large", "get-blob-10k": "small"}
# Without the variables by which servers are configured: only what is written here counts.
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith(("LONGSHORE_", "REGISTRY_", "AWS_"))}
ANSWER_MAX_SECS = 30
STOP_MAX_SECS = 40


# --- servers: each writes its configuration into `folder` and returns its command ---


class Server:
    def __init__(self, name, workloads, version):
        self.name = name
        self.workloads = workloads
        self.version = version

    def command(self, port, store):
        raise NotImplementedError

    def runs(self, workload):
        return self.workloads is None or workload in self.workloads

    def requests(self, workload):
        """What the load generator is told to do for a workload."""
        return workload


class Longshore(Server):
    def __init__(self, program, settings):
        super().__init__(LONGSHORE, None, first_line([program, "--version"]))
        self.program = program
        # More of the driver's settings, each as `key = value`.
        self.settings = settings

    def command(self, port, store):
        # Drivers are found beside the program. Everything else is the default, but for what the command line says.
        driver, settings = "filesystem", [f'root = {json.dumps(str(store.folder / "data"))}']
        if bucket := store.bucket:
            keys = [f'{key.lower()} = {{ file = {json.dumps(write(store.folder / key, bucket[key]))} }}' for key in ("ACCESS_KEY", "SECRET_KEY")]
            known = [f"{key.lower()} = {json.dumps(bucket[key])}" for key in ("ENDPOINT", "REGION", "BUCKET")]
            driver, settings = "s3", [*known, *keys, "path_style = true"]
        config = f"""\
[server]
listen = "127.0.0.1:{port}"
[storage.main]
driver = "{driver}"
settings = {{ {", ".join([*settings, *self.settings])} }}
"""
        return [self.program, "serve", "--config", write(store.folder / "registry.toml", config)]


class Distribution(Server):
    def __init__(self):
        super().__init__(DISTRIBUTION, None, first_line([DISTRIBUTION, "--version"]))

    def command(self, port, store):
        # As Debian's package configures it, but for the password. Blobs are served by the registry, as ours are.
        storage = f"filesystem: {{rootdirectory: {json.dumps(str(store.folder / 'data'))}}}"
        if bucket := store.bucket:
            storage = f"""\
s3: {{regionendpoint: "{bucket["ENDPOINT"]}", region: {bucket["REGION"]}, bucket: {bucket["BUCKET"]}, secure: false, v4auth: true,
       accesskey: {bucket["ACCESS_KEY"]}, secretkey: {bucket["SECRET_KEY"]}}}
  redirect: {{disable: true}}"""
        config = f"""\
version: 0.1
log: {{fields: {{service: registry}}}}
storage:
  cache: {{blobdescriptor: inmemory}}
  {storage}
  delete: {{enabled: true}}
http:
  addr: 127.0.0.1:{port}
  headers: {{X-Content-Type-Options: [nosniff]}}
health: {{storagedriver: {{enabled: true, interval: 10s, threshold: 3}}}}
"""
        return [DISTRIBUTION, "serve", write(store.folder / "config.yml", config)]


class Nginx(Server):
    def __init__(self, program, blob_mib):
        super().__init__(NGINX, set(NGINX_FILES), first_line([program, "-v"]))
        self.program = program
        self.sizes = {"large": blob_mib << 20, "small": 10_000}

    def command(self, port, store):
        folder = store.folder
        for name, size in self.sizes.items():
            with open(folder / name, "wb") as file:
                while size:
                    size -= file.write(os.urandom(min(size, 1 << 20)))
        temporary = "".join(f"{kind}_temp_path {folder}/temp;" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        # Its workers would not be root otherwise, and could not enter the folder.
        user = "user root;" if os.geteuid() == 0 else ""
        config = f"""\
{user} daemon off; worker_processes auto; pid {folder}/pid; error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; {temporary}
    server {{
        listen 127.0.0.1:{port};
        location = /v2/ {{ return 200; }}
        location / {{ root {folder}; }}
    }}
}}
"""
        return [self.program, "-p", str(folder), "-e", "stderr", "-c", write(folder / "nginx.conf", config)]

    def requests(self, workload):
        return f"get:{workload}=/{NGINX_FILES[workload]}"


class Other(Server):
    """A server given on the command line; its command has {port} and {dir} in it."""

    def __init__(self, name, command):
        super().__init__(name, None, command)
        self.template = command

    def command(self, port, store):
        return [word.replace("{port}", str(port)).replace("{dir}", str(store.folder)) for word in shlex.split(self.template)]


class Running:
    """A started server, ready when it has answered for the first time; stopped at the end of the block."""

    def __init__(self, server, store):
        self.server = server
        self.port = free_port()
        command = server.command(self.port, store)
        self.log = store.folder / "log"
        with open(self.log, "w") as log:
            begun = time.monotonic()
            self.process = subprocess.Popen(
                command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
            )
        try:
            self.wait_for_answer(begun)
        except BaseException:
            self.stop()
            raise
        self.start_ms = (time.monotonic() - begun) * 1e3

    def wait_for_answer(self, begun):
        while time.monotonic() - begun < ANSWER_MAX_SECS:
            if self.process.poll() is not None:
                fail(f"{self.server.name} ended with status {self.process.returncode}:\n{self.last_words()}")
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                    connection.sendall(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    if connection.recv(64).startswith(b"HTTP/1.1 200"):
                        return
            except OSError:
                pass
            time.sleep(0.001)
        fail(f"{self.server.name} did not answer GET /v2/ with 200 within {ANSWER_MAX_SECS} s:\n{self.last_words()}")

    def last_words(self):
        return self.log.read_text(errors="replace")[-2000:]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_MAX_SECS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Store:
    """An empty folder for a server, or with it an S3 server of the name `s3` whose bucket is empty.

    At the end of the block its content is gone, also from the disk's queue, and its files are empty. They stay until `remove_all`: for a
    minute and more after files were deleted, ext4 makes new ones several times slower (it looks for inodes that were not in use lately), and
    whoever came next would pay for it."""

    left = []

    def __init__(self, parent, s3):
        parent.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(dir=parent))
        # What a client has to know of the bucket: ENDPOINT, REGION, BUCKET, ACCESS_KEY, SECRET_KEY.
        self.bucket = None
        self.s3 = s3

    def __enter__(self):
        if self.s3:
            s3_server(self.s3, "start", self.folder / "s3")
            lines = (self.folder / "s3/env").read_text().splitlines()
            self.bucket = dict(line.split("=", 1) for line in lines)
        return self

    def __exit__(self, *_):
        if self.s3:
            s3_server(self.s3, "stop", self.folder / "s3")
        for file in self.folder.rglob("*"):
            if file.is_file() and not file.is_symlink():
                os.truncate(file, 0)
        Store.left.append(self.folder)
        # A server that does not sync leaves its writes to the time of the next one.
        os.sync()

    @classmethod
    def remove_all(cls):
        while cls.left:
            shutil.rmtree(cls.left.pop(), ignore_errors=True)


def s3_server(name, word, folder):
    script = S3_SERVERS[name]
    done = subprocess.run([script, word, folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        fail(f"{script.name} {word} failed: {done.stdout[-2000:]}")


# --- helpers ---


def fail(text):
    raise SystemExit(f"compare.py: {text}")


def write(path, text):
    path.write_text(text)
    return str(path)


def first_line(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.strip().split("\n")[0]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
