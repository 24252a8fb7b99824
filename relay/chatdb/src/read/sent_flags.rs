//! The columns in which Messages shows how far it got with sending an own message.

/// How far Messages got with an own message. In the rows of received messages these columns mean something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the columns are flags")]
pub struct SentFlags {
    /// `message.error`: 0, or the number of the error because of which the message was not sent.
    pub error: i64,
    /// Whether Messages has handed the message to the service.
    pub is_sent: bool,
    /// Whether a device of the other person has the message. Only iMessage and RCS say so.
    pub is_delivered: bool,
    /// When the message was delivered, microseconds since 1970.
    pub delivered_at: Option<i64>,
    /// Whether the message went as SMS because iMessage failed.
    pub was_downgraded: bool,
    /// Whether a Focus has answered by itself.
    pub is_auto_reply: bool,
}
