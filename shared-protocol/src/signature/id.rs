//! Ids of signed requests and answers.

use std::fmt;

use super::SignatureRefusal;

/// The purpose of a signed request or answer, which is the prefix of its id. A signature that was made for
/// one purpose is refused for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A message, accepted at the message routes only.
    Message,
    /// A long poll for commands.
    Pull,
    /// The answer to a request; never a request itself.
    Answer,
    /// A request of the backend to a responder.
    Responder,
    /// The answer of a responder.
    ResponderAnswer,
}

impl Purpose {
    /// The prefix that ids of this purpose begin with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Message => "msg_",
            Self::Pull => "pull_",
            Self::Answer => "res_",
            Self::Responder => "rsp_",
            Self::ResponderAnswer => "re_",
        }
    }
}

/// Id of a signed request: a purpose's prefix and at least one more character of `A-Z a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WebhookId(String);

impl WebhookId {
    /// Longest id, prefix included, in bytes.
    const MAX_LEN: usize = 208;

    /// Accepts an id of at most 208 bytes whose prefix is that of `purpose`.
    pub fn parse(id: &str, purpose: Purpose) -> Result<Self, SignatureRefusal> {
        let is_clean = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if id.is_empty() || id.len() > Self::MAX_LEN || !id.bytes().all(is_clean) {
            return Err(SignatureRefusal::Malformed);
        }
        match id.strip_prefix(purpose.prefix()) {
            Some("") => Err(SignatureRefusal::Malformed),
            Some(_) => Ok(Self(id.to_owned())),
            None => Err(SignatureRefusal::WrongPurpose),
        }
    }

    /// The id of a message: `msg_` and the hash of its identity in hexadecimal.
    pub(crate) fn message(hash: &[u8]) -> Self {
        Self(format!(
            "{}{}",
            Purpose::Message.prefix(),
            hex::encode(hash)
        ))
    }

    /// The id of a pull: `pull_` and 128 random bits in hexadecimal.
    pub fn pull(random: [u8; 16]) -> Self {
        Self(format!("{}{}", Purpose::Pull.prefix(), hex::encode(random)))
    }

    /// The id of the answer to the request with this id.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_accepted_for_its_own_purpose_alone() {
        assert!(WebhookId::parse("msg_1", Purpose::Message).is_ok());
        for other in ["pull_1", "res_msg_1", "rsp_1", "re_1", "1", "MSG_1"] {
            assert_eq!(
                WebhookId::parse(other, Purpose::Message),
                Err(SignatureRefusal::WrongPurpose),
                "{other}"
            );
        }
    }

    #[test]
    fn an_id_that_is_empty_too_long_or_has_other_characters_is_malformed() {
        let long = format!("msg_{}", "a".repeat(205));
        for bad in ["", "msg_", "msg_a.b", "msg_a b", "msg_é", "msg_\n", &long] {
            assert_eq!(
                WebhookId::parse(bad, Purpose::Message),
                Err(SignatureRefusal::Malformed),
                "{bad:?}"
            );
        }
    }
}
