//! `longshore driver why`: where a storage's drivers were looked for, which files decided, and how far each came.

use std::path::Path;
use std::time::Duration;

use longshore_loader::api::schema::{Schema, nearest};
use longshore_loader::probe::{Opening, PROBE_LIMIT, Probe, Probed, Stage, probe as load_elsewhere};
use longshore_loader::{DriverSource, Examination, Finding, Found, Inspection, OpenOptions, Place, Policy, examine, locate, places};
use serde_json::{Value, json};

use super::{columns, findings, probe};
use crate::cli::trust::Subject;
use crate::cli::{Exit, print, say};
use crate::config::{Config, DriverFile, Instance, Storage};

/// The stages in their order; the last two only where a store is opened.
const STAGES: [&str; 8] = ["found", "inspected", "verified", "probed", "loaded", "handshake", "opened", "healthy"];

/// How a stage ended.
enum Outcome {
    Reached(String),
    Stopped(String),
    NotTried(String),
}

/// What is known of one driver.
struct Account {
    /// As it was asked for.
    name: String,
    places: Vec<Place>,
    outcomes: Vec<Outcome>,
    /// Of the file, and of what it did when it was loaded.
    findings: Vec<Finding>,
    inspection: Option<Inspection>,
}

pub(in crate::cli) fn why(config: &Config, name: &str, open: bool, json: bool) -> Result<(), Exit> {
    let instances: Vec<&Instance> = config.storage.get(name).map_or_else(Vec::new, |storage| storage.stack().collect());
    let mut accounts = match instances.as_slice() {
        [] => vec![driver_called(config, name)?],
        instances => instances.iter().map(|instance| account(config, &Subject::of(instance))).collect::<Result<_, _>>()?,
    };
    if let Some(storage) = config.storage.get(name) {
        opened(config, name, storage, open, &mut accounts)?;
    }
    print(&if json { format!("{:#}\n", as_json(name, &accounts)) } else { for_people(&accounts) })?;
    let stopped = accounts.iter().find_map(|account| Some((account, account.stopped()?)));
    match stopped {
        Some((account, (stage, reason))) => {
            say(&format!("driver {:?} is not {stage}: {reason}", account.name));
            Err(Exit::Driver)
        }
        None => Ok(()),
    }
}

/// A driver that is no storage's name: the file that any storage naming it would get.
fn driver_called(config: &Config, name: &str) -> Result<Account, Exit> {
    let uses = |storage: &&String| config.storage[*storage].stack().any(|instance| instance.file == DriverFile::Name(name.to_owned()));
    let users: Vec<&String> = config.storage.keys().filter(uses).collect();
    let mut account = account(config, &Subject::called(config, name))?;
    if users.is_empty() && account.stopped().is_some_and(|(stage, _)| stage == STAGES[0]) {
        account.hint(nearest_name(config, name));
    }
    let reason = match users.first() {
        Some(user) => format!("longshore driver why {user} --open opens it with its settings"),
        None => "no storage uses it".to_owned(),
    };
    account.not_tried(&reason);
    Ok(account)
}

/// The storage whose name is meant; the nearest driver is told by the refusal itself.
fn nearest_name(config: &Config, name: &str) -> Option<String> {
    let storages = config.storage.keys().map(String::as_str);
    nearest(name, storages).map(|other| format!("; did you mean storage {other:?}?"))
}

/// Goes as far as a driver comes without being opened.
fn account(config: &Config, subject: &Subject) -> Result<Account, Exit> {
    let places = match subject.source() {
        DriverSource::Name(name) => places(name, &config.drivers.path).unwrap_or_default(),
        DriverSource::Path(_) => Vec::new(),
    };
    let mut account = Account { name: subject.name(), places, outcomes: Vec::new(), findings: Vec::new(), inspection: None };
    match locate(subject.source(), &config.drivers.path) {
        Err(refusal) => account.stop(format!("{}; {} [{}]", refusal.why, refusal.fix, refusal.code)),
        Ok(path) => {
            account.reach(path.display().to_string());
            // What is asked of a file depends on what it says it is.
            let policy = subject.inspect(config).map_or_else(|_| Policy::of_this_host(), |inspection| subject.policy(config, &inspection));
            account.look_at(&path, &policy)?;
        }
    }
    Ok(account)
}

