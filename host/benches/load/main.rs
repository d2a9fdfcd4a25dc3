//! Puts load on an OCI registry of any make on loopback, and says what it took. Run by hand: `docs/benchmark.md` tells how, and how to read it.
//!
//! One process with blocking threads and plain HTTP/1.1. On a small machine it shares the processors with the server, so it does as little as it
//! can: bodies received are dropped in the kernel, and digests are known before the clock starts.
#![forbid(unsafe_code)]

mod content;
mod failure;
mod http;
mod measure;
mod registry;
mod server;
mod workload;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};

use server::{Process, Server};
use workload::{Bench, Options, Work};

/// Put load on an OCI registry on loopback and print one line a workload.
#[derive(Debug, Parser)]
#[command(name = "load", max_term_width = 140, after_help = workload::help())]
struct Arguments {
    /// Where the server listens: HOST:PORT
    address: String,
    /// What to run, in this order
    #[arg(required = true, value_name = "WORKLOAD", value_parser = workload::parse)]
    work: Vec<Work>,
    /// The server's process, whose processor time and peak memory (with those of its children) are shown
    #[arg(long)]
    pid: Option<u32>,
    /// How long a workload runs, in seconds; pushes of large blobs count eight blobs a second instead
    #[arg(long, default_value = "5", value_parser = seconds)]
    secs: Duration,
    /// Connections of the workloads that do not fix their number
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    conc: u64,
    /// Size of a large blob, in MiB
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    blob_mib: u64,
    /// Tags, or repositories, behind the pages
    #[arg(long, default_value_t = 2000)]
    tags: u64,
    /// Given by `cargo bench`, and of no meaning here
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    // `cargo bench` and `cargo test --benches` start every benchmark without arguments; this one has nothing to measure by itself.
    if std::env::args().skip(1).all(|argument| argument == "--bench") {
        return match Arguments::command().print_help() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    run(Arguments::parse())
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the results are this program's output")]
fn run(arguments: Arguments) -> ExitCode {
    let server = Server { address: arguments.address, process: arguments.pid.map(Process) };
    let connections = usize::try_from(arguments.conc).expect("at most 10,000");
    let options = Options { secs: arguments.secs, connections, blob_bytes: arguments.blob_mib << 20, tags: arguments.tags };
    let bench = Bench::new(server, options);
    for work in &arguments.work {
        match bench.run(work) {
            Ok(report) => println!("{report}"),
            Err(failure) => {
                eprintln!("load: workload {:?} cannot run: {failure}", work.name());
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::SUCCESS
}

fn seconds(text: &str) -> Result<Duration, String> {
    let secs: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(secs).map_err(|error| error.to_string())
}
