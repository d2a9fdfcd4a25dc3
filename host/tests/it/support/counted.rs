//! A registry over a layer that counts, and an account of what its requests cost.

use std::collections::BTreeMap;

use longshore::store::plan::Cost;
use longshore_loader::CallKind;
use serde_json::Value;

use super::registry::{Ended, Registry, Start};
use super::wire::Answer;

/// The table of a configuration that puts the layer above the storage `main`.
pub(crate) const COUNTED: &str = "[[storage.main.layers]]\ndriver = \"count\"\nsettings = { each_call = true }\n";

/// Keys that seal uploads, so that the store's own is no part of a count.
const SEALED: &str = "registry.upload_signing_keys = [{ env = \"KEY\" }]\n";

/// Calls by their kind.
pub(crate) type Counts = BTreeMap<String, u64>;

/// Fails unless the counts of what it is told are right.
type Wanted = dyn Fn(&str, &Counts);

/// What requests should cost.
pub(crate) struct Account {
    pub(crate) registry: Registry,
    entries: Vec<Entry>,
}

struct Entry {
    what: String,
    requests: Vec<String>,
    wanted: Box<Wanted>,
}

impl Account {
    /// A registry over a counted driver.
    pub(crate) fn open(driver: &'static str, keys: &str) -> Self {
        let keys: &'static str = format!("{SEALED}{keys}").leak();
        let variables = vec![("KEY", "0123456789abcdef0123456789abcdef".to_owned())];
        let settings = if driver == "filesystem" { "durability = \"process\"" } else { "" };
        Self::start(Start { driver, settings, keys, tables: COUNTED, variables, ..Start::default() })
    }

    pub(crate) fn start(start: Start) -> Self {
        Self { registry: Registry::start_with(start), entries: Vec::new() }
    }

    /// These answers together cost exactly this, for `n` units.
    pub(crate) fn costs<'a>(&mut self, what: impl Into<String>, cost: &Cost, n: u64, answers: impl IntoIterator<Item = &'a Answer>) {
        let counted = |kind: &CallKind| cost.terms().iter().filter(|term| term.kind == *kind).map(|term| term.calls(n)).sum::<u64>();
        let expected: Counts =
            CallKind::ALL.iter().map(|kind| (kind.name().to_owned(), counted(kind))).filter(|(_, count)| *count > 0).collect();
        self.checks(what, answers, move |what, counts| assert_eq!(*counts, expected, "{what}"));
    }

    /// The calls of these answers together, but for `write`, are what `wanted` says.
    pub(crate) fn checks<'a>(
        &mut self,
        what: impl Into<String>,
        answers: impl IntoIterator<Item = &'a Answer>,
        wanted: impl Fn(&str, &Counts) + 'static,
    ) {
        let requests = answers.into_iter().map(|answer| answer.need("x-request-id").to_owned()).collect();
        self.entries.push(Entry { what: what.into(), requests, wanted: Box::new(wanted) });
    }

    /// Stops the registry and compares what was counted.
    pub(crate) fn close(self) -> Ended {
        let ended = self.registry.stop();
        let counted = counted(&ended.log);
        assert!(!counted.is_empty(), "the layer counts: {:?}", ended.log);
        for entry in &self.entries {
            let mut sum = Counts::new();
            for (kind, count) in entry.requests.iter().filter_map(|request| counted.get(request)).flatten() {
                *sum.entry(kind.clone()).or_default() += count;
            }
            sum.remove("write");
            (entry.wanted)(&entry.what, &sum);
        }
        ended
    }
}

/// The calls of each request, out of lines such as `calls: read KEY: ok, 12 us, request ID`.
fn counted(log: &[Value]) -> BTreeMap<String, Counts> {
    let mut counted: BTreeMap<String, Counts> = BTreeMap::new();
    for line in log.iter().filter(|line| line["driver"] == "count/main") {
        let message = line["message"].as_str().expect("a line has a message");
        let Some((kind, request)) =
            message.strip_prefix("calls: ").and_then(|rest| Some((rest.split_once(' ')?.0, rest.rsplit_once(" request ")?.1)))
        else {
            continue;
        };
        *counted.entry(request.to_owned()).or_default().entry(kind.to_owned()).or_default() += 1;
    }
    counted
}
