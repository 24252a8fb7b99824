//! The log of received requests, in which a test counts calls and reads their contents.

use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;

#[derive(Debug, Clone)]
pub struct LoggedRequest {
    pub method: String,
    /// The path, and the query if there is one.
    pub path_and_query: String,
    pub headers: HeaderMap,
    /// The body as text; bytes that are no UTF-8 are replaced.
    pub body: String,
    /// The answer's status; `None` if no answer was sent, because the connection was cut or the client disconnected.
    pub status: Option<u16>,
}

impl LoggedRequest {
    /// Method, path and query in one line: `POST /token?grant_type=password`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path_and_query)
    }
}

/// All requests so far in the order of arrival; clones share the log.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    entries: Arc<Mutex<Vec<LoggedRequest>>>,
}

impl Requests {
    pub fn all(&self) -> Vec<LoggedRequest> {
        self.lock().clone()
    }

    /// The requests whose line `METHOD /path?query` contains `pattern`. A pattern that ends with `$`
    /// matches only at the end of the line.
    pub fn matching(&self, pattern: &str) -> Vec<LoggedRequest> {
        let mut entries = self.all();
        entries.retain(|entry| matches(pattern, &entry.line()));
        entries
    }

    /// The number of requests that [`matching`](Self::matching) returns.
    pub fn count(&self, pattern: &str) -> usize {
        self.matching(pattern).len()
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Adds a request and returns its index, with which its status is recorded later.
    pub(crate) fn record(&self, request: LoggedRequest) -> usize {
        let mut entries = self.lock();
        entries.push(request);
        entries.len() - 1
    }

    /// Sets the status of the request at `index`. If a test has cleared the log since the request was recorded,
    /// there may be no request or a later one at `index`.
    pub(crate) fn record_status(&self, index: usize, status: u16) {
        if let Some(entry) = self.lock().get_mut(index) {
            entry.status = Some(status);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<LoggedRequest>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a request's line matches a pattern, by the rules of [`Requests::matching`].
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
    fn a_pattern_with_a_dollar_sign_matches_only_at_the_end() {
        assert!(matches("POST /Verifications", "POST /Verifications/VE1"));
        assert!(!matches("/Verifications$", "POST /Verifications/VE1"));
        assert!(matches("/Verifications$", "POST /Verifications"));
    }
}
