//! A stand-in for a Supabase project, a database bound to it, and users with a proven number.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use archety_backend::clock::Timestamp;
use archety_backend::config::{ApiKey, Environment, IdentityConfig, SupabaseConfig};
use archety_backend::identity::{Grant, Identity, Person, SignInError, SupabaseIdentity, Timeouts};
use archety_backend::keyring::Keyring;
use archety_backend::phone::Phone;
use archety_backend::store::{Account, Pools, Store};
use secrecy::{ExposeSecret, SecretString};
use supabase_stand_in::{Settings, StandIn};
use uuid::Uuid;

use crate::support::{Engine, TestStore};

pub(crate) const PASSWORD_KEY: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const OTHER_PASSWORD_KEY: &str = "fedcba9876543210fedcba9876543210";
pub(crate) const SESSION_KEY: &str = "00112233445566778899aabbccddeeff";
pub(crate) const CLIENT_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
/// Timeouts that no answer of a stand-in exceeds.
pub(crate) const LONG_TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    total: Duration::from_secs(10),
};

pub(crate) fn keyring(list: &str) -> Arc<Keyring> {
    Arc::new(Keyring::parse(list).expect("a list"))
}

/// The kind of the configured API keys.
#[derive(Clone, Copy)]
pub(crate) enum KeyKind {
    Legacy,
    New,
}

pub(crate) fn config(project: &StandIn, kind: KeyKind, password_keys: &[&str]) -> SupabaseConfig {
    let (anon_key, service_key) = match kind {
        KeyKind::Legacy => (
            ApiKey::Legacy(project.anon_key().into()),
            ApiKey::Legacy(project.service_key().into()),
        ),
        KeyKind::New => (
            ApiKey::Opaque(project.publishable_key().into()),
            ApiKey::Opaque(project.secret_key().into()),
        ),
    };
    SupabaseConfig {
        url: project.hosted_url().parse().expect("a URL"),
        issuer: project.issuer(),
        anon_key,
        service_key,
        password_keys: password_keys
            .iter()
            .map(|key| SecretString::from(*key))
            .collect(),
        environment: Environment::Development,
    }
}

/// A project and one replica that is bound to it.
pub(crate) struct Project {
    pub(crate) stand_in: Arc<StandIn>,
    pub(crate) base: Arc<TestStore>,
    pub(crate) store: Store,
    pub(crate) identity: Arc<Identity>,
    pub(crate) kind: &'static str,
}

/// A row of `users`, with its number.
#[derive(Clone)]
pub(crate) struct TestUser {
    pub(crate) user_id: Uuid,
    pub(crate) phone: Phone,
}

impl TestUser {
    pub(crate) fn person(&self) -> Person<'_> {
        Person {
            user_id: self.user_id,
            phone: &self.phone,
        }
    }
}

/// A project with a replica on SQLite, for tests that do not depend on the store.
pub(crate) async fn project(settings: Settings) -> Project {
    Project::on(
        TestStore::sqlite().await,
        settings,
        KeyKind::Legacy,
        LONG_TIMEOUTS,
    )
    .await
}

impl Project {
    pub(crate) async fn new(engine: Engine, settings: Settings) -> Self {
        Self::on(
            TestStore::new(engine).await,
            settings,
            KeyKind::Legacy,
            LONG_TIMEOUTS,
        )
        .await
    }

    pub(crate) async fn on(
        base: TestStore,
        settings: Settings,
        kind: KeyKind,
        timeouts: Timeouts,
    ) -> Self {
        let stand_in = StandIn::start(settings).await.expect("a port is free");
        stand_in.clock().stop();
        let config = config(&stand_in, kind, &[PASSWORD_KEY]);
        let store = base.store.clone();
        let identity = open(config, timeouts, &store, &stand_in).await;
        Self {
            stand_in: Arc::new(stand_in),
            kind: base.kind,
            base: Arc::new(base),
            store,
            identity,
        }
    }

    /// A second replica on the same database.
    pub(crate) async fn replica(&self) -> Self {
        let store = self.base.second().await;
        self.restarted(store, &[PASSWORD_KEY], LONG_TIMEOUTS).await
    }

    /// The same replica, started again with these keys.
    pub(crate) async fn with_keys(&self, password_keys: &[&str]) -> Self {
        self.restarted(self.store.clone(), password_keys, LONG_TIMEOUTS)
            .await
    }

    /// The same replica, started again with a timeout of `total` for each answer.
    pub(crate) async fn with_timeout(&self, total: Duration) -> Self {
        let timeouts = Timeouts {
            connect: total,
            total,
        };
        self.restarted(self.store.clone(), &[PASSWORD_KEY], timeouts)
            .await
    }

