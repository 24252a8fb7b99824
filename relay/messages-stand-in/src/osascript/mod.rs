//! A stand-in for `osascript` as the relay uses it: it sends texts by writing them to a chat.db.
//!
//! It accepts the relay's own script alone, takes the values from argv, and writes the own row as Messages of that
//! macOS does: over several commits, some of them after `osascript` has ended. A [`Mode`] makes a call go wrong;
//! [`Control`] queues modes and reads the log of all calls. The program starts a second process for the writes,
//! because Messages goes on when `osascript` is killed.
//!
//! Like the rest of the library, the module reads no clock: the program passes the time.

mod app_error;
mod call;
mod chats;
mod control;
mod log;
mod mode;
mod writer;

use sha2::{Digest, Sha256};

pub use app_error::stderr_text;
pub use call::{Call, Refusal, Target, Verb, parse_arguments};
pub use chats::is_found;
pub use control::{Begun, CHAT_DB_FILE, Control};
pub use log::{End, Event, LoggedCall, Record};
pub use mode::{Committed, Ending, Mode, Queued, Write};
pub use writer::{Delivery, Writer};

/// The script of the relay. The relay includes the same file.
pub const SCRIPT: &str = include_str!("../../../src/dispatch/script.applescript");

/// The SHA-256 digest in hexadecimal.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The digest of an argv, in which each value ends with a NUL.
pub fn sha256_of_argv(argv: &[String]) -> String {
    let joined: String = argv.iter().flat_map(|value| [value, "\0"]).collect();
    sha256(joined)
}

/// Whether these bytes are the relay's script.
pub fn is_relay_script(script: &[u8]) -> bool {
    sha256(script) == sha256(SCRIPT)
}
