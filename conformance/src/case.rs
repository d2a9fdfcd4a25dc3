//! A case: one rule of the contract, and the code that tries it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use longshore_loader::api::Capability;
use serde::Serialize;

use crate::trial::{Subject, Trial};
use crate::verdict::Stop;

/// One rule of the contract, by its public id, and the code that tries it.
pub struct Case {
    /// The id, e.g. `RNG-02`. It is never given to another rule.
    pub id: &'static str,
    /// The subject that it belongs to, e.g. `ranges`.
    pub group: &'static str,
    /// The rule, as a sentence.
    pub rule: &'static str,
    /// Where the rule stands, e.g. `section 3, read`: a section of the driver contract.
    pub source: &'static str,
    /// How much it weighs.
    pub level: Level,
    /// How it is tried.
    pub lane: Lane,
    /// The smallest profile that has it.
    pub profile: Profile,
    /// What the rule is about, where not every driver has it.
    pub needs: &'static [Need],
    /// How long it may take; the profile's limit if there is none here.
    pub(crate) limit: Option<Duration>,
    pub(crate) run: Run,
}

/// What a case is given.
pub(crate) enum Run {
    /// An open instance on an empty store.
    Instance(for<'a> fn(&'a Subject) -> Running<'a>),
    /// The driver's file, of which it makes what it needs.
    File(for<'a> fn(&'a Trial) -> Running<'a>),
}

/// What a case ends with.
pub(crate) type Outcome = Result<(), Stop>;

pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

impl Case {
    /// How long the case may take before it is ended and counted as `timeout`.
    pub fn limit(&self) -> Duration {
        self.limit.unwrap_or(match self.profile {
            Profile::Core => Duration::from_secs(30),
            Profile::Full => Duration::from_secs(120),
            Profile::Soak => Duration::from_secs(1800),
        })
    }
}

macro_rules! names {
    ($(#[$doc:meta])* $kind:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kind { $($(#[$variant_doc])* $variant,)* }

        impl $kind {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name used in reports and filters.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl std::str::FromStr for $kind {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let found = Self::ALL.iter().copied().find(|known| known.name().eq_ignore_ascii_case(text));
                found.ok_or_else(|| {
                    format!("{text:?} is none of {}", Self::ALL.iter().map(|known| known.name()).collect::<Vec<_>>().join(", "))
                })
            }
        }
    };
}

names! {
    /// How much a rule weighs.
    Level {
        /// A driver that breaks it does not keep the contract.
        Must = "must",
        /// A driver that breaks it works, and somebody will suffer.
        Should = "should",
        /// Reported only.
        May = "may",
    }
}

names! {
    /// How a case is tried.
    Lane {
        /// The file is read; nothing of it runs.
        Static = "S",
        /// The file is loaded and opened.
        Load = "L",
        /// Calls, one after the other.
        Functional = "F",
        /// Calls at the same time.
        Concurrent = "C",
        /// A process is killed and the store opened again.
        Kill = "K",
        /// The system or the back-end fails on purpose.
        Fault = "X",
        /// What is used is counted.
        Resource = "R",
        /// Something is measured.
        Measured = "B",
    }
}

names! {
    /// How much is tried.
    Profile {
        /// What every driver author runs at every change: at most 60 s on a local driver.
        Core = "core",
        /// What a release needs: at most 10 minutes.
        Full = "full",
        /// Long loads, many seeds: an hour or more.
        Soak = "soak",
    }
}

/// What a case needs of a driver that not every driver has. A driver without it skips the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A declared capability.
    Has(Capability),
    /// A capability that was not declared.
    Lacks(Capability),
    /// Another instance with the same settings has the same store.
    SharedStore,
    /// The store outlives the process (its durability is `process` or `disk`).
    Durable,
    /// An answered write survives the machine losing power (its durability is `disk`).
    OnDisk,
    /// The store is files below a folder of this machine.
    Files,
    /// The store is a service at an address, which the harness can stand in front of.
    Service,
    /// Writes are seen at once by everyone (its consistency is `strong`).
    Strong,
    /// The driver has a setting that is secret.
    SecretSetting,
    /// The driver has a setting that is required.
    RequiredSetting,
    /// The driver has any setting.
    AnySetting,
    /// The driver has a deprecated setting.
    DeprecatedSetting,
    /// The driver is called through the tables for Rust (its ABI kind is `rust`).
    Rust,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Has(capability) => return write!(f, "the capability {capability}"),
            Self::Lacks(capability) => return write!(f, "a driver without the capability {capability}"),
            Self::SharedStore => "a store that a second instance shares",
            Self::Durable => "a store that outlives its process",
            Self::OnDisk => "the durability disk",
            Self::Files => "a store of files on this machine",
            Self::Service => "a store that is a service, with its address in the harness's configuration",
            Self::Strong => "the consistency strong",
            Self::SecretSetting => "a secret setting",
            Self::RequiredSetting => "a required setting",
            Self::AnySetting => "a setting",
            Self::DeprecatedSetting => "a deprecated setting",
            Self::Rust => "the ABI kind rust",
        })
    }
}

/// The cases of a group. Each is `"ID" level lane profile [needs] function, "source" = "rule";`, with `file` before the id if it takes the
/// driver's file instead of an open instance, and `within SECONDS` before `=` if it needs another limit than its profile's.
macro_rules! cases {
    ($group:literal: $($kind:ident $id:literal $level:ident $lane:ident $profile:ident [$($need:expr),*] $function:ident,
        $source:literal $(within $seconds:literal)? = $rule:literal;)+) => {
        pub(crate) const CASES: &[$crate::case::Case] = &[$($crate::case::Case {
            id: $id,
            group: $group,
            rule: $rule,
            source: $source,
            level: $crate::case::Level::$level,
            lane: $crate::case::Lane::$lane,
            profile: $crate::case::Profile::$profile,
            needs: &[$($need),*],
            limit: $crate::case::cases!(@limit $($seconds)?),
            run: $crate::case::cases!(@run $kind $function),
        }),+];
    };
    (@limit) => { None };
    (@limit $seconds:literal) => { Some(std::time::Duration::from_secs($seconds)) };
    (@run store $function:ident) => { $crate::case::Run::Instance(|subject| Box::pin($function(subject))) };
    (@run file $function:ident) => { $crate::case::Run::File(|trial| Box::pin($function(trial))) };
}

pub(crate) use cases;
