//! The log of strace, read: one [`Traced`] for each system call, whole again where another thread's line stood between its ends.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// How much of a call is shown.
const LINE_CHARS: usize = 160;

/// A system call, as strace logged it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Traced {
    pub(crate) thread: String,
    /// Its name, e.g. `pwrite64`.
    pub(crate) call: String,
    /// How many of its name the same thread had made, this one included.
    pub(crate) nth: usize,
    /// Its arguments, as strace spells them: a descriptor is `7</path>`, a text is in quotes.
    pub(crate) arguments: Vec<String>,
    /// What came back, e.g. `-1 ENOSPC (No space left on device)`; empty if the thread never came back.
    pub(crate) result: String,
    /// True if strace made up the result.
    pub(crate) injected: bool,
}

impl Traced {
    /// True if it came back without an error.
    pub(crate) fn succeeded(&self) -> bool {
        self.result.starts_with(|first: char| first.is_ascii_digit())
    }

    /// True if it names a file below `folder`.
    pub(crate) fn is_below(&self, folder: &Path) -> bool {
        let folder = folder.to_string_lossy();
        self.arguments.iter().any(|argument| argument.contains(&*folder)) || self.result.contains(&*folder)
    }

    /// The argument of that index, or nothing.
    pub(crate) fn argument(&self, index: usize) -> &str {
        self.arguments.get(index).map_or("", String::as_str)
    }

    /// The number and the file of a descriptor that is an argument.
    pub(crate) fn descriptor(&self, index: usize) -> Option<(i32, PathBuf)> {
        descriptor(self.argument(index))
    }

    /// What the name in argument `name` leads to, relative to the folder in argument `folder` if there is one.
    pub(crate) fn path(&self, folder: Option<usize>, name: usize) -> Option<PathBuf> {
        let name = self.argument(name).strip_prefix('"')?.strip_suffix('"')?;
        let folder = folder.map(|index| self.argument(index)).and_then(in_angles);
        Some(folder.map_or_else(|| PathBuf::from(name), |folder| Path::new(folder).join(name)))
    }

    /// The call as a line for people.
    pub(crate) fn line(&self) -> String {
        let line = format!("{}({}) = {}", self.call, self.arguments.join(", "), self.result);
        // The harness's own folder tells nobody anything.
        let line = match line.split_once("/place/").and_then(|(begin, _)| begin.rfind(['<', '"']).map(|at| begin[at + 1..].to_owned())) {
            Some(folder) => line.replace(&format!("{folder}/place"), "…"),
            None => line,
        };
        line.chars().take(LINE_CHARS).collect()
    }
}

/// A descriptor as strace spells it: `7</path>`.
pub(crate) fn descriptor(text: &str) -> Option<(i32, PathBuf)> {
    let number = text.split('<').next()?.trim().parse().ok()?;
    let path = in_angles(text)?;
    Some((number, path.strip_suffix(" (deleted)").unwrap_or(path).into()))
}

fn in_angles(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once('<')?;
    let (path, end) = rest.rsplit_once('>')?;
    // strace marks a removed file behind the bracket.
    (end.is_empty() || end == "(deleted)").then_some(path)
}

/// Every call of a log, in the order in which they came back; those that never did are last.
pub(crate) fn parse(log: &str) -> Vec<Traced> {
    let mut counts = HashMap::<(String, String), usize>::new();
    let mut unfinished = HashMap::<String, (String, String)>::new();
    let mut found = Vec::new();
    let mut count = |thread: &str, call: &str| {
        let count = counts.entry((thread.to_owned(), call.to_owned())).or_default();
        *count += 1;
        *count
    };
    let mut nth_of_unfinished = HashMap::<String, usize>::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.trim_start().split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let Some((_, end)) = resumed.split_once(" resumed>") else { continue };
            let Some((call, begin)) = unfinished.remove(thread) else { continue };
            let nth = nth_of_unfinished.remove(thread).unwrap_or_default();
            found.push(traced(thread, &call, nth, &format!("{begin}{end}")));
            continue;
        }
        let named = |(call, _): &(&str, &str)| !call.is_empty() && call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        // Exits and signals are no calls.
        let Some((call, rest)) = rest.split_once('(').filter(named) else { continue };
        let nth = count(thread, call);
        match rest.split_once(" <unfinished ...>") {
            Some((begin, _)) => {
                unfinished.insert(thread.to_owned(), (call.to_owned(), begin.to_owned()));
                nth_of_unfinished.insert(thread.to_owned(), nth);
            }
            None => found.push(traced(thread, call, nth, rest)),
        }
    }
    found.extend(unfinished.iter().map(|(thread, (call, begin))| {
        let nth = nth_of_unfinished.get(thread).copied().unwrap_or_default();
        traced(thread, call, nth, begin)
    }));
    found
}

