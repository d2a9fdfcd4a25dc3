//! Where unsafe code may be.

use crate::tokens::Token;

/// Everything else is ordinary safe Rust.
const HOMES: [&str; 2] = ["plugin-api/src/abi/", "plugin-api/loader/"];
/// The crates that hold the homes cannot forbid what is in them.
const CRATES: [&str; 2] = ["plugin-api/src/lib.rs", "plugin-api/loader/src/lib.rs"];

/// True for the root file of a library or a program.
pub(crate) fn is_crate_root(place: &str) -> bool {
    ["src/lib.rs", "src/main.rs"].iter().any(|root| place == *root || place.ends_with(&format!("/{root}")))
}

/// What is wrong with a file of the project.
pub(crate) fn faults(place: &str, tokens: &[Token]) -> Vec<String> {
    let mut faults = Vec::new();
    if !HOMES.iter().any(|home| place.starts_with(home)) {
        let unsafe_lines = tokens.iter().filter(|token| token.text == "unsafe").map(|token| format!("{place}:{}: unsafe code", token.line));
        faults.extend(unsafe_lines);
    }
    if is_crate_root(place) && !CRATES.contains(&place) && !forbids(tokens) {
        faults.push(format!("{place}: the crate does not begin with #![forbid(unsafe_code)]"));
    }
    faults
}

fn forbids(tokens: &[Token]) -> bool {
    let wanted = ["#", "!", "[", "forbid", "(", "unsafe_code", ")", "]"];
    tokens.windows(wanted.len()).any(|window| window.iter().map(|token| token.text.as_str()).eq(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::tokens;

    #[test]
    fn unsafe_code_outside_of_its_homes_is_found() {
        let source = "fn f() {\n    unsafe { g() }\n}";
        assert_eq!(faults("host/src/store/mod.rs", &tokens(source)), ["host/src/store/mod.rs:2: unsafe code"]);
        assert_eq!(faults("plugin-api/src/key.rs", &tokens(source)).len(), 1, "the crate has one home, not the whole house");
        assert_eq!(faults("plugin-api/src/abi/values.rs", &tokens(source)), [""; 0]);
        assert_eq!(faults("plugin-api/loader/src/open.rs", &tokens(source)), [""; 0]);
        assert_eq!(faults("host/src/x.rs", &tokens("#![deny(unsafe_code)] // unsafe")), [""; 0], "the lint's name is no unsafe code");
    }

    #[test]
    fn a_crate_that_does_not_forbid_it_is_found() {
        let forbidding = tokens("//! Docs.\n#![forbid(unsafe_code)]\npub fn f() {}");
        assert_eq!(faults("plugins/s3/src/lib.rs", &forbidding), [""; 0]);
        assert_eq!(faults("examples/minimal-driver/src/lib.rs", &tokens("#![deny(unsafe_code)]")).len(), 1);
        assert_eq!(faults("host/src/main.rs", &tokens("// #![forbid(unsafe_code)]")).len(), 1, "a comment forbids nothing");
        assert_eq!(faults("plugin-api/loader/src/lib.rs", &tokens("")), [""; 0]);
    }
}
