//! A client that sends the requests of a backend and returns status and body.

use serde_json::{Value, json};
use supabase_stand_in::{Settings, StandIn};

pub(crate) const PHONE: &str = "+15550100150";
pub(crate) const PASSWORD: &str = "Derived-Passw0rd-0123456789aA1!";

/// A stand-in and a client of its bare server.
pub(crate) struct Scene {
    pub(crate) stand_in: StandIn,
    http: reqwest::Client,
}

impl Scene {
    pub(crate) async fn new(settings: Settings) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        Self {
            stand_in: StandIn::start(settings).await.unwrap(),
            http: http.build().unwrap(),
        }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.stand_in.url());
        self.http.request(method.parse().unwrap(), url)
    }

    /// Sends a body with the legacy service key.
    pub(crate) async fn as_admin(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let key = self.stand_in.service_key();
        let request = self.request(method, path).bearer_auth(key);
        answer(request.body(body.to_string())).await
    }

    /// Asks for a password grant.
    pub(crate) async fn grant(&self, phone: &str, password: &str) -> (u16, Value) {
        let body = json!({ "phone": phone, "password": password });
        self.as_admin("POST", "/token?grant_type=password", &body)
            .await
    }

    pub(crate) async fn refresh(&self, token: &Value) -> (u16, Value) {
        let body = json!({ "refresh_token": token });
        let request = self.request("POST", "/token?grant_type=refresh_token");
        answer(request.body(body.to_string())).await
    }

    /// Asks for the user of an access token.
    pub(crate) async fn show_own_user(&self, access_token: &Value) -> (u16, Value) {
        let token = access_token.as_str().unwrap();
        answer(self.request("GET", "/user").bearer_auth(token)).await
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
