//! Finds the driver note and reads what it says.
//!
//! Source: driver contract, section 6.

use longshore_plugin_api::metadata::{DriverInfo, NOTE_MAX_BYTES, NOTE_OWNER, NOTE_SCHEMA, NOTE_TYPE};
use object::elf::{self, FileHeader64};
use object::read::elf::NoteIterator;
use serde_json::Value;

use crate::elf::{ENDIAN, Endian, Image, PIECE_MAX_BYTES};
use crate::refusal::{Fault, RefusalCode, plain};

/// The note of a driver file.
pub(crate) struct Note {
    pub(crate) json: String,
    pub(crate) info: DriverInfo,
}

impl Note {
    /// Reads the one driver note of `image`.
    pub(crate) fn read(image: &Image) -> Result<Self, Fault> {
        let json = find(image)?;
        let json = String::from_utf8(json).map_err(|error| malformed(&format!("is not UTF-8: {}", error.utf8_error())))?;
        // The macro rounds the note's length up to a multiple of four.
        let json = json.trim_end_matches(['\0', ' ', '\n']).to_owned();
        let info = parse(&json)?;
        Ok(Self { json, info })
    }
}

/// The linker's number of the build, as hexadecimal digits; `None` if it has none that can be read, which nobody depends on.
pub(crate) fn build_id(image: &Image) -> Option<String> {
    /// The longest one that is shown; linkers make 8 to 32 bytes.
    const SHOWN_MAX_BYTES: usize = 64;
    image.notes().iter().filter(|part| part.align != 8).find_map(|part| {
        let bytes = image.bytes().bytes(part.offset, part.len, "note segment").ok()?;
        let mut notes = NoteIterator::<FileHeader64<Endian>>::new(ENDIAN, 4, bytes.as_slice()).ok()?;
        let found = notes.find_map(|note| note.ok().filter(|note| note.name() == b"GNU" && note.n_type(ENDIAN) == elf::NT_GNU_BUILD_ID))?;
        Some(found.desc().iter().take(SHOWN_MAX_BYTES).map(|byte| format!("{byte:02x}")).collect())
    })
}

/// The content of the one note of our owner and type.
fn find(image: &Image) -> Result<Vec<u8>, Fault> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut other_type = None;
    let mut left = PIECE_MAX_BYTES;
    for part in image.notes() {
        left = left
            .checked_sub(part.len)
            .ok_or_else(|| Fault::malformed(format!("its notes are larger than {PIECE_MAX_BYTES} bytes together")))?;
        let bytes = image.bytes().bytes(part.offset, part.len, "note segment")?;
        let align = if part.align == 8 { 8 } else { 4 };
        let notes = NoteIterator::<FileHeader64<Endian>>::new(ENDIAN, align, bytes.as_slice());
        for note in notes.into_iter().flatten() {
            let note = note.map_err(|error| Fault::malformed(format!("its notes cannot be read: {error}")))?;
            if note.name() != NOTE_OWNER.as_bytes() {
                continue;
            }
            match note.n_type(ENDIAN).0 {
                NOTE_TYPE => found.push(note.desc().to_vec()),
                other => other_type = Some(other),
            }
        }
    }
    let count = found.len();
    match (found.pop(), other_type) {
        (Some(content), _) if count == 1 => size_checked(content),
        (Some(_), _) => Err(duplicate(count)),
        (None, Some(other)) => Err(unknown_version(format!("its driver note is of type {other}, this host reads type {NOTE_TYPE}"))),
        (None, None) => Err(missing()),
    }
}

fn size_checked(content: Vec<u8>) -> Result<Vec<u8>, Fault> {
    if content.len() > NOTE_MAX_BYTES {
        return Err(malformed(&format!("has {} bytes, at most {NOTE_MAX_BYTES} are allowed", content.len())));
    }
    Ok(content)
}

