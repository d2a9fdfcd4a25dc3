//! Every driver of the workspace keeps the contract, as a file that is loaded; and so does a file that the caller names.

mod files;
mod trial;

use std::path::Path;

use files::{loaded, loaded_file};
use serde_json::json;
use trial::{Trial, trial};

trial! {
    memory,
    Trial { driver: loaded("memory"), settings: |_| json!({}), shares_store: false }
}

trial! {
    filesystem,
    Trial { driver: loaded("filesystem"), settings: |folder| json!({ "root": folder.join("store") }), shares_store: true }
}

// The specimens' common base breaks no rule.
trial! {
    sound,
    Trial { driver: loaded("specimen-streams"), settings: |_| json!({}), shares_store: false }
}

/// For a driver from outside of the workspace, whose build is no business of a test. Without the variable there is nothing to judge.
#[test]
fn named_file_keeps_every_group_of_the_contract() {
    let Some(file) = std::env::var_os("LONGSHORE_DRIVER_FILE") else {
        println!("LONGSHORE_DRIVER_FILE names no driver file");
        return;
    };
    let trial = Trial { driver: loaded_file(Path::new(&file)), settings: |_| json!({}), shares_store: false };
    for group in longshore_conformance::groups::<longshore_loader::DriverHandle>() {
        trial.group(group.name);
    }
}
