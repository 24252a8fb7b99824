//! A fake backend on a real socket. It verifies each request, keeps the messages and signs its answers. A test
//! can set the next answers to messages and pulls, and can schedule faults for requests.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use archety_relay::clock::{Clock, SystemClock};
use http::HeaderName;
use serde_json::{Value, json};
use shared_protocol::{
    HEALTH_ROUTE, MESSAGE_ROUTE, PULL_ROUTE, Purpose, RelaySecrets, SignatureHeaders,
    SignatureReason, SigningKey, WebhookId, verify,
};
use stand_in::{Answer, Fault, Request, Server, Service};
use tokio::runtime::Runtime;

pub(crate) const SECRET: &str = "a-secret-of-more-than-twenty-four-bytes";

/// A delay that lasts longer than every test.
pub(crate) const FOREVER: Duration = Duration::from_hours(1);

/// The fake backend as tests use it. It serves until it is dropped.
pub(crate) struct Backend {
    pub(crate) url: String,
    server: Server,
    service: Arc<FakeBackend>,
    /// The runtime of the server, if the test has none of its own.
    _runtime: Option<Runtime>,
}

impl Backend {
    pub(crate) async fn start(clock: Arc<dyn Clock>) -> Self {
        let service = |_url| FakeBackend {
            clock,
            state: Mutex::default(),
        };
        let (server, service) = Server::start(0, service).await.expect("a port");
        Self {
            url: server.url.clone(),
            server,
            service,
            _runtime: None,
        }
    }

    /// Starts a backend for the programs that a test without a runtime starts.
    pub(crate) fn in_background() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let backend = runtime.block_on(Self::start(Arc::new(SystemClock)));
        Self {
            _runtime: Some(runtime),
            ..backend
        }
    }

    /// Appends a signed answer to the queue of answers to messages. The message that gets it is not stored.
    pub(crate) fn answer_next_message(&self, status: u16, body: Value) {
        self.service
            .state()
            .message_answers
            .push_back((status, body));
    }

    /// Appends a signed answer to the queue of answers to pulls.
    pub(crate) fn answer_next_pull(&self, status: u16, body: Value) {
        self.service.state().pull_answers.push_back((status, body));
    }

    /// Appends a fault to the queue of faults of message requests.
    pub(crate) fn spoil_message(&self, fault: Fault) {
        self.server.faults.next(MESSAGE_ROUTE, fault);
    }

    /// Appends a fault to the queue of faults of pulls.
    pub(crate) fn spoil_pull(&self, fault: Fault) {
        self.server.faults.next(PULL_ROUTE, fault);
    }

    /// Leaves the next pull without an answer.
    pub(crate) fn hold_next_pull(&self) {
        self.server.faults.next(PULL_ROUTE, Fault::Hang(FOREVER));
    }

    /// Takes the next pull at once, and sends the answer after this time.
    pub(crate) fn delay_next_pull(&self, time: Duration) {
        self.server.faults.next(PULL_ROUTE, Fault::HangAfter(time));
    }

    /// Sets the version that later answers name.
    pub(crate) fn set_version(&self, version: &'static str) {
        self.service.state().version = Some(version);
    }

    /// Gives the health answer the form that it has in a release without rehearsals.
    pub(crate) fn hide_rehearsal_support(&self) {
        self.service.state().is_before_rehearsals = true;
    }

    /// The number of requests at the message route, accepted or not.
    pub(crate) fn message_requests(&self) -> usize {
        self.server.requests.count(MESSAGE_ROUTE)
    }

    /// Waits until so many pulls have arrived, those that were not answered included.
    pub(crate) async fn wait_for_pulls(&self, count: usize) {
        while self.server.requests.count(PULL_ROUTE) < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The bodies of the pulls with valid signatures, in the order of their arrival.
    pub(crate) fn pulls(&self) -> Vec<Value> {
        self.service.state().pulls.clone()
    }

    /// The messages with valid signatures, in the order of their arrival. Refused replays are left out.
    pub(crate) fn received(&self) -> Vec<Value> {
        let state = self.service.state();
        state
            .received
            .iter()
            .map(|(_, body)| body.clone())
            .collect()
    }

    /// The webhook ids of the messages with valid signatures.
    pub(crate) fn ids(&self) -> Vec<String> {
        let state = self.service.state();
        state.received.iter().map(|(id, _)| id.clone()).collect()
    }

    /// The texts of the stored messages, in the order in which they were stored.
    pub(crate) fn stored(&self) -> Vec<String> {
        let state = self.service.state();
        let text = |body: &Value| body["text"].as_str().unwrap_or("?").to_owned();
        state.stored.iter().map(|(_, body)| text(body)).collect()
    }

    /// The largest number of messages that were handled at the same time.
    pub(crate) fn max_concurrent(&self) -> usize {
        self.service.state().max_concurrent
    }
}

struct FakeBackend {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Status and body of the answers to the next messages.
    message_answers: VecDeque<(u16, Value)>,
    /// Status and body of the answers to the next pulls.
    pull_answers: VecDeque<(u16, Value)>,
    /// Bodies of the pulls with valid signatures.
    pulls: Vec<Value>,
    /// Webhook ids and bodies of the messages with valid signatures.
    received: Vec<(String, Value)>,
    /// Webhook ids and bodies of the stored messages.
    stored: Vec<(String, Value)>,
    /// Ids and timestamps of the messages so far.
    seen: HashSet<(String, i64)>,
    version: Option<&'static str>,
    is_before_rehearsals: bool,
    /// How many messages are handled right now.
    concurrent: usize,
    max_concurrent: usize,
    concurrent_by_chat: HashMap<String, usize>,
}

