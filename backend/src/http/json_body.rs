//! An extractor for a small JSON body, with errors that name the field and never repeat a value.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request};
use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use shared_protocol::{ProblemCode, Violation};
use utoipa::ToSchema;
use utoipa::openapi::Required;
use utoipa::openapi::path::Operation;

use super::App;
use super::api_error::ApiError;
use super::body::{BODY_PROBLEMS, expect_json, read};
use super::context::Context;
use super::route::{HandlerArgument, Schemas, describe_json_body};

/// The largest body of an app or a browser. The routes for relays have limits of their own.
const MAX_BYTES: usize = 64 * 1024;

/// The body, parsed as `T`.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        expect_json(&parts.headers)?;
        let Ok(context) = Context::from_request_parts(&mut parts, app).await;
        let (bytes, _memory_charge) = read(app, &context, &parts.headers, body, MAX_BYTES).await?;
        parse(&bytes).map(Self)
    }
}

/// An empty body without `Content-Type` becomes `None`. Without `Content-Type`, any other body is refused.
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
        let (bytes, _memory_charge) = read(app, &context, &parts.headers, body, MAX_BYTES).await?;
        if !bytes.is_empty() {
            // This always fails here, because `Content-Type` is missing.
            expect_json(&parts.headers)?;
        }
        Ok(None)
    }
}

impl<T: ToSchema> HandlerArgument for JsonBody<T> {
    const EXTRACTION_PROBLEMS: &'static [&'static [ProblemCode]] = &[BODY_PROBLEMS];

    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        describe_json_body::<T>(operation, schemas, Required::True);
    }
}

/// The longest name of an unknown field that an answer repeats.
const MAX_SHOWN_NAME: usize = 64;

/// Parses a body. Serde's message about a wrong value may repeat the value, which may be a secret. So the answer has
/// only two parts of the message: the expected type at its end, and the kind of the value, such as `a number`.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // Serde would read an array as a struct, field by field.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(ApiError::invalid(
            "(body)",
            "must be an object, not an array",
        ));
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
        let serde_message = inner.to_string();
        let missing = serde_message
            .strip_prefix("missing field `")
            .and_then(|rest| rest.split_once('`'));
        let (field, message) = match missing {
            Some((name, _)) => (name.to_owned(), "is required".to_owned()),
            None if serde_message.starts_with("unknown field `") => (
                shown_name(&path),
                format!("is no field of this body ({position})"),
            ),
            None if path == "." => (
                "(body)".to_owned(),
                format!(
                    "must be an object{} ({position})",
                    actual_kind_suffix(&serde_message)
                ),
            ),
            None => {
                let expected = expected_type(&serde_message);
                let suffix = actual_kind_suffix(&serde_message);
                (path, format!("must be {expected}{suffix} ({position})"))
            }
        };
        ApiError::InvalidFields(vec![Violation { field, message }])
    })?;
    reader
        .end()
        .map_err(|_| ApiError::MalformedJson("the body goes on after its JSON value".to_owned()))?;
    Ok(value)
}

/// The name of an unknown field if it looks like a name, else `(unknown)`. A caller may have written a secret in its
/// place.
fn shown_name(path: &str) -> String {
    let is_name = path.len() <= MAX_SHOWN_NAME
        && path
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if is_name { path } else { "(unknown)" }.to_owned()
}

/// The expected type in a message of serde, in nearly the same words: `a string`, `one of local, others`.
fn expected_type(serde_message: &str) -> String {
    let words = serde_message
        .rsplit_once(", expected ")
        .map(|(_, words)| words);
    let words = words.and_then(|words| words.rsplit_once(" at line "));
    match words {
        Some((words, _)) => words.replace('`', "").replace("a map", "an object"),
        None => "of the expected kind".to_owned(),
    }
}

/// The kind of the value that the body has, as a suffix to the rule that the value breaks: `, not a number`. Empty if
/// the message of serde does not begin with a kind.
fn actual_kind_suffix(serde_message: &str) -> &'static str {
    const KINDS: [(&str, &str); 8] = [
        ("null", ", not null"),
        ("boolean", ", not a boolean"),
        ("integer", ", not a number"),
        ("floating point", ", not a number"),
        ("number", ", not a number"),
        ("string", ", not a string"),
        ("sequence", ", not an array"),
        ("map", ", not an object"),
    ];
    let actual = serde_message
        .strip_prefix("invalid type: ")
        .unwrap_or_default();
    let entry = KINDS.iter().find(|(start, _)| actual.starts_with(start));
    entry.map_or("", |(_, not_kind)| not_kind)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[expect(
            dead_code,
            reason = "every body of the tests is invalid, so no field is read"
        )]
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
    fn an_error_names_the_field_and_not_its_value() {
        assert_eq!(fault("{}"), "phone: is required");
        assert_eq!(
            fault(r#"{"phone": 15551234567}"#),
            "phone: must be a string, not a number (line 1, column 21)"
        );
        for (value, kind) in [
            ("null", "null"),
            ("true", "a boolean"),
            ("1.5", "a number"),
            ("[\"secret, expected at line\"]", "an array"),
            ("{\"secret\":1}", "an object"),
        ] {
            let message = fault(&format!("{{\"phone\":{value}}}"));
            let expected = format!("phone: must be a string, not {kind} (line");
            assert!(message.starts_with(&expected), "{message}");
        }
        for (body, kind) in [
            ("7", "a number"),
            ("\"secret\"", "a string"),
            ("[]", "an array"),
        ] {
            let message = fault(body);
            assert!(
                message.starts_with(&format!("(body): must be an object, not {kind}")),
                "{message}"
            );
        }
        assert_eq!(
            fault(r#"{"phone": "+1", "fone": 1}"#),
            "fone: is no field of this body (line 1, column 22)"
        );
        let unknown_field = fault("{\"a secret\": 1}");
        assert!(
            unknown_field.starts_with("(unknown): is no field"),
            "{unknown_field}"
        );
        assert_eq!(fault("[]").split(':').next(), Some("(body)"));
        assert!(fault(r#"{"phone": "+1"#).starts_with("the body is not JSON"));
        assert!(fault(r#"{"phone": "+1"} x"#).starts_with("the body goes on"));
        assert!(fault("").starts_with("the body is not JSON"));
    }
}