impl Account {
    fn reach(&mut self, detail: impl Into<String>) {
        self.outcomes.push(Outcome::Reached(detail.into()));
    }

    fn stop(&mut self, reason: impl Into<String>) {
        self.outcomes.push(Outcome::Stopped(reason.into()));
    }

    /// The rest of the stages.
    fn not_tried(&mut self, reason: &str) {
        while self.outcomes.len() < STAGES.len() {
            let reason = if self.stopped().is_some() { String::new() } else { reason.to_owned() };
            self.outcomes.push(Outcome::NotTried(reason));
        }
    }

    /// Where and why it stopped.
    fn stopped(&self) -> Option<(&'static str, &str)> {
        self.outcomes.iter().zip(STAGES).find_map(|(outcome, stage)| match outcome {
            Outcome::Stopped(reason) => Some((stage, reason.as_str())),
            _ => None,
        })
    }

    /// Adds to the reason why it stopped.
    fn hint(&mut self, hint: Option<String>) {
        if let Some(Outcome::Stopped(reason)) = self.outcomes.last_mut() {
            reason.push_str(&hint.unwrap_or_default());
        }
    }

    fn look_at(&mut self, path: &Path, policy: &Policy) -> Result<(), Exit> {
        let Examination { inspection, findings, .. } = examine(path, policy);
        self.findings = findings;
        let refusals: Vec<String> =
            self.findings.iter().filter(|it| it.severity() == longshore_loader::Severity::Refused).map(ToString::to_string).collect();
        let inspection = match inspection {
            Ok(inspection) => inspection,
            Err(refusal) => {
                self.stop(format!("{}; {} [{}]", refusal.why, refusal.fix, refusal.code));
                return Ok(());
            }
        };
        let info = inspection.info();
        self.reach(format!("{} {}; findings: {}", info.name, info.version, findings::counted(&self.findings)));
        if !refusals.is_empty() {
            self.stop(refusals.join("; "));
            return Ok(());
        }
        self.reach("");
        self.take(probe::run(&inspection, PROBE_LIMIT)?, &[Stage::Probed, Stage::Loaded, Stage::Handshake]);
        self.inspection = Some(inspection);
        Ok(())
    }

    /// Adds the stages that a probe was to reach.
    fn take(&mut self, probed: Probe, stages: &[Stage]) {
        for stage in stages {
            if probed.reached >= Some(*stage) {
                self.reach("");
            } else {
                let reason = probed.findings.first().map_or_else(|| probed.ended.clone(), ToString::to_string);
                self.stop(reason);
                break;
            }
        }
        self.findings.extend(probed.findings);
    }
}

/// Opens a storage's drivers, each over the next one, if that is wanted and all of them came so far. What stops is told of the one that keeps the
/// bytes.
fn opened(config: &Config, name: &str, storage: &Storage, open: bool, accounts: &mut [Account]) -> Result<(), Exit> {
    let is_ready = accounts.iter().all(|account| account.stopped().is_none());
    if let Some((last, layers)) = accounts.split_last_mut() {
        let settings = is_ready.then(|| settings(config, storage, layers, last));
        match settings {
            None => {}
            Some(Err(faults)) => last.stop(faults),
            Some(Ok(_)) if !open => {}
            Some(Ok(settings)) => {
                let all = layers.iter().chain([&*last]).filter_map(|account| account.inspection.as_ref());
                let probed: Vec<Probed<'_>> = all.zip(&settings).map(|(inspection, settings)| Probed { inspection, settings }).collect();
                let answer =
                    load_elsewhere(&probed, Some(&opening(config, name)), PROBE_LIMIT).map_err(|error| probe::cannot_start(&error))?;
                last.take(answer, &[Stage::Opened, Stage::Healthy]);
            }
        }
        for layer in layers {
            layer.not_tried("told of the storage's last driver");
        }
        last.not_tried(if is_ready { "--open opens the store, and asks for its health" } else { "another driver of the storage stopped" });
    }
    Ok(())
}

