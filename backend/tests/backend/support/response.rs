//! An answer of the backend with its whole body.

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use shared_protocol::{HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, SignatureHeaders};

#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answered {
    pub(crate) async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.expect("a whole body").to_bytes(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("ASCII"))
    }

    /// The problem's code and, for a 401, its reason.
    pub(crate) fn fault(&self) -> String {
        let body = self.json();
        let text = |field: &str| body[field].as_str().map(str::to_owned);
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{body}"
        );
        assert_eq!(body["status"], self.status.as_u16(), "{body}");
        text("reason").or_else(|| text("code")).expect("a code")
    }

    pub(crate) fn is_signed(&self) -> bool {
        self.headers.contains_key(HEADER_SIGNATURE)
    }

    pub(crate) fn signature_headers(&self) -> SignatureHeaders<'_> {
        let bytes = |name: &str| self.headers.get(name).map(http::HeaderValue::as_bytes);
        SignatureHeaders {
            id: bytes(HEADER_ID),
            timestamp: bytes(HEADER_TIMESTAMP),
            signature: bytes(HEADER_SIGNATURE),
        }
    }
}
