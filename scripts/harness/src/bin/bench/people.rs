//! Users who sign in over HTTP as an app does. Their phone numbers are the backend's test numbers, to
//! which no code is sent.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use archety_harness::Backend;
use serde_json::{Value, json};

/// The code of all test numbers.
const CODE: &str = "246813";

/// The phone number of user `n`, below ten million.
pub(crate) fn phone_number(n: u32) -> String {
    format!("+1555{n:07}")
}

/// Environment of a backend in which users 0 to `count` - 1 can sign in, with limits that allow all
/// of them to do so from one address.
pub(crate) fn environment(count: u32) -> Vec<(&'static str, String)> {
    let numbers: Vec<String> = (0..count)
        .map(|n| format!("{}={CODE}", phone_number(n)))
        .collect();
    let mut environment = vec![("OTP_TEST_NUMBERS", numbers.join(","))];
    for limit in [
        "OTP_PER_PHONE_HOUR",
        "OTP_PER_PHONE_DAY",
        "OTP_PER_IP_HOUR",
        "OTP_PER_PREFIX_HOUR",
        "OTP_PER_COUNTRY_DAY",
        "OTP_PER_DAY",
        "OTP_JOINS_PER_PHONE_HOUR",
        "OTP_JOINS_PER_IP_HOUR",
        "OTP_WRONG_PER_PHONE_NETWORK_DAY",
        "OTP_WRONG_PER_PHONE_DAY",
        "OTP_WRONG_PER_IP_HOUR",
        "OTP_WRONG_PER_HOUR",
    ] {
        environment.push((limit, "1000000".to_owned()));
    }
    environment
}

/// The environment in the form that [`Backend::start`] takes.
pub(crate) fn as_pairs<'a>(environment: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    let pairs = environment.iter();
    pairs.map(|(name, value)| (*name, value.as_str())).collect()
}

/// A client of the backend's sign-in routes.
pub(crate) struct SignInClient {
    http: reqwest::Client,
    url: String,
}

/// The result of a sign-in.
pub(crate) struct SignIn {
    pub(crate) access_token: String,
    /// How long `POST /auth/verify/confirm` took.
    pub(crate) took: Duration,
}

impl SignInClient {
    pub(crate) fn of(backend: &Backend) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let url = backend.url();
        Ok(Self { http, url })
    }

    /// Signs user `n` in with the test code.
    pub(crate) async fn sign_in(&self, n: u32) -> anyhow::Result<SignIn> {
        let phone = phone_number(n);
        let challenge = self
            .post("/auth/verify/start", &json!({ "phone": phone }))
            .await?;
        let confirmation =
            json!({ "phone": phone, "code": CODE, "challenge_id": challenge["challenge_id"] });
        let begun = Instant::now();
        let confirmed = self.post("/auth/verify/confirm", &confirmation).await?;
        let took = begun.elapsed();
        let token = confirmed["access_token"].as_str().context("no token")?;
        Ok(SignIn {
            access_token: token.to_owned(),
            took,
        })
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.url);
        let response = self.http.post(url).json(body).send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "POST {path}: {status} {text}");
        Ok(serde_json::from_str(&text)?)
    }
}
