//! What every test needs: a registry that runs, or several behind one address, a client that may misbehave, and things to push.

mod counted;
mod data;
mod exchanged;
mod hosts;
mod links;
mod registry;
mod round_robin;
mod wire;

pub(crate) use counted::{Account, COUNTED, Counts};
pub(crate) use data::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Random, bytes, descriptor, image, index, sha256, sha512};
pub(crate) use exchanged::Exchanged;
pub(crate) use hosts::Hosts;
pub(crate) use links::broken_links;
pub(crate) use registry::{Client, Registry, Start, command, files, in_time};
pub(crate) use wire::{Answer, Connection, Request};
