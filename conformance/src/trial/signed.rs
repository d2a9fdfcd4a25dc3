//! Contents that tell which key and which write they belong to, so that bytes in the wrong place are seen.

use longshore_loader::api::Bytes;

use crate::verdict::{Stop, same};

/// Bytes that name `key` and `number` again and again, about `size` of them.
pub(crate) fn signed(key: &str, number: usize, size: usize) -> Bytes {
    let mark = format!("{key} {number} ");
    let size = size.max(mark.len());
    let mut bytes = mark.repeat(size.div_ceil(mark.len())).into_bytes();
    bytes.truncate(size);
    bytes.into()
}

/// `Ok` with its number if `bytes` are a whole signed content of `key`.
pub(crate) fn number_of(key: &str, bytes: &[u8]) -> Result<usize, Stop> {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
    let mut words = start.split(' ');
    let (owner, number) = (words.next().unwrap_or_default(), words.next().and_then(|word| word.parse().ok()));
    let (true, Some(number)) = (owner == key, number) else {
        let begin: String = start.chars().take(80).collect();
        return Err(Stop::breach(format!("{key:?} holds {} bytes that begin with {begin:?}, which were not written to it", bytes.len())));
    };
    same(&signed(key, number, bytes.len()), bytes, format_args!("a read of {key:?}, written as number {number}"))?;
    Ok(number)
}
