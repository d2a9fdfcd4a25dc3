//! A run's record, for people and for programs.
//!
//! | format | for |
//! |---|---|
//! | `human` | a terminal |
//! | `json` | programs: the lines of [`record`](crate::record) |

mod human;
mod json;
mod sentences;

pub use human::Human;
pub use json::JsonLines;
pub use sentences::explain;
