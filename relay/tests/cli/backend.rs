//! A backend on a real socket that signs its answers. It answers messages as a test says, and every pull at
//! once.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use archety_relay::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use shared_protocol::{
    HEALTH_ROUTE, PULL_ROUTE, Purpose, RelaySecrets, SignatureHeaders, SigningKey, verify,
};

use crate::home::SECRET;

/// The status and body of the answer to a message, given the number of messages before it.
type Answers = fn(usize) -> (u16, Value);

pub(crate) struct Backend {
    pub(crate) url: String,
    posts: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Backend {
    /// Serves until the test's process ends.
    pub(crate) fn start(answers: Answers) -> Self {
        Self::serving(answers, true)
    }

    /// A backend of a release without rehearsals.
    pub(crate) fn before_rehearsals(answers: Answers) -> Self {
        Self::serving(answers, false)
    }

    fn serving(answers: Answers, rehearsals: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let posts = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&posts);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let posts = Arc::clone(&kept);
                std::thread::spawn(move || serve(&stream, &posts, answers, rehearsals));
            }
        });
        Self { url, posts }
    }

    /// The messages in the order of their arrival. All had valid signatures.
    pub(crate) fn received(&self) -> Vec<Value> {
        let posts = self.posts.lock().expect("sound");
        posts.iter().map(|(_, body)| body.clone()).collect()
    }

    /// The ids of the messages.
    pub(crate) fn ids(&self) -> Vec<String> {
        let posts = self.posts.lock().expect("sound");
        posts.iter().map(|(id, _)| id.clone()).collect()
    }
}

/// The answer to a message that is stored and new.
pub(crate) fn accepted() -> (u16, Value) {
    let body = json!({"status": "accepted", "message_id": "m", "should_respond": false,
        "version": "1.0.0", "environment": "development"});
    (200, body)
}

pub(crate) fn problem(status: u16, code: &str) -> (u16, Value) {
    let body = json!({"type": "about:blank", "title": "t", "status": status, "detail": "d",
        "code": code, "request_id": "r", "version": "1.0.0", "environment": "development"});
    (status, body)
}

fn answer_of(body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn serve(
    stream: &TcpStream,
    posts: &Mutex<Vec<(String, Value)>>,
    answers: Answers,
    rehearsals: bool,
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let Request { path, head, body } = read_request(&mut reader)?;
        if path == HEALTH_ROUTE {
            let health = json!({"status": "ok", "version": "1.0.0", "rehearsals": rehearsals});
            (&mut &*stream)
                .write_all(answer_of(&health).as_bytes())
                .ok()?;
            continue;
        }
        let header = |name: &str| {
            head.iter()
                .find(|(key, _)| key == name)
                .map(|(_, v)| v.as_str())
        };
        let headers = SignatureHeaders {
            id: header("webhook-id").map(str::as_bytes),
            timestamp: header("webhook-timestamp").map(str::as_bytes),
            signature: header("webhook-signature").map(str::as_bytes),
        };
        let secrets = RelaySecrets::parse(SECRET).expect("valid");
        let now = SystemClock.now().as_secs();
        let purpose = if path == PULL_ROUTE {
            Purpose::Pull
        } else {
            Purpose::Message
        };
        let verified = verify(&secrets, purpose, headers, &body, now).ok()?;
        let (status, answer) = if purpose == Purpose::Pull {
            let body = json!({"commands": [], "server_time": now, "version": "1.0.0",
                "environment": "development"});
            (200, body)
        } else {
            let mut posts = posts.lock().expect("sound");
            let id = verified.id.as_str().to_owned();
            posts.push((id, serde_json::from_slice(&body).ok()?));
            answers(posts.len() - 1)
        };
        let (id, answer) = (verified.id.answer(), answer.to_string());
        let key = SigningKey::parse(SECRET).expect("valid");
        let signature = key.sign(&id, now, answer.as_bytes());
        let reply = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             webhook-id: {id}\r\nwebhook-timestamp: {now}\r\nwebhook-signature: {signature}\r\n\r\n{answer}",
            answer.len()
        );
        (&mut &*stream).write_all(reply.as_bytes()).ok()?;
    }
}

struct Request {
    path: String,
    head: Vec<(String, String)>,
    body: Vec<u8>,
}

fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut head = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        if name == "content-length" {
            length = value.parse().ok()?;
        }
        head.push((name, value));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { path, head, body })
}
