//! What every test needs: a registry that runs, a client that may misbehave, and things to push.

mod counted;
mod data;
mod registry;
mod wire;

pub(crate) use counted::{Account, COUNTED, Counts};
pub(crate) use data::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Random, bytes, descriptor, image, index, sha256, sha512};
pub(crate) use registry::{Registry, Start, command, files, in_time};
pub(crate) use wire::{Answer, Connection, Request};
