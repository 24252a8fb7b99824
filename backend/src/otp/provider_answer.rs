//! The results that every provider of codes maps its answers to.

/// A code that the provider accepted for sending.
pub(super) enum IssuedCode {
    /// The code itself: this backend compares it.
    CheckedHere(String),
    /// The id under which the provider compares the code.
    CheckedByProvider(String),
}

/// Why a code was not sent, or may not have been sent. `retry_after` is in seconds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SendFault {
    /// The number does not exist or can never receive a message.
    InvalidPhone,
    /// The provider refuses to send to this number, for another reason.
    CannotSend,
    /// The provider's rate limit for this number is reached. Nothing was sent.
    NumberLimited { retry_after: u32 },
    /// The provider's rate limit for our whole account is reached. Nothing was sent.
    AccountLimited { retry_after: u32 },
    /// The provider cannot be reached, or refuses our credentials. Nothing was sent.
    Unavailable,
    /// The answer was lost or unclear: the code may have been sent and paid for.
    Unclear,
    /// The provider's answer names another number than the request.
    WrongRecipient,
}

/// The result of checking a code.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CodeCheck {
    Right,
    Wrong,
    /// The code that was sent is used, cancelled or expired, or the provider has banned the person.
    Expired,
    /// The provider refuses further checks of this code.
    TooManyChecks,
    /// The provider did not compare the code. `retry_after` is in seconds.
    NotChecked {
        retry_after: u32,
    },
    /// The answer was lost or unclear. The attempt still counts.
    Unclear,
}
