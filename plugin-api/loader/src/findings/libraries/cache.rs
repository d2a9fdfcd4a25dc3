//! The dynamic linker's cache of libraries, `/etc/ld.so.cache`, which `ldconfig` writes.
//!
//! Source: glibc, `sysdeps/generic/dl-cache.h`: a header, entries of 24 bytes, texts. An older form may stand before it.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// The largest cache that is read, in bytes; a desktop's has some 200 KiB.
const CACHE_MAX_BYTES: u64 = 8 * 1024 * 1024;
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER_BYTES: usize = 48;
const ENTRY_BYTES: usize = 24;

/// The cache's bytes from its own header on; none if there is no cache of this form.
pub(super) fn read() -> Vec<u8> {
    let mut bytes = Vec::new();
    // Without a cache the linker looks into its folders, and so does whoever asked.
    if let Ok(file) = File::open("/etc/ld.so.cache") {
        let _ = file.take(CACHE_MAX_BYTES).read_to_end(&mut bytes);
    }
    current(&bytes).to_vec()
}

fn current(bytes: &[u8]) -> &[u8] {
    // Almost always it begins at the beginning.
    let at = if bytes.starts_with(MAGIC) { Some(0) } else { bytes.windows(MAGIC.len()).position(|window| window == MAGIC) };
    at.map_or(&[], |at| &bytes[at..])
}

/// Every path that `cache` has for `name`.
pub(super) fn paths<'a>(cache: &'a [u8], name: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
    let count = word(cache, MAGIC.len()).unwrap_or(0) as usize;
    let entries = cache.get(HEADER_BYTES..).unwrap_or_default().chunks_exact(ENTRY_BYTES).take(count);
    entries.filter_map(move |entry| {
        let (key, value) = (word(entry, 4)?, word(entry, 8)?);
        is_text(cache, key, name).then(|| text(cache, value).map(PathBuf::from))?
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// True if `wanted` stands at `at`, and nothing more.
fn is_text(cache: &[u8], at: u32, wanted: &str) -> bool {
    let rest = cache.get(at as usize..).and_then(|rest| rest.strip_prefix(wanted.as_bytes()));
    rest.is_some_and(|rest| rest.first() == Some(&0))
}

fn text(cache: &[u8], at: u32) -> Option<&str> {
    let rest = cache.get(at as usize..)?;
    std::str::from_utf8(rest.split(|byte| *byte == 0).next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(before: &[u8], entries: &[(&str, &str)]) -> Vec<u8> {
        let mut texts = Vec::new();
        let mut table = Vec::new();
        let texts_at = HEADER_BYTES + entries.len() * ENTRY_BYTES;
        for (key, value) in entries {
            let mut place = |text: &str| {
                let at = (texts_at + texts.len()) as u32;
                texts.extend([text.as_bytes(), b"\0"].concat());
                at.to_ne_bytes()
            };
            let (key, value) = (place(key), place(value));
            table.extend([&[3, 0, 0, 0][..], &key, &value, &[0; 12]].concat());
        }
        let count = (entries.len() as u32).to_ne_bytes();
        [before, MAGIC, &count, &[0; HEADER_BYTES - 24], &table, &texts].concat()
    }

    #[test]
    fn libraries_are_found_by_their_whole_name() {
        for before in [&b""[..], b"ld.so-1.7.0 and so on"] {
            let file = cache(before, &[("libb.so.1", "/opt/libb.so.1"), ("liba.so", "/a/liba.so"), ("liba.so", "/b/liba.so")]);
            let found = |name| paths(current(&file), name).collect::<Vec<_>>();
            assert_eq!(found("liba.so"), [PathBuf::from("/a/liba.so"), "/b/liba.so".into()]);
            assert_eq!(found("libb.so"), Vec::<PathBuf>::new(), "a part of a name is another name");
        }
    }

    #[test]
    fn damaged_cache_has_nothing() {
        let whole = cache(b"", &[("liba.so", "/a/liba.so")]);
        for len in 0..whole.len() {
            let _ = paths(current(&whole[..len]), "liba.so").count();
        }
        let mut wild = whole.clone();
        wild[MAGIC.len()..MAGIC.len() + 4].fill(0xff);
        wild[HEADER_BYTES + 4..HEADER_BYTES + 12].fill(0xff);
        assert_eq!(paths(&wild, "liba.so").count(), 0);
    }

    #[test]
    fn this_machines_cache_knows_the_c_library() {
        let cache = read();
        // A system may have none.
        assert!(cache.is_empty() || paths(&cache, "libc.so.6").any(|path| path.exists()));
    }
}
