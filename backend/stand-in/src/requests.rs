//! The log of what was asked, so that a test can count calls and look at what they carried.

use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;

use crate::pattern::matches;

/// One request, and what became of it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query, as asked.
    pub path: String,
    /// Headers as sent.
    pub headers: HeaderMap,
    /// Body as sent, for reading by people and asserts.
    pub body: String,
    /// The answer's status; none when no answer left (cut off, or the client went away).
    pub status: Option<u16>,
}

impl Seen {
    /// `POST /token?grant_type=password`: method, path and query in one.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// All requests so far, in the order in which they arrived; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Requests {
    /// Every request.
    pub fn all(&self) -> Vec<Seen> {
        self.lock().clone()
    }

    /// Those that match `pattern`, by the same rules as [`Faults`](crate::Faults).
    pub fn matching(&self, pattern: &str) -> Vec<Seen> {
        let mut seen = self.all();
        seen.retain(|one| matches(pattern, &one.line()));
        seen
    }

    /// How many [`matching`](Self::matching) there are.
    pub fn count(&self, pattern: &str) -> usize {
        self.matching(pattern).len()
    }

    /// Forgets everything so far.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Enters a request that has just arrived.
    pub(crate) fn arrived(&self, seen: Seen) -> usize {
        let mut all = self.lock();
        all.push(seen);
        all.len() - 1
    }

    /// Enters the status with which it was answered. The log may have been cleared meanwhile.
    pub(crate) fn answered(&self, entry: usize, status: u16) {
        if let Some(seen) = self.lock().get_mut(entry) {
            seen.status = Some(status);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
