//! A backend on a real socket that answers as a test says, and keeps the stored messages.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use archety_relay::clock::Clock;
use serde_json::{Value, json};
use shared_protocol::{Purpose, RelaySecrets, SignatureHeaders, SigningKey, WebhookId, verify};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const SECRET: &str = "a-secret-of-more-than-twenty-four-bytes";

/// How the backend handles a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A signed answer with this status and body; the message is not stored.
    Signed(u16, Value),
    /// An answer with this status and body, without a signature.
    Unsigned(u16, &'static str),
    /// Stores the message, and signs the answer with another key.
    OtherKey,
    /// Stores the message, and signs the answer with the id of another request.
    OtherRequest,
    /// Stores the message, then resets the connection.
    StoreAndReset,
    /// Stores the message, then sends a part of the answer.
    StoreAndHalf,
    /// Stores the message, and never answers.
    StoreAndHang,
    /// A redirect to this address.
    Redirect(String),
    /// Stores the message; the signed answer has the header `content-encoding: gzip`.
    Gzip,
}

enum Next {
    Act(Option<Act>),
    Replayed,
}

#[derive(Default)]
struct Shared {
    script: VecDeque<Act>,
    stored: Vec<(String, Value)>,
    seen: HashSet<(String, i64)>,
    requests: usize,
    /// Answers to the next pulls; `None` leaves a pull without an answer.
    pulls: VecDeque<Option<(u16, Value)>>,
    at_once: usize,
    most_at_once: usize,
    lanes_at_once: HashMap<String, usize>,
}

/// The backend, which runs until the end of the test's runtime.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) url: String,
    shared: Arc<Mutex<Shared>>,
    clock: Arc<dyn Clock>,
    pub(crate) version: Arc<Mutex<String>>,
}

impl Backend {
    pub(crate) async fn start(clock: Arc<dyn Clock>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let backend = Self {
            url: format!("http://{}", listener.local_addr().expect("bound")),
            shared: Arc::default(),
            clock,
            version: Arc::new(Mutex::new("1.0.0".to_owned())),
        };
        let server = backend.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        backend
    }

    /// Sets how the next messages are handled. Later ones are stored and answered.
    pub(crate) fn script(&self, acts: impl IntoIterator<Item = Act>) {
        self.shared.lock().expect("sound").script.extend(acts);
    }

    /// Sets the answer to the next pull.
    pub(crate) fn script_pull(&self, status: u16, body: Value) {
        self.shared
            .lock()
            .expect("sound")
            .pulls
            .push_back(Some((status, body)));
    }

    /// The next pull is never answered.
    pub(crate) fn hold_next_pull(&self) {
        self.shared.lock().expect("sound").pulls.push_back(None);
    }

    /// Texts in the order in which they were stored, each identity once.
    pub(crate) fn stored(&self) -> Vec<String> {
        let shared = self.shared.lock().expect("sound");
        let text = |body: &Value| body["text"].as_str().unwrap_or("?").to_owned();
        shared.stored.iter().map(|(_, body)| text(body)).collect()
    }

    pub(crate) fn requests(&self) -> usize {
        self.shared.lock().expect("sound").requests
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.lock().expect("sound").most_at_once
    }

