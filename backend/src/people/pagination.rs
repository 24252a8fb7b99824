//! Cursors and page sizes of lists of messages.
//!
//! A cursor is an opaque text for the position of the last message of a page. A position stays the same while new
//! messages are stored; an offset would shift. A cursor reveals only a message that its reader has already
//! seen and grants no access, so it is not signed.

use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::store::people::MessagePosition;

/// Version of the cursor format. A cursor of another version is refused.
const VERSION: u8 = 1;
const LEN: usize = 1 + 8 + 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor from next_cursor")]
pub struct InvalidCursor;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a number from 1 to {}", PageSize::MAX)]
pub struct InvalidLimit;

/// The largest number of messages on a page.
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
    let (version, rest) = bytes.split_first().expect("LEN is above zero");
    let (micros, id) = rest
        .split_first_chunk()
        .expect("eight bytes of time follow");
    let created_at = Timestamp::from_micros(i64::from_be_bytes(*micros));
    // A time outside the range of stored messages could be outside the range of the database, too.
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
        fn a_cursor_decodes_to_its_position(micros in 0..4_000_000_000_000_000_i64, id: u128) {
            let position = MessagePosition {
                created_at: Timestamp::from_micros(micros),
                id: Uuid::from_u128(id),
            };
            proptest::prop_assert_eq!(parse_cursor(&encode_cursor(position)), Ok(position));
        }

        #[test]
        fn a_text_that_decodes_is_the_cursor_of_its_position(text in "\\PC{0,40}") {
            if let Ok(position) = parse_cursor(&text) {
                proptest::prop_assert_eq!(encode_cursor(position), text);
            }
        }
    }

    #[test]
    fn page_sizes_and_cursor_times_have_limits() {
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
