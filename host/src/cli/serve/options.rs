//! From the configuration to the options of those who keep them.

use std::io::IsTerminal;

use crate::api::ApiOptions;
use crate::config::{Config, LogFormat, LogLevel};
use crate::observe;
use crate::server::ServerOptions;

/// The largest piece of a body that is received at once, in bytes. Larger pieces are fewer system calls and more memory per connection.
const RECEIVE_MAX_BYTES: usize = 512 * 1024;

pub(super) fn log_level(config: &Config) -> &'static str {
    match config.log.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}

pub(super) fn log_format(config: &Config) -> Option<observe::LogFormat> {
    match config.log.format {
        LogFormat::Auto => None,
        LogFormat::Human => Some(observe::LogFormat::Human),
        LogFormat::Json => Some(observe::LogFormat::Json),
    }
}

pub(super) fn log_is_json(config: &Config) -> bool {
    match config.log.format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Human => false,
        LogFormat::Json => true,
    }
}

pub(super) fn api(config: &Config) -> ApiOptions {
    let registry = &config.registry;
    ApiOptions {
        delete: registry.delete,
        tags_page_max: registry.tags_page_max,
        catalog_page_max: registry.catalog_page_max,
        catalog_page_default: registry.catalog_page_default,
        referrers_page_max: registry.referrers_page_max,
        push_tags_max: registry.push_tags_max,
    }
}

pub(super) fn server(config: &Config) -> ServerOptions {
    let server = &config.server;
    ServerOptions {
        connections_max: server.connections_max,
        header_max_bytes: server.header_max_bytes,
        receive_max_bytes: RECEIVE_MAX_BYTES,
        keep_alive_idle: server.keep_alive_idle,
        body_idle: server.body_idle,
        drain: server.drain,
    }
}
