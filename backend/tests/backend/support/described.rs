//! Checks that `/openapi.json` describes every answer that a test gets.

use axum::body::Body;
use http::{Method, Request};
use serde_json::Value;
use tokio::sync::OnceCell;
use tower::ServiceExt;

use super::{Answered, TestApp};

static DOCUMENT: OnceCell<Value> = OnceCell::const_new();

impl TestApp {
    /// The description, as it is served.
    pub(crate) async fn openapi(&self) -> &'static Value {
        let document = DOCUMENT.get_or_init(|| async {
            let request = Request::get("/openapi.json").body(Body::empty());
            let response = self.router.clone().oneshot(request.expect("valid")).await;
            let answer = Answered::read(response.expect("routers don't fail")).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.json()
        });
        document.await
    }

    /// Checks that the description has the answer's status, content type and problem code.
    pub(crate) async fn expect_described(&self, method: &Method, path: &str, answer: &Answered) {
        let paths = &self.openapi().await["paths"];
        let method = if *method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        let Some(operation) = template(paths, path)
            .and_then(|template| paths[template].get(method.as_str().to_ascii_lowercase()))
        else {
            assert!(
                matches!(answer.status.as_u16(), 400 | 403 | 404 | 405)
                    || *method == Method::OPTIONS,
                "{method} {path} is not described, yet answered {}",
                answer.status
            );
            return;
        };
        let answered = format!("{method} {path}: {} {}", answer.status, answer.text());
        let response = &operation["responses"][answer.status.as_str()];
        assert!(
            response.is_object(),
            "this status is not described: {answered}"
        );
        let Some(kind) = answer.header("content-type") else {
            assert!(
                response.get("content").is_none(),
                "described with a body: {answered}"
            );
            return;
        };
        let schema = &response["content"][kind]["schema"];
        assert!(schema.is_object(), "{kind} is not described: {answered}");
        if kind == "application/problem+json" && !answer.body.is_empty() {
            let codes = &schema["allOf"][1]["properties"]["code"]["enum"];
            let codes = codes.as_array().expect("codes");
            let code = &answer.json()["code"];
            assert!(codes.contains(code), "{code} is not described: {answered}");
        }
    }
}

/// The described path, with its parameters, that matches the path of a request.
fn template<'d>(paths: &'d Value, path: &str) -> Option<&'d str> {
    let segments = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    let requested = segments(path);
    let paths = paths.as_object().expect("paths");
    paths.keys().map(String::as_str).find(|template| {
        let template = segments(template);
        template.len() == requested.len()
            && template
                .iter()
                .zip(&requested)
                .all(|(template, requested)| template == requested || template.starts_with('{'))
    })
}