/// A call from the text behind its opening parenthesis.
fn traced(thread: &str, call: &str, nth: usize, text: &str) -> Traced {
    let (inner, result) = text.rsplit_once(" = ").unwrap_or((text, ""));
    let inner = inner.trim_end();
    Traced {
        thread: thread.to_owned(),
        call: call.to_owned(),
        nth,
        arguments: split(inner.strip_suffix(')').unwrap_or(inner)),
        result: result.trim().to_owned(),
        injected: result.contains("(INJECTED)"),
    }
}

/// The arguments of a call: commas within quotes, angles, brackets and braces separate nothing.
fn split(text: &str) -> Vec<String> {
    let mut arguments = vec![String::new()];
    let (mut depth, mut quoted, mut escaped) = (0_i32, false, false);
    for character in text.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' | '[' | '{' if !quoted => depth += 1,
            '>' | ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        // There is always one.
        if let Some(last) = arguments.last_mut() {
            last.push(character);
        }
    }
    arguments.iter().map(|argument| argument.trim().to_owned()).filter(|argument| !argument.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_thread_and_name() {
        let log = "\
10 write(5<anon_inode:[eventfd]>, \"\\1\", 8) = 8\n\
11 openat(AT_FDCWD</x>, \"/s/place/a\", O_WRONLY|O_CREAT) = 7</s/place/a>\n\
11 write(7</s/place/a>, \"a, b\\\")\"..., 3) = -1 ENOSPC (No space left on device) (INJECTED)\n\
10 write(7</s/place/a>, \"abc\", 3)     = 3\n\
11 <... futex resumed>) = 0\n\
11 +++ exited with 0 +++\n";
        let found = parse(log);
        let below: Vec<_> = found.iter().filter(|call| call.is_below(Path::new("/s/place"))).collect();
        let short: Vec<_> = below.iter().map(|call| (call.call.as_str(), call.nth, call.injected, call.succeeded())).collect();
        assert_eq!(short, [("openat", 1, false, true), ("write", 1, true, false), ("write", 2, false, true)]);
        assert_eq!(below[1].arguments, ["7</s/place/a>", "\"a, b\\\")\"...", "3"]);
        assert_eq!(below[0].path(Some(0), 1), Some("/s/place/a".into()));
    }

    #[test]
    fn a_call_that_was_interrupted_in_the_log_is_whole_again() {
        let log = "\
11   pwritev(7</s/a>, [{iov_base=\"x\", iov_len=1}], 1, 0 <unfinished ...>\n\
12   fsync(8</s> <unfinished ...>\n\
11   <... pwritev resumed>)          = -1 EIO (Input/output error) (INJECTED)\n\
11   rename(\"/s/a\", \"/s/b\") = 0\n";
        let found = parse(log);
        let short: Vec<_> = found.iter().map(|call| (call.call.as_str(), call.nth, call.injected, call.arguments.len())).collect();
        assert_eq!(short, [("pwritev", 1, true, 4), ("rename", 1, false, 2), ("fsync", 1, false, 1)]);
        assert_eq!(found[2].descriptor(0), Some((8, "/s".into())));
        assert!(!found[2].succeeded());
    }

    #[test]
    fn removed_files_keep_their_path() {
        assert_eq!(descriptor("7</s/#12 (deleted)>"), Some((7, "/s/#12".into())));
        assert_eq!(descriptor("7</s/#12>(deleted)"), Some((7, "/s/#12".into())));
        assert_eq!(descriptor("-1 ENOENT"), None);
    }
}
