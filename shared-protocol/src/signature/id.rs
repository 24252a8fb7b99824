//! Ids of signed requests and answers.

use std::fmt;

/// What a signed request or answer is for. The id's prefix names it, and a signature made for one
/// purpose is never accepted for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A message, at the message routes only.
    Message,
    /// A long poll for commands.
    Pull,
    /// The answer to a request; never a request itself.
    Answer,
}

impl Purpose {
    /// The prefix that ids of this purpose begin with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Message => "msg_",
            Self::Pull => "pull_",
            Self::Answer => "res_",
        }
    }
}

/// Id of a signed request: a purpose's prefix and 1 to 200 more characters of `A-Z a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WebhookId(String);

impl WebhookId {
    const MAX_LEN: usize = 208;

    /// Accepts an id whose prefix is that of `purpose`.
    pub fn parse(id: &str, purpose: Purpose) -> Result<Self, InvalidWebhookId> {
        let clean = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if id.is_empty() || id.len() > Self::MAX_LEN || !id.bytes().all(clean) {
            return Err(InvalidWebhookId::Malformed);
        }
        match id.strip_prefix(purpose.prefix()) {
            Some("") => Err(InvalidWebhookId::Malformed),
            Some(_) => Ok(Self(id.to_owned())),
            None => Err(InvalidWebhookId::WrongPurpose),
        }
    }

    /// `msg_` and the digits of a message's hash.
    pub(crate) fn message(hash: &[u8]) -> Self {
        Self(format!("{}{}", Purpose::Message.prefix(), hex(hash)))
    }

    /// `pull_` and 128 random bits.
    pub fn pull(random: [u8; 16]) -> Self {
        Self(format!("{}{}", Purpose::Pull.prefix(), hex(&random)))
    }

    /// The id of the answer to the request that has this id.
    #[must_use]
    pub fn answer(&self) -> Self {
        Self(format!("{}{}", Purpose::Answer.prefix(), self.0))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The text is not an id that this route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebhookId {
    /// Empty, too long, or with characters outside `A-Z a-z 0-9 _ -`.
    #[error("malformed webhook-id")]
    Malformed,
    /// Well-formed, but made for something else.
    #[error("a webhook-id of another purpose")]
    WrongPurpose,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_takes_only_its_own_ids() {
        assert!(WebhookId::parse("msg_1", Purpose::Message).is_ok());
        for other in ["pull_1", "res_msg_1", "1", "MSG_1"] {
            assert_eq!(
                WebhookId::parse(other, Purpose::Message),
                Err(InvalidWebhookId::WrongPurpose),
                "{other}"
            );
        }
    }

    #[test]
    fn nothing_that_could_shift_the_signed_content_is_an_id() {
        let long = format!("msg_{}", "a".repeat(205));
        for bad in ["", "msg_", "msg_a.b", "msg_a b", "msg_é", "msg_\n", &long] {
            assert_eq!(
                WebhookId::parse(bad, Purpose::Message),
                Err(InvalidWebhookId::Malformed),
                "{bad:?}"
            );
        }
    }
}