impl State {
    fn version(&self) -> &'static str {
        self.version.unwrap_or("1.0.0")
    }
}

impl Service for FakeBackend {
    async fn answer(&self, request: Request) -> Answer {
        let answer = match request.path.as_str() {
            HEALTH_ROUTE => Ok(self.health()),
            PULL_ROUTE => self.pull(&request),
            _ => self.message(&request).await,
        };
        answer.unwrap_or_else(|reason| {
            let mut body = problem(401, "invalid_signature");
            body["reason"] = json!(reason);
            body["server_time"] = json!(self.clock.now().as_secs());
            unsigned(401, &body.to_string())
        })
    }
}

impl FakeBackend {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test panics while it holds the lock")
    }

    fn health(&self) -> Answer {
        let state = self.state();
        Answer::ok(&json!({"status": "ok", "version": state.version(),
            "rehearsals": !state.is_before_rehearsals}))
    }

    /// The id and timestamp of a request with a valid signature; else the reason of its refusal, as the answer
    /// names it.
    fn verify(
        &self,
        purpose: Purpose,
        request: &Request,
    ) -> Result<(WebhookId, i64), &'static str> {
        let secrets = RelaySecrets::parse(SECRET).expect("valid");
        let header = |name: &str| request.headers.get(name).map(http::HeaderValue::as_bytes);
        let headers = SignatureHeaders {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signature: header("webhook-signature"),
        };
        let now = self.clock.now().as_secs();
        let verified = verify(&secrets, purpose, headers, &request.body, now);
        let verified = verified.map_err(|refusal| SignatureReason::from(refusal).as_str())?;
        Ok((verified.id, verified.timestamp))
    }

    fn pull(&self, request: &Request) -> Result<Answer, &'static str> {
        let (id, _) = self.verify(Purpose::Pull, request)?;
        let now = self.clock.now().as_secs();
        let mut state = self.state();
        let body = serde_json::from_slice(&request.body).expect("signed JSON");
        state.pulls.push(body);
        let scripted = state.pull_answers.pop_front();
        let (status, body) = scripted.unwrap_or_else(|| {
            let body = json!({"commands": [], "reads_acks": true, "server_time": now,
                "version": state.version(), "environment": "development"});
            (200, body)
        });
        Ok(self.signed(status, &body, &id))
    }

    async fn message(&self, request: &Request) -> Result<Answer, &'static str> {
        let (id, timestamp) = self.verify(Purpose::Message, request)?;
        let body: Value = serde_json::from_slice(&request.body).expect("signed JSON");
        let scripted = {
            let mut state = self.state();
            if !state.seen.insert((id.as_str().to_owned(), timestamp)) {
                return Err("replayed");
            }
            let post = (id.as_str().to_owned(), body.clone());
            state.received.push(post);
            state.message_answers.pop_front()
        };
        let (status, answer) = match scripted {
            Some(scripted) => scripted,
            None => (200, self.store(id.as_str(), body).await),
        };
        Ok(self.signed(status, &answer, &id))
    }

    /// Stores a message and gives the body of the answer.
    async fn store(&self, id: &str, body: Value) -> Value {
        let chat = body["chat_guid"].as_str().unwrap_or_default().to_owned();
        {
            let mut state = self.state();
            state.concurrent += 1;
            state.max_concurrent = state.max_concurrent.max(state.concurrent);
            let in_chat = state.concurrent_by_chat.entry(chat.clone()).or_default();
            *in_chat += 1;
            assert_eq!(*in_chat, 1, "two messages of one chat in flight");
        }
        // Lets other connections in, so that parallel requests overlap.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let mut state = self.state();
        state.concurrent -= 1;
        *state
            .concurrent_by_chat
            .get_mut(&chat)
            .expect("counted above") -= 1;
        let is_known = state.stored.iter().any(|(stored, _)| stored == id);
        if !is_known {
            state.stored.push((id.to_owned(), body));
        }
        let status = if is_known { "duplicate" } else { "accepted" };
        json!({"status": status, "message_id": id, "should_respond": false,
            "version": state.version(), "environment": "development"})
    }

    /// The signed answer to the request with this id.
    fn signed(&self, status: u16, body: &Value, request: &WebhookId) -> Answer {
        let answer = Answer::json(status.try_into().expect("a status"), body);
        let key = SigningKey::parse(SECRET).expect("valid");
        sign(answer, &request.answer(), self.clock.now().as_secs(), &key)
    }
}

/// Signs an answer with these values, in place of an earlier signature.
pub(crate) fn sign(answer: Answer, id: &WebhookId, timestamp: i64, key: &SigningKey) -> Answer {
    let signature = key.sign(id, timestamp, &answer.body);
    answer
        .with(HeaderName::from_static("webhook-id"), id.as_str())
        .with(
            HeaderName::from_static("webhook-timestamp"),
            &timestamp.to_string(),
        )
        .with(HeaderName::from_static("webhook-signature"), &signature)
}

/// An answer without a signature.
pub(crate) fn unsigned(status: u16, body: &str) -> Answer {
    let mut answer = Answer::empty(status.try_into().expect("a status"));
    answer.body = body.to_owned().into();
    answer
}

/// The body of an error of the backend.
pub(crate) fn problem(status: u16, code: &str) -> Value {
    json!({"type": "about:blank", "title": "t", "status": status, "detail": "d",
        "code": code, "request_id": "r", "version": "1.0.0", "environment": "development"})
}