    /// The same replica, started again in production.
    pub(crate) async fn in_production(&self) -> Self {
        let mut config = config(&self.stand_in, KeyKind::Legacy, &[PASSWORD_KEY]);
        config.environment = Environment::Production;
        self.restarted_with(config, self.store.clone(), LONG_TIMEOUTS)
            .await
    }

    async fn restarted(&self, store: Store, keys: &[&str], timeouts: Timeouts) -> Self {
        let config = config(&self.stand_in, KeyKind::Legacy, keys);
        self.restarted_with(config, store, timeouts).await
    }

    async fn restarted_with(
        &self,
        config: SupabaseConfig,
        store: Store,
        timeouts: Timeouts,
    ) -> Self {
        let identity = open(config, timeouts, &store, &self.stand_in).await;
        Self {
            stand_in: Arc::clone(&self.stand_in),
            base: Arc::clone(&self.base),
            store,
            identity,
            kind: self.kind,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        now_of(&self.stand_in)
    }

    pub(crate) fn supabase(&self) -> &SupabaseIdentity {
        match &*self.identity {
            Identity::Supabase(supabase) => supabase,
            Identity::Local(_) => panic!("bound to Supabase"),
        }
    }

    /// Inserts a user whose number ends in `n`.
    pub(crate) async fn new_user(&self, n: u8) -> TestUser {
        new_user(&self.store, n, self.now()).await
    }

    pub(crate) async fn sign_in(&self, user: &TestUser) -> Result<Grant, SignInError> {
        let session = Uuid::from_u128(0x5e55);
        self.identity
            .sign_in(&user.person(), session, CLIENT_ADDRESS, self.now())
            .await
    }

    /// Signs in, then clears the requests that the project got.
    pub(crate) async fn signed_in(&self, user: &TestUser) -> Grant {
        let grant = self.sign_in(user).await.expect("signed in");
        self.stand_in.requests().clear();
        grant
    }

    pub(crate) async fn account(&self, user: &TestUser) -> Account {
        let issuer = self.identity.issuer();
        let account = self.store.read_account(user.user_id, issuer).await;
        account.expect("the store answers").expect("an account")
    }

    /// Method and path, without `/auth/v1`, of each request that the project got since the last call.
    pub(crate) fn calls(&self) -> Vec<String> {
        let requests = self.stand_in.requests().all();
        self.stand_in.requests().clear();
        let lines = requests.iter().map(supabase_stand_in::LoggedRequest::line);
        lines.map(|line| line.replace("/auth/v1", "")).collect()
    }
}

async fn open(
    config: SupabaseConfig,
    timeouts: Timeouts,
    store: &Store,
    stand_in: &StandIn,
) -> Arc<Identity> {
    let config = IdentityConfig::Supabase(config);
    let now = now_of(stand_in);
    let opened = Identity::open(&config, timeouts, store, keyring(SESSION_KEY), now).await;
    Arc::new(opened.expect("the database is this project's"))
}

fn now_of(stand_in: &StandIn) -> Timestamp {
    let micros = stand_in.clock().now().unix_timestamp_nanos() / 1_000;
    Timestamp::from_micros(i64::try_from(micros).expect("a time of today"))
}

/// Inserts a user whose number ends in `n`.
pub(crate) async fn new_user(store: &Store, n: u8, now: Timestamp) -> TestUser {
    const SQL: &str = "insert into users (id, phone, created_at) values ($1, $2, $3)";
    let phone = format!("+155501002{n:02}");
    let user_id = Uuid::from_u128(0x7000_0000_0000_0000_8000_0000_0000_0000 + u128::from(n));
    match store.pools() {
        Pools::Postgres(pool) => {
            let query = sqlx::query(SQL).bind(user_id).bind(&phone).bind(now);
            query.execute(pool).await.map(drop)
        }
        Pools::Sqlite { writer, .. } => {
            let query = sqlx::query(SQL).bind(user_id).bind(&phone).bind(now);
            query.execute(writer).await.map(drop)
        }
    }
    .expect("a new user");
    TestUser {
        user_id,
        phone: Phone::parse(&phone).expect("a phone"),
    }
}

/// The access token.
pub(crate) fn token(grant: &Grant) -> &str {
    grant.access_token.expose_secret()
}

/// The session at the project.
pub(crate) fn upstream_session(grant: &Grant) -> Uuid {
    let upstream = grant.upstream.as_ref().expect("a session at the project");
    upstream.session_id.parse().expect("an id")
}
