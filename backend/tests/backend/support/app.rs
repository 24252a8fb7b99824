//! A whole backend in the process of the test, called through its router.

use std::sync::Arc;
use std::time::Duration;

use archety_backend::clock::{Clock, Timestamp};
use archety_backend::config::{Config, RelayAuth, Variables};
use archety_backend::former_accounts;
use archety_backend::http::{App, MetricsAccess, Reach, router};
use archety_backend::identity::Identity;
use archety_backend::jobs::{Jobs, Pace};
use archety_backend::keyring::Keyring;
use archety_backend::lifecycle::Lifecycle;
use archety_backend::services::Services;
use archety_backend::store::{Store, StoreError};
use archety_backend::telemetry::process_metrics;
use axum::Router;
use axum::body::Body;
use http::Request;
use http::header::AUTHORIZATION;
use rand::SeedableRng;
use rand::rngs::StdRng;
use shared_protocol::RelaySecrets;
use tower::ServiceExt;

use super::{Answered, Engine, NOW, TestRelay, TestStore, secrets};

/// The settings of every test backend. The phone numbers are fictional; each has a code of its own.
const SETTINGS: [(&str, &str); 4] = [
    ("APP_ENV", "development"),
    ("SESSION_SECRET", "the session secret of the tests 0001"),
    (
        "OTP_TEST_NUMBERS",
        "+15551234567=123456,+15550100001=100001,+15550100002=100002,+15550100003=100003",
    ),
    ("TRUSTED_PROXIES", "127.0.0.1"),
];

/// One replica. A clone refers to the same replica.
#[derive(Clone)]
pub(crate) struct TestApp {
    pub(crate) router: Router,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) jobs: Arc<Jobs>,
    identity: Arc<Identity>,
    keyring: Arc<Keyring>,
    /// The kind of database: `sqlite` or `postgres`.
    pub(crate) kind: &'static str,
    /// Keeps the database for as long as an app uses it.
    pub(crate) base: Arc<TestStore>,
}

impl TestApp {
    /// A replica that accepts signatures and bearer secrets.
    pub(crate) async fn new(engine: Engine) -> Self {
        Self::with(engine, &[]).await
    }

    /// A replica like that of `new`, with `settings` that override the common ones.
    pub(crate) async fn with(engine: Engine, settings: &[(&str, &str)]) -> Self {
        let base = TestStore::new(engine).await;
        let store = base.store.clone();
        Self::configured(Arc::new(base), store, RelayAuth::Both, &secrets(), settings).await
    }

    /// A replica on this database. `relay_secrets` is the value of `RELAY_WEBHOOK_SECRET`.
    pub(crate) async fn on(base: TestStore, mode: RelayAuth, relay_secrets: &str) -> Self {
        let store = base.store.clone();
        Self::replica(Arc::new(base), store, mode, relay_secrets).await
    }

    /// One more replica on the same database. `relay_secrets` is the value of its `RELAY_WEBHOOK_SECRET`.
    pub(crate) async fn replica(
        base: Arc<TestStore>,
        store: Store,
        mode: RelayAuth,
        relay_secrets: &str,
    ) -> Self {
        Self::configured(base, store, mode, relay_secrets, &[]).await
    }

    /// A replica with `settings` that override the common ones. `relay_secrets` is the value of
    /// `RELAY_WEBHOOK_SECRET`.
    pub(crate) async fn configured(
        base: Arc<TestStore>,
        store: Store,
        mode: RelayAuth,
        relay_secrets: &str,
        settings: &[(&str, &str)],
    ) -> Self {
        let clock = Clock::manual(NOW);
        let lifecycle = Lifecycle::new();
        let relay_secrets = RelaySecrets::parse(relay_secrets).expect("the tests' secrets");
        let settings = SETTINGS.iter().chain(settings).copied();
        let variables = Variables::of(settings);
        let mut config = Config::from_variables(&variables).expect("the tests' settings");
        config.relay.secrets = Some(Arc::new(relay_secrets));
        config.relay.auth = mode;
        let mut rng = StdRng::from_seed([7; 32]);
        let services = Services::build(&config, store.clone(), clock.clone(), &mut rng)
            .await
            .expect("the database is this issuer's");
        let registry = services.jobs(config.retention);
        let jobs = Arc::new(Jobs::new(store.clone(), registry, Pace::default()));
        let identity = Arc::clone(&services.identity);
        let keyring = Arc::clone(&services.keyring);
        let metrics = process_metrics();
        let mut app = App::new(&config, services, lifecycle.clone(), metrics.clone());
        app.clients.reach = Reach::Network;
        app.clients.body_timeout = Duration::from_millis(200);
        app.metrics = MetricsAccess::Token(metrics, "metrics-token".into());
        Self {
            router: router(Arc::new(app)),
            jobs,
            identity,
            keyring,
            store,
            clock,
            lifecycle,
            kind: base.kind,
            base,
        }
    }

    /// Sorts account deletions by provider, as the first start after `identity switch` does.
    pub(crate) async fn sort_account_deletions(&self, now: Timestamp) -> Result<(), StoreError> {
        former_accounts::sort_by_provider(&self.store, &self.keyring, self.identity.issuer(), now)
            .await
    }

    /// The router's answer. Fails if the `OpenAPI` description has no such answer for the route.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answered {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await;
        let answer = Answered::read(response.expect("routers don't fail")).await;
        self.expect_described(&method, &path, &answer).await;
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.send(Request::get(path).body(Body::empty()).expect("valid"))
            .await
    }

    /// The text of `/metrics`.
    pub(crate) async fn metrics(&self) -> String {
        let request = Request::get("/metrics")
            .header(AUTHORIZATION, "Bearer metrics-token")
            .body(Body::empty());
        let answer = self.send(request.expect("valid")).await;
        answer.text().to_owned()
    }

    /// The relay whose secret has no name.
    pub(crate) fn relay(&self) -> TestRelay<'_> {
        TestRelay::new(self, super::PLAIN_SECRET)
    }

    /// The relay `mini`.
    pub(crate) fn mini(&self) -> TestRelay<'_> {
        TestRelay::new(self, super::MINI_SECRET)
    }
}

/// An app on SQLite, for tests in which the kind of store makes no difference.
pub(crate) async fn sqlite_app(mode: RelayAuth) -> TestApp {
    TestApp::on(TestStore::sqlite().await, mode, &secrets()).await
}
