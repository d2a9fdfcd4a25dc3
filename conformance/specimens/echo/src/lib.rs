//! A driver that offers an extension table which no host of today asks for: `echo/1`.
#![forbid(unsafe_code)]

longshore_plugin_api::export_driver! {
    driver: longshore_specimen_sound::Sound,
    name: "specimen-echo",
    vendor: "Longshore",
    documentation: "https://github.com/longshore/longshore/tree/main/conformance/specimens",
    capabilities: [PutIfAbsent, DeletePrefix, Copy, Presign, UploadList, NestedObjects],
    consistency: Strong,
    durability: Memory,
    settings: r#"{"type": "object", "properties": {}}"#,
    extensions: ["echo/1"] by longshore_specimen_sound::echo::extension,
}
