//! `report`: other forms of a record that a run has left; and where reports go.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

use super::complain;
use crate::exit::Exit;
use crate::record::Record;
use crate::report::{Format, Target};

#[derive(Debug, clap::Args)]
pub(super) struct ReportArguments {
    /// The JSON lines of a run (`run --report json=FILE`), whole or cut off; `-` is stdin.
    record: PathBuf,
    /// What to make of it: FORMAT=FILE. Repeat it for more; without it, the report for people goes to stdout.
    #[arg(long = "to", value_name = "FORMAT=FILE")]
    targets: Vec<Target>,
    /// Print the JSON of a badge endpoint; the same as --to badge=-.
    #[arg(long)]
    badge: bool,
}

/// Runs the command.
pub(super) fn report(arguments: &ReportArguments) -> Exit {
    let record = match read(&arguments.record) {
        Ok(record) => record,
        Err(error) => {
            complain(format_args!("cannot read the record {}: {error}", arguments.record.display()));
            return Exit::Usage;
        }
    };
    let mut targets = arguments.targets.clone();
    if arguments.badge {
        targets.push(Target { format: Format::Badge, path: None });
    }
    if targets.is_empty() {
        targets.push(Target { format: Format::Human, path: None });
    }
    match Opened::open(&targets) {
        Ok(opened) => opened.write(&record),
        Err(error) => {
            complain(error);
            Exit::Usage
        }
    }
}

fn read(path: &PathBuf) -> std::io::Result<Record> {
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        text
    } else {
        std::fs::read_to_string(path)?
    };
    Record::read(&text)
}

/// Reports whose files are open, so that a path that cannot be written is known before hours of work.
pub(super) struct Opened(Vec<(Target, Option<File>)>);

impl Opened {
    /// Opens every file.
    pub(super) fn open(targets: &[Target]) -> Result<Self, String> {
        let open = |target: &Target| {
            let file = target.path.as_ref().map(|path| {
                // Several commands of one job may add to a summary.
                let appends = target.format == Format::Markdown;
                let file = File::options().create(true).write(true).append(appends).truncate(!appends).open(path);
                file.map_err(|error| format!("the {} report cannot be written to {}: {error}", target.format, path.display()))
            });
            Ok((target.clone(), file.transpose()?))
        };
        targets.iter().map(open).collect::<Result<_, String>>().map(Self)
    }

    /// Writes every report, also after one that fails. JSON lines that were written during the run are not written again.
    pub(super) fn write(self, record: &Record) -> Exit {
        let mut exit = Exit::Conformant;
        for (target, file) in self.0 {
            let written = target.format.render(record).and_then(|text| {
                let written = match file {
                    Some(mut file) => file.write_all(text.as_bytes()),
                    None => std::io::stdout().write_all(text.as_bytes()),
                };
                written.map_err(|error| error.to_string())
            });
            if let Err(error) = written {
                let path = target.path.map_or_else(|| "stdout".to_owned(), |path| path.display().to_string());
                complain(format_args!("the {} report could not be written to {path}: {error}", target.format));
                exit = Exit::HarnessError;
            }
        }
        exit
    }
}
