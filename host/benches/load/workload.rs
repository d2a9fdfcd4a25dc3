//! The workloads. `WORKLOADS` lists them; a function each.

use std::fmt::{self, Write};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::content::{self, Content};
use crate::failure::Failure;
use crate::http::{Connection, Request};
use crate::measure::{Measured, Until, measure};
use crate::registry::{Image, MANIFEST, blob_path, manifest_path, push_streamed};
use crate::server::Server;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
/// How many connections stand idle.
const IDLE: usize = 1000;
/// The blob of `push-2g` and `pull-2g` has a repository and a seed that do not change, so that `pull-2g` finds on a new server what
/// `push-2g` left in its folder.
const TWO_GIB: Content = Content { seed: 2, length: 2 * GIB };
const TWO_GIB_REPOSITORY: &str = "bench/2g";

pub(crate) struct Workload {
    name: &'static str,
    connections: Connections,
    what: &'static str,
    run: fn(&Bench, usize) -> Result<Outcome, Failure>,
}

#[derive(Debug, Clone, Copy)]
enum Connections {
    Fixed(usize),
    /// As many as `--conc` says.
    Chosen,
}

use Connections::{Chosen, Fixed};

#[rustfmt::skip]
const WORKLOADS: &[Workload] = &[
    Workload { name: "pull-blob-1", connections: Fixed(1), what: "GET one large blob, again and again", run: pull_blob },
    Workload { name: "pull-blob", connections: Fixed(4), what: "the same", run: pull_blob },
    Workload { name: "push-blob-1", connections: Fixed(1), what: "push large blobs, each another: POST, PATCH, PUT", run: push_blob },
    Workload { name: "push-blob", connections: Fixed(4), what: "the same", run: push_blob },
    Workload { name: "get-manifest", connections: Chosen, what: "GET a manifest by its tag", run: get_manifest_by_tag },
    Workload { name: "get-manifest-digest", connections: Chosen, what: "GET a manifest by its digest", run: get_manifest_by_digest },
    Workload { name: "get-blob-10k", connections: Chosen, what: "GET a blob of 10 kB", run: get_small_blob },
    Workload { name: "head-blob", connections: Chosen, what: "HEAD of that blob", run: head_blob },
    Workload { name: "push-image", connections: Chosen, what: "push a whole image: config, 10 kB layer, manifest under a new tag", run: push_image },
    Workload { name: "tags-page", connections: Fixed(2), what: "a page of 100 from the middle of --tags tags", run: tags_page },
    Workload { name: "catalog-page", connections: Fixed(2), what: "a page of 100 from the middle of --tags repositories", run: catalog_page },
    Workload { name: "ping", connections: Chosen, what: "GET /v2/", run: ping },
    Workload { name: "push-2g", connections: Fixed(1), what: "one push of 2 GiB", run: push_two_gib },
    Workload { name: "pull-2g", connections: Fixed(1), what: "one pull of those 2 GiB, which are pushed first unless they are there", run: pull_two_gib },
    Workload { name: "push-64x64", connections: Fixed(64), what: "64 pushes of 64 MiB at once", run: push_many },
    Workload { name: "push-32x256", connections: Fixed(32), what: "32 pushes of 256 MiB at once", run: push_many_large },
    Workload { name: "idle", connections: Fixed(IDLE), what: "connections that stay open after one GET /v2/", run: idle },
];

/// A workload that was asked for.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    Known(&'static Workload),
    /// `get:NAME=/PATH`, for a server of any kind.
    Get {
        name: String,
        path: String,
    },
}

impl Work {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Known(workload) => workload.name,
            Self::Get { name, .. } => name,
        }
    }
}

impl fmt::Debug for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

fn known(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.name == name)
}

pub(crate) fn parse(text: &str) -> Result<Work, String> {
    if let Some(get) = text.strip_prefix("get:") {
        let (name, path) = get.split_once('=').unwrap_or(("get", get));
        return match path.starts_with('/') {
            true => Ok(Work::Get { name: name.to_owned(), path: path.to_owned() }),
            false => Err(format!("{path:?} is not a path; write get:NAME=/PATH")),
        };
    }
    known(text).map(Work::Known).ok_or_else(|| "there is no such workload; --help lists them".to_owned())
}

pub(crate) fn help() -> String {
    let mut help = String::from("Workloads, with their connections:\n");
    let mut line =
        |name: &str, connections: &str, what: &str| writeln!(help, "  {name:<20} {connections:>7}  {what}").expect("a String takes it");
    for workload in WORKLOADS {
        let connections = match workload.connections {
            Fixed(number) => number.to_string(),
            Chosen => "--conc".to_owned(),
        };
        line(workload.name, &connections, workload.what);
    }
    line("get:NAME=/PATH", "as NAME", "GET a path of any server, for a comparison with the workload NAME");
    help.push_str(
        "\nA line is: name, operations and megabytes a second, latencies, the server's processor time, its peak memory, failures.",
    );
    help
}

