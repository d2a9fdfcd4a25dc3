//! The file and the process: how the file was linked, what loading does, what calls leave behind.

mod calling;
mod copies;
mod file;
mod loading;

use calling::*;
use copies::*;
use file::*;
use loading::*;

use longshore_loader::api::metadata::AbiKind;

use crate::case::{Need, cases};
use crate::trial::Trial;

cases! { "abi":
    file "ABI-01" Must Static Core [] file_is_for_this_machine, "section 6, target triple" =
        "the file is an ELF shared object of this host's class, byte order, machine and system, and its note says so";
    file "ABI-02" Must Static Core [] note_is_whole, "section 6" =
        "the note is JSON of at most 64 KiB of a known version, names only what the contract knows, and has no empty field";
    file "ABI-03" Must Static Core [] only_the_entry_is_exported, "section 6" =
        "the file exports the driver's entry and nothing else, so that no other library's symbol is taken for its own";
    file "ABI-04" Must Static Core [] libraries_come_from_safe_folders, "section 6" =
        "the file looks for its libraries in the system's folders or at absolute places that not everybody may write to";
    file "ABI-05" Must Static Core [] libc_is_this_hosts, "section 9" =
        "the file needs the C library of this host, and no newer version of it";
    file "ABI-06" Must Static Core [Need::Rust] panics_unwind, "sections 6 and 9" =
        "the file was built with panics that unwind, and its note says so";
    file "ABI-07" Should Static Core [] file_is_hardened, "section 6" =
        "the file has no executable stack, no memory both written and executed, no code to relocate, and read-only tables bound at load";
    file "ABI-08" Should Static Core [] thread_local_memory_is_small, "section 6" =
        "the file takes nothing, or less than 512 bytes, of the thread-local memory that is left for libraries loaded late";
    file "ABI-09" Should Static Core [] constructors_are_the_languages_own, "section 8" =
        "no more functions run at load time than the language itself brings";
    file "ABI-10" Must Load Core [] every_symbol_is_found, "section 9" =
        "the file loads with every symbol bound at once";
    file "ABI-11" Must Load Core [] loading_does_nothing, "section 8" =
        "loading alone opens nothing, starts nothing, writes nothing and prints nothing";
    file "ABI-12" Must Load Core [] process_stays_as_it_was, "section 8" =
        "neither loading nor use changes signals, environment, working directory, umask, limits or arithmetic of the process";
    file "ABI-13" Must Load Core [] future_major_is_refused, "section 9" =
        "the file claims this host's ABI major and contract; one that claims the next is refused with both numbers";
    file "ABI-15" Must Load Core [] changed_tables_are_refused, "section 9" =
        "the file's tables are laid out as this host's; one that says otherwise is refused before any of its code runs";
    file "ABI-16" Must Load Core [] two_drivers_keep_their_identities, "section 9" =
        "two drivers in one process answer as themselves and share nothing";
    file "ABI-17" Must Load Core [] one_file_is_one_library, "section 3, open" =
        "the file by another path is the same library, and instances of both paths are independent";
    file "ABI-20" Must Functional Core [] no_call_ends_the_process, "section 8" =
        "no call, whatever fails, ends the process";
    file "ABI-21" Must Functional Core [] nothing_is_printed, "section 8" =
        "a driver prints nothing to stdout or stderr, whatever is called and whatever fails";
    file "ABI-22" Must Functional Core [] nothing_is_logged_after_close, "section 3, close" =
        "a closed instance logs nothing more";
    file "ABI-24" Should Functional Full [] memory_is_handled_well, "section 9" =
        "a process whose allocator fills freed memory and checks each block runs all calls to the same answers";
    file "ABI-25" Should Load Full [] tenth_library_loads, "section 9" =
        "the file loads and works in a process that has ten others of its size and symbols";
    file "ABI-26" Must Load Core [] instances_follow_each_other, "section 9, last rule" =
        "a closed driver is opened again as a new instance, without the library being unloaded";
    file "ABI-27" May Static Core [] build_is_identified, "section 6" =
        "the file has a build id, by which its symbols and its source are found";
}

pub(crate) const LEFT_OUT: &[(&str, &str)] = &[
    (
        "ABI-14",
        "the tables of a major are frozen whole (contract, section 9): there is no shorter one; every case runs without host extensions",
    ),
    (
        "ABI-18",
        "a panic cannot be planted in somebody's driver; the specimen `panics` has one at every entry, and the loader's tests call it",
    ),
    ("ABI-19", "as ABI-18: the specimen `panics` has one in a thread of its own and in blocking work"),
    (
        "ABI-23",
        "every buffer crosses with its maker's release function, which plugin-api's tests count; ABI-24 finds what an allocator can find",
    ),
    (
        "ABI-28",
        "the loader refuses a table for C that lacks a function, before anything of it is called; its own tests have one of each kind",
    ),
];

/// True for a driver in C: its note is written by hand, and does not tell what only people read or what C has not.
fn is_c(it: &Trial) -> bool {
    it.info().abi.kind() == Some(AbiKind::C)
}
