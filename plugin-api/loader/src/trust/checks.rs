//! Everything that is asked of a driver file, one answer each, for people who want to see more than the first refusal.

use std::path::Path;

use super::signature;
use crate::inspect::Inspection;
use crate::refusal::Refusal;
use crate::trust::{self, TrustRule};
use crate::verify::{self, Policy};

/// One question to a file and its answer.
#[derive(Debug, Clone)]
pub struct Check {
    /// The question in one word: `owner`, `digest`, `abi`, `entry`, `signature`, `trust`.
    pub name: &'static str,
    /// What was found, or why the file would not be loaded for it. A refused `signature` alone does not keep a file from being loaded, if
    /// somebody else vouches for it.
    pub outcome: Result<String, Refusal>,
}

/// Puts all questions of [`verify`](crate::verify()) to the file, also those behind a refusal. Nothing of it runs.
pub fn checks(inspection: &Inspection, policy: &Policy) -> Vec<Check> {
    let refused = |fault| inspection.refusal(fault);
    let owned = policy.trust.rule != TrustRule::Any;
    let owner = trust::owner(inspection, owned).map_err(refused).map(|()| owner(owned).to_owned());
    let digest = trust::digest(inspection, policy.sha256, &policy.trust)
        .map(|source| source.map_or_else(|| "none is known".to_owned(), |source| source.to_string()));
    let info = inspection.info();
    let fits = verify::fits(inspection, policy)
        .map_err(refused)
        .map(|()| format!("{} {}, contract {}", info.abi.kind, info.abi.major, info.contract));
    let entry = verify::entry(inspection, policy).map(|()| "exported".to_owned());
    let trust = verify::verify(inspection, policy).map(|source| source.to_string());
    let outcomes = [
        ("owner", owner),
        ("digest", digest),
        ("abi", fits),
        ("entry", entry),
        ("signature", signature(inspection, policy)),
        ("trust", trust),
    ];
    outcomes.into_iter().map(|(name, outcome)| Check { name, outcome }).collect()
}

fn owner(owned: bool) -> &'static str {
    if owned { "nobody but root and the host's own user may change it" } else { "not every user may change it" }
}

fn signature(inspection: &Inspection, policy: &Policy) -> Result<String, Refusal> {
    let place = signature::place(inspection.path());
    let checked = signature::check(inspection.path(), inspection.content()?, &policy.trust).map_err(|fault| inspection.refusal(fault))?;
    Ok(match checked {
        Some(signed) => format!("by the trusted key {} ({})", signed.key, signed.comment),
        None => format!("none: there is no {:?}", place.file_name().map(Path::new).unwrap_or(&place)),
    })
}
