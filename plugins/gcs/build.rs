//! Tells the linker to export nothing of what the driver is made of: a library below it has C functions, which would be the file's own otherwise.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL");
}
