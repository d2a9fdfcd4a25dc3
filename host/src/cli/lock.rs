//! `longshore driver lock`: pins the content of driver files in the lock beside the configuration.

use longshore_loader::{Inspection, Policy, Refusal, platform, verify};
use serde_json::{Value, json};

use super::driver::columns;
use super::trust::Subject;
use super::{Exit, print, say};
use crate::config::{Config, Lock, Locked};

/// What became of a driver's entry.
struct Row {
    name: String,
    change: &'static str,
    /// `None` if the entry is gone.
    locked: Option<Locked>,
}

/// Locks the drivers that are `called`, or all of the configuration; with `check`, only tells whether that would change anything.
pub(super) fn lock(config: &Config, called: &[String], check: bool, as_json: bool) -> Result<(), Exit> {
    let mut lock = config.lock().clone();
    let rows = lock_all(config, called, &mut lock)?;
    let is_stale = rows.iter().any(|row| row.change != "unchanged");
    if !check && is_stale {
        lock.write().map_err(|error| {
            say(&format!("cannot write {}: {error}", lock.path().display()));
            Exit::Output
        })?;
    }
    print(&if as_json { format!("{:#}\n", to_json(&lock, &rows)) } else { table(&rows) })?;
    if check && is_stale {
        say(&format!("{} is not up to date; run longshore driver lock", lock.path().display()));
        return Err(Exit::Outdated);
    }
    Ok(())
}

/// Changes the lock. Every refusal is told before any ends it.
fn lock_all(config: &Config, called: &[String], lock: &mut Lock) -> Result<Vec<Row>, Exit> {
    let mut rows: Vec<Row> = Vec::new();
    let mut done = Ok(());
    // What has its digest in the configuration needs none here, and another storage may have another file of that driver.
    let wanted = |subject: &Subject| !called.is_empty() || subject.pin.is_none();
    for subject in Subject::chosen(config, called).into_iter().filter(wanted) {
        match locked(config, &subject) {
            Ok((name, locked)) => done = lock_one(lock, &mut rows, name, locked).and(done),
            Err(refusal) => {
                say(&format!("{refusal} [{}]", refusal.code));
                done = Err(Exit::Driver);
            }
        }
    }
    done?;
    if called.is_empty() {
        let gone = lock.retain(&platform(), |name| rows.iter().any(|row| row.name == name));
        rows.extend(gone.into_iter().map(|name| Row { name, change: "removed", locked: None }));
    }
    Ok(rows)
}

fn lock_one(lock: &mut Lock, rows: &mut Vec<Row>, name: String, locked: Locked) -> Result<(), Exit> {
    if let Some(other) = rows.iter().find(|row| row.name == name).and_then(|row| row.locked.as_ref()) {
        if other.sha256 == locked.sha256 {
            return Ok(());
        }
        let (one, two) = (other.seen.display(), locked.seen.display());
        say(&format!(
            "{one} and {two} are two files of driver {name:?}, and the lock has one of each; write sha256 = … into the configuration for one of them"
        ));
        return Err(Exit::Driver);
    }
    let change = match lock.get(&name, &platform()) {
        Some(before) if before.is(&locked) => "unchanged",
        Some(_) => "changed",
        None => "added",
    };
    if change != "unchanged" {
        lock.insert(&name, &platform(), locked.clone());
    }
    rows.push(Row { name, change, locked: Some(locked) });
    Ok(())
}

/// The entry of a file that this host could load. Whoever locks it vouches for it, so nobody else has to.
fn locked(config: &Config, subject: &Subject) -> Result<(String, Locked), Refusal> {
    let inspection = subject.inspect(config)?;
    let sha256 = inspection.content_sha256()?;
    let policy = Policy { sha256: Some(sha256), ..subject.policy(config, &inspection) };
    verify(&inspection, &policy)?;
    Ok((inspection.info().name.clone(), entry(&inspection, sha256)))
}

fn entry(inspection: &Inspection, sha256: longshore_loader::Sha256) -> Locked {
    let version = inspection.info().version.clone();
    Locked { version, sha256, size_bytes: inspection.size(), seen: inspection.path().to_owned() }
}

fn table(rows: &[Row]) -> String {
    let mut cells = vec![["NAME", "PLATFORM", "VERSION", "SHA256", "LOCK", "FILE"].map(str::to_owned).to_vec()];
    for row in rows {
        let of = |text: fn(&Locked) -> String| row.locked.as_ref().map_or_else(|| "-".to_owned(), text);
        let (version, file) = (of(|locked| locked.version.clone()), of(|locked| locked.seen.display().to_string()));
        let sha256 = of(|locked| locked.sha256.to_string().chars().take(12).collect());
        cells.push(vec![row.name.clone(), platform(), version, sha256, row.change.to_owned(), file]);
    }
    columns(&cells)
}

fn to_json(lock: &Lock, rows: &[Row]) -> Value {
    let row = |row: &Row| {
        let mut object = json!({ "name": row.name, "platform": platform(), "lock": row.change });
        if let Some(locked) = &row.locked {
            object["version"] = locked.version.as_str().into();
            object["sha256"] = locked.sha256.to_string().into();
            object["size_bytes"] = locked.size_bytes.into();
            object["path"] = locked.seen.display().to_string().into();
        }
        object
    };
    json!({ "lock": lock.path().display().to_string(), "drivers": rows.iter().map(row).collect::<Vec<_>>() })
}
