//! The counters of limits, and the removal of expired counters and challenges.

use std::time::Duration;

use archety_backend::config::OtpLimits;
use archety_backend::store::{Limit, LimitResult, Window};
use rstest::rstest;
use tokio::task::JoinSet;

use super::support::{ADA, ADAS_CODE, OtpReplica, REST_OF_HOUR, app};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

fn limit(scope: &'static str, window: Window, max: u32) -> Limit {
    Limit {
        scope,
        key: [1; 32],
        window,
        max,
    }
}

#[rstest]
#[tokio::test]
async fn limits_are_counted_together_or_not_at_all_and_reset_with_their_windows(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let store = TestStore::new(engine).await;
    let store = &store.store;
    let (hour, day) = (limit("b", Window::HOUR, 2), limit("a", Window::DAY, 3));
    let both = [hour.clone(), day.clone()];
    assert_eq!(
        store.count_event(&both, NOW).await.unwrap(),
        LimitResult::Counted { left: 1 }
    );
    assert_eq!(
        store.count_event(&both, NOW).await.unwrap(),
        LimitResult::Counted { left: 0 }
    );
    let full = store.count_event(&both, NOW).await.unwrap();
    let end_of_hour = NOW.plus(Duration::from_secs(u64::from(REST_OF_HOUR)));
    assert_eq!(
        full,
        LimitResult::Exceeded {
            scope: "b",
            until: end_of_hour,
        }
    );
    // The refused attempt did not count against the day.
    let day = [day];
    assert_eq!(
        store.count_event(&day, NOW).await.unwrap(),
        LimitResult::Counted { left: 0 }
    );
    // `NOW` is 51,200 s after midnight.
    let midnight = NOW.plus(Duration::from_secs(86_400 - 51_200));
    let full = store.count_event(&both, NOW).await.unwrap();
    let expected = LimitResult::Exceeded {
        scope: "a",
        until: midnight,
    };
    assert_eq!(
        full, expected,
        "the exceeded limit that ends last is reported"
    );
    store.uncount_event(&both, NOW).await.unwrap();
    assert_eq!(
        store.count_event(&both, NOW).await.unwrap(),
        LimitResult::Counted { left: 0 }
    );
    assert_eq!(
        store.count_event(&day, midnight).await.unwrap(),
        LimitResult::Counted { left: 2 }
    );
    let zero = [limit("c", Window::HOUR, 0)];
    let full = store.count_event(&zero, NOW).await.unwrap();
    assert_eq!(
        full,
        LimitResult::Exceeded {
            scope: "c",
            until: end_of_hour,
        }
    );
}

#[rstest]
#[tokio::test]
async fn putting_back_more_than_was_taken_raises_no_limit(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let store = TestStore::new(engine).await;
    let one = [limit("a", Window::HOUR, 1)];
    for _ in 0..3 {
        store.store.uncount_event(&one, NOW).await.unwrap();
    }
    let taken = store.store.count_event(&one, NOW).await.unwrap();
    assert_eq!(taken, LimitResult::Counted { left: 0 });
    for _ in 0..3 {
        store.store.uncount_event(&one, NOW).await.unwrap();
    }
    let taken = store.store.count_event(&one, NOW).await.unwrap();
    assert_eq!(taken, LimitResult::Counted { left: 0 });
    let taken = store.store.count_event(&one, NOW).await.unwrap();
    assert!(matches!(taken, LimitResult::Exceeded { .. }));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_takes_in_different_orders_are_counted_exactly_and_do_not_deadlock(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let store = TestStore::new(engine).await;
    let replicas = [store.store.clone(), store.second().await];
    let mut tasks = JoinSet::new();
    for n in 0..200_usize {
        let replica = replicas[n % 2].clone();
        // Half of the tasks take the limits in reverse order, and the keys overlap.
        let mut limits = vec![
            limit("a", Window::DAY, 50),
            limit("b", Window::LastDay, 60),
            limit("c", Window::HOUR, 100),
        ];
        limits[0].key = [u8::try_from(n % 3).unwrap(); 32];
        limits[2].key = [u8::try_from(n % 7).unwrap(); 32];
        if n % 2 == 0 {
            limits.reverse();
        }
        tasks.spawn(async move { replica.count_event(&limits, NOW).await.unwrap() });
    }
    let taken = tasks.join_all().await;
    let counted = taken
        .iter()
        .filter(|taken| matches!(taken, LimitResult::Counted { .. }));
    assert_eq!(counted.count(), 60, "{}", store.kind);
}

#[rstest]
#[tokio::test]
async fn an_approved_challenge_is_removed_after_its_approval_expires_and_its_counters_later(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = OtpReplica::new(engine, OtpLimits::default()).await;
    let client = app(ADA);
    let id = Some(client.start(&replica.otp).await.unwrap().challenge_id);
    let wrong = client.confirm(&replica.otp, id, "000000").await;
    wrong.unwrap_err();
    let late = client.clone().at(NOW.plus(Duration::from_secs(599)));
    late.confirm(&replica.otp, id, ADAS_CODE).await.unwrap();
    let store = &replica.base.store;
    // The approval expires later than the code, and the counters later than the approval.
    let clean = async |minutes| {
        let now = NOW.plus(Duration::from_mins(minutes));
        store.clean_codes(now).await.unwrap()
    };
    assert_eq!(clean(19).await, 0);
    let again = client.at(NOW.plus(Duration::from_mins(19)));
    again.confirm(&replica.otp, id, ADAS_CODE).await.unwrap();
    assert_eq!(clean(71).await, 1);
    assert_eq!(
        replica
            .base
            .number("select count(*) from otp_challenges")
            .await,
        0
    );
    let counters = replica
        .base
        .number("select count(*) from rate_counters")
        .await;
    assert_eq!(counters, 4);
    assert_eq!(clean(60 * 48).await, 4);
}
