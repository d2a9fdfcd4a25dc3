//! What it costs to look at a driver file before it runs.
//!
//! `cargo bench -p longshore-loader --bench inspection -- FILE…`, with whole paths, prints for each file the median and the worst tenth of many
//! rounds: `inspect` alone, `examine` (all findings, with the libraries that it needs), and `inspect` with the file's digest, whose cost grows with its size.
//! The files are in the page cache after the first round.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::path::Path;
use std::time::{Duration, Instant};

use longshore_loader::{Policy, examine, inspect};

const ROUNDS: usize = 2000;
const DIGESTS: usize = 20;

fn measured(rounds: usize, mut work: impl FnMut()) -> (Duration, Duration) {
    work();
    let mut took: Vec<Duration> = (0..rounds)
        .map(|_| {
            let begin = Instant::now();
            work();
            begin.elapsed()
        })
        .collect();
    took.sort_unstable();
    (took[rounds / 2], took[rounds - rounds / 10 - 1])
}

fn main() {
    // Cargo gives `--bench` to every benchmark.
    let files: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let policy = Policy::of_this_host();
    for file in &files {
        let path = Path::new(file);
        let inspection = inspect(path).expect("the file is a driver");
        println!("{file} ({} bytes)", inspection.size());
        let print =
            |what: &str, (median, slow): (Duration, Duration)| println!("  {what:<8} median {median:>10.1?}  90 % within {slow:>10.1?}");
        print("inspect", measured(ROUNDS, || drop(inspect(path))));
        print("examine", measured(ROUNDS, || drop(examine(path, &policy))));
        // Of a new inspection each time: one remembers it.
        print("digest", measured(DIGESTS, || drop(inspect(path).map(|inspection| inspection.sha256()))));
    }
}
