//! Drivers in C: a table of blocking functions, exported under one symbol, becomes the same handle as a driver in Rust.
//!
//! The driver's author reads `plugin-api/c/longshore_driver.h`, which is generated from `values` and `table`.
//!
//! | file | subject |
//! |---|---|
//! | `table`, `values` | what crosses, as the header has it |
//! | `entry` | the exported table, checked before anything of it is called |
//! | `calls` | each function of the table as a safe method |
//! | `answer`, `list`, `buffer` | whatever C wrote, checked: errors, facts, pages, tokens, bytes |
//! | `lend` | what the host lends for a call: texts, settings, the call's context |
//! | `services` | the host's table |
//! | `pool` | work on the host's blocking threads |
//! | `instance` | an open instance with its readers and uploads, closed in the right order |
//! | `driver`, `body`, `upload` | the instance as a [`Driver`](longshore_plugin_api::Driver), its calls on the host's blocking threads |
//!
//! Nothing that comes from C is believed: pointers may be NULL, texts no UTF-8, names no keys, lengths wrong. Such an answer is the error
//! `broken` of that call. What cannot be checked from here is a pointer that leads nowhere: a driver's code is trusted as far as that.
#![expect(unsafe_code, reason = "calls through tables of C are unsafe; every one carries its argument")]

mod answer;
mod body;
mod buffer;
mod calls;
mod driver;
mod entry;
mod instance;
mod lend;
mod list;
mod pool;
mod services;
pub(crate) mod table;
mod upload;
pub(crate) mod values;

pub(crate) use driver::open;
pub(crate) use entry::{ENTRY_SYMBOL, entry};
pub(crate) use table::DriverTable;
