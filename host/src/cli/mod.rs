//! The command line: `serve`, `plan`, `reload`, `config`, `driver`, `completion`.

mod config;
mod driver;
mod exit;
mod lock;
mod metrics;
mod plan;
mod reload;
mod serve;
mod storages;
mod trust;
mod verify;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};

pub use exit::Exit;

use crate::config::{Config, Faults, variables};
use crate::control::Asked;
use crate::observe;
use storages::Ready;

/// A container registry whose storage is a plug-in.
///
/// Name a driver's file in registry.toml, run `longshore serve`, and push with docker, podman, skopeo or any other client.
#[derive(Debug, Parser)]
#[command(name = "longshore", version, max_term_width = 100, after_help = exit::HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the registry until SIGTERM or SIGINT
    ///
    /// Requests under way may end after the signal (server.drain_secs); then the drivers are closed.
    #[command(after_help = "Example: longshore serve --config /etc/longshore/registry.toml")]
    Serve {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Print what a start would do, and what each operation costs in driver calls, without starting anything
    ///
    /// For each storage: its drivers and layers, which of their capabilities are used, and the calls of every operation, when nothing is
    /// remembered and when all is.
    #[command(after_help = "Example: longshore plan --json | jq '.storages[].operations[] | {operation, cold: .cold.calls}'")]
    Plan {
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON for programs.
        #[arg(long)]
        json: bool,
    },
    /// Let the running registry read its configuration again
    ///
    /// All of it takes effect, or nothing does, and the answer says what has changed or why not. A SIGHUP to the registry does the same
    /// without an answer. Needs server.control in the configuration.
    #[command(after_help = "Example: longshore reload --config /etc/longshore/registry.toml")]
    Reload {
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON for programs.
        #[arg(long)]
        json: bool,
    },
    /// Check a configuration, or show what takes effect
    #[command(subcommand)]
    Config(ConfigCommand),
    /// List, inspect, probe, verify, lock and explain driver files
    #[command(subcommand)]
    Driver(DriverCommand),
    /// Print a completion script for a shell
    ///
    /// For example: longshore completion bash > /etc/bash_completion.d/longshore
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Report every mistake of the file at once, with its line, without starting anything
    Check {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Print the values that take effect and where each comes from; secrets are hidden
    Show {
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON for programs.
        #[arg(long)]
        json: bool,
    },
    /// Say what a key means, what it may be, which value takes effect and where that comes from
    ///
    /// Settings are explained from the schema in their driver's file, which does not run. `*` stands for any storage: storage.*.required.
    #[command(after_help = "Example: longshore config explain storage.main.settings.root")]
    Explain {
        /// A key such as server.listen, or a table such as server; all keys if there is none.
        #[arg(value_name = "KEY")]
        key: Option<String>,
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON for programs.
        #[arg(long)]
        json: bool,
    },
    /// Print a JSON Schema of registry.toml, with the settings of the drivers in the folders, for editors
    #[command(
        after_help = "Example: longshore config schema > registry.schema.json, and `#:schema ./registry.schema.json` in the first line of registry.toml"
    )]
    Schema {
        #[command(flatten)]
        folders: DriverFolders,
    },
    /// Print the reference page of a driver's settings, or of the registry's own keys
    Reference {
        /// The driver's name, or its file; the registry's own keys if there is none.
        driver: Option<String>,
        #[command(flatten)]
        folders: DriverFolders,
    },
    /// Print a storage on a driver as TOML, with every setting as a comment
    #[command(after_help = "Example: longshore config example filesystem >> registry.toml")]
    Example {
        /// The driver's name, or its file.
        driver: String,
        #[command(flatten)]
        folders: DriverFolders,
    },
}

