//! Replays one scenario on a stand-in of its own: adds the users, sends the requests, compares the answers.

use std::time::Duration;

use serde_json::{Value, json};
use stand_in::random;
use supabase_stand_in::{Seed, Settings, Signing, StandIn};

use crate::bindings::Bindings;
use crate::scenario::{Exchange, Scenario};
use crate::settings::from_variables;

/// The headers that were recorded and are compared, beside those that begin with `sb-auth-`.
const COMPARED_HEADERS: [&str; 6] = [
    "content-type",
    "cache-control",
    "link",
    "x-total-count",
    "x-sb-error-code",
    "x-supabase-api-version",
];

/// The paths on which the server is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mount {
    Bare,
    /// Paths under the hosted prefix, with an API key for the gateway.
    Hosted,
}

/// An answer of the stand-in.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

/// A scenario and the stand-in on which it is replayed.
pub(crate) struct Player {
    pub(crate) scenario: Scenario,
    pub(crate) stand_in: StandIn,
    pub(crate) bindings: Bindings,
    client: reqwest::Client,
    mount: Mount,
}

impl Player {
    pub(crate) async fn start(scenario: Scenario, mount: Mount) -> Self {
        let variables = scenario
            .settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let mut settings = from_variables(variables).unwrap();
        // The recorded settings do not name the signing keys.
        settings.signing = match scenario.name.as_str() {
            "es256" => Signing::Es256,
            "es256_hs256_revoked" => Signing::Es256Only,
            _ => Signing::Hs256,
        };
        // Long enough for twenty requests to overlap on a busy machine.
        settings.creation_race = Duration::from_millis(50);
        let stand_in = StandIn::start(settings).await.unwrap();
        stand_in.clock().stop();
        let mut bindings = Bindings::new(scenario.tokens.clone());
        bindings.set("<host>", stand_in.url().replace("http://", ""));
        bindings.set("<service_key>", stand_in.service_key());
        bindings.set("<anon_key>", stand_in.anon_key());
        let player = Self {
            scenario,
            stand_in,
            bindings,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            mount,
        };
        player.add_existing_users().await;
        player
    }

    /// Adds the users that existed before the recording began: users who sign in although no recorded
    /// request creates them.
    async fn add_existing_users(&self) {
        if self.scenario.name == "es256_hs256_revoked" {
            // The recorded list of users has a total of 36.
            for number in 0..35 {
                self.stand_in
                    .seed(Seed::phone(&format!("155501802{number:02}")));
            }
            self.stand_in
                .seed(Seed::phone("15550100143").password("Derived-Passw0rd-1!"));
            let body = json!({ "phone": "15550100143", "password": "Derived-Passw0rd-1!" });
            let request = self
                .client
                .post(format!("{}/token?grant_type=password", self.stand_in.url()));
            assert_eq!(
                request
                    .body(body.to_string())
                    .send()
                    .await
                    .unwrap()
                    .status(),
                200
            );
        }
        let mut existing: Vec<&str> = Vec::new();
        for exchange in &self.scenario.exchanges {
            let Some(phone) = exchange.sent_text("phone") else {
                continue;
            };
            let is_absent = !existing
                .iter()
                .any(|other| other.trim_start_matches('+') == digits(phone));
            if exchange.is_grant() && is_absent {
                let password = exchange.sent_text("password").unwrap();
                self.stand_in.seed(Seed::phone(phone).password(password));
            } else if exchange.name == "PUT the phone of another user" {
                self.stand_in.seed(Seed::phone(phone));
            }
            if exchange.is_grant() || exchange.is_create() {
                existing.push(phone);
            }
        }
    }

    /// Sends one recorded request and compares the answer.
    pub(crate) async fn play(&mut self, exchange: &Exchange) -> Result<(), String> {
        self.advance_clock(exchange);
        self.bind_sent_placeholders(exchange).await;
        let answered = self.send(exchange, &[]).await;
        self.compare(exchange, &answered)
    }

    /// Advances the clock where the recording client slept, which the names of the exchanges show.
    fn advance_clock(&self, exchange: &Exchange) {
        let name = &exchange.name;
        let secs = if name.contains("after 11 s") || name.contains("11 s later") {
            11
        } else if name == "GET /user, expired" {
            3
        } else if name == "GET /user past the time box" {
            4
        } else {
            let token = exchange.response.body["access_token"]
                .as_str()
                .unwrap_or("");
            // A token that differs from an earlier one only in its time of issue is issued a second later.
            let is_reissued =
                self.bindings.get(token).is_none() && self.bindings.is_equal_token_bound(token);
            u64::from(is_reissued)
        };
        self.stand_in.clock().advance(Duration::from_secs(secs));
    }

