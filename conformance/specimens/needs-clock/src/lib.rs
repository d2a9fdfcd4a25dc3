//! A driver that cannot do without a host extension which no host of today has: `clock/1`.
#![forbid(unsafe_code)]

longshore_plugin_api::export_driver! {
    driver: longshore_specimen_sound::Sound,
    name: "specimen-needs-clock",
    vendor: "Longshore",
    documentation: "https://github.com/longshore/longshore/tree/main/conformance/specimens",
    capabilities: [PutIfAbsent, DeletePrefix, Copy, Presign, UploadList, NestedObjects],
    consistency: Strong,
    durability: Memory,
    settings: r#"{"type": "object", "properties": {}}"#,
    requires: ["clock/1"],
}
