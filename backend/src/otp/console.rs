//! The provider of a developer's own machine: it prints codes.
//!
//! The one place where a code is written down in clear, which is what it is for. The configuration
//! allows it in development on a loopback address alone.

use super::Channel;
use crate::ids::random_bytes;
use crate::phone::Phone;

/// Makes a code and shows it at the terminal.
pub(super) fn send(phone: &Phone, channel: Channel) -> String {
    let code = format!("{:06}", u64::from_be_bytes(random_bytes()) % 1_000_000);
    tracing::warn!(
        phone = %phone.masked(),
        channel = channel.into_str(),
        "development: the code is {code}"
    );
    code
}
