//! Codes that were sent, the challenges that wait for them, and what came of these.
//!
//! A number and a channel have one live code at most. Its row is there before the provider is asked, so
//! that simultaneous starts send one message; it expires by itself if the answer is never noted. Each
//! start is a challenge of its own, bound to the client that began it. Numbers and codes are keyed hashes.
//! A transaction locks codes before challenges, and challenges before counters.

pub(in crate::store) mod approvals;
pub(in crate::store) mod attempts;
mod challenge;
pub(in crate::store) mod cleaning;
pub(in crate::store) mod codes;

use std::time::Duration;

use uuid::Uuid;

pub(in crate::store) use approvals::consume_approval;
pub use approvals::{Approval, JustUsed};
pub use attempts::{Attempt, AttemptAsk, CodeRow, Counted};
pub use challenge::{Begun, ChallengeAsk, Refusal, SendGuard, SentCode};

/// Under which kind of keyed hash numbers are kept.
pub const PHONE_HASH: &str = "otp-phone";
/// How long a code lives.
pub const CODE_TTL: Duration = Duration::from_mins(10);
/// How long a code may be on its way to the provider. Longer than any answer is waited for.
pub const RESERVED_FOR: Duration = Duration::from_mins(1);
/// After what time a code that lives is sent once more.
pub const RESEND_AFTER: Duration = Duration::from_secs(30);
/// How often a code is sent once more.
pub(in crate::store) const MAX_RESENDS: i32 = 2;
/// How long an approval stays good.
pub const APPROVAL_TTL: Duration = Duration::from_mins(10);
/// How often a code may be guessed within one challenge.
pub const MAX_ATTEMPTS: u32 = 5;

/// The client that began a challenge, and has to be the one that confirms it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundTo {
    /// Digest of a browser's pre-session; absent for an app.
    pub browser: Option<[u8; 32]>,
    /// A signed-in session.
    pub session: Option<Uuid>,
}

impl BoundTo {
    fn browser_digest(&self) -> Option<&[u8]> {
        self.browser.as_ref().map(|digest| &digest[..])
    }
}
