//! A request and its answer, each with its whole body in memory.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Method, StatusCode};

#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    pub path: String,
    /// The query without the question mark; empty if the request has no query.
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Request {
    /// The value of a header, if the request has the header and its value is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(status: StatusCode, content_type: &str, body: String) -> Self {
        let mut answer = Self::empty(status).with(CONTENT_TYPE, content_type);
        answer.body = body.into();
        answer
    }

    /// 200 with a JSON body.
    pub fn ok(body: &serde_json::Value) -> Self {
        Self::json(StatusCode::OK, body)
    }

    pub fn json(status: StatusCode, body: &serde_json::Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// Sets a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        let value = value.parse().expect("a stand-in's headers are ASCII");
        self.headers.insert(name, value);
        self
    }
}