#[derive(Debug, Subcommand)]
enum DriverCommand {
    /// List the driver files in the configured folders
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// Folders to look in instead of those of the configuration.
        #[arg(long = "path", id = "folder", value_name = "FOLDER")]
        path: Vec<PathBuf>,
        /// Only the drivers of these names.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Print JSON for programs.
        #[arg(long)]
        json: bool,
    },
    /// Let the running registry load and open drivers again, as after an upgrade of their files
    ///
    /// The new ones are loaded, opened and asked for their health beside the old ones, which go on if anything fails. Requests under way end
    /// with the old ones. Needs server.control in the configuration.
    #[command(after_help = "Example: longshore driver reload main")]
    Reload {
        /// A storage, or a driver: all storages that use it.
        name: String,
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON for programs.
        #[arg(long)]
        json: bool,
    },
    /// Print everything that a driver file says of itself and needs, and all that is to be said of it, without running it
    ///
    /// Each finding has a code that stays, what was found, why it matters and how to mend it. A file that the host would not load ends with 4.
    Inspect {
        #[command(flatten)]
        file: ConfigFile,
        /// The driver's file, or its name, which is looked for in the configured folders.
        #[arg(value_name = "FILE|NAME")]
        driver: PathBuf,
        /// Print JSON for programs.
        #[arg(long)]
        json: bool,
    },
    /// Load a driver file in a process of its own, ask it what it is, and print what it says and what that did
    ///
    /// The process has an empty environment and limits, and whatever it starts ends with it. Nothing is opened: no store is touched. What the host
    /// would not load is not probed. A file that ends the process, hangs, starts processes or changes the process ends with 4.
    #[command(after_help = "Example: longshore driver probe ./liblongshore_driver_new.so --json | jq .findings")]
    Probe {
        #[command(flatten)]
        file: ConfigFile,
        /// The driver's file, or its name, which is looked for in the configured folders.
        #[arg(value_name = "FILE|NAME")]
        driver: PathBuf,
        /// How long loading it and asking it may take, in seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
        limit_secs: u64,
        /// Print JSON for programs.
        #[arg(long)]
        json: bool,
    },
    /// Print where a storage's drivers were looked for, which files decided, and how far each came
    ///
    /// The stages are found, inspected, verified, probed, loaded, handshake, opened, healthy. What runs code of a driver runs in a process of its own.
    /// The last two need --open, for a driver that is opened touches its store.
    #[command(after_help = "Example: longshore driver why main --open")]
    Why {
        /// A storage's name, or a driver's.
        name: String,
        #[command(flatten)]
        file: ConfigFile,
        /// Open the storage with its settings too, and ask for its health.
        #[arg(long)]
        open: bool,
        /// Print JSON for programs.
        #[arg(long)]
        json: bool,
    },
    /// Print what the code of a finding or refusal means
    Explain {
        /// The code, as `driver inspect` prints it; without one, all are printed.
        code: Option<String>,
        /// Print JSON for programs.
        #[arg(long)]
        json: bool,
    },
    /// Pin the content of driver files in registry.lock, beside the configuration
    ///
    /// Without a name: all drivers of the configuration, and no others on this platform. What is locked for other platforms is kept.
    #[command(after_help = "Example: longshore driver lock s3 --config /etc/longshore/registry.toml")]
    Lock {
        /// Drivers by name, or their files.
        #[arg(value_name = "NAME|FILE")]
        drivers: Vec<String>,
        #[command(flatten)]
        file: ConfigFile,
        /// Change nothing; exit with 9 if the lock is not up to date.
        #[arg(long)]
        check: bool,
        /// Print JSON for programs.
        #[arg(long)]
        json: bool,
    },
    /// Print all that is asked of a driver file before it is loaded, and who vouches for it
    ///
    /// Without a name: all drivers of the configuration.
    #[command(after_help = "Example: longshore driver verify --json | jq '.[] | {driver, trusted_by}'")]
    Verify {
        /// Drivers by name, or their files.
        #[arg(value_name = "NAME|FILE")]
        drivers: Vec<String>,
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON for programs.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct DriverFolders {
    #[command(flatten)]
    file: ConfigFile,
    /// Folders to look for drivers in, instead of those of the configuration.
    #[arg(long = "path", id = "folders", value_name = "FOLDER")]
    path: Vec<PathBuf>,
}

impl DriverFolders {
    fn folders(self) -> Result<Vec<PathBuf>, Exit> {
        if self.path.is_empty() { self.file.read().map(|config| config.drivers.path) } else { Ok(self.path) }
    }
}

#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration; variables such as LONGSHORE_SERVER__LISTEN stand above it.
    #[arg(long = "config", id = "config", value_name = "FILE", default_value = "registry.toml")]
    path: PathBuf,
}

impl ConfigFile {
    fn load(&self) -> Result<Config, Exit> {
        Config::load(&self.path, variables()).map_err(|faults| faulty(&faults))
    }

    /// The configuration as far as it can be read, for commands that explain; its faults are told, and are no reason to stop.
    fn read(&self) -> Result<Config, Exit> {
        match Config::examine(&self.path, variables()) {
            Ok((config, faults)) => {
                if !faults.is_empty() {
                    say(&format!("{} has faults: {}; see `longshore config check`", self.path.display(), faults.len()));
                }
                Ok(config)
            }
            Err(faults) => {
                say(&format!("{faults}\nwithout it, defaults take effect"));
                Config::without_file(variables()).map_err(|faults| faulty(&faults))
            }
        }
    }

