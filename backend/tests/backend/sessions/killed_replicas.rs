//! A replica is killed while it refreshes the provider's tokens of a session.

use std::sync::Arc;
use std::time::Duration;

use archety_backend::store::Pools;
use http::Method;
use rstest::rstest;
use supabase_stand_in::{Fault, RefreshTokens, Settings};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::support::{
    ADA, EXPIRED, LOG_OUT, NEARLY_EXPIRED, Pair, Person, REFRESH, renewed, until,
};
use crate::support::{Engine, Postgres, Sqlite, TestPhone};

/// A replica that is killed during a refresh. It has its own runtime. Once killed, its tasks are not polled
/// again, so they cannot clean up.
struct KilledReplica {
    kill: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl KilledReplica {
    /// Starts a refresh, and returns once its request has reached the provider.
    async fn refreshing(pair: &Arc<Pair>, phone: &TestPhone) -> Self {
        let requests_before = pair.request_count(REFRESH);
        let (kill, killed) = oneshot::channel::<()>();
        let (pair_of_thread, phone) = (Arc::clone(pair), phone.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let app = pair_of_thread.another(&[]).await;
                tokio::spawn(async move { phone.refresh(&app).await });
                killed.await.expect("the replica is killed");
            });
            // A single-threaded runtime drops its tasks before the sockets that they wait for, so none runs again.
            drop(runtime);
        });
        until(|| pair.request_count(REFRESH) > requests_before).await;
        Self { kill, thread }
    }

    fn kill(self) {
        self.kill.send(()).expect("the replica is running");
        self.thread.join().expect("no panic");
    }
}

fn both_refresh_token_versions() -> [Settings; 2] {
    [RefreshTokens::V1, RefreshTokens::V2].map(|refresh_tokens| Settings {
        refresh_tokens,
        ..Settings::default()
    })
}

/// Asserts that the session can be refreshed, and logged out at the provider.
async fn assert_session_works(pair: &Pair, phone: &TestPhone) {
    let renewed = renewed(phone, &phone.refresh(pair.second()).await);
    assert!(renewed.is_signed_in(pair.first()).await, "{}", pair.kind());
    pair.advance(EXPIRED);
    let again = renewed.refresh(pair.first()).await;
    let last = super::support::renewed(&renewed, &again);
    let log_out = last
        .call(pair.first(), Method::POST, "/auth/logout", None)
        .await;
    assert_eq!(log_out.status, 200, "{}", log_out.text());
    pair.do_jobs().await;
    assert_eq!(pair.sessions_at_provider(ADA), 0, "{}", pair.kind());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_session_continues_once_the_lease_of_a_replica_killed_before_the_provider_answers_expires(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    for settings in both_refresh_token_versions() {
        for fault in [
            Fault::Hang(Duration::from_secs(30)),
            Fault::HangAfter(Duration::from_secs(30)),
        ] {
            let pair = Pair::supabase_with(engine, &settings).await;
            let pair = Arc::new(pair);
            let phone = pair.first().signed_in(ADA).await;
            pair.advance(EXPIRED);
            pair.provider().faults().next(REFRESH, fault.clone());
            KilledReplica::refreshing(&pair, &phone).await.kill();
            // The killed replica's lease blocks refreshes until it expires.
            let id = id_of_only_session(&pair).await;
            let lease = |span| {
                let now = pair.first().clock.now().plus(span);
                pair.base.store.lease_upstream(id, 1, now)
            };
            let early = lease(Duration::from_millis(19_999)).await;
            assert!(!early.expect("a store"), "{}", pair.kind());
            pair.advance(Duration::from_secs(20));
            assert_session_works(&pair, &phone).await;
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_session_continues_after_a_replica_is_killed_before_it_stores_the_new_tokens(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    for settings in both_refresh_token_versions() {
        let pair = Pair::supabase_with(engine, &settings).await;
        let pair = Arc::new(pair);
        let phone = pair.first().signed_in(ADA).await;
        pair.advance(EXPIRED);
        let delayed = Fault::HangAfter(Duration::from_millis(300));
        pair.provider().faults().next(REFRESH, delayed);
        let replica = KilledReplica::refreshing(&pair, &phone).await;
        {
            // No replica can write while the lock is held.
            let _locked = lock(&pair).await;
            let answered = || pair.provider().requests().matching(REFRESH)[0].status;
            until(|| answered() == Some(200)).await;
            replica.kill();
        }
        pair.advance(Duration::from_mins(5));
        assert_session_works(&pair, &phone).await;
    }
}

async fn id_of_only_session(pair: &Pair) -> Uuid {
    let name = pair.provider().people()[0].sessions[0].to_string();
    let now = pair.first().clock.now();
    let session = pair.base.store.session_by_upstream(&name, now).await;
    session.expect("a store").expect("a session").id
}

/// A lock that blocks all writes to the store.
enum Locked {
    Postgres(
        #[expect(dead_code, reason = "dropping it releases the lock")]
        sqlx::Transaction<'static, sqlx::Postgres>,
    ),
    Sqlite(
        #[expect(dead_code, reason = "dropping it releases the lock")]
        sqlx::pool::PoolConnection<sqlx::Sqlite>,
    ),
}

async fn lock(pair: &Pair) -> Locked {
    match pair.base.store.pools() {
        Pools::Postgres(pool) => {
            let mut transaction = pool.begin().await.expect("a transaction");
            sqlx::query("select id from sessions for update")
                .execute(&mut *transaction)
                .await
                .expect("a lock");
            Locked::Postgres(transaction)
        }
        Pools::Sqlite { writer, .. } => {
            Locked::Sqlite(writer.acquire().await.expect("a connection"))
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_killed_during_a_refresh_does_not_undo_a_log_out(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase_with(engine, &Settings::default()).await;
    let pair = Arc::new(pair);
    let phone = pair.first().signed_in(ADA).await;
    pair.advance(NEARLY_EXPIRED);
    let delayed = Fault::HangAfter(Duration::from_secs(30));
    pair.provider().faults().next(REFRESH, delayed);
    let replica = KilledReplica::refreshing(&pair, &phone).await;
    let log_out = phone
        .call(pair.first(), Method::POST, "/auth/logout", None)
        .await;
    assert_eq!(log_out.status, 200, "{}", log_out.text());
    replica.kill();
    // The stored tokens are still the old ones, and their access token has expired by now.
    pair.advance(EXPIRED);
    pair.do_jobs().await;
    assert_eq!(pair.sessions_at_provider(ADA), 0, "{}", pair.kind());
    assert_eq!(pair.request_count(LOG_OUT), 2, "{}", pair.kind());
}
