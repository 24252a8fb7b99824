//! The provider for development: it sends no message and logs the code.
//!
//! No other module logs a code. The configuration allows this provider only in development and only while
//! the server listens on a loopback address.

use super::Channel;
use crate::ids::random_bytes;
use crate::phone::Phone;

/// Makes a code and logs it.
pub(super) fn send(phone: &Phone, channel: Channel) -> String {
    let code = format!("{:06}", u64::from_be_bytes(random_bytes()) % 1_000_000);
    tracing::warn!(
        phone = %phone.masked(),
        channel = channel.into_str(),
        "development: the code is {code}"
    );
    code
}