    fn key() -> SigningKey {
        SigningKey::parse(SECRET).expect("valid")
    }

    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut buffer = Vec::new();
        loop {
            let request = read_request(&mut stream, &mut buffer).await?;
            if request.path.ends_with("/relay/commands/pull") {
                let Some((status, body)) = self.pull_answer() else {
                    std::future::pending().await
                };
                let id = WebhookId::parse(&request.id, Purpose::Pull).ok()?;
                let reply = self.signed(status, &body.to_string(), &id.answer(), &Self::key());
                stream.write_all(reply.as_bytes()).await.ok()?;
                continue;
            }
            self.message(&mut stream, &request).await?;
        }
    }

    fn pull_answer(&self) -> Option<(u16, Value)> {
        let scripted = self.shared.lock().expect("sound").pulls.pop_front();
        scripted.unwrap_or_else(|| {
            let version = self.version.lock().expect("sound").clone();
            Some((
                200,
                json!({"commands": [], "server_time": self.clock.now().as_secs(),
                         "version": version, "environment": "development"}),
            ))
        })
    }

    async fn message(&self, stream: &mut TcpStream, request: &Request) -> Option<()> {
        let now = self.clock.now().as_secs();
        let secrets = RelaySecrets::parse(SECRET).expect("valid");
        let headers = SignatureHeaders {
            id: Some(request.id.as_bytes()),
            timestamp: Some(request.timestamp.as_bytes()),
            signature: Some(request.signature.as_bytes()),
        };
        let Ok(verified) = verify(&secrets, Purpose::Message, headers, &request.body, now) else {
            return unsigned(stream, 401, &problem(401, "invalid_signature", "mismatch")).await;
        };
        let pair = (request.id.clone(), verified.timestamp);
        let Next::Act(act) = self.next_act(pair) else {
            return unsigned(stream, 401, &problem(401, "invalid_signature", "replayed")).await;
        };
        let id = verified.id.answer();
        let body: Value = serde_json::from_slice(&request.body).ok()?;
        match act {
            Some(Act::Unsigned(status, body)) => unsigned(stream, status, body).await,
            Some(Act::Signed(status, problem)) => {
                let reply = self.signed(status, &problem.to_string(), &id, &Self::key());
                stream.write_all(reply.as_bytes()).await.ok()
            }
            Some(Act::Redirect(to)) => {
                let head =
                    format!("HTTP/1.1 307 Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).await.ok()
            }
            act => {
                let answer = self.store(&request.id, body).await;
                let other = WebhookId::parse("msg_other", Purpose::Message).expect("valid");
                let reply = match act {
                    Some(Act::OtherKey) => {
                        self.signed(200, &answer, &id, &SigningKey::from_bytes([7; 32]))
                    }
                    Some(Act::OtherRequest) => {
                        self.signed(200, &answer, &other.answer(), &Self::key())
                    }
                    Some(Act::Gzip) => self
                        .signed(200, &answer, &id, &Self::key())
                        .replace("content-type", "content-encoding: gzip\r\ncontent-type"),
                    _ => self.signed(200, &answer, &id, &Self::key()),
                };
                match act {
                    Some(Act::StoreAndReset) => {
                        stream.set_zero_linger().ok()?;
                        None
                    }
                    Some(Act::StoreAndHalf) => {
                        let half = reply.len() - 20;
                        stream.write_all(&reply.as_bytes()[..half]).await.ok()?;
                        None
                    }
                    Some(Act::StoreAndHang) => std::future::pending().await,
                    _ => stream.write_all(reply.as_bytes()).await.ok(),
                }
            }
        }
    }

    /// How to handle a request, unless its pair of id and timestamp was seen before.
    fn next_act(&self, pair: (String, i64)) -> Next {
        let mut shared = self.shared.lock().expect("sound");
        shared.requests += 1;
        if shared.seen.insert(pair) {
            Next::Act(shared.script.pop_front())
        } else {
            Next::Replayed
        }
    }

    async fn store(&self, id: &str, body: Value) -> String {
        let chat = body["chat_guid"].as_str().unwrap_or_default().to_owned();
        {
            let mut shared = self.shared.lock().expect("sound");
            shared.at_once += 1;
            shared.most_at_once = shared.most_at_once.max(shared.at_once);
            let in_lane = shared.lanes_at_once.entry(chat.clone()).or_default();
            *in_lane += 1;
            assert_eq!(*in_lane, 1, "two messages of one chat in flight");
        }
        // Lets other connections in, so that parallel requests overlap.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let mut shared = self.shared.lock().expect("sound");
        shared.at_once -= 1;
        *shared.lanes_at_once.get_mut(&chat).expect("entered") -= 1;
        let known = shared.stored.iter().any(|(stored, _)| stored == id);
        if !known {
            shared.stored.push((id.to_owned(), body));
        }
        let status = if known { "duplicate" } else { "accepted" };
        let version = self.version.lock().expect("sound").clone();
        json!({"status": status, "message_id": id, "should_respond": false,
               "version": version, "environment": "development"})
        .to_string()
    }

    fn signed(&self, status: u16, body: &str, id: &WebhookId, key: &SigningKey) -> String {
        let timestamp = self.clock.now().as_secs();
        let signature = key.sign(id, timestamp, body.as_bytes());
        format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             webhook-id: {id}\r\nwebhook-timestamp: {timestamp}\r\nwebhook-signature: {signature}\r\n\r\n{body}",
            body.len()
        )
    }
}

pub(crate) fn problem(status: u16, code: &str, reason: &str) -> String {
    let mut body = json!({"type": "about:blank", "title": "t", "status": status, "detail": "d",
        "code": code, "request_id": "r", "version": "1.0.0", "environment": "development"});
    if !reason.is_empty() {
        body["reason"] = json!(reason);
    }
    body.to_string()
}

async fn unsigned(stream: &mut TcpStream, status: u16, body: &str) -> Option<()> {
    let reply = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(reply.as_bytes()).await.ok()
}

struct Request {
    path: String,
    id: String,
    timestamp: String,
    signature: String,
    body: Vec<u8>,
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        read_more(stream, buffer).await?;
    };
    let head = String::from_utf8(buffer[..head_end].to_vec()).ok()?;
    let header = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let length: usize = header("content-length").parse().ok()?;
    while buffer.len() < head_end + length {
        read_more(stream, buffer).await?;
    }
    let body = buffer[head_end..head_end + length].to_vec();
    buffer.drain(..head_end + length);
    Some(Request {
        path: head.split(' ').nth(1)?.to_owned(),
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body,
    })
}

async fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let read = tokio::time::timeout(Duration::from_hours(1), stream.read_buf(buffer)).await;
    (read.ok()?.ok()? > 0).then_some(())
}
