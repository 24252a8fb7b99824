//! Where a page of messages ends, as an opaque text.
//!
//! It names a place, not a number of messages passed: what is stored meanwhile moves nothing. It tells
//! the place of a message that its reader has seen and gives no right to anything, so it is not signed.

use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::store::people::MessagePosition;

/// Changes with the form, so that a cursor of another version is refused and not misread.
const VERSION: u8 = 1;
const LEN: usize = 1 + 8 + 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor from next_cursor")]
pub struct InvalidCursor;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a number from 1 to {}", PageSize::MAX)]
pub struct InvalidLimit;

/// How many messages a page has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize(u32);

impl PageSize {
    const MAX: u32 = 100;

    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(50)
    }
}

impl FromStr for PageSize {
    type Err = InvalidLimit;

    fn from_str(text: &str) -> Result<Self, InvalidLimit> {
        let number = text.parse().ok().filter(|n| (1..=Self::MAX).contains(n));
        number.map(Self).ok_or(InvalidLimit)
    }
}

pub fn encode_cursor(position: MessagePosition) -> String {
    let mut bytes = Vec::with_capacity(LEN);
    bytes.push(VERSION);
    bytes.extend_from_slice(&position.created_at.as_micros().to_be_bytes());
    bytes.extend_from_slice(position.id.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub fn parse_cursor(text: &str) -> Result<MessagePosition, InvalidCursor> {
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| InvalidCursor)?;
    let bytes: [u8; LEN] = bytes.try_into().map_err(|_| InvalidCursor)?;
    let (version, rest) = bytes.split_first().expect("it has a length");
    let (micros, id) = rest.split_first_chunk().expect("it has a length");
    let created_at = Timestamp::from_micros(i64::from_be_bytes(*micros));
    // What no message was stored at, the database may be unable to read.
    if *version != VERSION
        || created_at.as_micros() < 0
        || created_at > MessagePosition::TOP.created_at
    {
        return Err(InvalidCursor);
    }
    Ok(MessagePosition {
        created_at,
        id: Uuid::from_slice(id).expect("16 bytes"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_place_reads_back(micros in 0..4_000_000_000_000_000_i64, id: u128) {
            let position = MessagePosition {
                created_at: Timestamp::from_micros(micros),
                id: Uuid::from_u128(id),
            };
            proptest::prop_assert_eq!(parse_cursor(&encode_cursor(position)), Ok(position));
        }

        #[test]
        fn nothing_else_does(text in "\\PC{0,40}") {
            if let Ok(position) = parse_cursor(&text) {
                proptest::prop_assert_eq!(encode_cursor(position), text);
            }
        }
    }

    #[test]
    fn sizes_are_from_one_to_a_hundred() {
        assert_eq!(PageSize::default().get(), 50);
        assert_eq!("100".parse::<PageSize>().map(PageSize::get), Ok(100));
        for text in ["0", "101", "-1", "", "ten", "1.5"] {
            assert_eq!(text.parse::<PageSize>(), Err(InvalidLimit), "{text}");
        }
        for micros in [-1, i64::MAX] {
            let position = MessagePosition {
                created_at: Timestamp::from_micros(micros),
                id: Uuid::nil(),
            };
            assert_eq!(parse_cursor(&encode_cursor(position)), Err(InvalidCursor));
        }
    }
}
