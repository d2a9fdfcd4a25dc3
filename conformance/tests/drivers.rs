//! Every driver of the workspace keeps the contract, as a file that is loaded.

mod files;
mod trial;

use files::c::c_driver_file;
use files::{loaded, loaded_file};
use serde_json::json;
use std::path::Path;
use trial::{Trial, trial};

trial! {
    memory,
    Trial { driver: loaded("memory"), settings: |_| json!({}), shares_store: false }
}

trial! {
    filesystem,
    Trial { driver: loaded("filesystem"), settings: |folder| json!({ "root": folder.join("store") }), shares_store: true }
}

// The example in C, which answers reads with files, and with chunks.
trial! {
    c_files,
    match c_driver_file() {
        Some(file) => Trial { driver: loaded_file(&file), settings: |folder| json!({ "root": folder }), shares_store: true },
        None => return,
    }
}

trial! {
    c_chunks,
    match c_driver_file() {
        Some(file) => {
            let settings = |folder: &Path| json!({ "root": folder, "sync": false, "hand_over_files": false });
            Trial { driver: loaded_file(&file), settings, shares_store: true }
        }
        None => return,
    }
}

// The specimens' common base breaks no rule.
trial! {
    sound,
    Trial { driver: loaded("specimen-streams"), settings: |_| json!({}), shares_store: false }
}
