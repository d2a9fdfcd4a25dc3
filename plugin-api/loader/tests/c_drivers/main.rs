//! Drivers in C: refused with a reason, called like any other, and not believed.

mod answers;
mod calls;
mod closing;
#[path = "../calls/log.rs"]
mod log;
mod refusals;
mod specimen;
