//! The host's table for a driver in C: log, counters, and whether a call was given up.

use std::ffi::{CStr, c_char};
use std::mem::size_of;
use std::sync::Arc;

use longshore_plugin_api::{HostServices, Level};

use super::lend::{OwnText, cancelled};
use super::table::HostTable;
use super::values::{LONGSHORE_C_MAJOR, LONGSHORE_C_MINOR, LONGSHORE_MESSAGE_MAX};
use crate::services::Services;

/// The longest name of a counter, in bytes.
const COUNTER_MAX: usize = 64;

/// The host's table of one instance, at a place that stays.
pub(crate) struct OwnHost {
    table: Box<HostTable>,
    /// What the table's pointers lead to.
    services: Arc<Services>,
    _instance: OwnText,
}

// SAFETY: the table is never changed, its pointers lead to what this struct keeps alive, and `Services` may be used from any thread.
unsafe impl Send for OwnHost {}
// SAFETY: as above.
unsafe impl Sync for OwnHost {}

impl OwnHost {
    pub(crate) fn new(services: Arc<Services>, instance: &str) -> Self {
        let instance = OwnText::from(instance);
        let table = HostTable {
            struct_size: size_of::<HostTable>() as u32,
            major: LONGSHORE_C_MAJOR,
            minor: LONGSHORE_C_MINOR,
            context: Arc::as_ptr(&services).cast_mut().cast(),
            instance: instance.lend(),
            log: Some(log),
            count: Some(count),
            cancelled: Some(cancelled),
        };
        Self { table: Box::new(table), services, _instance: instance }
    }

    pub(crate) fn lend(&self) -> *const HostTable {
        &raw const *self.table
    }

    pub(crate) fn services(&self) -> &Arc<Services> {
        &self.services
    }
}

/// The services behind a table that came back from a driver.
fn services<'a>(host: *const HostTable) -> Option<&'a Services> {
    if host.is_null() {
        return None;
    }
    // SAFETY: the header says that a driver gives the table that `open` was given, and only until `close` has returned.
    let context = unsafe { (*host).context }.cast_const().cast::<Services>();
    // SAFETY: a driver changes nothing in the table, so the pointer is the one that `OwnHost::new` took of services that live as long.
    unsafe { context.as_ref() }
}

unsafe extern "C" fn log(host: *const HostTable, level: u32, message: *const c_char, message_len: usize) {
    let Some(services) = services(host) else { return };
    if message.is_null() {
        return;
    }
    // SAFETY: the driver promises that many readable bytes there, of which only the first are looked at.
    let message = unsafe { std::slice::from_raw_parts(message.cast::<u8>(), message_len.min(LONGSHORE_MESSAGE_MAX)) };
    let level = match level {
        1 => Level::Error,
        2 => Level::Warn,
        4 => Level::Debug,
        5 => Level::Trace,
        _ => Level::Info,
    };
    // One line, whatever the driver says.
    contained(|| services.log(level, &String::from_utf8_lossy(message).replace(char::is_control, " ")));
}

unsafe extern "C" fn count(host: *const HostTable, name: *const c_char, value: u64) {
    let Some(services) = services(host) else { return };
    if name.is_null() {
        return;
    }
    // SAFETY: the driver promises a string that ends in NUL.
    let name = unsafe { CStr::from_ptr(name) };
    if let Ok(name) = name.to_str()
        && name.len() <= COUNTER_MAX
    {
        contained(|| services.count(name, value));
    }
}

/// A panic must not go on into a driver's frames.
fn contained(work: impl FnOnce()) {
    if let Err(payload) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
        std::mem::forget(payload);
    }
}
