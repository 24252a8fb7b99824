//! A small JSON body as a value, or every reason why it is none.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request};
use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use shared_protocol::Violation;

use super::App;
use super::api_error::ApiError;
use super::body::{expect_json, read};
use super::context::Context;

/// What people send about themselves is small; messages have a route and a limit of their own.
const MAX_BYTES: usize = 64 * 1024;

/// The body, read as `T`. Fields that `T` does not have are ignored.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        expect_json(&parts.headers)?;
        let Ok(context) = Context::from_request_parts(&mut parts, app).await;
        let body = read(app, &context, &parts.headers, body, MAX_BYTES).await?;
        parse(&body.bytes).map(Self)
    }
}

/// Nothing at all, not even a type, is no body.
impl<T: DeserializeOwned> OptionalFromRequest<Arc<App>> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Option<Self>, ApiError> {
        if request.headers().contains_key(CONTENT_TYPE) {
            return <Self as FromRequest<_>>::from_request(request, app)
                .await
                .map(Some);
        }
        let (mut parts, body) = request.into_parts();
        let Ok(context) = Context::from_request_parts(&mut parts, app).await;
        let body = read(app, &context, &parts.headers, body, MAX_BYTES).await?;
        if body.bytes.is_empty() {
            Ok(None)
        } else {
            expect_json(&parts.headers).map(|()| None)
        }
    }
}

/// Serde's own words about a value may repeat it, so they are not passed on; those about a missing
/// field only name the field.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // Serde takes an array for a struct, field by field.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(ApiError::InvalidFields(vec![Violation {
            field: "(body)".to_owned(),
            message: "is not an object".to_owned(),
        }]));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut reader);
    let value = parsed.map_err(|error| {
        let path = error.path().to_string();
        let inner = error.inner();
        let position = format!("line {}, column {}", inner.line(), inner.column());
        if !inner.is_data() {
            return ApiError::MalformedJson(format!("the body is not JSON ({position})"));
        }
        let text = inner.to_string();
        let missing = text
            .strip_prefix("missing field `")
            .and_then(|rest| rest.split_once('`'));
        let (field, message) = match missing {
            Some((name, _)) => (name.to_owned(), "is required".to_owned()),
            None if path == "." => (
                "(body)".to_owned(),
                format!("is not an object ({position})"),
            ),
            None => (path, format!("is not of the expected kind ({position})")),
        };
        ApiError::InvalidFields(vec![Violation { field, message }])
    })?;
    reader
        .end()
        .map_err(|_| ApiError::MalformedJson("the body goes on after its JSON value".to_owned()))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Body {
        #[expect(dead_code, reason = "only read by its type")]
        phone: String,
    }

    fn fault(body: &str) -> String {
        match parse::<Body>(body.as_bytes()).expect_err("invalid") {
            ApiError::InvalidFields(found) => format!("{}: {}", found[0].field, found[0].message),
            ApiError::MalformedJson(text) => text,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_fault_names_the_field_and_no_value() {
        assert_eq!(fault("{}"), "phone: is required");
        assert_eq!(
            fault(r#"{"phone": 15551234567}"#),
            "phone: is not of the expected kind (line 1, column 21)"
        );
        assert_eq!(fault("[]").split(':').next(), Some("(body)"));
        assert!(fault(r#"{"phone": "+1"#).starts_with("the body is not JSON"));
        assert!(fault(r#"{"phone": "+1"} x"#).starts_with("the body goes on"));
        assert!(fault("").starts_with("the body is not JSON"));
    }
}
