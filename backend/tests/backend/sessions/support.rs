//! Two replicas on one store, over this backend's own identities or over a Supabase project.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use archety_backend::config::RelayAuth;
use archety_backend::jobs::JobOutcome;
use archety_backend::store::Pools;
use supabase_stand_in::{Settings, StandIn};
use uuid::Uuid;

use crate::support::{Answered, Engine, NOW, TestApp, TestBrowser, TestPhone, TestStore, secrets};

/// The numbers of two people.
pub(crate) const ADA: &str = "+15551234567";
pub(crate) const BOB: &str = "+15550100001";

/// After this time, an access token of the provider is still valid but about to expire.
pub(crate) const NEARLY_EXPIRED: Duration = Duration::from_secs(59 * 60 + 30);
/// After this time, an access token of the provider has expired.
pub(crate) const EXPIRED: Duration = Duration::from_mins(62);

pub(crate) const REFRESH: &str = "grant_type=refresh_token";
pub(crate) const LOG_OUT: &str = "POST /auth/v1/logout";

/// Two replicas, their store, and their identity provider if they have one.
pub(crate) struct Pair {
    pub(crate) replicas: [TestApp; 2],
    pub(crate) base: Arc<TestStore>,
    provider: Option<StandIn>,
    settings: BTreeMap<&'static str, String>,
}

/// The issuer of the replicas' tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Issuer {
    /// The backend.
    Local,
    /// A Supabase project.
    Supabase,
}

impl Pair {
    pub(crate) async fn of(engine: Engine, issuer: Issuer) -> Self {
        match issuer {
            Issuer::Local => Self::local(engine).await,
            Issuer::Supabase => Self::supabase(engine).await,
        }
    }

    /// Replicas that issue their tokens themselves.
    pub(crate) async fn local(engine: Engine) -> Self {
        Self::on(TestStore::new(engine).await, None, BTreeMap::new()).await
    }

    /// Replicas that share a Supabase project.
    pub(crate) async fn supabase(engine: Engine) -> Self {
        Self::supabase_with(engine, &Settings::default()).await
    }

    /// Replicas that share a Supabase project with these settings.
    pub(crate) async fn supabase_with(engine: Engine, settings: &Settings) -> Self {
        let provider = StandIn::start(settings.clone()).await.expect("a port");
        provider.clock().stop();
        let settings = BTreeMap::from([
            ("IDENTITY", "supabase".to_owned()),
            ("SUPABASE_URL", provider.hosted_url()),
            ("SUPABASE_ANON_KEY", provider.anon_key().to_owned()),
            ("SUPABASE_SERVICE_KEY", provider.service_key().to_owned()),
            (
                "SUPABASE_PASSWORD_KEYS",
                "the password key of the tests 00001".to_owned(),
            ),
        ]);
        Self::on(TestStore::new(engine).await, Some(provider), settings).await
    }

    async fn on(
        base: TestStore,
        provider: Option<StandIn>,
        settings: BTreeMap<&'static str, String>,
    ) -> Self {
        let base = Arc::new(base);
        let one = app(&base, &settings).await;
        let two = app(&base, &settings).await;
        let pair = Self {
            replicas: [one, two],
            base,
            provider,
            settings,
        };
        pair.align();
        pair
    }

    /// Sets the clocks of the provider and the replicas to the same time.
    fn align(&self) {
        let Some(provider) = &self.provider else {
            return;
        };
        let theirs = provider.clock().now().unix_timestamp_nanos() / 1_000;
        let ours = i128::from(NOW.as_micros());
        // Clocks only go forward, so the one that is behind is advanced and the other by zero.
        let difference = |span: i128| Duration::from_micros(u64::try_from(span).unwrap_or(0));
        provider.clock().advance(difference(ours - theirs));
        for replica in &self.replicas {
            replica.clock.advance(difference(theirs - ours));
        }
    }

    pub(crate) fn first(&self) -> &TestApp {
        &self.replicas[0]
    }

    pub(crate) fn second(&self) -> &TestApp {
        &self.replicas[1]
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.base.kind
    }

    pub(crate) fn has_provider(&self) -> bool {
        self.provider.is_some()
    }

    pub(crate) fn provider(&self) -> &StandIn {
        self.provider.as_ref().expect("a pair with a project")
    }

