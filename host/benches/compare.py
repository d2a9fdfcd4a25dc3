#!/usr/bin/env python3
"""Runs the same load against Longshore and its peers, in turn, and says how they compare.

    host/benches/compare.py

Longshore, built from this tree, is compared with Debian's package docker-registry, which is CNCF distribution 2.8, and with nginx serving
files, which shows what the machine can do; a peer that is not installed is left out. Every server starts with a configuration written here
and an empty folder, or with `--s3` an empty bucket of an S3 server of its own, once for the workloads of speed and once for each workload of memory. docs/benchmark.md says how to read the result.
"""
import argparse
import json
import operator
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from servers import DISTRIBUTION, LONGSHORE, NGINX, PROJECT, S3_SERVERS, Distribution, Longshore, Nginx, Other, Running, Store, fail, first_line, write

PROGRAM = PROJECT / "target/release/longshore"

SPEED = ["pull-blob-1", "pull-blob", "push-blob-1", "push-blob", "get-manifest", "get-blob-10k", "head-blob", "push-image"]
# Each needs a server of its own, because a process's peak memory is that of its whole life; a group shares a folder, in which `pull-2g`
# finds the blob of `push-2g`.
MEMORY = [["push-2g", "pull-2g"], ["push-64x64"], ["push-32x256"], ["idle"]]
MORE = ["get-manifest-digest", "tags-page", "catalog-page", "ping"]
# Workloads whose rate is bytes a second; that of the others is operations a second.
BY_BYTES = {"pull-blob-1", "pull-blob", "push-blob-1", "push-blob", "push-2g", "pull-2g", "push-64x64", "push-32x256"}
# First starts that are timed in a round, each with a second one in the same folder.
STARTS = 5

# What Longshore promises: workload, figure, bound, and the peer whose figure is multiplied by the bound. None: the bound is in MiB.
AT_LEAST, AT_MOST, UNDER = "at least", "at most", "under"
TARGETS = [
    ("pull-blob-1", "rate", AT_LEAST, 0.9, NGINX),
    ("pull-blob", "rate", AT_LEAST, 0.9, NGINX),
    ("pull-blob-1", "cpu", AT_MOST, 1.3, NGINX),
    ("pull-blob", "cpu", AT_MOST, 1.3, NGINX),
    ("push-blob-1", "rate", AT_LEAST, 2.5, DISTRIBUTION),
    ("push-blob", "rate", AT_LEAST, 2.5, DISTRIBUTION),
    ("get-manifest", "rate", AT_LEAST, 15, DISTRIBUTION),
    ("head-blob", "rate", AT_LEAST, 25, DISTRIBUTION),
    ("get-blob-10k", "rate", AT_LEAST, 25, DISTRIBUTION),
    ("push-image", "rate", AT_LEAST, 5, DISTRIBUTION),
    ("start", "start_ms", AT_MOST, 0.5, DISTRIBUTION),
    ("push-2g", "peak_mib", UNDER, 40, None),
    ("pull-2g", "peak_mib", UNDER, 40, None),
    ("push-64x64", "peak_mib", UNDER, 200, None),
    ("idle", "peak_mib", UNDER, 60, None),
]
# The same with `--s3`.
S3_TARGETS = [
    ("pull-blob-1", "rate", AT_LEAST, 1.3, DISTRIBUTION),
    ("pull-blob", "rate", AT_LEAST, 1.3, DISTRIBUTION),
    ("push-blob-1", "rate", AT_LEAST, 1.3, DISTRIBUTION),
    ("push-blob", "rate", AT_LEAST, 1.3, DISTRIBUTION),
    ("push-image", "rate", AT_LEAST, 2, DISTRIBUTION),
    ("get-manifest", "rate", AT_LEAST, 5, DISTRIBUTION),
    ("push-32x256", "peak_mib", UNDER, 400, None),
]
KEPT = {AT_LEAST: operator.ge, AT_MOST: operator.le, UNDER: operator.lt}
FIGURES = {"rate": "rate", "cpu": "cpu a GiB", "start_ms": "time to first answer", "peak_mib": "peak memory"}


# --- measuring ---