pub(crate) struct Options {
    pub(crate) secs: Duration,
    /// Of the workloads that do not fix their number.
    pub(crate) connections: usize,
    pub(crate) blob_bytes: u64,
    pub(crate) tags: u64,
}

enum Outcome {
    Measured(Measured),
    /// So many connections were still open at the end.
    Idle(usize),
}

/// One run of this program against one server.
pub(crate) struct Bench {
    server: Server,
    options: Options,
    /// Makes the contents of this run different from those of every other.
    seed: u64,
    repository: String,
    /// Pushed when a workload first needs it, so that a server which is measured for memory sees nothing else.
    image: OnceLock<Image>,
}

impl Bench {
    pub(crate) fn new(server: Server, options: Options) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seed = now.as_secs() << 32 | u64::from(now.subsec_nanos());
        Self { server, options, seed, repository: format!("bench/r{seed:x}"), image: OnceLock::new() }
    }

    /// Runs a workload and returns its line.
    #[expect(clippy::print_stderr, reason = "failures are for the person who looks on, not for the program that reads the lines")]
    pub(crate) fn run(&self, work: &Work) -> Result<String, Failure> {
        let name = work.name();
        let outcome = match work {
            Work::Known(workload) => (workload.run)(self, self.connections(workload.connections))?,
            Work::Get { path, .. } => {
                let connections = known(name).map_or(Chosen, |workload| workload.connections);
                self.repeat(self.connections(connections), &Request::get(path))?
            }
        };
        let peak = self.server.peak_mib();
        Ok(match outcome {
            Outcome::Idle(open) => format!("{name:<18} {open} idle connections, rss peak {peak:.1} MiB"),
            Outcome::Measured(measured) => {
                if let Some(failure) = &measured.first_failure {
                    eprintln!("load: {name}: the first failure: {failure}");
                }
                format!("{name:<18} {measured}  rss {peak:>6.1} MiB  errors {}", measured.failures)
            }
        })
    }

    fn connections(&self, connections: Connections) -> usize {
        match connections {
            Fixed(number) => number,
            Chosen => self.options.connections,
        }
    }

    fn connect(&self) -> Result<Connection, Failure> {
        Connection::open(&self.server.address)
    }

    fn measure(
        &self,
        connections: usize,
        until: Until,
        operation: impl Fn(&mut Connection, u64) -> Result<u64, Failure> + Sync,
    ) -> Result<Outcome, Failure> {
        measure(&self.server, connections, until, operation).map(Outcome::Measured)
    }

    /// The same request for as long as the options say.
    fn repeat(&self, connections: usize, request: &Request<'_>) -> Result<Outcome, Failure> {
        self.measure(connections, Until::Elapsed(self.options.secs), |connection, _| Ok(connection.send(request, 200)?.length))
    }

    /// The small image which the read workloads ask for, under the tag `v1`.
    fn image(&self) -> Result<&Image, Failure> {
        if let Some(image) = self.image.get() {
            return Ok(image);
        }
        let image = Image::new(self.seed, u64::MAX);
        image.push(&mut self.connect()?, &self.repository, "v1")?;
        Ok(self.image.get_or_init(|| image))
    }
}

// --- large blobs ---

fn pull_blob(bench: &Bench, connections: usize) -> Result<Outcome, Failure> {
    let content = Content { seed: bench.seed, length: bench.options.blob_bytes };
    let digest = content.digest();
    let path = blob_path(&bench.repository, &digest);
    let mut connection = bench.connect()?;
    push_streamed(&mut connection, &bench.repository, &content, &digest)?;
    // Once before the clock starts: what is measured is a warm server.
    connection.send(&Request::get(&path), 200)?;
    bench.measure(connections, Until::Elapsed(bench.options.secs), |connection, _| pull_whole(connection, &path, content.length))
}

fn pull_whole(connection: &mut Connection, path: &str, want: u64) -> Result<u64, Failure> {
    let request = Request::get(path);
    let got = connection.send(&request, 200)?.length;
    if got == want { Ok(got) } else { Err(Failure::Length { request: request.name(), want, got }) }
}

fn push_blob(bench: &Bench, connections: usize) -> Result<Outcome, Failure> {
    // A fixed number, because each blob's digest is computed beforehand.
    let number = ((bench.options.secs.as_secs_f64() * 8.0) as u64).clamp(4, 24);
    push_different(bench, connections, number, bench.options.blob_bytes)
}

fn push_many(bench: &Bench, connections: usize) -> Result<Outcome, Failure> {
    push_different(bench, connections, connections as u64, 64 * MIB)
}

fn push_many_large(bench: &Bench, connections: usize) -> Result<Outcome, Failure> {
    push_different(bench, connections, connections as u64, 256 * MIB)
}

