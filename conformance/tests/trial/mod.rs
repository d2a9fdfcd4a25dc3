//! Puts a driver file to every check of a group, each on an empty store of its own.

use std::path::Path;
use std::sync::Arc;

use longshore_conformance::{Group, Subject, Verdict, groups, seed};
use longshore_loader::api::{Call, Driver};
use longshore_loader::{DriverHandle, LoadedDriver};
use serde_json::Value;

use crate::files::opened;

/// A driver file and how its instances are opened.
pub(crate) struct Trial {
    pub(crate) driver: LoadedDriver,
    /// The settings of an instance whose store is in a folder.
    pub(crate) settings: fn(&Path) -> Value,
    /// True if another instance with the same settings has the same store.
    pub(crate) shares_store: bool,
}

impl Trial {
    /// Tries all checks of the group of that name, and panics with every breach.
    pub(crate) fn group(&self, name: &str) {
        let group = groups().into_iter().find(|group| group.name == name).expect("the group exists");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
        let breaches = runtime.expect("a runtime starts").block_on(self.breaches(&group));
        assert!(breaches.is_empty(), "driver {:?} broke:\n{}", self.driver.info().name, breaches.join("\n"));
    }

    #[expect(clippy::print_stdout, reason = "what was kept and what was skipped, for whoever asks with --nocapture")]
    async fn breaches(&self, group: &Group<DriverHandle>) -> Vec<String> {
        let seed = seed();
        println!("LONGSHORE_SEED={seed}");
        let mut breaches = Vec::new();
        for check in &group.checks {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let subject = self.subject(folder.path(), seed).await;
            match check.try_on(&subject).await {
                Verdict::Kept => println!("kept     {}: {}", check.name, check.rule),
                Verdict::Skipped(need) => println!("skipped  {}: it needs {need}", check.name),
                Verdict::Broken(breach) => {
                    breaches.push(format!("  {}: {}\n    {breach}\n    LONGSHORE_SEED={seed}", check.name, check.rule));
                }
            }
            for instance in subject.second.iter().chain([&subject.driver]) {
                instance.close(&Call::unbounded()).await.expect("an instance closes");
            }
        }
        breaches
    }

    async fn subject(&self, folder: &Path, seed: u64) -> Subject<DriverHandle> {
        let settings = (self.settings)(folder);
        let driver = opened(&self.driver, &settings).await;
        let second = if self.shares_store { Some(opened(&self.driver, &settings).await) } else { None };
        Subject { capabilities: driver.capabilities(), driver: Arc::new(driver), second: second.map(Arc::new), seed }
    }
}

/// One test for each group.
macro_rules! trial {
    ($driver:ident, $trial:expr) => {
        mod $driver {
            use super::*;

            $crate::trial::trial!(@tests $trial; basics keys ranges listing uploads conditions concurrency);

            #[test]
            fn no_group_is_left_out() {
                let names: Vec<_> = longshore_conformance::groups::<longshore_loader::DriverHandle>().iter().map(|group| group.name).collect();
                assert_eq!(names, ["basics", "keys", "ranges", "listing", "uploads", "conditions", "concurrency"]);
            }
        }
    };
    (@tests $trial:expr; $($group:ident)+) => {
        $(#[test]
        fn $group() {
            $trial.group(stringify!($group));
        })+
    };
}

pub(crate) use trial;
