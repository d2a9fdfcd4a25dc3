//! The host's log as a test reads it: lines of drivers, with the instance that wrote them.

use std::fmt;
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());

/// One line.
#[derive(Default, Clone)]
struct Line {
    driver: String,
    message: String,
}

/// From now on lines are kept. All tests of a process share one log, so each looks for its own instance.
pub(crate) fn keep() {
    static KEEP: Once = Once::new();
    KEEP.call_once(|| tracing::subscriber::set_global_default(Keeper).expect("nobody else keeps the log"));
}

/// The lines of an instance, given as `driver/instance`.
pub(crate) fn lines_of(origin: &str) -> Vec<String> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().filter(|line| line.driver == origin).map(|line| line.message.clone()).collect()
}

struct Keeper;

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "longshore::driver"
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        LINES.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "driver" => self.driver = value.to_owned(),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}
