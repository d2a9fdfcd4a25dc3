//! What the host lends to a driver for the time of a call: texts, bytes, settings, the call's context.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use longshore_plugin_api::Call;
use serde_json::Value;

use super::values::{CallContext, Lent, Setting, SettingList, Text};

/// A text with a NUL after its end, as C likes them.
pub(crate) struct OwnText(Box<[u8]>);

impl From<&str> for OwnText {
    fn from(text: &str) -> Self {
        Self([text.as_bytes(), &[0]].concat().into())
    }
}

impl OwnText {
    pub(crate) fn lend(&self) -> Text {
        Text { ptr: self.0.as_ptr().cast(), len: self.0.len() - 1 }
    }
}

/// A text that may be absent.
pub(crate) fn lend_or_null(text: Option<&OwnText>) -> Text {
    text.map_or(Text { ptr: ptr::null(), len: 0 }, OwnText::lend)
}

/// Bytes for the time of a call.
pub(crate) fn lend_bytes(bytes: &[u8]) -> Lent {
    Lent { ptr: bytes.as_ptr(), len: bytes.len() }
}

/// What accompanies a call; the driver may ask it whether the host has given up.
pub(crate) struct Context {
    crossing: CallContext,
    /// What `crossing.context` points to.
    _given_up: Arc<AtomicBool>,
}

// SAFETY: the pointer in `crossing` leads to the flag that `_given_up` keeps alive, and atomics may be read from any thread.
unsafe impl Send for Context {}

/// Gives its call up when dropped; after the call's end that means nothing.
pub(crate) struct GiveUp(Arc<AtomicBool>);

impl Context {
    pub(crate) fn new(call: &Call) -> (Self, GiveUp) {
        let flag: Arc<AtomicBool> = Arc::default();
        let crossing = CallContext {
            deadline_unix_ms: call.deadline_unix_ms().unwrap_or(0),
            trace_high: (call.trace_id() >> 64) as u64,
            trace_low: call.trace_id() as u64,
            context: Arc::as_ptr(&flag).cast_mut().cast::<c_void>(),
            reserved: [0; 4],
        };
        (Self { crossing, _given_up: flag.clone() }, GiveUp(flag))
    }

    pub(crate) fn lend(&self) -> *const CallContext {
        &raw const self.crossing
    }
}

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The host table's `cancelled`.
pub(crate) unsafe extern "C" fn cancelled(call: *const CallContext) -> u32 {
    if call.is_null() {
        return 0;
    }
    // SAFETY: the header says that only the call under way is asked, whose context the host lends until it returns.
    let flag = unsafe { (*call).context }.cast::<AtomicBool>();
    if flag.is_null() {
        return 0;
    }
    // SAFETY: a driver changes nothing in a context that it is lent, so the pointer is the one that `Context::new` took of a living flag.
    let flag = unsafe { &*flag };
    u32::from(flag.load(Ordering::Relaxed))
}

/// The settings of an instance: as JSON, and flat.
pub(crate) struct OwnSettings {
    json: OwnText,
    flat: Vec<(OwnText, OwnText)>,
}

impl OwnSettings {
    pub(crate) fn new(settings: &Value) -> Self {
        let mut flat = Vec::new();
        flatten("", settings, &mut flat);
        Self {
            json: settings.to_string().as_str().into(),
            flat: flat.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect(),
        }
    }

    /// Calls `work` with the settings as C sees them.
    pub(crate) fn lend<T>(&self, work: impl FnOnce(*const SettingList) -> T) -> T {
        let entries: Vec<_> = self.flat.iter().map(|(key, value)| Setting { key: key.lend(), value: value.lend() }).collect();
        work(&SettingList { entries: entries.as_ptr(), count: entries.len(), json: self.json.lend(), reserved: [0; 4] })
    }
}

/// Adds each value that is not made of others, under the names on the way to it.
fn flatten(path: &str, value: &Value, into: &mut Vec<(String, String)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Null => {}
        Value::String(text) => into.push((path.to_owned(), text.clone())),
        Value::Bool(_) | Value::Number(_) => into.push((path.to_owned(), value.to_string())),
        Value::Array(values) => values.iter().enumerate().for_each(|(place, value)| flatten(&below(&place.to_string()), value, into)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten(&below(name), value, into)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_flat_texts() {
        let mut flat = Vec::new();
        let settings = json!({ "root": "/a \"b\"", "sync": true, "n": 1.5, "none": null, "tls": { "ca": ["x", { "y": 2 }] }, "empty": {} });
        flatten("", &settings, &mut flat);
        flat.sort();
        let expected = [("n", "1.5"), ("root", "/a \"b\""), ("sync", "true"), ("tls.ca.0", "x"), ("tls.ca.1.y", "2")];
        assert_eq!(flat, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_call_that_was_given_up_says_so() {
        let (context, give_up) = Context::new(&Call::new(7, 1 << 64 | 2));
        assert_eq!((context.crossing.deadline_unix_ms, context.crossing.trace_high, context.crossing.trace_low), (7, 1, 2));
        // SAFETY: the context is alive.
        assert_eq!(unsafe { cancelled(context.lend()) }, 0);
        drop(give_up);
        // SAFETY: the context is alive.
        assert_eq!(unsafe { cancelled(context.lend()) }, 1);
        // SAFETY: NULL is looked for.
        assert_eq!(unsafe { cancelled(ptr::null()) }, 0);
    }
}