class Comparison:
    def __init__(self, options, servers, load):
        self.options = options
        self.servers = servers
        self.load = load
        # A list for each server, with a dictionary for each round: workload to figures.
        self.rounds = {server.name: [] for server in servers}

    def run(self):
        for number in range(self.options.rounds):
            # Each is first in turn, so that a machine which slows down slows all of them.
            turn = number % len(self.servers)
            for server in self.servers[turn:] + self.servers[:turn]:
                say(f"round {number + 1} of {self.options.rounds}: {server.name}")
                self.rounds[server.name].append(self.round(server))

    def round(self, server):
        figures = {}
        for group, restart in [(SPEED + MORE, False), *((group, True) for group in MEMORY)]:
            asked = [work for work in self.options.work if work in group and server.runs(work)]
            if not asked:
                continue
            with self.store() as store:
                # The whole group in its order: `pull-2g` alone would see its own push.
                runs = [[work] for work in group] if restart else [asked]
                for run in runs:
                    with Running(server, store) as running:
                        figures |= self.put_load(running, run)
        figures = {work: figures[work] for work in figures if work in self.options.work}
        if "start" in self.options.work and server.runs("start"):
            figures["start"] = self.starts(server)
        return figures

    def store(self):
        return Store(self.options.dir, self.options.s3)

    def starts(self, server):
        """Times to the first answer: of first starts in an empty folder, and of second ones in the same."""
        first, again = [], []
        for _ in range(STARTS):
            with self.store() as store:
                for times in (first, again):
                    with Running(server, store) as running:
                        times.append(running.start_ms)
        return {"start_ms": statistics.median(first), "restart_ms": statistics.median(again), "errors": 0}

    def put_load(self, running, work):
        command = [self.load, f"127.0.0.1:{running.port}", "--pid", running.process.pid, "--secs", self.options.secs]
        command += ["--blob-mib", self.options.blob_mib, "--tags", self.options.tags, *map(running.server.requests, work)]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        for line in done.stderr.splitlines():
            say(f"  {running.server.name}: {line}")
        figures = dict(filter(None, map(parse, done.stdout.splitlines())))
        # A workload that a server cannot run is a failure of that server, and the others go on.
        for workload in work:
            figures.setdefault(workload, {"errors": 1, "failed": True})
        return figures

    def values(self, server, work, figure):
        """One value a round; None for a round that has none."""
        return [figures.get(work, {}).get(figure) for figures in self.rounds.get(server, [])]

    def median(self, server, work, figure):
        return median(self.values(server, work, figure))

    def errors(self, server, work):
        return sum(filter(None, self.values(server, work, "errors")))

    def ratio(self, work, figure, peer):
        """Longshore's figure divided by the peer's: the median of the rounds' ratios, for a round's two runs are near in time."""
        pairs = zip(self.values(LONGSHORE, work, figure), self.values(peer, work, figure))
        return median([ours / theirs if ours is not None and theirs else None for ours, theirs in pairs])


LINE = re.compile(
    r"(?P<name>\S+)\s+(?P<ops>[\d.]+) op/s\s+(?P<mbs>[\d.]+) MB/s\s+p50\s+(?P<p50_ms>[\d.]+) ms\s+p99\s+(?P<p99_ms>[\d.]+) ms"
    r"\s+cpu/op\s+(?P<cpu_ms_per_op>[\d.]+) ms\s+cpu/GiB\s+(?P<cpu_s_per_gib>[\d.]+) s\s+rss\s+(?P<peak_mib>[\d.]+) MiB"
    r"\s+errors (?P<errors>\d+)$"
)
IDLE = re.compile(r"(?P<name>idle)\s+(?P<open>\d+) idle connections, rss peak (?P<peak_mib>[\d.]+) MiB$")


def parse(line):
    """A line of the load generator: the workload and its figures."""
    match = LINE.match(line) or IDLE.match(line)
    if not match:
        return None
    figures = match.groupdict()
    name = figures.pop("name")
    figures = {key: float(value) for key, value in figures.items()}
    if "open" in figures:
        # The server closed the others, so this is not the memory of a thousand.
        return name, figures | {"errors": 1000 - figures["open"]}
    by_bytes = name in BY_BYTES
    return name, figures | {"rate": figures["mbs" if by_bytes else "ops"], "cpu": figures["cpu_s_per_gib" if by_bytes else "cpu_ms_per_op"]}


# --- results ---


