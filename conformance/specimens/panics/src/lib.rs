//! A driver that panics once, at the entry which its settings name, and is sound otherwise.
#![forbid(unsafe_code)]

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;

use longshore_plugin_api::abi::panic_text;
use longshore_plugin_api::{DriverError, Host, Settings};
use longshore_specimen_sound::{Around, Interference};
use serde::Deserialize;

longshore_plugin_api::export_driver! {
    driver: Around<Panics>,
    name: "specimen-panics",
    vendor: "Longshore",
    documentation: "https://github.com/longshore/longshore/tree/main/conformance/specimens",
    capabilities: [PutIfAbsent, DeletePrefix, Copy, Presign, UploadList, NestedObjects],
    consistency: Strong,
    durability: Memory,
    settings: include_str!("../settings.schema.json"),
}

/// Where to panic, and whether it is still to be done.
pub struct Panics {
    at: String,
    armed: AtomicBool,
    host: Host,
}

#[derive(Deserialize)]
struct PanicsSettings {
    at: String,
}

impl Panics {
    /// True the first time that `entry` is reached, if it is the one to panic at.
    fn is_due(&self, entry: &str) -> bool {
        self.at == entry && self.armed.swap(false, Ordering::Relaxed)
    }
}

fn panic_at(entry: &str) -> ! {
    panic!("the specimen panics at {entry}")
}

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_at(self.0);
    }
}

impl Interference for Panics {
    async fn open(settings: Settings, host: Host) -> Result<Self, DriverError> {
        let PanicsSettings { at } = settings.parse()?;
        let panics = Self { at, armed: AtomicBool::new(true), host };
        panics.entry("open");
        Ok(panics)
    }

    async fn call(&self, entry: &'static str) -> Result<(), DriverError> {
        self.entry(entry);
        match entry {
            "stat" if self.is_due("second_poll") => {
                once_pending().await;
                panic_at("second_poll")
            }
            "stat" if self.is_due("future_drop") => {
                let _bomb = Bomb("future_drop");
                pending().await
            }
            "health" if self.is_due("own_thread") => {
                let joined = thread::spawn(|| panic_at("own_thread")).join();
                joined.map_err(|panic| DriverError::panicked("a thread of its own", &panic_text(panic)))
            }
            "health" if self.is_due("blocking_work") => self.host.blocking(|| panic_at("blocking_work")).await,
            _ => Ok(()),
        }
    }

    fn entry(&self, entry: &'static str) {
        if self.is_due(entry) {
            panic_at(entry);
        }
    }
}

/// Is not ready when it is first asked.
async fn once_pending() {
    let mut asked = false;
    poll_fn(|context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut asked, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
