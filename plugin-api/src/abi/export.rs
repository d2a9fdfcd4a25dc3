//! The one macro that turns a type into a driver file.

/// Exports a type that implements [`OpenDriver`](crate::OpenDriver) as a driver file.
///
/// Name, version, licence and panic strategy come from the crate and the compiler where they are not given. Use it once, in the root of
/// a crate whose `crate-type` is `cdylib`; the crate can keep `#![forbid(unsafe_code)]`.
///
/// ```
/// # use longshore_plugin_api::*;
/// # use longshore_plugin_api::blocking::*;
/// # struct Mine;
/// # impl BlockingDriver for Mine {
/// #     type Upload = Never;
/// #     fn open(_: Settings, _: &Host) -> Result<Self, DriverError> { Ok(Self) }
/// #     fn stat(&self, key: &Key) -> Result<ObjectInfo, DriverError> { Err(DriverError::not_found(key)) }
/// #     fn read(&self, key: &Key, _: ByteRange) -> Result<BlockingRead, DriverError> { Err(DriverError::not_found(key)) }
/// #     fn put(&self, _: &Key, _: Bytes, _: Condition) -> Result<ObjectInfo, DriverError> { Err(DriverError::unsupported("put")) }
/// #     fn list(&self, _: &ListRequest<'_>) -> Result<ListPage, DriverError> { Ok(ListPage::default()) }
/// #     fn delete(&self, key: &Key) -> Result<(), DriverError> { Err(DriverError::not_found(key)) }
/// #     fn upload_begin(&self, _: Option<&Key>) -> Result<Never, DriverError> { Err(DriverError::unsupported("upload")) }
/// #     fn upload_resume(&self, _: &UploadToken) -> Result<Never, DriverError> { Err(DriverError::unsupported("upload")) }
/// #     fn health(&self) -> Result<(), DriverError> { Ok(()) }
/// # }
/// # struct Never;
/// # impl BlockingUpload for Never {
/// #     fn offset(&self) -> u64 { 0 }
/// #     fn write(&mut self, _: Bytes) -> Result<(), DriverError> { Ok(()) }
/// #     fn suspend(&mut self) -> Result<UploadToken, DriverError> { UploadToken::new([]) }
/// #     fn commit(&mut self, _: &Key, _: u64) -> Result<ObjectInfo, DriverError> { Ok(ObjectInfo::new(0, 0)) }
/// #     fn abort(&mut self) -> Result<(), DriverError> { Ok(()) }
/// # }
/// longshore_plugin_api::export_driver! {
///     driver: Blocking<Mine>,
///     name: "mine",
///     vendor: "Example",
///     documentation: "https://example.org/mine",
///     capabilities: [],
///     consistency: Strong,
///     durability: Process,
///     settings: r#"{"type": "object", "properties": {}}"#,
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_driver {
    (
        driver: $driver:ty,
        name: $name:literal,
        vendor: $vendor:expr,
        documentation: $documentation:expr,
        capabilities: [$($capability:ident),* $(,)?],
        consistency: $consistency:ident,
        durability: $durability:ident,
        settings: $settings:expr
        $(, requires: [$($requires:literal),* $(,)?])?
        $(, extensions: [$($offers:literal),* $(,)?] by $extension:path)?
        $(,)?
    ) => {
        const _: () = {
            const PARTS: $crate::abi::NoteParts = $crate::abi::NoteParts {
                name: $name,
                version: ::core::env!("CARGO_PKG_VERSION"),
                vendor: $vendor,
                licence: ::core::env!("CARGO_PKG_LICENSE"),
                documentation: $documentation,
                capabilities: &[$($crate::Capability::$capability),*],
                offers: &[$($($offers),*)?],
                requires: &[$($($requires),*)?],
                consistency: $crate::metadata::Consistency::$consistency,
                durability: $crate::metadata::Durability::$durability,
                panic: if ::core::cfg!(panic = "unwind") { "unwind" } else { "abort" },
                settings: $settings,
            };
            const LENGTH: usize = $crate::abi::note_length(&PARTS);
            const BYTES: &[u8] = &$crate::abi::note_text::<LENGTH>(&PARTS);
            const TEXT: &str = match ::core::str::from_utf8(BYTES) {
                Ok(text) => text,
                Err(_) => panic!("the note is composed of UTF-8"),
            };

            struct Exported;
            impl $crate::abi::Exports for Exported {
                type Driver = $driver;
                const NOTE: &'static str = TEXT;
                $(fn extension(name: &str) -> ::core::option::Option<$crate::abi::Extension> { $extension(name) })?
            }

            extern "C" fn constructor() -> $crate::abi::reexport::abi_stable::library::RootModuleResult {
                $crate::abi::root::<Exported>()
            }

            #[used]
            #[unsafe(link_section = ".note.longshore.driver")]
            static NOTE: $crate::abi::Note<{ LENGTH.next_multiple_of(4) }> = $crate::abi::Note::new(TEXT);

            // The name that abi_stable looks for; a test compares it with `ROOT_MODULE_LOADER_NAME`.
            #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
            static HEADER: $crate::abi::reexport::abi_stable::library::LibHeader = $crate::abi::header(constructor);
        };
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_exported_name_is_the_one_that_is_looked_for() {
        assert_eq!(abi_stable::library::ROOT_MODULE_LOADER_NAME, "_1as_0lib_1header_0root_bmodule_bloader");
    }
}
