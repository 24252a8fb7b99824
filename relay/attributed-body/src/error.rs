//! Why an archive could not be decoded.
//!
//! The variants are what a caller can do differently: a blob that is another format, an archive that
//! was destroyed on the way here, one that is damaged, and one that this decoder does not know. None
//! of them carries bytes of the archive, so an error may be logged.

/// An archive that does not decode. Offsets count from the archive's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A property list in the binary format (`bplist00`), as keyed archivers write it.
    #[error("a keyed archive (binary property list), not a typedstream")]
    KeyedArchive,
    /// The bytes do not start like any typedstream.
    #[error("not a typedstream")]
    NotTypedstream,
    /// The header is a typedstream's, but the bytes above 0x7F were replaced: the database has been
    /// copied through a text codec, and every archive in it is lost.
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
        /// Where the missing bytes should start.
        offset: usize,
        /// How many bytes should follow there.
        needed: usize,
    },
    /// Something else stands where the format asks for `expected`.
    #[error("malformed archive: expected {expected} at offset {offset}")]
    Malformed {
        /// Where it should stand.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// Text that is not UTF-8.
    #[error("text that is not UTF-8 at offset {offset}")]
    InvalidUtf8 {
        /// The first byte that belongs to no character.
        offset: usize,
    },
    /// A type encoding that cannot be skipped, because its size is not known.
    #[error("unsupported type encoding at offset {offset}")]
    UnsupportedEncoding {
        /// Where the value of this type starts.
        offset: usize,
    },
    /// The archive nests deeper, or unfolds to more values, than any message does.
    #[error("the archive is too complex at offset {offset}")]
    TooComplex {
        /// Where decoding stopped.
        offset: usize,
    },
    /// A well-formed archive of something else than an attributed string.
    #[error("the archive holds no attributed string")]
    NotAttributedString,
    /// The runs do not cover the text exactly.
    #[error("the attribute runs do not fit the text at offset {offset}")]
    RunsDontFit {
        /// The run that does not fit, or the end of the runs.
        offset: usize,
    },
}
