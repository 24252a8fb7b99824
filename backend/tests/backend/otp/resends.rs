//! The same code can be sent twice more, within the same limits.

use std::time::Duration;

use archety_backend::config::OtpLimits;
use archety_backend::otp::StartError;

use rstest::rstest;

use super::sends::HIGH_LIMITS;
use super::support::{ADA, Client, OtpReplica, TwilioReplica, WRONG_CODE, app, browser};
use crate::support::{Engine, NOW, Postgres, Sqlite};

const BO: &str = "+15550100001";

/// Starts at `secs` after the start of the test; returns whether a message was sent.
async fn start_at(replica: &TwilioReplica, client: &Client, secs: u64) -> bool {
    let client = client.clone().at(NOW.plus(Duration::from_secs(secs)));
    let started = client.start(&replica.otp).await;
    started.expect("started").sent
}

#[rstest]
#[tokio::test]
async fn a_code_is_sent_again_after_half_a_minute_and_twice_at_most(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, HIGH_LIMITS).await;
    let client = app(BO);
    for (secs, expected) in [
        (0, true),
        (1, false),
        (29, false),
        (30, true),
        (31, false),
        (59, false),
        (60, true),
        (61, false),
        (120, false),
        (599, false),
    ] {
        assert_eq!(
            start_at(&replica, &client, secs).await,
            expected,
            "{secs} s"
        );
    }
    assert_eq!(replica.twilio.sends(BO), 3, "{}", replica.base.kind);
    assert_eq!(
        replica.base.number("select count(*) from otp_codes").await,
        1
    );
    let late = client.at(NOW.plus(Duration::from_secs(590)));
    late.confirm(&replica.otp, None, &replica.code(BO))
        .await
        .unwrap();
}

#[rstest]
#[tokio::test]
async fn each_message_counts_against_the_limits_and_a_start_beyond_them_joins_the_code(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let limits = OtpLimits {
        per_phone_hour: 2,
        ..HIGH_LIMITS
    };
    let replica = TwilioReplica::new(engine, limits).await;
    let client = app(BO);
    assert!(start_at(&replica, &client, 0).await);
    assert!(start_at(&replica, &client, 30).await);
    assert!(!start_at(&replica, &client, 60).await, "two an hour");
    assert_eq!(replica.twilio.sends(BO), 2);
    client
        .confirm(&replica.otp, None, &replica.code(BO))
        .await
        .unwrap();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_simultaneous_starts_one_sends_the_code_again(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, HIGH_LIMITS).await;
    app(BO).start(&replica.otp).await.unwrap();
    let replicas = [replica.otp.clone(), replica.second().await];
    let mut starts = tokio::task::JoinSet::new();
    for n in 0..20_u8 {
        let client = browser(BO, n).at(NOW.plus(Duration::from_secs(31)));
        let otp = replicas[usize::from(n) % 2].clone();
        starts.spawn(async move { client.start(&otp).await.unwrap().sent });
    }
    let sent = starts.join_all().await;
    assert_eq!(sent.iter().filter(|sent| **sent).count(), 1);
    assert_eq!(replica.twilio.sends(BO), 2, "{}", replica.base.kind);
}

#[rstest]
#[tokio::test]
async fn without_attempts_left_only_known_devices_and_other_networks_can_start_for_a_number(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = OtpReplica::new(engine, OtpLimits::default()).await;
    for n in 0..2 {
        let client = browser(ADA, n);
        let id = Some(client.start(&replica.otp).await.unwrap().challenge_id);
        for _ in 0..5 {
            client
                .confirm(&replica.otp, id, WRONG_CODE)
                .await
                .unwrap_err();
        }
    }
    let limited = browser(ADA, 9).start(&replica.otp).await;
    let Err(StartError::Limited { retry_after }) = limited else {
        panic!("{limited:?}");
    };
    assert!(retry_after > 23 * 3_600, "{retry_after}");
    browser(ADA, 9).known().start(&replica.otp).await.unwrap();
    let in_other_network = browser(ADA, 9).from([203, 0, 113, 9]);
    in_other_network.start(&replica.otp).await.unwrap();
}

/// Twilio checks a code five times. Two of these checks are reserved for the client that started the code.
#[rstest]
#[tokio::test]
async fn a_stranger_who_joins_cannot_use_up_the_providers_checks(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, HIGH_LIMITS).await;
    let own = browser(BO, 1);
    let own_id = Some(own.start(&replica.otp).await.unwrap().challenge_id);
    let stranger = browser(BO, 2)
        .from([203, 0, 113, 9])
        .at(NOW.plus(Duration::from_secs(1)));
    let id = Some(stranger.start(&replica.otp).await.unwrap().challenge_id);
    for _ in 0..5 {
        let _ = stranger.confirm(&replica.otp, id, "000000").await;
    }
    assert_eq!(replica.twilio.checks(), 3, "{}", replica.base.kind);
    own.confirm(&replica.otp, own_id, "000000")
        .await
        .unwrap_err();
    own.confirm(&replica.otp, own_id, &replica.code(BO))
        .await
        .unwrap();
    assert_eq!(replica.twilio.checks(), 5);
}
