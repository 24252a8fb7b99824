//! A whole backend in this process, driven through its router.

use std::sync::Arc;
use std::time::Duration;

use archety_backend::clock::Clock;
use archety_backend::config::{Environment, RelayAuth, TrustedProxies};
use archety_backend::http::{App, MetricsAccess, router};
use archety_backend::lifecycle::Lifecycle;
use archety_backend::relay_auth::{FailureLimiter, RelayAuthenticator};
use archety_backend::store::Store;
use archety_backend::telemetry::Metrics;
use axum::Router;
use axum::body::Body;
use http::Request;
use http::header::AUTHORIZATION;
use shared_protocol::RelaySecrets;
use tower::ServiceExt;

use super::{Answered, NOW, TestRelay, TestStore, secrets, stores};

/// One replica. Clone for a second view of the same one.
#[derive(Clone)]
pub(crate) struct TestApp {
    pub(crate) router: Router,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) kind: &'static str,
    /// Lives as long as any view of the app.
    pub(crate) base: Arc<TestStore>,
}

impl TestApp {
    pub(crate) fn on(base: TestStore, mode: RelayAuth, list: &str) -> Self {
        let store = base.store.clone();
        Self::replica(Arc::new(base), store, mode, list)
    }

    /// One more replica on the same database, with secrets of its own.
    pub(crate) fn replica(base: Arc<TestStore>, store: Store, mode: RelayAuth, list: &str) -> Self {
        let clock = Clock::manual(NOW);
        let lifecycle = Lifecycle::new();
        let list = Arc::new(RelaySecrets::parse(list).expect("the tests' secrets"));
        let app = App {
            relays: RelayAuthenticator::new(list, mode, store.clone()),
            store: store.clone(),
            environment: Environment::Development,
            clock: clock.clone(),
            lifecycle: lifecycle.clone(),
            failures: FailureLimiter::default(),
            proxies: TrustedProxies::default(),
            metrics: MetricsAccess::Token(Metrics::of_process(), "metrics-token".into()),
            body_timeout: Duration::from_millis(200),
        };
        Self {
            router: router(Arc::new(app)),
            store,
            clock,
            lifecycle,
            kind: base.kind,
            base,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answered {
        let response = self.router.clone().oneshot(request).await;
        Answered::read(response.expect("routers don't fail")).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.send(Request::get(path).body(Body::empty()).expect("valid"))
            .await
    }

    /// What `/metrics` shows.
    pub(crate) async fn metrics(&self) -> String {
        let request = Request::get("/metrics")
            .header(AUTHORIZATION, "Bearer metrics-token")
            .body(Body::empty());
        let shown = self.send(request.expect("valid")).await;
        shown.text().to_owned()
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

/// One on each store, that takes signatures and bearer secrets.
pub(crate) async fn apps() -> Vec<TestApp> {
    let stores = stores().await;
    let app = |store| TestApp::on(store, RelayAuth::Both, &secrets());
    stores.into_iter().map(app).collect()
}

/// Where the store makes no difference.
pub(crate) async fn sqlite_app(mode: RelayAuth) -> TestApp {
    TestApp::on(TestStore::sqlite().await, mode, &secrets())
}
