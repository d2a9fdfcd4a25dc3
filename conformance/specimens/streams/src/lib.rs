//! The sound driver as a file: bodies are streams of the chunks that were written, by reference.
#![forbid(unsafe_code)]

longshore_plugin_api::export_driver! {
    driver: longshore_specimen_sound::Sound,
    name: "specimen-streams",
    vendor: "Longshore",
    documentation: "https://github.com/longshore/longshore/tree/main/conformance/specimens",
    capabilities: [PutIfAbsent, DeletePrefix, Copy, Presign, UploadList, NestedObjects],
    consistency: Strong,
    durability: Memory,
    settings: r#"{"type": "object", "properties": {}}"#,
}