    /// Binds the placeholders that the recording client had chosen: ids, unknown tokens and forged tokens.
    async fn bind_sent_placeholders(&mut self, exchange: &Exchange) {
        let sent = format!(
            "{} {:?} {}",
            exchange.request.path,
            exchange.request.headers,
            exchange.request.body.clone().unwrap_or_default()
        );
        for placeholder in self.bindings.unbound_in(&sent) {
            let value = if placeholder.starts_with("<uuid:") {
                random::uuid().to_string()
            } else if placeholder.starts_with("<jwt:") {
                self.forge(&placeholder, &exchange.name).await
            } else if exchange.name.contains("300 characters") {
                "a".repeat(300)
            } else {
                assert_eq!(exchange.name, "refresh, unknown token");
                "zzzzzzzzzzzz".to_owned()
            };
            self.bindings.set(&placeholder, value);
        }
    }

    /// The token that the recording client forged for the exchange with this name.
    async fn forge(&mut self, placeholder: &str, name: &str) -> String {
        let mut token = self.bindings.token(placeholder).unwrap().clone();
        for id in self.bindings.unbound_in(&token.to_string()) {
            if id.starts_with("<uuid:") {
                self.bindings.set(&id, random::uuid().to_string());
            }
        }
        let now = self.stand_in.clock().now().unix_timestamp();
        let lifetime = if name.contains("expired") { -60 } else { 3600 };
        token["claims"]["iat"] = json!(now);
        token["claims"]["exp"] = json!(now + lifetime);
        let token: Value = serde_json::from_str(&self.bindings.fill(&token.to_string())).unwrap();
        let (header, claims) = (&token["header"], &token["claims"]);
        if name.contains("another project") {
            let other = StandIn::start(Settings::default()).await.unwrap();
            return other.mint(header, claims);
        }
        let token = self.stand_in.mint(header, claims);
        if name.contains("signature changed") {
            let (message, signature) = token.rsplit_once('.').unwrap();
            let reversed: String = signature.chars().rev().collect();
            return format!("{message}.{reversed}");
        }
        token
    }

    /// Sends a request after replacing its placeholders and then `changes`, pairs of old and new text.
    pub(crate) async fn send(&self, exchange: &Exchange, changes: &[(&str, &str)]) -> Answered {
        let change = |text: &str| {
            let filled = self.bindings.fill(text);
            changes
                .iter()
                .fold(filled, |text, (from, to)| text.replace(from, to))
        };
        let request = &exchange.request;
        let prefix = match self.mount {
            Mount::Bare => "",
            Mount::Hosted => "/auth/v1",
        };
        let url = format!("{}{prefix}{}", self.stand_in.url(), change(&request.path));
        let method = request.method.parse().unwrap();
        let mut builder = self.client.request(method, url);
        if self.mount == Mount::Hosted {
            builder = builder.header("apikey", self.stand_in.anon_key());
        }
        for (name, value) in &request.headers {
            builder = builder.header(name, change(value));
        }
        if let Some(body) = &request.body {
            builder = builder
                .header("content-type", "application/json")
                .body(change(&body.to_string()));
        } else if let Some(raw) = &request.raw_body {
            // `N bytes` in a recording stands for a body of N spaces.
            let body = match raw.strip_suffix(" bytes") {
                Some(size) => " ".repeat(size.parse().unwrap()),
                None => raw.clone(),
            };
            builder = builder.body(body);
        }
        Answered::read(builder.send().await.unwrap()).await
    }

    /// Compares status, headers and body.
    pub(crate) fn compare(
        &mut self,
        exchange: &Exchange,
        answered: &Answered,
    ) -> Result<(), String> {
        let recorded = &exchange.response;
        if answered.status != recorded.status {
            return Err(format!(
                "status {}, recorded {}; body {}",
                answered.status, recorded.status, answered.body
            ));
        }
        self.bindings
            .compare(&recorded.body, &answered.body, "body")?;
        let names: Vec<&String> = answered.headers.iter().map(|(name, _)| name).collect();
        let recorded_names: Vec<&String> = recorded.headers.keys().collect();
        if names != recorded_names {
            return Err(format!("headers {names:?}, recorded {recorded_names:?}"));
        }
        for (name, value) in &answered.headers {
            // The header holds the first five characters of the token.
            if name == "sb-auth-refresh-token-prefix" {
                let token = answered.body["refresh_token"].as_str().unwrap_or_default();
                if !token.starts_with(value) || value.len() != 5 {
                    return Err(format!("{name} is {value} of {token}"));
                }
            } else {
                self.bindings
                    .compare_text(&recorded.headers[name], value, name)?;
            }
        }
        Ok(())
    }
}

impl Answered {
    async fn read(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let mut headers: Vec<(String, String)> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .filter(|(name, _)| {
                COMPARED_HEADERS.contains(&name.as_str()) || name.starts_with("sb-auth-")
            })
            .collect();
        headers.sort();
        let text = response.text().await.unwrap();
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        };
        Self {
            status,
            headers,
            body,
        }
    }
}

fn digits(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
}
