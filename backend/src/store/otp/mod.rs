//! One-time codes, the challenges that they confirm, and the approvals of confirmed challenges.
//!
//! A number has at most one live code for each channel. The row of a code is written before the provider is asked,
//! so that simultaneous starts send one message. If the provider's answer is never recorded, the row expires. Each
//! start is a challenge of its own, bound to the browser or session that began it. Numbers and codes are stored as
//! keyed hashes. A transaction locks codes before challenges, and challenges before counters, so that two transactions
//! cannot deadlock.

pub(in crate::store) mod approvals;
pub(in crate::store) mod attempts;
mod challenge;
pub(in crate::store) mod cleaning;
pub(in crate::store) mod codes;

use std::time::Duration;

use uuid::Uuid;

pub(in crate::store) use approvals::consume_approval;
pub use approvals::{Approval, RecentlyUsedApproval};
pub use attempts::{Attempt, AttemptRequest, CodeRow, CountedAttempt};
pub use challenge::{BeginResult, ChallengeRequest, SendGuard, SentCode, UnsentReason};

/// The kind of the keyed hashes of phone numbers, for [`Pepper::hash`](super::Pepper::hash).
pub const PHONE_HASH: &str = "otp-phone";
/// How long a code can be confirmed after it was sent.
pub const CODE_TTL: Duration = Duration::from_mins(10);
/// How long the row of a code lives before the provider has answered. Longer than the timeout of the request.
pub const RESERVED_FOR: Duration = Duration::from_mins(1);
/// How long after a live code was sent a start may send it again.
pub const RESEND_AFTER: Duration = Duration::from_secs(30);
/// How often a live code may be sent again.
pub(in crate::store) const MAX_RESENDS: i32 = 2;
/// How long an approval can be used.
pub const APPROVAL_TTL: Duration = Duration::from_mins(10);
/// The maximum number of attempts at one challenge, and of the checks of a code that a provider makes.
pub const MAX_ATTEMPTS: u32 = 5;

/// What a challenge is bound to: a browser, a session, or neither. Only a client with the same browser or session can
/// confirm a bound challenge. Any client that is no browser can confirm an unbound one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChallengeOwner {
    /// Digest of the browser's session or pre-session; `None` for an app.
    pub browser: Option<[u8; 32]>,
    /// The session that requested a step-up.
    pub session: Option<Uuid>,
}

impl ChallengeOwner {
    fn browser_digest(&self) -> Option<&[u8]> {
        self.browser.as_ref().map(|digest| &digest[..])
    }
}
