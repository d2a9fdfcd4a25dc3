//! Longshore: a container registry whose storage is a plug-in. This library is the whole host; the binary is a thin main.
//!
//! `server → api → store → loader`; `oci` and `config` are leaves that know nobody.
#![forbid(unsafe_code)]

pub mod api;
pub mod cli;
pub mod config;
pub mod control;
pub mod observe;
pub mod oci;
pub mod server;
pub mod store;
