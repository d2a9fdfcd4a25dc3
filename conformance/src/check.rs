//! A check, what it needs, and what it finds.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use longshore_loader::api::{Capability, Driver, DriverError, ErrorClass};

use crate::Subject;

/// How long a check may take; one that takes longer is broken.
const CHECK_LIMIT: Duration = Duration::from_secs(120);

/// A rule of the contract and the code that tries it.
pub struct Check<D> {
    /// The function's name.
    pub name: &'static str,
    /// The rule, as a sentence.
    pub rule: &'static str,
    /// What the rule is about, where not every driver has it.
    pub needs: &'static [Need],
    pub(crate) run: for<'a> fn(&'a Subject<D>) -> Running<'a>,
}

pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Breach>> + Send + 'a>>;

/// The checks about one subject.
pub struct Group<D> {
    /// The module's name.
    pub name: &'static str,
    /// In the order in which they are tried.
    pub checks: Vec<Check<D>>,
}

/// What a check needs of its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A declared capability.
    Capability(Capability),
    /// A capability that was not declared.
    Without(Capability),
    /// A second instance on the same store.
    SecondInstance,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capability(capability) => write!(f, "the capability {capability}"),
            Self::Without(capability) => write!(f, "a driver without the capability {capability}"),
            Self::SecondInstance => f.write_str("a store that outlives its instance"),
        }
    }
}

/// What was found.
#[derive(Debug)]
pub enum Verdict {
    /// The rule was kept.
    Kept,
    /// The rule is not about this driver.
    Skipped(Need),
    /// The rule was broken.
    Broken(Breach),
}

/// How a rule was broken: what was done, what was expected, what came.
#[derive(Debug)]
pub struct Breach(String);

impl Breach {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An error where none belongs.
impl From<DriverError> for Breach {
    fn from(error: DriverError) -> Self {
        Self(format!("an unexpected error: {error}"))
    }
}

impl<D: Driver> Check<D> {
    /// Tries the rule on `subject`, whose store is empty.
    pub async fn try_on(&self, subject: &Subject<D>) -> Verdict {
        if let Some(missing) = self.needs.iter().find(|need| !subject.has(**need)) {
            return Verdict::Skipped(*missing);
        }
        match tokio::time::timeout(CHECK_LIMIT, (self.run)(subject)).await {
            Ok(Ok(())) => Verdict::Kept,
            Ok(Err(breach)) => Verdict::Broken(breach),
            Err(_) => Verdict::Broken(Breach::new(format!("it did not end within {} s", CHECK_LIMIT.as_secs()))),
        }
    }
}

/// `Ok` if `result` is an error of one of `classes`.
pub(crate) fn refused<T>(result: Result<T, DriverError>, classes: &[ErrorClass], what: impl fmt::Display) -> Result<(), Breach> {
    let expected = || classes.iter().map(|class| class.name()).collect::<Vec<_>>().join(" or ");
    match result {
        Err(error) if classes.contains(&error.class()) => Ok(()),
        Err(error) => Err(Breach(format!("{what} answers {}, not: {error}", expected()))),
        Ok(_) => Err(Breach(format!("{what} answers {}, but it succeeded", expected()))),
    }
}

/// Ends a check with a breach unless the condition holds.
macro_rules! hold {
    ($condition:expr, $($sentence:tt)+) => {
        if !$condition {
            return Err($crate::Breach::new(format!($($sentence)+)));
        }
    };
}

/// A list of checks: each function and its rule.
macro_rules! checks {
    ($($function:ident $(($($need:expr),+))? = $rule:literal;)+) => {
        pub(crate) fn checks<D: longshore_loader::api::Driver>() -> Vec<$crate::Check<D>> {
            vec![$($crate::Check {
                name: stringify!($function),
                rule: $rule,
                needs: &[$($($need),+)?],
                run: |subject| Box::pin($function(subject)),
            }),+]
        }
    };
}

pub(crate) use {checks, hold};
