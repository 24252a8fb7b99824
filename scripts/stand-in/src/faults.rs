//! Faults to order: what the next requests of a kind get instead of a good answer.
//!
//! The distinction that matters to a client is whether the request took effect: each fault says so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use http::header::LOCATION;

use crate::exchange::Answer;
use crate::requests::matches;

#[derive(Debug, Clone)]
pub enum Fault {
    /// This answer, without processing the request.
    Answer(Answer),
    /// This answer after processing the request: it took effect, and nothing tells.
    AnswerAfter(Answer),
    /// The connection is cut; the request has no effect.
    Drop,
    /// The request takes effect, then the connection is cut: the answer is lost.
    DropAfter,
    /// The request takes effect, then the connection is reset: the answer is lost.
    ResetAfter,
    /// The request takes effect, then the connection is closed after half of the answer's body.
    HalfAfter,
    /// The request takes effect, and this function changes its answer.
    Change(fn(Answer) -> Answer),
    /// Held for this long, then processed as usual. Has no effect if the client leaves before.
    Hang(Duration),
    /// Processed at once, answered this much later.
    HangAfter(Duration),
}

impl Fault {
    /// An HTML page, as gateways and load balancers write them.
    pub fn html(status: u16) -> Self {
        let page =
            format!("<html><head><title>{status}</title></head><body>{status}</body></html>");
        Self::Answer(Answer::text(status_code(status), "text/html", page))
    }

    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::Answer(Answer::json(status_code(status), body))
    }

    pub fn empty(status: u16) -> Self {
        Self::Answer(Answer::empty(status_code(status)))
    }

    /// 200, said to be JSON, and isn't.
    pub fn garbage() -> Self {
        let body = "{\"access_token\": tru".to_owned();
        Self::Answer(Answer::text(StatusCode::OK, "application/json", body))
    }

    pub fn redirect(location: &str) -> Self {
        Self::Answer(Answer::empty(StatusCode::FOUND).with(LOCATION, location))
    }
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("a fault names a valid HTTP status")
}

/// The faults that are waiting for their requests; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    waiting: Arc<Mutex<Vec<Waiting>>>,
}

#[derive(Debug)]
struct Waiting {
    pattern: String,
    left: usize,
    fault: Fault,
}

impl Faults {
    /// The next request that matches gets this, by the same rules as
    /// [`Requests::matching`](crate::Requests::matching).
    pub fn next(&self, pattern: &str, fault: Fault) {
        self.times(1, pattern, fault);
    }

    pub fn times(&self, times: usize, pattern: &str, fault: Fault) {
        self.lock().push(Waiting {
            pattern: pattern.to_owned(),
            left: times,
            fault,
        });
    }

    /// Every request that matches gets this, until [`clear`](Self::clear).
    pub fn always(&self, pattern: &str, fault: Fault) {
        self.times(usize::MAX, pattern, fault);
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Takes the oldest fault that waits for this request.
    pub(crate) fn take(&self, line: &str) -> Option<Fault> {
        let mut waiting = self.lock();
        let at = waiting.iter().position(|one| matches(&one.pattern, line))?;
        let fault = waiting[at].fault.clone();
        waiting[at].left -= 1;
        if waiting[at].left == 0 {
            waiting.remove(at);
        }
        Some(fault)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Faults};

    #[test]
    fn a_fault_waits_for_its_request_and_is_spent() {
        let faults = Faults::default();
        faults.times(2, "POST /token", Fault::Drop);
        assert!(faults.take("GET /user").is_none());
        assert!(faults.take("POST /token?grant_type=password").is_some());
        assert!(faults.take("POST /auth/v1/token").is_none());
        assert!(faults.take("POST /token").is_some());
        assert!(faults.take("POST /token").is_none());
    }
}
