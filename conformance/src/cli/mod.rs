//! The command line: `new`, `run`, `list`, `explain`, `report`, `bench`.

mod bench;
mod new;
mod report;
mod run;
mod show;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::exit::{self, Exit};

/// Tries whether a storage driver keeps Longshore's driver contract.
///
/// Give it the driver's file: `longshore-conformance run ./liblongshore_driver_mine.so`. Nothing of yours is touched: each case has a
/// store of its own, below a folder that the harness makes.
#[derive(Debug, Parser)]
#[command(name = "longshore-conformance", version, max_term_width = 100, after_help = exit::HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a folder with a driver to start from: it builds, and keeps the contract
    ///
    /// For example: longshore-conformance new my-store
    New(new::NewArguments),
    /// Put a driver to the cases
    Run(Box<run::RunArguments>),
    /// List the cases
    List(show::ListArguments),
    /// Explain a case: its rule, where it stands, what it needs
    Explain(show::ExplainArguments),
    /// Measure a driver, beside another one or an earlier run
    Bench(Box<bench::BenchArguments>),
    /// Make other reports of a run's record
    Report(report::ReportArguments),
    /// Print a completion script for a shell
    ///
    /// For example: longshore-conformance completion bash > /etc/bash_completion.d/longshore-conformance
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are answers; everything else is a mistake.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let exit = match arguments.command {
        Command::New(arguments) => new::new(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::List(arguments) => show::list(&arguments),
        Command::Explain(arguments) => show::explain(&arguments),
        Command::Bench(arguments) => bench::bench(&arguments),
        Command::Report(arguments) => report::report(&arguments),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "longshore-conformance", &mut std::io::stdout());
            Exit::Conformant
        }
    };
    exit.into()
}

/// Tells a mistake on stderr.
#[expect(clippy::print_stderr, reason = "mistakes are told to whoever runs the program")]
fn complain(text: impl std::fmt::Display) {
    eprintln!("error: {text}");
}