COLUMNS = [("op/s", "ops", 1), ("MB/s", "mbs", 1), ("p50 ms", "p50_ms", 2), ("p99 ms", "p99_ms", 2), ("cpu ms/op", "cpu_ms_per_op", 3)]
COLUMNS += [("cpu s/GiB", "cpu_s_per_gib", 2), ("peak MiB", "peak_mib", 1)]


def print_table(comparison):
    titles = "".join(f"{title:>10}" for title, _, _ in COLUMNS)
    print(f"\n{'workload':<20}{'server':<17}{titles}{'errors':>8}   longshore/this: rate, cpu")
    for work in comparison.options.work:
        for server in comparison.servers:
            if work != "start" and comparison.median(server.name, work, "errors") is not None:
                print_row(comparison, work, server.name)
    for title, figure in [("start to first answer", "start_ms"), ("the same on what it stored before", "restart_ms")]:
        times = [(server.name, comparison.median(server.name, "start", figure)) for server in comparison.servers]
        if times := [f"{name} {ms:.1f} ms" for name, ms in times if ms is not None]:
            print(f"{title}: " + ", ".join(times))


def print_row(comparison, work, server):
    cells = ""
    for _, figure, digits in COLUMNS:
        value = comparison.median(server, work, figure)
        # So few bytes say nothing about the cost of bytes.
        shown = value and (figure != "cpu_s_per_gib" or work in BY_BYTES)
        cells += f"{value:>10.{digits}f}" if shown else f"{'':>10}"
    ratios = [comparison.ratio(work, figure, server) for figure in ("rate", "cpu")]
    against = "  ".join(f"{ratio:.2f}x" for ratio in ratios if ratio is not None) if server != LONGSHORE else ""
    print(f"{work:<20}{server:<17}{cells}{comparison.errors(server, work):>8.0f}   {against}".rstrip())


def targets(options):
    return S3_TARGETS if options.s3 else TARGETS


def check_targets(comparison):
    """Each promise with what became of it."""
    checked = []
    for work, figure, direction, bound, peer in targets(comparison.options):
        if work not in comparison.options.work:
            continue
        if peer:
            got = comparison.ratio(work, figure, peer)
            errors = comparison.errors(LONGSHORE, work) + comparison.errors(peer, work)
        else:
            # The worst round: memory that was needed once is needed.
            got = max(filter(None, comparison.values(LONGSHORE, work, figure)), default=None)
            errors = comparison.errors(LONGSHORE, work)
        if got is None:
            verdict = "not measured"
        elif errors:
            verdict = "not met: requests failed"
        else:
            verdict = "met" if KEPT[direction](got, bound) else "not met"
        target = {"workload": work, "figure": figure, "direction": direction, "bound": bound, "peer": peer, "got": got, "verdict": verdict}
        checked.append(target)
    return checked


def print_targets(targets):
    print("\nLongshore's targets")
    for target in targets:
        unit = "x" if target["peer"] else " MiB"
        got = "-" if target["got"] is None else f"{target['got']:.2f}{unit}" if target["peer"] else f"{target['got']:.1f}{unit}"
        against = f" {target['peer']}'s" if target["peer"] else ""
        bound = f"{target['direction']} {target['bound']:g}{unit}{against}"
        print(f"  {target['workload']:<14}{FIGURES[target['figure']]:<22}{got:>12}   {bound:<34}{target['verdict']}")
    met = sum(target["verdict"] == "met" for target in targets)
    print(f"  {met} of {len(targets)} met")


def as_json(comparison, targets):
    medians = {}
    for server in comparison.servers:
        works = {work for figures in comparison.rounds[server.name] for work in figures}
        for work in sorted(works):
            names = {figure for figures in comparison.rounds[server.name] for figure in figures.get(work, {})}
            medians.setdefault(work, {})[server.name] = {name: comparison.median(server.name, work, name) for name in sorted(names)}
    return {
        "servers": {server.name: server.version for server in comparison.servers},
        "rounds": comparison.rounds,
        "medians": medians,
        "targets": targets,
    }


# --- helpers ---


def say(text):
    print(text, file=sys.stderr, flush=True)


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def build(options):
    """Builds what was not given: the load generator, whose path is returned, and Longshore with its drivers."""
    load = options.load or build_load()
    # Last, because building the load generator leaves a Longshore of its own there, and no drivers that go with it.
    command = ["cargo", "build", "--release", *(["--workspace"] if options.s3 else [])]
    if options.longshore == str(PROGRAM) and subprocess.run(command, cwd=PROJECT).returncode:
        fail("Longshore cannot be built")
    return load