fn push_different(bench: &Bench, connections: usize, number: u64, length: u64) -> Result<Outcome, Failure> {
    // Two workloads of one run must not push the same blobs, nor may those of a pull be pushed again.
    let first = bench.seed + 1 + connections as u64 * 1000;
    let contents: Vec<Content> = (0..number).map(|number| Content { seed: first + number, length }).collect();
    let digests = content::digests(&contents);
    bench.measure(connections, Until::Done(number), |connection, number| {
        let number = usize::try_from(number).expect("as many as there are contents");
        push_streamed(connection, &bench.repository, &contents[number], &digests[number])
    })
}

fn push_two_gib(bench: &Bench, connections: usize) -> Result<Outcome, Failure> {
    let digest = TWO_GIB.digest();
    bench.measure(connections, Until::Done(1), |connection, _| push_streamed(connection, TWO_GIB_REPOSITORY, &TWO_GIB, &digest))
}

fn pull_two_gib(bench: &Bench, connections: usize) -> Result<Outcome, Failure> {
    let digest = TWO_GIB.digest();
    let path = blob_path(TWO_GIB_REPOSITORY, &digest);
    let mut connection = bench.connect()?;
    match connection.send(&Request::new("HEAD", &path), 200) {
        Ok(_) => {}
        Err(Failure::Status { got: 404, .. }) => {
            push_streamed(&mut connection, TWO_GIB_REPOSITORY, &TWO_GIB, &digest)?;
        }
        Err(failure) => return Err(failure),
    }
    bench.measure(connections, Until::Done(1), |connection, _| pull_whole(connection, &path, TWO_GIB.length))
}

// --- small requests ---

fn get_manifest_by_tag(bench: &Bench, connections: usize) -> Result<Outcome, Failure> {
    bench.image()?;
    bench.repeat(connections, &Request::get(&manifest_path(&bench.repository, "v1")).header("Accept", MANIFEST))
}

fn get_manifest_by_digest(bench: &Bench, connections: usize) -> Result<Outcome, Failure> {
    let path = manifest_path(&bench.repository, &bench.image()?.manifest.digest);
    bench.repeat(connections, &Request::get(&path).header("Accept", MANIFEST))
}

fn get_small_blob(bench: &Bench, connections: usize) -> Result<Outcome, Failure> {
    bench.repeat(connections, &Request::get(&blob_path(&bench.repository, &bench.image()?.layer.digest)))
}

fn head_blob(bench: &Bench, connections: usize) -> Result<Outcome, Failure> {
    bench.repeat(connections, &Request::new("HEAD", &blob_path(&bench.repository, &bench.image()?.layer.digest)))
}

fn ping(bench: &Bench, connections: usize) -> Result<Outcome, Failure> {
    bench.repeat(connections, &Request::get("/v2/"))
}

fn push_image(bench: &Bench, connections: usize) -> Result<Outcome, Failure> {
    bench.measure(connections, Until::Elapsed(bench.options.secs), |connection, number| {
        Image::new(bench.seed, number).push(connection, &bench.repository, &format!("t{number}"))
    })
}

// --- pages ---

/// Connections that fill a registry before its pages are read.
const FILLING: usize = 8;

fn tags_page(bench: &Bench, connections: usize) -> Result<Outcome, Failure> {
    let (tags, repository) = (bench.options.tags, format!("{}/tags", bench.repository));
    let image = Image::new(bench.seed, u64::MAX);
    image.push_blobs(&mut bench.connect()?, &repository)?;
    fill(bench, |connection, number| image.push_manifest(connection, &repository, &format!("t{number:07}")))?;
    let path = format!("/v2/{repository}/tags/list?n=100&last=t{:07}", tags / 2);
    bench.repeat(connections, &Request::get(&path).keep_answer())
}

fn catalog_page(bench: &Bench, connections: usize) -> Result<Outcome, Failure> {
    let top = format!("cat{:x}", bench.seed);
    let image = Image::new(bench.seed, u64::MAX);
    fill(bench, |connection, number| image.push(connection, &format!("{top}/g{}/r{number}", number % 50), "v1"))?;
    bench.repeat(connections, &Request::get(&format!("/v2/_catalog?n=100&last={top}/g25/r25")).keep_answer())
}

fn fill(bench: &Bench, operation: impl Fn(&mut Connection, u64) -> Result<u64, Failure> + Sync) -> Result<(), Failure> {
    let filled = measure(&bench.server, FILLING, Until::Done(bench.options.tags), operation)?;
    filled.first_failure.map_or(Ok(()), Err)
}

// --- connections ---

fn idle(bench: &Bench, connections: usize) -> Result<Outcome, Failure> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut connection = bench.connect()?;
        connection.send(&Request::get("/v2/"), 200)?;
        open.push(connection);
    }
    Ok(Outcome::Idle(open.iter().filter(|connection| connection.is_open()).count()))
}
