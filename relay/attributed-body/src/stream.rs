//! Reads the bytes of an archive: header, byte order, integers.
//!
//! Every read checks the end of the archive. An integer is one byte, unless that byte is a tag (0x80 to
//! 0x91). A tag is followed by an integer of more bytes, or begins a value that is no integer.

use crate::DecodeError;

/// Tag of a new string or object, in contrast to a reference to an earlier one.
pub(crate) const NEW: u8 = 0x84;
/// Tag of an absent object, and of the end of a class chain.
pub(crate) const NIL: u8 = 0x85;
/// Tag after the last group of an object.
pub(crate) const END: u8 = 0x86;

/// The first bytes that are not an integer by themselves.
const TAGS: std::ops::RangeInclusive<u8> = 0x80..=0x91;
const TWO_BYTES: u8 = 0x81;
const FOUR_BYTES: u8 = 0x82;
const REAL: u8 = 0x83;
const EIGHT_BYTES: u8 = 0x87;

const VERSION: u8 = 4;
const LITTLE_ENDIAN_MAGIC: &[u8; 12] = b"\x0bstreamtyped";
const BIG_ENDIAN_MAGIC: &[u8; 12] = b"\x0btypedstream";

#[derive(Clone, Copy)]
enum ByteOrder {
    Little,
    Big,
}

/// Width of a floating-point number.
#[derive(Clone, Copy)]
pub(crate) enum Real {
    Single,
    Double,
}

pub(crate) struct Stream<'a> {
    archive: &'a [u8],
    offset: usize,
    order: ByteOrder,
}

impl<'a> Stream<'a> {
    /// Reads the header, up to the first value.
    pub(crate) fn open(archive: &'a [u8]) -> Result<Self, DecodeError> {
        if archive.starts_with(b"bplist00") {
            return Err(DecodeError::KeyedArchive);
        }
        let (&version, rest) = archive.split_first().ok_or(DecodeError::NotTypedstream)?;
        let order = match rest.first_chunk() {
            Some(LITTLE_ENDIAN_MAGIC) => ByteOrder::Little,
            Some(BIG_ENDIAN_MAGIC) => ByteOrder::Big,
            None if LITTLE_ENDIAN_MAGIC.starts_with(rest) || BIG_ENDIAN_MAGIC.starts_with(rest) => {
                return Err(DecodeError::Truncated {
                    offset: archive.len(),
                    needed: LITTLE_ENDIAN_MAGIC.len() - rest.len(),
                });
            }
            _ => return Err(DecodeError::NotTypedstream),
        };
        if version != VERSION {
            return Err(DecodeError::UnsupportedVersion { version });
        }
        let mut stream = Self {
            archive,
            offset: 1 + LITTLE_ENDIAN_MAGIC.len(),
            order,
        };
        // Every archive has the number 1000 here, which begins with the tag 0x81. A text codec replaces
        // that byte by a question mark, U+FFFD (EF BF BD) or U+0081 (C2 81).
        if let b'?' | 0xEF | 0xC2 = stream.peek()? {
            return Err(DecodeError::Recoded);
        }
        stream.unsigned()?;
        Ok(stream)
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// The length of the whole archive.
    pub(crate) fn len(&self) -> usize {
        self.archive.len()
    }

    #[inline]
    pub(crate) fn peek(&self) -> Result<u8, DecodeError> {
        self.archive
            .get(self.offset)
            .copied()
            .ok_or(DecodeError::Truncated {
                offset: self.offset,
                needed: 1,
            })
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = self.peek()?;
        self.offset += 1;
        Ok(byte)
    }

    /// Reads the next `len` bytes.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let rest = &self.archive[self.offset..];
        let Some(taken) = rest.get(..len) else {
            return Err(DecodeError::Truncated {
                offset: self.archive.len(),
                needed: len - rest.len(),
            });
        };
        self.offset += len;
        Ok(taken)
    }

    /// Reads a signed integer.
    #[inline]
    pub(crate) fn signed(&mut self) -> Result<i64, DecodeError> {
        let first = self.byte()?;
        self.signed_after(first)
    }

    /// Reads the rest of a signed integer after its first byte.
    #[inline]
    pub(crate) fn signed_after(&mut self, first: u8) -> Result<i64, DecodeError> {
        if TAGS.contains(&first) {
            self.signed_after_tag(first)
        } else {
            Ok(i64::from(first.cast_signed()))
        }
    }

    fn signed_after_tag(&mut self, tag: u8) -> Result<i64, DecodeError> {
        match tag {
            TWO_BYTES => Ok(u16::from_ne_bytes(self.ordered()?).cast_signed().into()),
            FOUR_BYTES => Ok(u32::from_ne_bytes(self.ordered()?).cast_signed().into()),
            EIGHT_BYTES => Ok(i64::from_ne_bytes(self.ordered()?)),
            _ => Err(self.last_byte_is_not("an integer")),
        }
    }

    /// Reads an unsigned integer.
    #[inline]
    pub(crate) fn unsigned(&mut self) -> Result<u64, DecodeError> {
        let first = self.byte()?;
        if TAGS.contains(&first) {
            self.unsigned_after_tag(first)
        } else {
            Ok(first.into())
        }
    }

    fn unsigned_after_tag(&mut self, tag: u8) -> Result<u64, DecodeError> {
        match tag {
            TWO_BYTES => Ok(u16::from_ne_bytes(self.ordered()?).into()),
            FOUR_BYTES => Ok(u32::from_ne_bytes(self.ordered()?).into()),
            EIGHT_BYTES => Ok(u64::from_ne_bytes(self.ordered()?)),
            _ => Err(self.last_byte_is_not("an integer")),
        }
    }

    /// Skips a floating-point number. A number without a fraction is written as an integer.
    pub(crate) fn skip_real(&mut self, width: Real) -> Result<(), DecodeError> {
        if self.peek()? != REAL {
            return self.signed().map(drop);
        }
        self.byte()?;
        self.take(match width {
            Real::Single => 4,
            Real::Double => 8,
        })
        .map(drop)
    }

    /// Reads a length and that many bytes; `None` for an absent value.
    pub(crate) fn counted(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        if self.peek()? == NIL {
            self.byte()?;
            return Ok(None);
        }
        // A length that exceeds the address space also exceeds the archive.
        let len = usize::try_from(self.unsigned()?).unwrap_or(usize::MAX);
        self.take(len).map(Some)
    }

    /// The error for the byte that was read last: it is not what the format requires.
    pub(crate) fn last_byte_is_not(&self, expected: &'static str) -> DecodeError {
        DecodeError::Malformed {
            offset: self.offset - 1,
            expected,
        }
    }

    /// The next `N` bytes, converted from the archive's byte order to this machine's.
    fn ordered<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        let is_other_order = match self.order {
            ByteOrder::Little => cfg!(target_endian = "big"),
            ByteOrder::Big => cfg!(target_endian = "little"),
        };
        if is_other_order {
            bytes.reverse();
        }
        Ok(bytes)
    }
}