def build_load():
    # With a driver, dependencies are compiled for both programs and libraries, as in a build of everything: most of them are there already.
    packages = ["-p", "longshore", "-p", "longshore-driver-filesystem", "--lib", "--bench", "load"]
    command = ["cargo", "build", "--release", *packages, "--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        fail("the load generator cannot be built")
    messages = map(json.loads, done.stdout.splitlines())
    return next(message["executable"] for message in messages if message.get("target", {}).get("kind") == ["bench"])


def find_servers(options):
    if not Path(options.longshore).is_file():
        fail(f"there is no {options.longshore}; --longshore names the program, with its drivers beside it")
    # Not every user's PATH has the system's programs.
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin"
    servers = [Longshore(options.longshore, options.setting)]
    if shutil.which(DISTRIBUTION):
        servers.append(Distribution())
    else:
        say(f"{DISTRIBUTION} is not installed and left out (Debian: apt install docker-registry)")
    if options.s3:
        pass  # it serves files
    elif nginx := shutil.which(NGINX, path=path):
        servers.append(Nginx(nginx, options.blob_mib))
    else:
        say(f"{NGINX} is not installed and left out (Debian: apt install nginx-light)")
    servers += [Other(*other.split("=", 1)) for other in options.other]
    unknown = set(options.servers or []) - {server.name for server in servers}
    if unknown:
        fail(f"no such server: {', '.join(sorted(unknown))}; there are {', '.join(server.name for server in servers)}")
    return [server for server in servers if not options.servers or server.name in options.servers]


def arguments():
    known = ["start", *SPEED, *(work for group in MEMORY for work in group), *MORE]
    comma = lambda text: text.split(",")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    option = parser.add_argument
    option("--rounds", type=int, default=3, help="how often everything is measured (default: 3)")
    option("--secs", type=float, default=3, help="how long a workload runs (default: 3)")
    option("--work", type=comma, metavar="W,W,...", help=f"of {','.join(known)} (default: those with a target)")
    option("--servers", type=comma, metavar="S,S,...", help="only these servers")
    option("--other", action="append", default=[], metavar="NAME=COMMAND", help="one more server, by a command with {port} and {dir} in it")
    option("--longshore", default=PROGRAM, metavar="PROGRAM", help="another than this tree's, which is built; with its drivers beside it")
    option("--setting", action="append", default=[], metavar="KEY=VALUE", help="one more setting of Longshore's driver, as in registry.toml")
    option("--load", metavar="PROGRAM", help="another load generator than this tree's, which is built")
    option("--blob-mib", type=int, default=64, help="size of a large blob (default: 64)")
    option("--tags", type=int, default=2000, help="tags, or repositories, behind the pages (default: 2000)")
    folder = PROJECT / "target/compare"
    option("--dir", type=Path, default=folder, help="where the servers store, on the disk that matters (default: target/compare)")
    option("--s3", nargs="?", const="ceph", choices=S3_SERVERS, help="store in a bucket of this server, here, not on the disk (default: ceph)")
    option("--json", metavar="FILE", help="write every figure there as well; - is standard output, in place of the tables")
    options = parser.parse_args()
    if not options.work:
        aims = {target[0] for target in targets(options)}
        options.work = [work for work in known if work in aims]
    unknown = set(options.work) - set(known)
    if unknown:
        parser.error(f"no such workload: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if not all("=" in other for other in options.other):
        parser.error("--other takes NAME=COMMAND")
    options.dir = options.dir.resolve()
    options.longshore = os.path.abspath(options.longshore)
    return options


def main():
    options = arguments()
    load = build(options)
    # A thousand connections, and what a process has open beside them.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192) if most != resource.RLIM_INFINITY else 8192, most))
    comparison = Comparison(options, find_servers(options), load)
    try:
        comparison.run()
    finally:
        Store.remove_all()
    checked = check_targets(comparison)
    if options.json != "-":
        print_table(comparison)
        if checked:
            print_targets(checked)
    if options.json:
        text = json.dumps(as_json(comparison, checked), indent=2)
        print(text) if options.json == "-" else write(Path(options.json), text + "\n")


if __name__ == "__main__":
    main()
