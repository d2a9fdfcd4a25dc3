//! What a process is to the system beside what it holds: a driver leaves all of it as it found it.
//!
//! The locale is not here: nothing but the C library itself tells it.

use std::collections::BTreeMap;
use std::hint::black_box;

/// Facts about this process and this thread, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings(BTreeMap<String, String>);

impl Surroundings {
    /// The facts now, seen from the thread that asks.
    pub fn now() -> Self {
        let mut facts = BTreeMap::new();
        let mut add = |name: &str, value: String| facts.insert(name.to_owned(), value);
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let known = [
            ("SigBlk", "blocked signals"),
            ("SigIgn", "ignored signals"),
            ("SigCgt", "handled signals"),
            ("Umask", "umask"),
            ("Uid", "user"),
            ("Gid", "group"),
            ("NoNewPrivs", "the flag no_new_privs"),
            ("Seccomp", "the system call filter"),
        ];
        for (field, name) in known {
            let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
            let value = value.unwrap_or("").trim();
            add(name, if field.starts_with("Sig") { signals(value) } else { value.to_owned() });
        }
        for line in std::fs::read_to_string("/proc/self/limits").unwrap_or_default().lines().skip(1) {
            // The name is the first of four columns, which begin two blanks or more apart.
            let (name, values) = line.split_once("  ").unwrap_or((line, ""));
            add(&format!("limit {name:?}"), values.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        for (name, value) in std::env::vars_os() {
            add(&format!("environment variable {name:?}"), value.to_string_lossy().into_owned());
        }
        for name in ["oom_score_adj", "coredump_filter", "timerslack_ns"] {
            add(name, std::fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default().trim().to_owned());
        }
        add("working directory", std::env::current_dir().map(|folder| folder.display().to_string()).unwrap_or_default());
        add("rounding of floating-point numbers", arithmetic());
        Self(facts)
    }

    /// What differs from `before`, one item each. The value of an environment variable may be a secret, so it is not shown.
    pub fn changes(&self, before: &Self) -> Vec<String> {
        let names = self.0.keys().chain(before.0.keys().filter(|name| !self.0.contains_key(*name)));
        let changed = names.filter(|name| self.0.get(*name) != before.0.get(*name));
        let shown = |facts: &Self, name: &String| facts.0.get(name).cloned().unwrap_or_else(|| "nothing".to_owned());
        changed
            .map(|name| match name.starts_with("environment") {
                true => name.clone(),
                false => format!("{name} (was {}, is {})", shown(before, name), shown(self, name)),
            })
            .collect()
    }
}

/// A set of signals without those that the C library keeps for itself and sets up with a process's first thread.
fn signals(set: &str) -> String {
    const OF_THE_LIBRARY: u64 = 1 << (32 - 1) | 1 << (33 - 1);
    u64::from_str_radix(set, 16).map_or_else(|_| set.to_owned(), |set| format!("{:016x}", set & !OF_THE_LIBRARY))
}

/// Results that depend on the direction of rounding and on whether very small numbers become zero.
fn arithmetic() -> String {
    let third = black_box(1.0_f64) / black_box(3.0);
    let minus = black_box(-1.0_f64) / black_box(3.0);
    let two_thirds = black_box(2.0_f64) / black_box(3.0);
    let small = black_box(f64::MIN_POSITIVE) / black_box(2.0);
    [third, minus, two_thirds, small].map(|number| format!("{:016x}", number.to_bits())).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_name_what_differs_and_hide_values_of_variables() {
        let facts =
            |pairs: &[(&str, &str)]| Surroundings(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
        let before = facts(&[("umask", "0022"), ("environment variable \"A\"", "x")]);
        let after = facts(&[("umask", "0000"), ("environment variable \"A\"", "y")]);
        assert_eq!(after.changes(&before), ["environment variable \"A\"", "umask (was 0022, is 0000)"]);
        assert_eq!(facts(&[]).changes(&before).len(), 2);
        let now = Surroundings::now();
        assert!(Surroundings::now().changes(&now).is_empty());
    }
}
