//! The error of an archive that cannot be decoded.
//!
//! The variants tell apart another format, an archive that was destroyed by a text codec, a damaged archive, and one
//! that this decoder does not support. No variant contains bytes of the archive, so an error can be logged.

/// An archive that does not decode. Offsets count from the archive's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A property list in the binary format (`bplist00`), as keyed archivers write it.
    #[error("a keyed archive (binary property list), not a typedstream")]
    KeyedArchive,
    /// The bytes do not start like any typedstream.
    #[error("not a typedstream")]
    NotTypedstream,
    /// A typedstream whose bytes above 0x7F were replaced: the database was copied as text, and every
    /// archive in it is lost.
    #[error("damaged archive: tag bytes replaced; the database was copied as text")]
    Recoded,
    /// A typedstream of a version that no Mac since 1996 writes.
    #[error("typedstream version {version} is not supported")]
    UnsupportedVersion {
        /// The version in the header.
        version: u8,
    },
    /// The archive ends inside a value, or declares more bytes than it has.
    #[error("the archive ends too early: {needed} more bytes expected at offset {offset}")]
    Truncated {
        /// The offset of the first missing byte.
        offset: usize,
        /// The number of missing bytes.
        needed: usize,
    },
    /// The bytes at `offset` are not what the format requires there.
    #[error("malformed archive: expected {expected} at offset {offset}")]
    Malformed {
        /// The offset of the unexpected bytes.
        offset: usize,
        /// The name of the required value.
        expected: &'static str,
    },
    /// Text that is not UTF-8.
    #[error("text that is not UTF-8 at offset {offset}")]
    InvalidUtf8 {
        /// The offset of the first byte that is not UTF-8.
        offset: usize,
    },
    /// A type encoding that cannot be skipped, because its size is not known.
    #[error("unsupported type encoding at offset {offset}")]
    UnsupportedEncoding {
        /// The offset of the value of this type.
        offset: usize,
    },
    /// The archive is nested too deeply, or describes too many values, for a message.
    #[error("the archive is too complex at offset {offset}")]
    TooComplex {
        /// The offset at which decoding stopped.
        offset: usize,
    },
    /// A well-formed archive of something else than an attributed string.
    #[error("the archive holds no attributed string")]
    NotAttributedString,
    /// The runs do not cover the text exactly.
    #[error("the attribute runs do not fit the text at offset {offset}")]
    RunsDontFit {
        /// The offset of the run that does not fit, or of the end of the runs.
        offset: usize,
    },
}
