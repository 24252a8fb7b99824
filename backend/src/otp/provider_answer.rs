//! What the answers of a provider of codes mean here.

/// A code that is on its way.
pub(super) enum Sent {
    /// We know it and check it.
    Known(String),
    /// The provider checks it, under this name.
    Named(String),
}

/// Why a code is not on its way, or not known to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SendFault {
    /// No message goes to this number, ever.
    InvalidPhone,
    /// No message goes to this number, for reasons that are not told.
    CannotSend,
    /// The provider has had enough of this number for now. Nothing was sent.
    Busy { retry_after: u32 },
    /// The provider has had enough of all our requests for now. Nothing was sent.
    Overloaded { retry_after: u32 },
    /// The provider is not there, or refuses our credentials. Nothing was sent.
    Away,
    /// It may have been sent, and it may be paid for.
    Unknown,
    /// It went to another number than ours.
    Misdirected,
}

/// What became of a code that was to be checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CodeCheck {
    Right,
    Wrong,
    /// The code is used, cancelled or expired.
    Gone,
    /// It was guessed at too often.
    TooMany,
    /// Nothing was compared.
    NotJudged {
        retry_after: u32,
    },
    /// Not known. It counts as guessed.
    Unknown,
}
