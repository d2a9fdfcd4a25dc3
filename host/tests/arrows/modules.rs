//! Arrows between the host's modules, out of the paths in its source; and what only some of them may name.

use crate::drawing::Drawing;
use crate::tokens::Token;

/// The crates that only the module `server` knows.
const HTTP_ENGINE: [&str; 2] = ["hyper", "hyper_util"];
/// The modules that call drivers: `store`, and `cli` to open and close them. The others pass on bodies, errors and schemas.
const CALLERS: [&str; 2] = ["store", "cli"];
/// What a call needs: the traits, the handles, the helpers over them.
const CALLS: [&str; 8] = ["Driver", "Upload", "DriverHandle", "UploadHandle", "LoadedDriver", "load", "convenience", "*"];

/// Every path of a file of `host/src` that the drawing does not allow. A module may use all that its arrows lead to.
pub(crate) fn faults(drawing: &Drawing, place: &str, tokens: &[Token]) -> Vec<String> {
    let module = module_of(place);
    let own = module.first().copied().unwrap_or("");
    let at = |line: usize, what: String| format!("host/src/{place}:{line}: {what}");
    let mut faults = Vec::new();
    for (line, path) in paths(tokens, &module) {
        let text = path.join("::");
        match path.as_slice() {
            [engine, ..] if HTTP_ENGINE.contains(&engine.as_str()) && own != "server" => {
                faults.push(at(line, format!("{own} names {text}; only server knows it")));
            }
            [loader, names @ ..] if loader == "longshore_loader" => {
                let calls = names.iter().any(|name| CALLS.contains(&name.as_str()));
                if calls && !own.is_empty() && !CALLERS.contains(&own) {
                    faults.push(at(line, format!("{own} names {text}; only {} call drivers", CALLERS.join(" and "))));
                }
            }
            [krate, to, ..] if krate == "crate" && !own.is_empty() && to != own && !drawing.leads(own, to) => {
                faults.push(at(line, format!("{own} uses {text}, and no arrow leads from {own} to {to}")));
            }
            _ => {}
        }
    }
    faults
}

/// `store/tags.rs` is the module `store::tags`, `store/mod.rs` is `store`, the crate's roots are none. `oci/manifest_tests.rs` holds the
/// module `tests` of `oci/manifest.rs`.
fn module_of(place: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = place.trim_end_matches(".rs").split('/').collect();
    if matches!(parts.last(), Some(&("mod" | "lib" | "main"))) {
        parts.pop();
    }
    if let Some(tested) = parts.last().and_then(|last| last.strip_suffix("_tests")) {
        parts.pop();
        parts.extend([tested, "tests"]);
    }
    parts
}

/// The paths that begin with a crate or module we care for, each written out from `crate` or the crate's name, with its line.
fn paths(tokens: &[Token], module: &[&str]) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    // The inline modules around the place, with the depth of braces at which each ends.
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "mod" if text(tokens, index + 2) == "{" => inline.push((text(tokens, index + 1).to_owned(), depth)),
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.pop_if(|(_, outer)| *outer == depth);
            }
            _ if text(tokens, index + 1) == "::" && (index == 0 || text(tokens, index - 1) != "::") => {
                let here = module.iter().map(|part| (*part).to_owned()).chain(inline.iter().map(|(name, _)| name.clone()));
                if let Some((base, rest)) = base(tokens, index, here.collect()) {
                    tree(tokens, rest, &base, &mut |path| found.push((token.line, path)));
                }
            }
            _ => {}
        }
    }
    found
}

fn text(tokens: &[Token], index: usize) -> &str {
    tokens.get(index).map_or("", |token| token.text.as_str())
}

/// Where a path starts, and the index of what follows its `::`.
fn base(tokens: &[Token], index: usize, mut here: Vec<String>) -> Option<(Vec<String>, usize)> {
    let crate_root = || vec!["crate".to_owned()];
    match text(tokens, index) {
        // The library by its name, from the binary.
        "crate" | "longshore" => Some((crate_root(), index + 2)),
        "self" => Some((crate_root().into_iter().chain(here).collect(), index + 2)),
        "super" => {
            let mut at = index;
            while text(tokens, at) == "super" && text(tokens, at + 1) == "::" {
                here.pop();
                at += 2;
            }
            Some((crate_root().into_iter().chain(here).collect(), at))
        }
        name if name == "longshore_loader" || HTTP_ENGINE.contains(&name) => Some((vec![name.to_owned()], index + 2)),
        _ => None,
    }
}

