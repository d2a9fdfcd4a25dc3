//! What is counted: each kind of call, how often it was made, failed or was given up, and how long it took.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use longshore_plugin_api::{Call, DriverError, ErrorClass, Host, Level};

macro_rules! kinds {
    ($($variant:ident = $name:literal,)*) => {
        /// The calls of the contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind { $($variant,)* }

        impl Kind {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The call's name in the contract.
            const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The counters of the host's metrics: calls, failures and microseconds.
            const fn counters(self) -> [&'static str; 3] {
                match self { $(Self::$variant => [concat!($name, "_calls"), concat!($name, "_failures"), concat!($name, "_micros")],)* }
            }
        }
    };
}
kinds! {
    Stat = "stat", Read = "read", Put = "put", List = "list", Delete = "delete", UploadBegin = "upload_begin", UploadResume = "upload_resume",
    Write = "write", Suspend = "suspend", Commit = "commit", Abort = "abort", Health = "health", DeletePrefix = "delete_prefix",
    Copy = "copy", Presign = "presign", UploadList = "upload_list",
}

/// The sums of one kind.
#[derive(Debug, Default)]
struct Sums {
    calls: AtomicU64,
    failures: AtomicU64,
    micros: AtomicU64,
}

/// Counts and times the calls of one instance.
pub(crate) struct Meter {
    host: Host,
    label: String,
    each_call: bool,
    summary: Duration,
    sums: [Sums; Kind::ALL.len()],
    summed_at: Mutex<Instant>,
}

impl Meter {
    pub(crate) fn new(host: Host, label: String, each_call: bool, summary: Duration) -> Self {
        Self { host, label, each_call, summary, sums: Default::default(), summed_at: Mutex::new(Instant::now()) }
    }

    /// Makes a call and counts it. One that is dropped before its answer counts as given up.
    pub(crate) async fn count<T>(
        &self,
        call: &Call,
        kind: Kind,
        about: impl fmt::Display,
        work: impl Future<Output = Result<T, DriverError>>,
    ) -> Result<T, DriverError> {
        let mut running = Running { meter: self, kind, about, trace_id: call.trace_id(), since: Instant::now(), ended: None };
        let answer = work.await;
        running.ended = Some(answer.as_ref().err().map(DriverError::class));
        answer
    }

    /// `None` for a call that was given up, else why it failed, if it did.
    fn ended(&self, kind: Kind, about: &dyn fmt::Display, trace_id: u128, took: Duration, ended: Option<Option<ErrorClass>>) {
        // What is absent is an answer like any other.
        let failed = !matches!(ended, Some(None | Some(ErrorClass::NotFound)));
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let sums = &self.sums[kind as usize];
        let parts = [(&sums.calls, 1), (&sums.failures, u64::from(failed)), (&sums.micros, micros)];
        for ((sum, more), counter) in parts.into_iter().zip(kind.counters()) {
            sum.fetch_add(more, Ordering::Relaxed);
            self.host.count(counter, more);
        }
        if self.each_call {
            let how = match ended {
                None => "given up",
                Some(None) => "ok",
                Some(Some(class)) => class.name(),
            };
            self.host
                .log(Level::Info, format_args!("{}: {} {about}: {how}, {micros} us, request {trace_id:032x}", self.label, kind.name()));
        }
        if self.is_due() {
            self.summarize();
        }
    }

    /// True once in each span between two summaries.
    fn is_due(&self) -> bool {
        let mut summed_at = self.summed_at.lock().unwrap_or_else(PoisonError::into_inner);
        let due = summed_at.elapsed() >= self.summary;
        if due {
            *summed_at = Instant::now();
        }
        due
    }

    /// Writes the sums since the instance was opened to the log.
    pub(crate) fn summarize(&self) {
        self.host.log(Level::Info, format_args!("{} since the start: {}", self.label, self.sums()));
    }

    fn sums(&self) -> String {
        let sum = |kind: &Kind| {
            let [calls, failures, micros] = {
                let sums = &self.sums[*kind as usize];
                [&sums.calls, &sums.failures, &sums.micros].map(|sum| sum.load(Ordering::Relaxed))
            };
            let failed = if failures > 0 { format!(", {failures} failed") } else { String::new() };
            (calls > 0).then(|| format!("{} {calls} ({} us each{failed})", kind.name(), micros / calls))
        };
        let sums: Vec<String> = Kind::ALL.iter().filter_map(sum).collect();
        if sums.is_empty() { "none".to_owned() } else { sums.join(", ") }
    }
}

/// A call that is being made.
struct Running<'m, A: fmt::Display> {
    meter: &'m Meter,
    kind: Kind,
    about: A,
    trace_id: u128,
    since: Instant,
    ended: Option<Option<ErrorClass>>,
}

impl<A: fmt::Display> Drop for Running<'_, A> {
    fn drop(&mut self) {
        self.meter.ended(self.kind, &self.about, self.trace_id, self.since.elapsed(), self.ended);
    }
}
