//! The newer kind of refresh token: session id, refresh counter, signature and checksum.
//!
//! Layout, in base64url without padding: a version byte, the session's id, the counter as a varint, the
//! first half of an HMAC-SHA256 of these, and the first four bytes of a SHA-256 of everything before.
//! A token has 51 characters as long as the counter is below 128.

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use stand_in::random;
use uuid::Uuid;

/// Length of a token of the older kind. A token of another length is of the newer kind.
pub(crate) const V1_LENGTH: usize = 12;
const VERSION: u8 = 0;
const SESSION_ID_BYTES: usize = 16;
const SIGNATURE_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 4;

/// Signs the refresh tokens of one session with the session's key.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    key: [u8; 16],
}

/// The contents of a token. The checksum is verified, the signature is not yet.
#[derive(Debug)]
pub(crate) struct ParsedToken {
    pub(crate) session: Uuid,
    pub(crate) counter: u64,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl Signer {
    pub(crate) fn generate() -> Self {
        Self {
            key: random::uuid().into_bytes(),
        }
    }

    /// The refresh token of a session that was refreshed `counter` times.
    pub(crate) fn token(&self, session: Uuid, counter: u64) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(session.as_bytes());
        push_varint(&mut bytes, counter);
        let signature = hmac::sign(&self.hmac_key(), &bytes);
        bytes.extend(&signature.as_ref()[..SIGNATURE_BYTES]);
        let checksum = checksum(&bytes);
        bytes.extend(checksum);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whether the token's signature was made with this session's key.
    pub(crate) fn verifies(&self, token: &ParsedToken) -> bool {
        let expected = hmac::sign(&self.hmac_key(), &token.signed);
        expected.as_ref()[..SIGNATURE_BYTES] == token.signature
    }

    fn hmac_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.key)
    }
}

/// Reads a token; `None` if its layout or its checksum is wrong.
pub(crate) fn parse(token: &str) -> Option<ParsedToken> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (rest, sum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
    if checksum(rest) != sum {
        return None;
    }
    let (signed, signature) = rest.split_at_checked(rest.len().checked_sub(SIGNATURE_BYTES)?)?;
    let (version, fields) = signed.split_first()?;
    let (session, counter) = fields.split_at_checked(SESSION_ID_BYTES)?;
    (*version == VERSION).then_some(())?;
    Some(ParsedToken {
        session: Uuid::from_slice(session).ok()?,
        counter: read_varint(counter)?,
        signed: signed.to_vec(),
        signature: signature.to_vec(),
    })
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = digest::digest(&digest::SHA256, bytes);
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&hash.as_ref()[..CHECKSUM_BYTES]);
    sum
}

fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(0x80 | u8::try_from(value & 0x7f).expect("seven bits fit"));
        value >>= 7;
    }
    bytes.push(u8::try_from(value).expect("seven bits fit"));
}

fn read_varint(bytes: &[u8]) -> Option<u64> {
    let (last, earlier) = bytes.split_last()?;
    let is_complete = earlier.iter().all(|byte| byte & 0x80 != 0) && last & 0x80 == 0;
    // Nine bytes of seven bits each fit into a `u64`, ten do not.
    if !is_complete || bytes.len() > 9 {
        return None;
    }
    let fold = |value: u64, byte: &u8| value << 7 | u64::from(byte & 0x7f);
    Some(bytes.iter().rev().fold(0, fold))
}

#[cfg(test)]
mod tests {
    use stand_in::random;

    use super::{Signer, parse};

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let (signer, session) = (Signer::generate(), random::uuid());
        for counter in [0, 1, 127, 128, 300, u64::from(u32::MAX)] {
            let parsed = parse(&signer.token(session, counter)).unwrap();
            assert_eq!((parsed.session, parsed.counter), (session, counter));
            assert!(signer.verifies(&parsed));
            assert!(!Signer::generate().verifies(&parsed));
        }
        assert_eq!(signer.token(session, 0).len(), 51);
    }

    #[test]
    fn a_token_with_one_changed_character_is_refused() {
        let token = Signer::generate().token(random::uuid(), 0);
        let changed = format!(
            "{}{}",
            &token[..50],
            if token.ends_with('A') { 'Q' } else { 'A' }
        );
        assert!(parse(&changed).is_none());
        assert!(parse("").is_none());
        assert!(parse(&"a".repeat(300)).is_none());
    }
}
