//! Faults that a test schedules: matching requests get a fault instead of the service's answer.
//!
//! Each fault states whether the service processes the request, because that decides what a client has to do next.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use http::header::LOCATION;

use crate::exchange::Answer;
use crate::requests::matches;

#[derive(Debug, Clone)]
pub enum Fault {
    /// Sends this answer; the service does not process the request.
    Answer(Answer),
    /// Sends this answer after the service has processed the request and its own answer was discarded.
    AnswerAfter(Answer),
    /// Closes the connection without an answer; the service does not process the request.
    Drop,
    /// Closes the connection after the service has processed the request: the answer is lost.
    DropAfter,
    /// Resets the connection after the service has processed the request: the answer is lost.
    ResetAfter,
    /// Processes the request, sends half of the answer's body and closes the connection.
    HalfAfter,
    /// Processes the request and sends the answer that this function returns.
    Change(fn(Answer) -> Answer),
    /// Waits this long, then processes the request. If the client disconnects earlier, the request is not processed.
    Hang(Duration),
    /// Processes the request at once and sends the answer after this time.
    HangAfter(Duration),
}

impl Fault {
    /// An answer with an HTML page, as gateways and load balancers send for their own errors.
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

    /// An answer 200 of the type JSON whose body is no valid JSON.
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

/// Faults that are scheduled for future requests; clones share the list.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    pending: Arc<Mutex<Vec<PendingFault>>>,
}

#[derive(Debug)]
struct PendingFault {
    pattern: String,
    times_left: usize,
    fault: Fault,
}

impl Faults {
    /// Schedules a fault for the next request that matches `pattern`, by the rules of
    /// [`Requests::matching`](crate::Requests::matching).
    pub fn next(&self, pattern: &str, fault: Fault) {
        self.times(1, pattern, fault);
    }

    /// Schedules a fault for the next `times` matching requests.
    pub fn times(&self, times: usize, pattern: &str, fault: Fault) {
        self.lock().push(PendingFault {
            pattern: pattern.to_owned(),
            times_left: times,
            fault,
        });
    }

    /// Schedules a fault for every matching request, until [`clear`](Self::clear).
    pub fn always(&self, pattern: &str, fault: Fault) {
        self.times(usize::MAX, pattern, fault);
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Takes the oldest fault whose pattern matches this line of a request, for one use.
    pub(crate) fn take(&self, line: &str) -> Option<Fault> {
        let mut pending = self.lock();
        let mut patterns = pending.iter().map(|fault| &fault.pattern);
        let index = patterns.position(|pattern| matches(pattern, line))?;
        let fault = pending[index].fault.clone();
        pending[index].times_left -= 1;
        if pending[index].times_left == 0 {
            pending.remove(index);
        }
        Some(fault)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<PendingFault>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Faults};

    #[test]
    fn a_fault_is_applied_to_matching_requests_as_often_as_scheduled() {
        let faults = Faults::default();
        faults.times(2, "POST /token", Fault::Drop);
        assert!(faults.take("GET /user").is_none());
        assert!(faults.take("POST /token?grant_type=password").is_some());
        assert!(faults.take("POST /auth/v1/token").is_none());
        assert!(faults.take("POST /token").is_some());
        assert!(faults.take("POST /token").is_none());
    }
}
