//! Generated guids, and the names of messages in scripts, from which guids are derived. Guids look random
//! but depend only on a seed, so that the same script builds the same database.

use serde::{Deserialize, Serialize};

/// An endless sequence of UUIDs (version 4 in shape), written in capitals as macOS does.
#[derive(Clone, Debug)]
pub struct Guids {
    state: u64,
}

impl Guids {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The sequence whose seed is the hash of a text.
    pub fn from_text(text: &str) -> Self {
        // FNV-1a, because the standard hasher may change with the version of Rust.
        Self::new(text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    pub fn next_guid(&mut self) -> String {
        let [a, b] = [self.next_u64(), self.next_u64()];
        format!(
            "{:08X}-{:04X}-4{:03X}-{:04X}-{:012X}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            0x8000 | (b >> 50),
            b & 0xffff_ffff_ffff,
        )
    }

    /// The next number of the `SplitMix64` generator.
    fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Whether a text has the form of a UUID: 32 hexadecimal digits in five groups.
pub fn is_guid(text: &str) -> bool {
    let digits = text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
    digits && text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

/// A message's name within a script, or its guid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Label(pub String);

impl Label {
    /// The guid that is derived from the name, for a message to which the script gives no guid.
    pub fn guid(&self) -> String {
        Guids::from_text(&self.0).next_guid()
    }

    /// The name of the `number`th message without a name in the script.
    pub fn unnamed(number: u32) -> Self {
        Self(format!("unnamed message {number}"))
    }
}

impl From<&str> for Label {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}