    /// Another replica. `settings` override those of the pair. Its clock shows the time of the pair.
    pub(crate) async fn another(&self, settings: &[(&'static str, &str)]) -> TestApp {
        let mut all = self.settings.clone();
        all.extend(
            settings
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let another = app(&self.base, &all).await;
        let ahead = self.first().clock.now().as_micros() - another.clock.now().as_micros();
        let ahead = u64::try_from(ahead).expect("clocks only go forward");
        another.clock.advance(Duration::from_micros(ahead));
        another
    }

    /// Advances the clocks of all replicas and of the provider.
    pub(crate) fn advance(&self, span: Duration) {
        for replica in &self.replicas {
            replica.clock.advance(span);
        }
        if let Some(provider) = &self.provider {
            provider.clock().advance(span);
        }
    }

    /// The number of requests to the provider that match `pattern`.
    pub(crate) fn request_count(&self, pattern: &str) -> usize {
        self.provider().requests().count(pattern)
    }

    /// The number of the person's sessions at the provider.
    pub(crate) fn sessions_at_provider(&self, phone: &str) -> usize {
        let person = self.provider().person_by_phone(phone);
        person.map_or(0, |person| person.sessions.len())
    }

    /// Runs all due jobs.
    pub(crate) async fn do_jobs(&self) -> Vec<JobOutcome> {
        let mut outcomes = Vec::new();
        loop {
            let now = self.first().clock.now();
            match self.first().jobs.step(now).await.expect("a step") {
                None => return outcomes,
                Some(outcome) => outcomes.push(outcome),
            }
        }
    }

    /// The reason why a session ended; `None` for a live session.
    pub(crate) async fn end_reason(&self, session: Uuid) -> Option<String> {
        const SQL: &str = "select end_reason from sessions where id = $1";
        match self.base.store.pools() {
            Pools::Postgres(pool) => sqlx::query_scalar(SQL).bind(session).fetch_one(pool).await,
            Pools::Sqlite { readers, .. } => {
                sqlx::query_scalar(SQL)
                    .bind(session)
                    .fetch_one(readers)
                    .await
            }
        }
        .expect("a session")
    }
}

/// Limits on codes that no test of sessions reaches.
const LIMITS: [(&str, &str); 11] = [
    ("OTP_JOINS_PER_PHONE_HOUR", "1000"),
    ("OTP_JOINS_PER_IP_HOUR", "1000"),
    ("OTP_PER_DAY", "10000"),
    ("OTP_PER_COUNTRY_DAY", "10000"),
    ("OTP_PER_PHONE_HOUR", "1000"),
    ("OTP_PER_PHONE_DAY", "1000"),
    ("OTP_PER_IP_HOUR", "1000"),
    ("OTP_PER_PREFIX_HOUR", "1000"),
    ("OTP_WRONG_PER_PHONE_NETWORK_DAY", "1000"),
    ("OTP_WRONG_PER_PHONE_DAY", "1000"),
    ("OTP_WRONG_PER_IP_HOUR", "1000"),
];

async fn app(base: &Arc<TestStore>, settings: &BTreeMap<&'static str, String>) -> TestApp {
    let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
    let settings: Vec<_> = LIMITS.into_iter().chain(settings).collect();
    let store = base.second().await;
    TestApp::configured(
        Arc::clone(base),
        store,
        RelayAuth::Both,
        &secrets(),
        &settings,
    )
    .await
}

/// A client with a token or a cookie.
pub(crate) trait Person {
    async fn who_am_i(&self, app: &TestApp) -> Answered;

    async fn is_signed_in(&self, app: &TestApp) -> bool {
        let answer = self.who_am_i(app).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["authenticated"] == true
    }

    async fn session_id(&self, app: &TestApp) -> Uuid {
        let answer = self.who_am_i(app).await;
        let body = answer.json();
        let id = body["session_id"].as_str().expect("a session");
        id.parse().expect("an id")
    }
}

impl Person for TestPhone {
    async fn who_am_i(&self, app: &TestApp) -> Answered {
        self.get(app, "/auth/session").await
    }
}

impl Person for TestBrowser {
    async fn who_am_i(&self, app: &TestApp) -> Answered {
        self.peek(app, http::Method::GET, "/auth/session", None)
            .await
    }
}

/// The same phone with the tokens in `answer`.
pub(crate) fn renewed(phone: &TestPhone, answer: &Answered) -> TestPhone {
    TestPhone::of(&phone.phone, answer)
}

/// The value of a browser's session cookie.
pub(crate) fn cookie_of(browser: &TestBrowser) -> &str {
    let session = browser.cookies.values().find(|v| v.starts_with("rt_"));
    session.expect("a session cookie")
}

/// Runs `count` futures at the same time and returns their results, in order.
pub(crate) async fn at_once<T, F>(count: usize, work: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|n| tokio::spawn(work(n))).collect();
    let mut done = Vec::with_capacity(count);
    for task in tasks {
        done.push(task.await.expect("no panic"));
    }
    done
}

/// Waits until `happened` returns true.
pub(crate) async fn until(happened: impl Fn() -> bool) {
    let waiting = async {
        while !happened() {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    waited.expect("the condition within twenty seconds");
}
