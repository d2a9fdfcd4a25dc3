//! A run's record, for people and for programs.
//!
//! | format | for |
//! |---|---|
//! | `human` | a terminal |
//! | `json` | programs: the lines of [`record`](crate::record) |
//! | `junit` | CI services: JUnit XML as Jenkins, GitLab and GitHub's actions read it |
//! | `tap` | prove and other readers of TAP 14 |
//! | `github` | annotations of GitHub Actions |
//! | `markdown` | a job's summary |
//! | `html` | browsers: one page that needs nothing else |
//! | `badge`, `badge-svg` | a README |

mod badge;
mod github;
mod html;
mod human;
mod json;
mod junit;
mod markdown;
mod sentences;
mod tap;
mod timeline;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use longshore_loader::api::schema::nearest;

use crate::record::Record;
use crate::run::Progress;

pub use human::Human;
pub use json::{Failure, JsonLines};
pub use sentences::explain;

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the module's table explains them")]
pub enum Format {
    Human,
    Json,
    Junit,
    Tap,
    Github,
    Markdown,
    Html,
    Badge,
    BadgeSvg,
}

impl Format {
    const NAMES: [(&'static str, Self); 9] = [
        ("human", Self::Human),
        ("json", Self::Json),
        ("junit", Self::Junit),
        ("tap", Self::Tap),
        ("github", Self::Github),
        ("markdown", Self::Markdown),
        ("html", Self::Html),
        ("badge", Self::Badge),
        ("badge-svg", Self::BadgeSvg),
    ];

    /// The report's text.
    ///
    /// # Errors
    /// That something in the record has no place in the format.
    pub fn render(self, record: &Record) -> Result<String, String> {
        match self {
            Self::Human => Ok(replay(record, |to| Box::new(Human::new(to, false, true)))),
            Self::Json => Ok(replay(record, |to| Box::new(JsonLines::new(to)))),
            Self::Junit => junit::render(record),
            Self::Tap => Ok(tap::render(record)),
            Self::Github => Ok(github::render(record)),
            Self::Markdown => Ok(markdown::render(record)),
            Self::Html => Ok(html::render(record)),
            Self::Badge => Ok(badge::endpoint(record)),
            Self::BadgeSvg => Ok(badge::svg(record)),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAMES.iter().find(|(_, format)| format == self).map_or("", |(name, _)| name))
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::NAMES.map(|(name, _)| name);
        Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, format)| *format).ok_or_else(|| {
            let near = nearest(text, names).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            format!("there is no report format {text:?}{near} The formats are {}", names.join(", "))
        })
    }
}

/// A report and where it goes: `junit=results.xml`; `-` is stdout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The form.
    pub format: Format,
    /// The file, or `None` for stdout.
    pub path: Option<PathBuf>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, path) = text.split_once('=').ok_or_else(|| format!("{text:?} is not FORMAT=FILE, e.g. junit=results.xml or tap=-"))?;
        let path = match path {
            "" => return Err(format!("{text:?} names no file; `-` is stdout")),
            "-" => None,
            path => Some(path.into()),
        };
        Ok(Self { format: format.parse()?, path })
    }
}

/// A record told once more, as it happened.
fn replay(record: &Record, writer: impl FnOnce(&mut Vec<u8>) -> Box<dyn Progress + '_>) -> String {
    let mut bytes = Vec::new();
    {
        let mut progress = writer(&mut bytes);
        progress.begins(&record.header);
        record.cases.iter().for_each(|case| progress.case_ends(case, &[]));
        progress.ends(&record.summary);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Cuts a text to at most `max` bytes, and says so.
fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    format!("{}… (cut, {} bytes in all)", &text[..text.floor_char_boundary(max)], text.len())
}
