//! Clients of the backend: an app that holds tokens, and a browser that holds cookies.

use std::collections::BTreeMap;

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, ORIGIN, SET_COOKIE, USER_AGENT};
use http::{Method, Request};
use serde_json::{Value, json};

use super::{Answered, TestApp};

/// The code of a test number: its last six digits, except for the number of the README.
pub(crate) fn code_of(phone: &str) -> &str {
    if phone == "+15551234567" {
        "123456"
    } else {
        &phone[phone.len() - 6..]
    }
}

/// An app with the tokens of a signed-in person.
#[derive(Clone)]
pub(crate) struct TestPhone {
    pub(crate) phone: String,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) user_id: String,
}

/// A browser on one of our pages.
#[derive(Clone)]
pub(crate) struct TestBrowser {
    pub(crate) origin: Option<String>,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) csrf_token: Option<String>,
}

impl TestBrowser {
    /// A browser without cookies.
    pub(crate) fn new() -> Self {
        Self {
            origin: Some("http://localhost:3000".to_owned()),
            cookies: BTreeMap::new(),
            csrf_token: None,
        }
    }
}

impl TestApp {
    /// Sends a request with `headers` and, if there is a body, JSON.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answered {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).expect("a request")).await
    }

    /// Sends a request as an app without credentials.
    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Answered {
        self.call(Method::POST, path, &[], Some(body)).await
    }

    /// Signs an app in by the number's code.
    pub(crate) async fn signed_in(&self, phone: &str) -> TestPhone {
        let started = self
            .post_json("/auth/verify/start", &json!({ "phone": phone }))
            .await;
        assert_eq!(started.status, 200, "{}", started.text());
        let confirmed = self
            .post_json(
                "/auth/verify/confirm",
                &json!({ "phone": phone, "code": code_of(phone) }),
            )
            .await;
        TestPhone::of(phone, &confirmed)
    }

    /// Signs a browser in by the number's code.
    pub(crate) async fn browser_of(&self, phone: &str) -> TestBrowser {
        let mut browser = TestBrowser::new();
        let confirmed = browser.sign_in(self, phone).await;
        assert_eq!(confirmed.status, 200, "{}", confirmed.text());
        browser
    }
}

impl TestPhone {
    /// Makes an app from the answer to a confirmed code.
    pub(crate) fn of(phone: &str, answer: &Answered) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = answer.json();
        let text = |field: &str| body[field].as_str().expect("a string").to_owned();
        Self {
            phone: phone.to_owned(),
            access_token: text("access_token"),
            refresh_token: text("refresh_token"),
            user_id: text("user_id"),
        }
    }

    /// Sends a request with the access token.
    pub(crate) async fn call(
        &self,
        app: &TestApp,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answered {
        let bearer = format!("Bearer {}", self.access_token);
        app.call(method, path, &[(AUTHORIZATION.as_str(), &bearer)], body)
            .await
    }

    pub(crate) async fn get(&self, app: &TestApp, path: &str) -> Answered {
        self.call(app, Method::GET, path, None).await
    }

    /// Requests new tokens with the refresh token.
    pub(crate) async fn refresh(&self, app: &TestApp) -> Answered {
        let body = json!({ "refresh_token": self.refresh_token });
        app.post_json("/auth/refresh", &body).await
    }
}

impl TestBrowser {
    /// Sends a request as a page of `origin` does, and keeps the cookies of the answer.
    pub(crate) async fn call(
        &mut self,
        app: &TestApp,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answered {
        let answer = self.peek(app, method, path, body).await;
        for cookie in answer.headers.get_all(SET_COOKIE) {
            self.apply_cookie(cookie.to_str().expect("ASCII"));
        }
        if let Ok(body) = serde_json::from_slice::<Value>(&answer.body)
            && let Some(token) = body["csrf_token"].as_str()
        {
            self.csrf_token = Some(token.to_owned());
        }
        answer
    }

    /// Sends a request like `call`, but drops the cookies of the answer.
    pub(crate) async fn peek(
        &self,
        app: &TestApp,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answered {
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookies = cookies.join("; ");
        let safari = "Mozilla/5.0 (Macintosh) Version/19.0 Safari/605.1.15";
        let mut headers = vec![(USER_AGENT.as_str(), safari)];
        if !cookies.is_empty() {
            headers.push((COOKIE.as_str(), &cookies));
        }
        if let Some(origin) = &self.origin {
            headers.push((ORIGIN.as_str(), origin));
        }
        if let Some(token) = &self.csrf_token
            && !method.is_safe()
        {
            headers.push(("x-csrf-token", token));
        }
        app.call(method, path, &headers, body).await
    }

    pub(crate) async fn get(&mut self, app: &TestApp, path: &str) -> Answered {
        self.call(app, Method::GET, path, None).await
    }

    pub(crate) async fn post(&mut self, app: &TestApp, path: &str, body: &Value) -> Answered {
        self.call(app, Method::POST, path, Some(body)).await
    }

    /// Signs in: fetches the CSRF token, requests a code and confirms it.
    pub(crate) async fn sign_in(&mut self, app: &TestApp, phone: &str) -> Answered {
        let token = self.get(app, "/auth/csrf-token").await;
        assert_eq!(token.status, 200, "{}", token.text());
        let started = self
            .post(app, "/auth/verify/start", &json!({ "phone": phone }))
            .await;
        assert_eq!(started.status, 200, "{}", started.text());
        let body = json!({
            "phone": phone,
            "code": code_of(phone),
            "challenge_id": started.json()["challenge_id"],
        });
        self.post(app, "/auth/verify/confirm", &body).await
    }

    fn apply_cookie(&mut self, cookie: &str) {
        let (pair, attributes) = cookie.split_once(';').expect("attributes");
        let (name, value) = pair.split_once('=').expect("name=value");
        if attributes.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}