    /// The configuration and its drivers, none of which runs yet. The faults of both are reported together.
    fn check(&self) -> Result<(Config, Vec<Ready>), Exit> {
        let (config, mut faults) = Config::examine(&self.path, variables()).map_err(|faults| faulty(&faults))?;
        match storages::check(&config) {
            Ok(ready) if faults.is_empty() => return Ok((config, ready)),
            Ok(_) => {}
            Err(found) => faults.merge(found),
        }
        Err(faulty(&faults))
    }
}

/// Loads a driver to see what that does and never returns, if this process was started for that.
pub fn become_probe() {
    longshore_loader::probe::run_if_child();
}

/// Serves a driver and never returns, if this process was started by a host to isolate one.
pub fn become_driver() {
    longshore_loader::run_if_child();
}

/// Runs the command line of this process.
pub fn run() -> Exit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // To standard output for --help, to standard error for mistakes; if neither can be written, nobody can be told.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    let done = match arguments.command {
        Command::Serve { file } => file.check().and_then(|(config, ready)| serve::serve(config, ready, &file.path)),
        Command::Plan { file, json } => file.check().and_then(|(config, ready)| plan::plan(&config, &ready, json)),
        Command::Reload { file, json } => reload::reload(&file.path, &Asked::Reload, json),
        Command::Driver(DriverCommand::Reload { name, file, json }) => reload::reload(&file.path, &Asked::ReloadDriver { name }, json),
        Command::Config(ConfigCommand::Check { file }) => {
            file.check().and_then(|(config, ready)| config::check(&config, &ready, &file.path))
        }
        Command::Config(ConfigCommand::Show { file, json }) => file.load().and_then(|config| config::show(&config, json)),
        Command::Config(ConfigCommand::Explain { key, file, json }) => {
            file.read().and_then(|config| config::explain(&config, key.as_deref(), json))
        }
        Command::Config(ConfigCommand::Schema { folders }) => folders.folders().and_then(|folders| config::schema(&folders)),
        Command::Config(ConfigCommand::Reference { driver: None, .. }) => config::reference(None, &[]),
        Command::Config(ConfigCommand::Reference { driver, folders }) => {
            folders.folders().and_then(|folders| config::reference(driver.as_deref(), &folders))
        }
        Command::Config(ConfigCommand::Example { driver, folders }) => {
            folders.folders().and_then(|folders| config::example(&driver, &folders))
        }
        Command::Driver(DriverCommand::List { file, path, names, json }) => {
            let folders = if path.is_empty() { file.load().map(|config| config.drivers.path) } else { Ok(path) };
            folders.and_then(|folders| driver::list(&folders, &names, json))
        }
        Command::Driver(DriverCommand::Inspect { file, driver, json }) => driver::inspect(&driver, &file, json),
        Command::Driver(DriverCommand::Probe { file, driver, limit_secs, json }) => driver::probe(&driver, &file, limit_secs, json),
        Command::Driver(DriverCommand::Why { name, file, open, json }) => {
            file.load().and_then(|config| driver::why(&config, &name, open, json))
        }
        Command::Driver(DriverCommand::Explain { code, json }) => driver::explain(code.as_deref(), json),
        Command::Driver(DriverCommand::Lock { drivers, file, check, json }) => {
            file.load().and_then(|config| lock::lock(&config, &drivers, check, json))
        }
        Command::Driver(DriverCommand::Verify { drivers, file, json }) => {
            file.load().and_then(|config| verify::verify(&config, &drivers, json))
        }
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "longshore", &mut std::io::stdout());
            Ok(())
        }
    };
    done.err().unwrap_or(Exit::Done)
}

/// Reports the faults of a configuration.
fn faulty(faults: &Faults) -> Exit {
    say(&faults.render(std::io::stderr().is_terminal()));
    Exit::Config
}

/// A line for people, on standard error.
fn say(text: &str) {
    // If standard error is closed, nobody can be told.
    let _ = writeln!(std::io::stderr(), "{}", observe::without_secrets(text.trim_end()));
}

/// The output of a command, on standard output. A reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> Result<(), Exit> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            say(&format!("cannot write to standard output: {error}"));
            Err(Exit::Output)
        }
        _ => Ok(()),
    }
}
