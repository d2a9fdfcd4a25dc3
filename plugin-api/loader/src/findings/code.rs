//! The stable codes of findings.

use std::fmt;

use super::Severity;
use crate::refusal::RefusalCode;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// The file as such: whether it is a whole shared library, its name, its symbols.
    File,
    /// Whether this machine can load it: processor, C library, needed libraries, thread-local memory.
    Platform,
    /// Whether host and driver understand each other: the note, the entry, what panics do.
    Abi,
    /// What it could do, or leaves undone, to the process that loads it.
    Hygiene,
    /// What it did when it was loaded in a process of its own.
    Behaviour,
    /// Whether the operator wants it.
    Policy,
}

impl Group {
    /// The group as it is printed and documented.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Platform => "platform",
            Self::Abi => "abi",
            Self::Hygiene => "hygiene",
            Self::Behaviour => "behaviour",
            Self::Policy => "policy",
        }
    }
}

macro_rules! flaws {
    ($($(#[doc = $doc:literal])+ $variant:ident = $group:ident $severity:ident $name:literal,)+) => {
        /// What else is to be said of a driver file, for programs. A code is never reused for something else; new ones may appear.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum FlawCode {
            $($(#[doc = $doc])+ #[doc = concat!("\n\nAs text: `", $name, "`.")] $variant,)+
        }

        impl FlawCode {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            const fn row(self) -> (&'static str, Group, Severity, &'static str) {
                match self {
                    $(Self::$variant => ($name, Group::$group, Severity::$severity, concat!($($doc,)+).trim_ascii()),)+
                }
            }
        }
    };
}

flaws! {
    /// The file is called as another driver's, so it is found under a name that it does not bear, and refused then.
    FileName = File Warning "file-name",
    /// The file still has the table of all its symbols; a host needs none of them.
    FileSymbols = File Notice "file-symbols",
    /// The file has no build id, by which its symbols and its source are found after a crash.
    FileBuildId = File Notice "file-build-id",
    /// The file wants some of the thread-local memory that is left for libraries loaded late, and all of them share it.
    StaticTls = Platform Notice "static-tls",
    /// The file wants so much of the thread-local memory left for libraries loaded late that another driver may not load beside it.
    StaticTlsLarge = Platform Warning "static-tls-large",
    /// Symbols beside the entry are seen by every library loaded later, which may take them for its own.
    Exports = Abi Warning "exports",
    /// The note promises that panics unwind, but the file cannot raise one: its first panic would end the host.
    PanicUnclear = Abi Warning "panic-unclear",
    /// A field of the note that people need is empty.
    NoteField = Abi Warning "note-field",
    /// The note declares a capability twice, or one that the contract does not know; a host ignores it.
    NoteCapability = Abi Warning "note-capability",
    /// The note's target is another machine, system or C library than that of the file.
    NoteTarget = Abi Warning "note-target",
    /// Loading the file makes every stack of the process executable, which turns an overflow into a way to run code; newer C libraries refuse it.
    StackExecutable = Hygiene Warning "stack-executable",
    /// Memory that is written and executed lets whoever can write it run code in the host.
    CodeWritable = Hygiene Warning "code-writable",
    /// Code that is changed while it is loaded is writable for that time, is shared with no other process, and is forbidden by stricter systems.
    CodeRelocated = Hygiene Warning "code-relocated",
    /// The tables of addresses stay writable, so that a stray write can turn a call elsewhere.
    RelroMissing = Hygiene Warning "relro-missing",
    /// Symbols are bound one by one at their first use, so the tables of addresses have to stay writable.
    BindingLazy = Hygiene Warning "binding-lazy",
    /// A driver does nothing at load time (contract, section 8), but more functions run then than its language brings.
    Constructors = Hygiene Warning "constructors",
    /// A driver does nothing at load time (contract, section 8), but a function that is not the C runtime's own runs then.
    InitFunction = Hygiene Warning "init-function",
    /// Libraries are looked for where others may put one, or below whatever folder the host runs in; their code would run in the host.
    SearchPathUnsafe = Hygiene Warning "search-path-unsafe",
    /// Libraries are looked for in folders of its own (RPATH or RUNPATH), so what it loads depends on more than the system's.
    SearchPath = Hygiene Notice "search-path",
    /// It can start programs or processes; a driver has no need to.
    ImportsProcess = Hygiene Notice "imports-process",
    /// It can change the rights of the host or look into other processes.
    ImportsPrivilege = Hygiene Notice "imports-privilege",
    /// It can load code that was not in the file when it was inspected.
    ImportsCode = Hygiene Notice "imports-code",
    /// It can change how the host's process handles signals, or send some, which is the host's business (contract, section 8).
    ImportsSignal = Hygiene Notice "imports-signal",
    /// It can change what the whole process shares: environment, working directory, umask, limits, locale (contract, section 8).
    ImportsEnvironment = Hygiene Notice "imports-environment",
    /// It can end the host's process (contract, section 8).
    ImportsExit = Hygiene Notice "imports-exit",
    /// It can print; a driver logs through the host (contract, section 8).
    ImportsOutput = Hygiene Notice "imports-output",
    /// The process that loaded the file was killed by a signal: the host would have been.
    ProbeKilled = Behaviour Refused "probe-killed",
    /// The file ended the process that loaded it: the host would have ended.
    ProbeExit = Behaviour Refused "probe-exit",
    /// The process that loaded the file did not go on within the limit: the host would not have started.
    ProbeHang = Behaviour Refused "probe-hang",
    /// The file started processes while it was loaded; a driver does nothing at load time (contract, section 8).
    ProbeProcess = Behaviour Refused "probe-process",
    /// The file changed what the whole process shares (contract, section 8).
    ProbeChange = Behaviour Refused "probe-change",
    /// Threads or descriptors are there that were not before the file was loaded; a driver does nothing at load time (contract, section 8).
    ProbeLeft = Behaviour Warning "probe-left",
    /// The file printed to stdout or stderr (contract, section 8).
    ProbeOutput = Behaviour Warning "probe-output",
    /// The driver describes itself otherwise than its note does, so nothing that was inspected can be relied on.
    ProbeDescribe = Behaviour Refused "probe-describe",
    /// The driver could not be opened with the settings given, or its store is not well.
    ProbeOpen = Behaviour Refused "probe-open",
    /// What came back from the process that loaded the file is nothing that a probe says: something else wrote it, or it was cut off.
    ProbeGarbled = Behaviour Refused "probe-garbled",
}

/// The code of a finding: a reason to refuse the file, or something else to be said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FindingCode {
    /// The host does not load the file.
    Refusal(RefusalCode),
    /// Anything else.
    Flaw(FlawCode),
}

impl FindingCode {
    /// All codes: the reasons to refuse a file in the order in which it is examined, then the others.
    pub fn all() -> impl Iterator<Item = Self> {
        let refusals = RefusalCode::ALL.iter().copied().map(Self::Refusal);
        refusals.chain(FlawCode::ALL.iter().copied().map(Self::Flaw))
    }

    /// The code of that text.
    pub fn find(text: &str) -> Option<Self> {
        Self::all().find(|code| code.as_str() == text)
    }

    /// The code as it is printed and documented.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refusal(code) => code.as_str(),
            Self::Flaw(code) => code.row().0,
        }
    }

    /// What it is about.
    pub fn group(self) -> Group {
        match self {
            Self::Refusal(code) => group_of(code),
            Self::Flaw(code) => code.row().1,
        }
    }

    /// How much it matters.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Refusal(_) => Severity::Refused,
            Self::Flaw(code) => code.row().2,
        }
    }

    /// What it means and why it matters, in a sentence or two.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Refusal(code) => code.meaning(),
            Self::Flaw(code) => code.row().3,
        }
    }
}

/// The first word of a refusal's code tells what was looked at.
fn group_of(code: RefusalCode) -> Group {
    match code.as_str().split('-').next() {
        Some("file" | "name") => Group::File,
        Some("platform" | "dependency" | "symbol" | "load") => Group::Platform,
        Some("note" | "abi" | "contract" | "panic" | "entry" | "open") => Group::Abi,
        _ => Group::Policy,
    }
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_distinct_and_kebab_case() {
        let names: Vec<_> = FindingCode::all().map(FindingCode::as_str).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "each code has a text of its own");
        for name in names {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name} is kebab-case");
            assert_eq!(FindingCode::find(name).map(FindingCode::as_str), Some(name), "it is found by its text");
        }
    }

    #[test]
    fn meanings_are_sentences() {
        for code in FindingCode::all() {
            let meaning = code.meaning();
            assert!(meaning.ends_with('.') && !meaning.contains("  "), "{code}: {meaning:?}");
        }
    }
}
