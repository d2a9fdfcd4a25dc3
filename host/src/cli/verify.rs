//! `longshore driver verify`: everything that is asked of a driver file before it is loaded, and who vouches for it.

use longshore_loader::{Check, Inspection, Refusal, TrustSource, checks, verify as verify_file};
use serde_json::{Value, json};

use super::driver::columns;
use super::trust::Subject;
use super::{Exit, print, say};
use crate::config::Config;

/// A driver and the answers of its file, or why it could not be read.
struct Verified {
    name: String,
    read: Result<Answers, Refusal>,
}

struct Answers {
    inspection: Inspection,
    checks: Vec<Check>,
    decided: Result<TrustSource, Refusal>,
}

impl Verified {
    fn new(config: &Config, subject: &Subject) -> Self {
        let read = subject.inspect(config).map(|inspection| {
            let policy = subject.policy(config, &inspection);
            Answers { checks: checks(&inspection, &policy), decided: verify_file(&inspection, &policy), inspection }
        });
        Self { name: subject.name(), read }
    }

    fn decided(&self) -> Result<&TrustSource, &Refusal> {
        self.read.as_ref().and_then(|answers| answers.decided.as_ref())
    }
}

/// Verifies the drivers that are `called`, or all of the configuration.
pub(super) fn verify(config: &Config, called: &[String], as_json: bool) -> Result<(), Exit> {
    let verified: Vec<_> = Subject::chosen(config, called).iter().map(|subject| Verified::new(config, subject)).collect();
    let texts: Vec<_> = verified.iter().map(table).collect();
    print(&if as_json { format!("{:#}\n", Value::from_iter(verified.iter().map(to_json))) } else { texts.join("\n") })?;
    let mut done = Ok(());
    for refusal in verified.iter().filter_map(|one| one.decided().err()) {
        say(&format!("{refusal} [{}]", refusal.code));
        done = Err(Exit::Driver);
    }
    done
}

fn table(verified: &Verified) -> String {
    let mut cells = vec![vec![verified.name.clone(), verdict(verified.decided()).into(), String::new()]];
    match &verified.read {
        Err(refusal) => cells.push(row("file", Err(refusal))),
        Ok(answers) => {
            cells.push(row("file", Ok(&answers.inspection.path().display().to_string())));
            cells.extend(answers.checks.iter().map(|check| row(check.name, check.outcome.as_ref())));
        }
    }
    columns(&cells)
}

fn verdict(decided: Result<&TrustSource, &Refusal>) -> &'static str {
    if decided.is_ok() { "may be loaded" } else { "refused" }
}

fn row(name: &str, outcome: Result<&String, &Refusal>) -> Vec<String> {
    match outcome {
        Ok(found) => vec![format!("  {name}"), "good".into(), found.clone()],
        Err(refusal) => vec![format!("  {name}"), refusal.code.to_string(), refusal.why.clone()],
    }
}

fn to_json(verified: &Verified) -> Value {
    let answer = |name: &str, outcome: Result<&String, &Refusal>| match outcome {
        Ok(found) => json!({ "check": name, "good": true, "found": found }),
        Err(refusal) => json!({ "check": name, "good": false, "code": refusal.code.as_str(), "why": refusal.why, "fix": refusal.fix }),
    };
    let mut object = json!({ "driver": verified.name, "loads": verified.decided().is_ok() });
    match &verified.read {
        Err(refusal) => object["checks"] = json!([answer("file", Err(refusal))]),
        Ok(answers) => {
            let path = answers.inspection.path().display().to_string();
            let rest = answers.checks.iter().map(|check| answer(check.name, check.outcome.as_ref()));
            object["checks"] = [answer("file", Ok(&path))].into_iter().chain(rest).collect();
            object["path"] = path.into();
            object["trusted_by"] = answers.decided.as_ref().ok().map(TrustSource::as_str).into();
        }
    }
    object
}
