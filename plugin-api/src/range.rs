//! The part of an object that a read asks for.

use crate::{DriverError, ErrorClass};

/// A range of bytes: `offset` from the start, and at most `length` bytes (to the end if `None`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByteRange {
    /// The first byte, counted from 0.
    pub offset: u64,
    /// How many bytes at the most; `None` for all that follow.
    pub length: Option<u64>,
}

impl ByteRange {
    /// The whole object.
    pub const ALL: Self = Self { offset: 0, length: None };

    /// Everything from `offset` on.
    pub const fn from(offset: u64) -> Self {
        Self { offset, length: None }
    }

    /// At most `length` bytes from `offset` on.
    pub const fn new(offset: u64, length: u64) -> Self {
        Self { offset, length: Some(length) }
    }

    /// How many bytes this range has in an object of `size` bytes.
    ///
    /// # Errors
    /// `invalid_range` if the range begins after the end, or if offset + length does not fit in 64 bits.
    ///
    /// Source: driver contract, section 3, `read`.
    pub fn within(&self, size: u64) -> Result<u64, DriverError> {
        if self.length.is_some_and(|length| self.offset.checked_add(length).is_none()) {
            return Err(DriverError::new(
                ErrorClass::InvalidRange,
                format!("offset {} + length {:?} exceeds 64 bits", self.offset, self.length),
            ));
        }
        let rest = size.checked_sub(self.offset).ok_or_else(|| {
            DriverError::new(ErrorClass::InvalidRange, format!("offset {} is after the end, the object has {size} bytes", self.offset))
        })?;
        Ok(self.length.map_or(rest, |length| length.min(rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_at_the_end_and_refused_beyond_it() {
        assert_eq!(ByteRange::ALL.within(5).ok(), Some(5));
        assert_eq!(ByteRange::new(3, 9).within(5).ok(), Some(2));
        assert_eq!(ByteRange::from(5).within(5).ok(), Some(0), "offset = size is an empty read");
        assert_eq!(ByteRange::new(2, 0).within(5).ok(), Some(0));
        for range in [ByteRange::from(6), ByteRange::new(1, u64::MAX)] {
            assert_eq!(range.within(5).map_err(|e| e.class()), Err(ErrorClass::InvalidRange));
        }
    }
}
