//! Arrows between the workspace's crates, by the folders they live in.

use serde_json::Value;

use crate::drawing::Drawing;

/// What tests and benchmarks may use beside the drawing: from, to, reason. Folders, not houses.
pub(crate) const DEVELOPMENT: &[(&str, &str, &str)] = &[
    (
        "conformance",
        "conformance/specimens/sound",
        "a test asks for the extension table that this crate defines, and a benchmark calls the driver without the boundary",
    ),
    ("conformance", "conformance/specimens/flawed", "a test goes through the list of its flaws, each of which must be caught"),
    (
        "conformance",
        "conformance/specimens/remote",
        "a test starts the service and goes through the list of flaws, each of which must be caught",
    ),
    ("plugins/filesystem", "conformance", "the cases of the contract are tests of the driver, as they are of a stranger's"),
    ("plugins/gcs", "conformance", "the cases of the contract are tests of the driver, as they are of a stranger's"),
    ("plugins/gcs", "plugins/gcs/fake", "no server of this store can be installed, so its tests have a strict fake"),
    ("plugins/memory", "conformance", "the cases of the contract are tests of the driver, as they are of a stranger's"),
    ("conformance", "plugin-api", "docs/driver-guide.md is compiled with the names that its readers use"),
];

/// A crate of the workspace.
#[derive(Debug)]
pub(crate) struct Member {
    folder: String,
    needs: Vec<Need>,
}

#[derive(Debug)]
struct Need {
    folder: String,
    /// Only for tests, examples and benchmarks.
    development: bool,
}

/// The crates in an answer of `cargo metadata --no-deps`, with what they need of each other.
pub(crate) fn members(metadata: &Value) -> Vec<Member> {
    let root = metadata["workspace_root"].as_str().expect("cargo names the workspace's folder").to_owned();
    let inside = |path: &Value| Some(path.as_str()?.strip_prefix(&root)?.trim_matches('/').to_owned());
    let need = |dependency: &Value| Some(Need { folder: inside(&dependency["path"])?, development: dependency["kind"] == "dev" });
    let member = |package: &Value| {
        let manifest = inside(&package["manifest_path"])?;
        let needs = package["dependencies"].as_array()?.iter().filter_map(need).collect();
        Some(Member { folder: manifest.trim_end_matches("Cargo.toml").trim_end_matches('/').to_owned(), needs })
    };
    metadata["packages"].as_array().expect("cargo lists packages").iter().filter_map(member).collect()
}

/// The name that the drawing has for a folder.
fn house(folder: &str) -> Option<&'static str> {
    match folder {
        "plugin-api" => Some("plugin-api"),
        "plugin-api/loader" => Some("loader"),
        "host" => Some("host"),
        "conformance" => Some("conformance"),
        "conformance/specimens/sound" => Some("sound"),
        "plugins/bucket" => Some("bucket"),
        _ if folder.starts_with("plugins/") => Some("plugins"),
        _ if folder.starts_with("conformance/specimens/") => Some("specimens"),
        _ => None,
    }
}

/// Every arrow that is not drawn.
pub(crate) fn faults(drawing: &Drawing, development: &[(&str, &str, &str)], members: &[Member]) -> Vec<String> {
    let mut faults = Vec::new();
    for member in members {
        let from = &member.folder;
        if house(from).is_none() {
            faults.push(format!("{from} is no place of the drawing; give it one in ARCHITECTURE.md and in {}", file!()));
        }
        for need in &member.needs {
            let to = &need.folder;
            let drawn = house(from).zip(house(to)).is_some_and(|(from, to)| drawing.has(from, to));
            let for_tests = need.development && development.iter().any(|(one, other, _)| one == from && other == to);
            if !drawn && !for_tests {
                let kind = if need.development { "for its tests" } else { "in its code" };
                faults.push(format!("{from} uses {to} {kind}"));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(development: &[(&str, &str, &str)], packages: &Value) -> Vec<String> {
        let drawing = Drawing::parse("plugins → plugin-api ← loader ← host\nspecimens → plugin-api");
        faults(&drawing, development, &members(&json!({ "workspace_root": "/w", "packages": packages })))
    }

    fn package(folder: &str, needs: &Value) -> Value {
        json!({ "manifest_path": format!("/w/{folder}/Cargo.toml"), "dependencies": needs })
    }

    fn path(folder: &str, kind: Option<&str>) -> Value {
        json!({ "path": format!("/w/{folder}"), "kind": kind })
    }

    #[test]
    fn drawn_arrows_and_registry_crates_pass() {
        let host = package("host", &json!([path("plugin-api/loader", None), { "path": null, "kind": null }]));
        assert_eq!(found(&[], &json!([host, package("plugins/s3", &json!([path("plugin-api", None)]))])), [""; 0]);
    }

    #[test]
    fn undrawn_arrows_are_found() {
        let host = package("host", &json!([path("plugins/memory", None), path("plugin-api", None)]));
        let plugin = package("plugins/memory", &json!([path("plugins/filesystem", Some("build"))]));
        let expected = [
            "host uses plugins/memory in its code",
            "host uses plugin-api in its code",
            "plugins/memory uses plugins/filesystem in its code",
        ];
        assert_eq!(found(&[], &json!([host, plugin])), expected, "also one that a path of arrows leads along");
    }

    #[test]
    fn an_exception_for_tests_is_none_for_code() {
        let exception = [("host", "plugins/memory", "a benchmark calls the driver without the boundary")];
        let in_tests = package("host", &json!([path("plugins/memory", Some("dev"))]));
        let in_code = package("host", &json!([path("plugins/memory", None)]));
        assert_eq!(found(&[], &json!([in_tests])), ["host uses plugins/memory for its tests"]);
        assert_eq!(found(&exception, &json!([in_tests])), [""; 0]);
        assert_eq!(found(&exception, &json!([in_code])), ["host uses plugins/memory in its code"]);
    }

    #[test]
    fn a_crate_in_a_new_place_is_found() {
        let faults = found(&[], &json!([package("tools/new", &json!([]))]));
        assert!(faults.len() == 1 && faults[0].starts_with("tools/new is no place of the drawing"), "{faults:?}");
    }
}
