//! A client that sends the requests of a backend and returns status and body.

use serde_json::Value;
use twilio_stand_in::{Settings, StandIn};

pub(crate) const PHONE: &str = "+15550100123";

/// A stand-in and a client with its credentials.
pub(crate) struct Scene {
    pub(crate) stand_in: StandIn,
    pub(crate) http: reqwest::Client,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        Self {
            stand_in: StandIn::start(Settings::default()).await.unwrap(),
            http: http.build().unwrap(),
        }
    }

    /// A request to the Verify service; `path` follows the service's id.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let settings = self.stand_in.settings();
        let url = format!(
            "{}/v2/Services/{}/{path}",
            self.stand_in.url(),
            settings.service_sid
        );
        self.http
            .request(method.parse().unwrap(), url)
            .basic_auth(&settings.account_sid, Some(&settings.auth_token))
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        answer(self.request("POST", path).form(form)).await
    }

    /// Starts the verification of a number by SMS.
    pub(crate) async fn start(&self, to: &str) -> (u16, Value) {
        self.post("Verifications", &[("To", to), ("Channel", "sms")])
            .await
    }

    /// Checks a code for [`PHONE`].
    pub(crate) async fn check(&self, code: &str) -> (u16, Value) {
        self.post("VerificationCheck", &[("To", PHONE), ("Code", code)])
            .await
    }
}

/// Sends a request and returns status and body; a body that is no JSON becomes a string.
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

/// The status and Twilio's error number of an answer; 0 if it has no error number.
pub(crate) fn error(answer: &(u16, Value)) -> (u16, u64) {
    (answer.0, answer.1["code"].as_u64().unwrap_or_default())
}
