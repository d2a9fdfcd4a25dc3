//! What an inspection tells of how a file was linked, on files that were linked in each way.

mod bad_files;

use bad_files::{Marker, memory_driver};
use longshore_loader::{Hardening, Inspection, Policy, inspect};

fn linked(flags: &[&str]) -> Inspection {
    let marker = flags.iter().fold(Marker::new(), |marker, flag| marker.with_flag(flag));
    inspect(&marker.build()).expect("the marker is sound")
}

#[test]
fn hardening_is_what_the_linker_was_told() {
    let hard = linked(&["-Wl,-z,now", "-Wl,-z,relro", "-Wl,-z,noexecstack"]).hardening();
    let expected = Hardening { executable_stack: false, writable_code: false, relro: true, bind_now: true, text_relocations: false };
    assert_eq!(hard, expected);
    let soft = linked(&["-Wl,-z,lazy", "-Wl,-z,norelro", "-Wl,-z,execstack"]).hardening();
    assert_eq!(soft, Hardening { executable_stack: true, relro: false, bind_now: false, ..expected });
}

#[test]
fn code_that_is_changed_at_load_time_is_told() {
    let code = linked(&["-DCHANGED_CODE", "-Wl,-z,notext"]).hardening();
    assert!(code.text_relocations, "{code:?}");
    let omagic = linked(&["-nostdlib", "-Wl,-N"]).hardening();
    assert!(omagic.writable_code, "{omagic:?}");
}

#[test]
fn build_id_is_the_linkers() {
    assert_eq!(linked(&["-Wl,--build-id=0x00c0ffee"]).build_id(), Some("00c0ffee"));
    assert_eq!(linked(&["-Wl,--build-id=none"]).build_id(), None);
}

#[test]
fn symbols_are_those_that_others_see() {
    let entry = Policy::of_this_host().entry_symbol;
    for style in ["-Wl,--hash-style=gnu", "-Wl,--hash-style=sysv"] {
        let file = linked(&[style, "-DCALL=longshore_test_not_there"]);
        let mut exported = file.exported().expect("the tables are sound");
        exported.retain(|name| !["_init", "_fini", "_edata", "_end", "__bss_start"].contains(&name.as_str()));
        exported.sort();
        assert_eq!(exported, [entry, "call"], "{style}");
        let imported = file.imported().expect("the tables are sound");
        assert!(imported.iter().any(|name| name == "longshore_test_not_there"), "{style}: {imported:?}");
        assert!(imported.iter().all(|name| name != "call"), "{style}: {imported:?}");
    }
}

#[test]
fn thread_local_memory_and_constructors_are_counted() {
    let (plain, early) = (linked(&[]), linked(&["-DTLS"]));
    assert_eq!((plain.tls_bytes(), early.tls_bytes()), (0, 4));
    // Its own, and one that the compiler adds.
    assert_eq!(plain.constructors(), 2);
}

#[test]
fn driver_of_the_workspace_is_linked_as_it_should_be() {
    let driver = inspect(&memory_driver()).expect("the memory driver is sound");
    assert_eq!(driver.exported().expect("the tables are sound"), [Policy::of_this_host().entry_symbol]);
    assert!(driver.build_id().is_some_and(|id| id.len() >= 16));
    assert!(driver.imported().expect("the tables are sound").iter().any(|name| name == "_Unwind_RaiseException"));
}
