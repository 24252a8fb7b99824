//! A replica is killed while the provider's tokens are on their way.

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

/// A replica in a runtime of its own that is asked to refresh and then killed: no task of it is polled
/// again, so that none can tidy up after itself.
struct Doomed {
    kill: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Doomed {
    /// Returns when it has begun to ask the provider.
    async fn refreshing(pair: &Arc<Pair>, phone: &TestPhone) -> Self {
        let asked = pair.asked(REFRESH);
        let (kill, killed) = oneshot::channel::<()>();
        let (its_pair, phone) = (Arc::clone(pair), phone.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let app = its_pair.another(&[]).await;
                tokio::spawn(async move { phone.refresh(&app).await });
                killed.await.expect("it is killed");
            });
            // A runtime of one thread drops its tasks before the sockets that they wait for.
            drop(runtime);
        });
        until(|| pair.asked(REFRESH) > asked).await;
        Self { kill, thread }
    }

    fn dies(self) {
        self.kill.send(()).expect("it lives");
        self.thread.join().expect("no panic");
    }
}

fn both() -> [Settings; 2] {
    [RefreshTokens::V1, RefreshTokens::V2].map(|refresh_tokens| Settings {
        refresh_tokens,
        ..Settings::default()
    })
}

/// The session goes on, and can be ended at the provider.
async fn goes_on(pair: &Pair, phone: &TestPhone) {
    let renewed = renewed(phone, &phone.refresh(pair.there()).await);
    assert!(renewed.is_in(pair.here()).await, "{}", pair.kind());
    pair.advance(EXPIRED);
    let again = renewed.refresh(pair.here()).await;
    let last = super::support::renewed(&renewed, &again);
    let left = last
        .call(pair.here(), Method::POST, "/auth/logout", None)
        .await;
    assert_eq!(left.status, 200, "{}", left.text());
    pair.do_jobs().await;
    assert_eq!(pair.sessions_at_provider(ADA), 0, "{}", pair.kind());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn killed_between_lease_and_answer(#[values(Sqlite, Postgres)] engine: Engine) {
    for settings in both() {
        for fault in [
            Fault::Hang(Duration::from_secs(30)),
            Fault::HangAfter(Duration::from_secs(30)),
        ] {
            let pair = Pair::supabase_with(engine, &settings).await;
            let pair = Arc::new(pair);
            let phone = pair.here().signed_in(ADA).await;
            pair.advance(EXPIRED);
            pair.provider().faults().next(REFRESH, fault.clone());
            Doomed::refreshing(&pair, &phone).await.dies();
            // Its lease is in the way until it is over, and no longer.
            let id = id_of_only_session(&pair).await;
            let lease = |span| {
                let now = pair.here().clock.now().plus(span);
                pair.base.store.lease_upstream(id, 1, now)
            };
            let early = lease(Duration::from_millis(19_999)).await;
            assert!(!early.expect("a store"), "{}", pair.kind());
            pair.advance(Duration::from_secs(20));
            goes_on(&pair, &phone).await;
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn killed_between_answer_and_writing_it_down(#[values(Sqlite, Postgres)] engine: Engine) {
    for settings in both() {
        let pair = Pair::supabase_with(engine, &settings).await;
        let pair = Arc::new(pair);
        let phone = pair.here().signed_in(ADA).await;
        pair.advance(EXPIRED);
        let held = Fault::HangAfter(Duration::from_millis(300));
        pair.provider().faults().next(REFRESH, held);
        let doomed = Doomed::refreshing(&pair, &phone).await;
        {
            // The lock keeps every replica from writing.
            let _locked = lock(&pair).await;
            let answered = || pair.provider().requests().matching(REFRESH)[0].status;
            until(|| answered() == Some(200)).await;
            doomed.dies();
        }
        pair.advance(Duration::from_mins(5));
        goes_on(&pair, &phone).await;
    }
}

async fn id_of_only_session(pair: &Pair) -> Uuid {
    let name = pair.provider().people()[0].sessions[0].to_string();
    let now = pair.here().clock.now();
    let session = pair.base.store.session_by_upstream(&name, now).await;
    session.expect("a store").expect("a session").id
}

/// What keeps the store from writing.
enum Locked {
    Postgres(
        #[expect(dead_code, reason = "it is held")] sqlx::Transaction<'static, sqlx::Postgres>,
    ),
    Sqlite(#[expect(dead_code, reason = "it is held")] sqlx::pool::PoolConnection<sqlx::Sqlite>),
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
    let phone = pair.here().signed_in(ADA).await;
    pair.advance(NEARLY_EXPIRED);
    let held = Fault::HangAfter(Duration::from_secs(30));
    pair.provider().faults().next(REFRESH, held);
    let doomed = Doomed::refreshing(&pair, &phone).await;
    let left = phone
        .call(pair.here(), Method::POST, "/auth/logout", None)
        .await;
    assert_eq!(left.status, 200, "{}", left.text());
    doomed.dies();
    // The tokens that were written down are the old ones; the access token has expired by now.
    pair.advance(EXPIRED);
    pair.do_jobs().await;
    assert_eq!(pair.sessions_at_provider(ADA), 0, "{}", pair.kind());
    assert_eq!(pair.asked(LOG_OUT), 2, "{}", pair.kind());
}
