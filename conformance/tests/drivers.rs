//! Every driver of the workspace keeps the contract, as a file that is loaded.

mod files;
mod trial;

use files::loaded;
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