fn parse(json: &str) -> Result<DriverInfo, Fault> {
    let value: Value = serde_json::from_str(json).map_err(|error| malformed(&format!("is not JSON: {error}")))?;
    // The schema decides how the rest is read, so it comes before the rest.
    match value.get("schema").and_then(Value::as_u64) {
        Some(schema) if schema == u64::from(NOTE_SCHEMA) => {}
        Some(schema) => {
            return Err(unknown_version(format!("its driver note has schema {schema}, this host reads {NOTE_SCHEMA}")));
        }
        None => return Err(malformed("has no number `schema`")),
    }
    if let Some(text) = control_character(&value) {
        return Err(malformed(&format!("holds a control character in {:?}", plain(text))));
    }
    let info =
        DriverInfo::from_json(json.as_bytes()).map_err(|error| malformed(&format!("does not fit: {}", plain(&error.to_string()))))?;
    if !is_driver_name(&info.name) {
        return Err(malformed(&format!("names the driver {:?}, a name is [a-z][a-z0-9-]{{0,31}}", plain(&info.name))));
    }
    Ok(info)
}

/// True for `[a-z][a-z0-9-]{0,31}`.
pub fn is_driver_name(name: &str) -> bool {
    let lower = |byte: &u8| byte.is_ascii_lowercase();
    name.len() <= 32
        && name.as_bytes().first().is_some_and(lower)
        && name.bytes().all(|byte| lower(&byte) || byte.is_ascii_digit() || byte == b'-')
}

/// A text in `value` that a terminal would obey: `driver list` prints what strangers wrote.
fn control_character(value: &Value) -> Option<&str> {
    let bad = |text: &&str| text.contains(|c: char| c.is_control() && c != '\n' && c != '\t');
    match value {
        Value::String(text) => Some(text.as_str()).filter(bad),
        Value::Array(values) => values.iter().find_map(control_character),
        Value::Object(fields) => {
            fields.iter().find_map(|(name, value)| Some(name.as_str()).filter(bad).or_else(|| control_character(value)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn missing() -> Fault {
    Fault::new(
        RefusalCode::NoteMissing,
        "it is a shared library without a driver note",
        "give a driver's file, or add `export_driver!` to the driver's crate (in C: LONGSHORE_DRIVER_NOTE)",
    )
}

fn duplicate(count: usize) -> Fault {
    Fault::new(
        RefusalCode::NoteDuplicate,
        format!("it has {count} driver notes, so it is unclear which driver it is"),
        "keep one `export_driver!` in what is linked together; a driver that wraps another one loads it as a layer",
    )
}

fn unknown_version(why: String) -> Fault {
    Fault::new(RefusalCode::NoteUnknownVersion, why, "upgrade the host, or build the driver with a longshore-plugin-api of the host's time")
}

fn malformed(what: &str) -> Fault {
    Fault::new(
        RefusalCode::NoteMalformed,
        format!("its driver note {what}"),
        "build the driver with the `export_driver!` of longshore-plugin-api, which writes the note; in C, mend the text in LONGSHORE_DRIVER_NOTE",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_the_contract() {
        for good in ["a", "s3", "file-system", &"a".repeat(32)] {
            assert!(is_driver_name(good), "{good}");
        }
        for bad in ["", "3s", "-a", "A", "a_b", "a/b", "ä", "../a", &"a".repeat(33)] {
            assert!(!is_driver_name(bad), "{bad}");
        }
    }

    #[track_caller]
    fn refused(json: &str) -> (RefusalCode, String) {
        let refusal = parse(json).unwrap_err().refuse("x.so".as_ref());
        (refusal.code, refusal.why)
    }

    #[test]
    fn notes_that_do_not_fit_are_refused() {
        assert_eq!(refused(r#"{"schema":99,"name":7}"#).0, RefusalCode::NoteUnknownVersion);
        assert_eq!(
            refused("{"),
            (RefusalCode::NoteMalformed, "its driver note is not JSON: EOF while parsing an object at line 1 column 1".into())
        );
        assert_eq!(refused("[]"), (RefusalCode::NoteMalformed, "its driver note has no number `schema`".into()));
        assert_eq!(
            refused(r#"{"schema":1}"#),
            (RefusalCode::NoteMalformed, "its driver note does not fit: missing field `name` at line 1 column 12".into())
        );
        assert_eq!(
            refused(r#"{"schema":1,"settings":{"a":["\u001b[2J"]}}"#),
            (RefusalCode::NoteMalformed, "its driver note holds a control character in \"\u{fffd}[2J\"".into())
        );
    }

    #[test]
    fn deep_json_is_refused_and_does_not_overflow_the_stack() {
        assert_eq!(refused(&"[".repeat(60_000)).0, RefusalCode::NoteMalformed);
    }
}
