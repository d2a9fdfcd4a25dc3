//! What drivers share that make their HTTP requests themselves, over reqwest as object_store has it: its credentials want the same client.

mod answer;
mod client;
mod failure;

pub use answer::{broken, read_whole};
pub use client::{Connections, connections, local_connections};
pub use failure::no_answer;
