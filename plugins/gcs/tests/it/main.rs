//! What is this store's own, and no case of the contract: on the strict fake, through the driver without a boundary.

mod composed;
mod errors;
mod objects;
mod sessions;
mod signed;
mod support;
