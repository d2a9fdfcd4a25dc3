//! Each reason not to load a driver in C has a code and a sentence.

use longshore_loader::{Policy, RefusalCode, inspect};
use serde_json::json;

use crate::specimen::Specimen;

#[track_caller]
fn refused(specimen: &Specimen, code: RefusalCode, why: &str, fix: &str) {
    let refusal = specimen.load().err().unwrap_or_else(|| panic!("{why}: it was loaded"));
    assert_eq!((refusal.code, refusal.why.as_str(), refusal.fix.as_str()), (code, why, fix));
    assert_eq!(refusal.what, r#"cannot load driver "specimen-c""#);
}

#[test]
fn sound_driver_is_loaded() {
    let Some(specimen) = Specimen::new() else { return };
    let loaded = specimen.load().expect("the specimen has no defect");
    assert_eq!((loaded.info().name.as_str(), loaded.info().abi.kind.as_str()), ("specimen-c", "c"));
    let inspection = inspect(loaded.path()).expect("the file is still there");
    assert!(loaded.describes_itself(&inspection), "the note is all that a driver in C says of itself");
    assert!(specimen.note(|note| note["panic"] = json!("abort")).load().is_ok(), "C has no panics");
}

#[test]
fn other_majors_are_refused() {
    let Some(specimen) = Specimen::new() else { return };
    let specimen = specimen.note(|note| note["abi"]["major"] = json!(2));
    let fix = "build the driver with the longshore_driver.h of major 1, or use a host that speaks the driver's";
    refused(&specimen, RefusalCode::AbiMajor, "built for major 2 of the table for C, this host speaks 1", fix);

    let Some(specimen) = Specimen::new() else { return };
    let fix = "build the driver with the longshore_driver.h of this host's major";
    refused(&specimen.flag("-DMAJOR=2"), RefusalCode::OpenHeader, "its table is of major 2, this host calls 1", fix);
}

#[test]
fn absurd_sizes_of_the_table_are_refused() {
    for size in [0, 8, 208, 100_000] {
        let Some(specimen) = Specimen::new() else { return };
        let why = format!("its table says that it has {size} bytes, a table of major 1 has 216 or more");
        let specimen = specimen.flag(&format!("-DSIZE={size}"));
        refused(&specimen, RefusalCode::OpenHeader, &why, "set struct_size to sizeof(longshore_driver_table)");
    }
}

#[test]
fn missing_functions_are_refused() {
    let Some(specimen) = Specimen::new() else { return };
    let fix = "set these fields of the driver's longshore_driver_table";
    refused(&specimen.flag("-DSTAT=NULL"), RefusalCode::OpenLayout, "its table lacks stat, which every driver has", fix);

    let Some(specimen) = Specimen::new() else { return };
    let why = "its note declares copy, but its table has no function for it";
    let fix = "set this field of the table, or take the capability out of the note";
    refused(&specimen.flag("-DCOPY=NULL"), RefusalCode::OpenLayout, why, fix);

    let Some(specimen) = Specimen::new() else { return };
    let specimen = specimen.flag("-DCOPY=NULL").note(|note| note["capabilities"] = json!(["presign", "of_a_later_time"]));
    assert!(specimen.load().is_ok(), "what is not declared may be absent");

    let Some(specimen) = Specimen::new() else { return };
    let specimen = specimen.note(|note| note["capabilities"] = json!(["layer"]));
    let why = "its note declares layer, which a driver in C cannot offer";
    refused(&specimen, RefusalCode::OpenLayout, why, "take it out of the note");
}

/// The file is not loaded to find that out.
#[test]
fn missing_entry_is_refused() {
    let Some(specimen) = Specimen::new() else { return };
    let why = "it does not export \"longshore_driver_c_v1\", the symbol that a host calls first";
    let fix = "define the driver's table under this name, visible from outside, as longshore_driver.h has it";
    refused(&specimen.flag("-DENTRY=other_name"), RefusalCode::EntryMissing, why, fix);
    assert_eq!(Policy::of_this_host().c_entry_symbol, "longshore_driver_c_v1");
}

#[test]
fn extension_that_the_host_lacks_is_refused() {
    let Some(specimen) = Specimen::new() else { return };
    let specimen = specimen.note(|note| note["abi"]["requires"] = json!(["clock/1"]));
    let why = "it cannot do without the host's \"clock/1\", which this host lacks";
    refused(&specimen, RefusalCode::AbiExtension, why, "upgrade the host, or use a version of the driver that asks for less");
}
