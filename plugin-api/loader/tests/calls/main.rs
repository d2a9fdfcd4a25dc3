//! What a host may rely on once a driver is loaded: instances apart, layers on top, panics contained, an end that is one, deadlines, buffers uncopied.

mod buffers;
mod closing;
mod counting;
mod deadlines;
mod files;
mod instances;
mod layers;
mod log;
mod panics;
mod swapping;
