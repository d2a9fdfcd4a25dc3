//! Failures that are known and accepted for a while, each with its reason and the day on which that ends.
//!
//! ```toml
//! [DUR-06]
//! reason = "the folder is not synced on this file system, see issue 12"
//! expires = 2027-03-01
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use longshore_loader::api::schema::nearest;
use serde::Deserialize;

use crate::cases::all;

/// The failures that are expected.
#[derive(Debug, Clone, Default)]
pub struct Baseline(BTreeMap<String, Expected>);

/// One of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    reason: String,
    expires: toml::value::Datetime,
}

/// Why a baseline cannot be used.
#[derive(Debug)]
pub struct BaselineError(String);

impl fmt::Display for BaselineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Baseline {
    /// Reads a baseline file.
    ///
    /// # Errors
    /// That it cannot be read, or everything in it that names no case, gives no reason or has run out by `today` (`YYYY-MM-DD`).
    pub fn read(path: &Path, today: &str) -> Result<Self, BaselineError> {
        let text = std::fs::read_to_string(path).map_err(|error| BaselineError(format!("cannot read {}: {error}", path.display())))?;
        Self::parse(&text, today).map_err(|faults| BaselineError(format!("{}: {}", path.display(), faults.join("\n  "))))
    }

    fn parse(text: &str, today: &str) -> Result<Self, Vec<String>> {
        let entries: BTreeMap<String, Expected> = toml::from_str(text).map_err(|error| vec![error.to_string()])?;
        let mut faults = Vec::new();
        for (id, expected) in &entries {
            if !all().any(|case| case.id == id) {
                let near = nearest(id, all().map(|case| case.id)).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                faults.push(format!("no case has the id {id:?}{near}"));
            }
            if expected.reason.trim().is_empty() {
                faults.push(format!("{id} has an empty reason"));
            }
            match expected.expires.date {
                Some(date) if date.to_string().as_str() < today => {
                    faults.push(format!("{id} expired on {date}: fix the driver, or give a new date with a reason"));
                }
                Some(_) => {}
                None => faults.push(format!("{id}: expires must be a day, e.g. 2027-03-01")),
            }
        }
        if faults.is_empty() { Ok(Self(entries)) } else { Err(faults) }
    }

    /// The reason to accept that a case fails.
    pub fn reason(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(|expected| expected.reason.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_needs_a_case_a_reason_and_a_day_to_come() {
        let good = "[BAS-05]\nreason = \"see issue 1\"\nexpires = 2027-01-01\n";
        let baseline = Baseline::parse(good, "2026-11-26").expect("it is good");
        assert_eq!(baseline.reason("BAS-05"), Some("see issue 1"));
        assert_eq!(baseline.reason("BAS-06"), None);
        let faults = Baseline::parse(good, "2027-01-02").expect_err("it is over");
        assert!(faults[0].contains("expired on 2027-01-01"), "{faults:?}");
        let faults = Baseline::parse("[BAS-99]\nreason = \" \"\nexpires = 12:00:00\n", "2026-11-26").expect_err("all is wrong");
        assert_eq!(faults.len(), 3, "{faults:?}");
    }
}