fn opening(config: &Config, instance: &str) -> Opening {
    // As long as the host would wait for one call.
    let options = OpenOptions { open_limit: config.drivers.open, call_limit: config.drivers.call.min(Duration::from_secs(60)) };
    Opening { instance: instance.to_owned(), options }
}

/// The settings of a storage's drivers, checked against their schemas and completed.
fn settings(config: &Config, storage: &Storage, layers: &[Account], last: &Account) -> Result<Vec<Value>, String> {
    let inspections = layers.iter().chain([last]).filter_map(|account| account.inspection.as_ref());
    let of_one = |(instance, inspection): (&Instance, &Inspection)| {
        let schema =
            Schema::from_json(&inspection.info().settings).map_err(|error| format!("its settings' schema cannot be used: {error}"))?;
        config.check_settings(instance, &schema).map_err(|faults| faults.render(false).trim_end().to_owned())
    };
    storage.stack().zip(inspections).map(of_one).collect()
}

fn found(found: &Found) -> String {
    match found {
        Found::Used => "used".into(),
        Found::Shadowed => "not used, for an earlier folder has one".into(),
        Found::Nothing => "not there".into(),
        Found::NoFolder => "no such folder".into(),
        Found::Unknown(why) => format!("cannot be told: {why}"),
    }
}

fn as_json(name: &str, accounts: &[Account]) -> Value {
    let stage = |(outcome, stage): (&Outcome, &str)| match outcome {
        Outcome::Reached(detail) => json!({ "stage": stage, "reached": true, "detail": detail }),
        Outcome::Stopped(reason) => json!({ "stage": stage, "reached": false, "why": reason }),
        Outcome::NotTried(reason) => json!({ "stage": stage, "reached": null, "why": reason }),
    };
    let driver = |account: &Account| {
        json!({
            "driver": account.name,
            "places": account.places.iter().map(|place| json!({ "path": place.path.display().to_string(), "found": found(&place.found) })).collect::<Vec<_>>(),
            "stages": account.outcomes.iter().zip(STAGES).map(stage).collect::<Vec<_>>(),
            "stopped_at": account.stopped().map(|(stage, _)| stage),
            "findings": account.findings.iter().map(findings::as_json).collect::<Vec<_>>(),
        })
    };
    json!({ "name": name, "drivers": accounts.iter().map(driver).collect::<Vec<_>>() })
}

fn for_people(accounts: &[Account]) -> String {
    accounts.iter().map(one_for_people).collect::<Vec<_>>().join("\n")
}

fn one_for_people(account: &Account) -> String {
    let mut text = format!("driver {:?}\n", account.name);
    let places: Vec<_> = account.places.iter().map(|place| vec![format!("  {}", place.path.display()), found(&place.found)]).collect();
    if !places.is_empty() {
        text += &format!("looked for in\n{}", columns(&places));
    }
    let line = |(outcome, stage): (&Outcome, &str)| {
        let (mark, detail) = match outcome {
            Outcome::Reached(detail) => ("yes", detail),
            Outcome::Stopped(reason) => ("no", reason),
            Outcome::NotTried(reason) => ("-", reason),
        };
        // A report of several lines stands under its first.
        vec![stage.to_owned(), mark.to_owned(), detail.replace('\n', "\n                ")]
    };
    text += &columns(&account.outcomes.iter().zip(STAGES).map(line).collect::<Vec<_>>());
    format!("{text}\n{}", findings::table(&account.findings))
}
