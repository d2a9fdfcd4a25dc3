//! `echo/1`: an extension table that exists only here, to show how a driver and a host of different ages get along.
//!
//! Real extension tables are declared in `plugin-api`; this one shows that a third party can bring its own. The crate that declares it is the
//! one thing both sides share.
#![allow(missing_docs, non_camel_case_types, reason = "the derive generates public items without docs and in its own style")]

use abi_stable::StableAbi;
use abi_stable::std_types::{RStr, RString};
use longshore_plugin_api::abi::Extension;

/// The table's name.
pub const NAME: &str = "echo/1";

/// The table.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = EchoTable)))]
pub struct EchoTableValue {
    /// Answers what it is given.
    #[sabi(last_prefix_field)]
    pub echo: extern "C" fn(RStr<'_>) -> RString,
}

/// The table as somebody else might have meant it under the same name.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = OtherEchoTable)))]
pub struct OtherEchoTableValue {
    /// Answers what it is given, which is a number here.
    #[sabi(last_prefix_field)]
    pub echo: extern "C" fn(u64) -> u64,
}

/// What a driver that offers the table names in `export_driver!`.
pub fn extension(name: &str) -> Option<Extension> {
    use abi_stable::prefix_type::PrefixTypeTrait as _;
    (name == NAME).then(|| Extension::new(EchoTableValue { echo }.leak_into_prefix()))
}

extern "C" fn echo(text: RStr<'_>) -> RString {
    text.into()
}