/// Follows a path and the groups in it to each of its ends; answers the index after it.
fn tree(tokens: &[Token], mut index: usize, base: &[String], found: &mut impl FnMut(Vec<String>)) -> usize {
    let mut path = base.to_vec();
    loop {
        match text(tokens, index) {
            "{" => {
                index += 1;
                while !matches!(text(tokens, index), "}" | "") {
                    index = tree(tokens, index, &path, found);
                    // To the next element, over `as name`.
                    while !matches!(text(tokens, index), "," | "}" | "") {
                        index += 1;
                    }
                    index += usize::from(text(tokens, index) == ",");
                }
                return index + 1;
            }
            "*" => {
                path.push("*".to_owned());
                found(path);
                return index + 1;
            }
            name if name.starts_with(|first: char| first.is_alphabetic() || first == '_') => path.push(name.to_owned()),
            // A turbofish, or the end of the file.
            _ => {
                found(path);
                return index;
            }
        }
        if text(tokens, index + 1) != "::" {
            found(path);
            return index + 1;
        }
        index += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::tokens;

    fn found(place: &str, source: &str) -> Vec<String> {
        faults(&Drawing::parse("cli → server → api → store → oci\ncli → config"), place, &tokens(source))
    }

    #[test]
    fn what_is_drawn_passes() {
        assert_eq!(found("server/mod.rs", "use crate::api::Api; use crate::store::Store; use hyper::body::Incoming;"), [""; 0]);
        assert_eq!(found("store/tags.rs", "use super::{Repository, layout}; use longshore_loader::api::{Driver, convenience};"), [""; 0]);
        assert_eq!(found("api/blob.rs", "use longshore_loader::api::{ByteRange, ReadBody}; pub(crate) fn f() {}"), [""; 0]);
        assert_eq!(found("lib.rs", "pub use crate::server::Server;"), [""; 0], "the root only joins the modules");
        assert_eq!(found("main.rs", "fn main() { longshore::cli::run() }"), [""; 0]);
    }

    #[test]
    fn arrows_against_the_drawing_are_found() {
        let upwards = ["host/src/store/blobs.rs:2: store uses crate::api::Api, and no arrow leads from store to api"];
        assert_eq!(found("store/blobs.rs", "\nuse crate::{oci::Digest, api::Api as Interface};"), upwards);
        assert_eq!(found("store/blobs.rs", "\nfn f() { crate::api::Api::new() }").len(), 1, "a path in an expression counts");
        assert_eq!(found("oci/digest.rs", "use super::super::config::Config;").len(), 1, "so does one over the root");
        assert_eq!(found("config/mod.rs", "use crate::oci::Digest;").len(), 1, "a leaf knows nobody");
        assert_eq!(found("gc/mod.rs", "use crate::store::Store;").len(), 1, "a module that is not drawn has no arrows");
    }

    #[test]
    fn super_is_the_module_around() {
        assert_eq!(found("oci/manifest_tests.rs", "use super::super::digest::Digest;"), [""; 0]);
        assert_eq!(found("store/tags.rs", "mod tests { use super::super::tags; use super::super::super::api::Api; }").len(), 1);
        assert_eq!(found("store/mod.rs", "mod tests { use super::x; } use super::api::Api;").len(), 1, "the module ends with its brace");
    }

    #[test]
    fn hyper_and_driver_calls_stay_where_they_are() {
        let hyper = ["host/src/api/body.rs:1: api names hyper::body::Body; only server knows it"];
        assert_eq!(found("api/body.rs", "use hyper::body::Body;"), hyper);
        assert_eq!(found("cli/serve.rs", "fn f() { hyper_util::rt::TokioIo::new(stream) }").len(), 1);
        assert_eq!(found("api/tag.rs", "use longshore_loader::{DriverHandle, api::{Driver, Key}};").len(), 2);
        assert_eq!(found("api/tag.rs", "use longshore_loader::api::*;").len(), 1, "a glob may hide a call");
    }
}
