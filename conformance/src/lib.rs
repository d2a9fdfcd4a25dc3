//! The driver contract as cases that any driver can be put to, and the judge that runs them.
//!
//! A [`Case`] is a rule of the contract and the code that tries it. A [`Session`](run::Session) runs each in a process of its own and makes a
//! [`Record`](record::Record), from which every report follows.
//!
//! | module | is |
//! |---|---|
//! | [`case`] | a rule: id, source, level, lane, needs |
//! | [`cases`] | the catalogue, one file a group |
//! | [`verdict`] | what a case found |
//! | `trial` | what a case is given: an instance on an empty store, other processes, faults |
//! | `linear` | is there an order of calls that explains every answer? |
//! | [`run`] | plan, processes, deadlines, baseline |
//! | [`record`] | what a run found, as it is kept |
//! | [`report`] | the record for people, CI services and browsers |
//! | [`mod@bench`] | measuring a driver's calls |
//! | [`embedded`] | the cases as the tests of a driver's own crate |
//! | [`cli`] | the program `longshore-conformance` |
//!
//! Source: driver contract.
#![forbid(unsafe_code)]

pub mod bench;
pub mod case;
pub mod cases;
pub mod cli;
pub mod config;
pub mod embedded;
mod exit;
pub mod hidden;
mod linear;
pub mod record;
pub mod report;
pub mod run;
mod trial;
pub mod verdict;

// What the documents show is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/driver-guide.md")]
mod driver_guide {}
#[cfg(doctest)]
#[doc = include_str!("../../docs/conformance.md")]
mod conformance_guide {}

pub use case::Case;
pub use exit::Exit;
pub use trial::seed;
