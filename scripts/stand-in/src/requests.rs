//! The log of what was asked, so that a test can count calls and look at what they carried.

use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;

#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
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
    pub fn all(&self) -> Vec<Seen> {
        self.lock().clone()
    }

    /// Those with `pattern` in `METHOD /path?query`; with a `$` at its end it matches at the end only.
    pub fn matching(&self, pattern: &str) -> Vec<Seen> {
        let mut seen = self.all();
        seen.retain(|one| matches(pattern, &one.line()));
        seen
    }

    pub fn count(&self, pattern: &str) -> usize {
        self.matching(pattern).len()
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

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

pub(crate) fn matches(pattern: &str, line: &str) -> bool {
    match pattern.strip_suffix('$') {
        Some(end) => line.ends_with(end),
        None => line.contains(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_pattern_can_be_held_to_the_end() {
        assert!(matches("POST /Verifications", "POST /Verifications/VE1"));
        assert!(!matches("/Verifications$", "POST /Verifications/VE1"));
        assert!(matches("/Verifications$", "POST /Verifications"));
    }
}
