//! Uploads and reads, through the trait `Driver`, over a bucket in memory that keeps the rules of S3.

mod ends;
mod faults;
mod memory;
mod random;
mod reads;
mod segments;
mod sessions;
mod trial;
mod twice;
