//! Challenges: which client may confirm a challenge, how often, and for how long.

use std::time::Duration;

use archety_backend::config::OtpLimits;
use archety_backend::otp::{Channel, ConfirmError};
use rstest::rstest;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::support::{ADA, ADAS_CODE, OtpReplica, WRONG_CODE, app, browser};
use crate::support::{Engine, NOW, Postgres, Sqlite};

#[rstest]
#[tokio::test]
async fn a_started_challenge_is_approved_with_its_code(#[values(Sqlite, Postgres)] engine: Engine) {
    let replica = OtpReplica::new(engine, OtpLimits::default()).await;
    let client = browser(ADA, 1);
    let started = client.start(&replica.otp).await.expect("started");
    assert_eq!(started.expires_in_secs, 600);
    assert_eq!(started.resend_after_secs, 30);
    assert!(started.sent);
    assert_eq!(started.code_length, 6);
    let id = Some(started.challenge_id);
    let approved = client.confirm(&replica.otp, id, ADAS_CODE).await.unwrap();
    assert_eq!(approved.challenge_id, started.challenge_id);
    assert!(approved.is_test);
    assert_eq!(approved.step_up, None);
}

#[rstest]
#[tokio::test]
async fn a_start_that_joins_a_code_does_not_reveal_when_the_code_was_sent(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = OtpReplica::new(engine, OtpLimits::default()).await;
    let first = app(ADA).start(&replica.otp).await.unwrap();
    let soon = app(ADA).at(NOW.plus(Duration::from_secs(29)));
    let joined = soon.start(&replica.otp).await.unwrap();
    assert!(!joined.sent);
    let later = app(ADA).at(NOW.plus(Duration::from_mins(4)));
    let second = later.start(&replica.otp).await.unwrap();
    assert_ne!(first.challenge_id, second.challenge_id);
    // The answers are those of a code that was sent now.
    for started in [&joined, &second] {
        assert_eq!(
            (started.expires_in_secs, started.resend_after_secs),
            (600, 30)
        );
    }
    assert_eq!(
        replica.base.number("select count(*) from otp_codes").await,
        1
    );
    let other = later.clone().by(Channel::Call);
    assert_eq!(
        other.start(&replica.otp).await.unwrap().expires_in_secs,
        600
    );
    let after = app(ADA).at(NOW.plus(Duration::from_mins(10)));
    assert_eq!(
        after.start(&replica.otp).await.unwrap().expires_in_secs,
        600
    );
    assert_eq!(
        replica.base.number("select count(*) from otp_codes").await,
        3
    );
}

#[rstest]
#[tokio::test]
async fn only_the_client_that_started_a_challenge_can_confirm_it(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = OtpReplica::new(engine, OtpLimits::default()).await;
    let otp = &replica.otp;
    let session = Uuid::from_u128(7);
    let first = browser(ADA, 1);
    let by_browser = Some(first.start(otp).await.unwrap().challenge_id);
    let by_session = app(ADA).signed_in(session);
    let step_up = Some(by_session.start(otp).await.unwrap().challenge_id);
    for (client, id) in [
        (browser(ADA, 2), by_browser),
        (browser(ADA, 2), None),
        (app(ADA), by_browser),
        (app(ADA), step_up),
        // An app without an id finds only challenges of apps.
        (app(ADA), None),
        (app(ADA).signed_in(Uuid::from_u128(8)), step_up),
        (browser("+15550100001", 1), by_browser),
        (first.clone(), Some(Uuid::from_u128(1))),
    ] {
        let refused = client.confirm(otp, id, ADAS_CODE).await;
        assert!(matches!(refused, Err(ConfirmError::Expired)), "{client:?}");
    }
    let approved = by_session.confirm(otp, None, ADAS_CODE).await.unwrap();
    assert_eq!(approved.step_up, Some(session));
    // The session's challenge has used up the code.
    let spent = first.confirm(otp, by_browser, ADAS_CODE).await;
    assert!(matches!(spent, Err(ConfirmError::Expired)), "{spent:?}");
}

#[rstest]
#[tokio::test]
async fn a_confirmation_without_an_id_uses_the_newest_challenge_with_attempts_left(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = OtpReplica::new(engine, OtpLimits::default()).await;
    let otp = &replica.otp;
    let own = app(ADA).start(otp).await.unwrap();
    let later = NOW.plus(Duration::from_secs(1));
    let stranger = app(ADA).at(later).from([198, 51, 100, 1]);
    let newest = stranger.start(otp).await.unwrap();
    browser(ADA, 1).at(later).start(otp).await.unwrap();
    for left in (0..5).rev() {
        let wrong = stranger.confirm(otp, Some(newest.challenge_id), WRONG_CODE);
        assert!(
            matches!(wrong.await, Err(ConfirmError::Wrong { attempts_left }) if attempts_left == left)
        );
    }
    // The newest challenge, the stranger's, has no attempts left.
    let approved = app(ADA).at(later).confirm(otp, None, ADAS_CODE).await;
    assert_eq!(approved.unwrap().challenge_id, own.challenge_id);
}

#[rstest]
#[tokio::test]
async fn after_five_wrong_codes_a_challenge_refuses_the_right_code_and_a_new_challenge_accepts_it(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = OtpReplica::new(engine, OtpLimits::default()).await;
    let client = app(ADA);
    let id = Some(client.start(&replica.otp).await.unwrap().challenge_id);
    for left in (0..5).rev() {
        let wrong = client.confirm(&replica.otp, id, WRONG_CODE).await;
        assert!(
            matches!(wrong, Err(ConfirmError::Wrong { attempts_left }) if attempts_left == left),
            "{wrong:?}"
        );
    }
    let a_minute_later = client.clone().at(NOW.plus(Duration::from_mins(1)));
    let right = a_minute_later.confirm(&replica.otp, id, ADAS_CODE).await;
    let Err(ConfirmError::TooManyAttempts { retry_after }) = right else {
        panic!("{right:?}");
    };
    assert_eq!(retry_after, 540);
    // Another challenge for the same code has five attempts of its own.
    let again = Some(
        a_minute_later
            .start(&replica.otp)
            .await
            .unwrap()
            .challenge_id,
    );
    a_minute_later
        .confirm(&replica.otp, again, ADAS_CODE)
        .await
        .unwrap();
}

#[rstest]
#[tokio::test]
async fn a_code_expires_after_ten_minutes(#[values(Sqlite, Postgres)] engine: Engine) {
    let replica = OtpReplica::new(engine, OtpLimits::default()).await;
    let client = app(ADA);
    let id = Some(client.start(&replica.otp).await.unwrap().challenge_id);
    let edge = client.clone().at(NOW.plus(Duration::from_mins(10)));
    let late = edge.confirm(&replica.otp, id, ADAS_CODE).await;
    assert!(matches!(late, Err(ConfirmError::Expired)), "{late:?}");
    let in_time = client.at(NOW.plus(Duration::from_millis(599_999)));
    in_time.confirm(&replica.otp, id, ADAS_CODE).await.unwrap();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_simultaneous_guesses_five_are_checked(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = OtpReplica::new(engine, OtpLimits::default()).await;
    let replicas = [
        replica.otp.clone(),
        replica.second(OtpLimits::default()).await,
    ];
    let client = app(ADA);
    let id = Some(client.start(&replica.otp).await.unwrap().challenge_id);
    let mut guesses = JoinSet::new();
    for n in 0..50 {
        let (client, otp) = (client.clone(), replicas[n % 2].clone());
        guesses.spawn(async move { client.confirm(&otp, id, WRONG_CODE).await });
    }
    let mut left = Vec::new();
    for guess in guesses.join_all().await {
        match guess {
            Err(ConfirmError::Wrong { attempts_left }) => left.push(attempts_left),
            Err(ConfirmError::TooManyAttempts { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 4], "{}", replica.base.kind);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_can_be_confirmed_again_until_one_session_uses_it(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = OtpReplica::new(engine, OtpLimits::default()).await;
    let otp = &replica.otp;
    let client = browser(ADA, 1);
    let id = Some(client.start(otp).await.unwrap().challenge_id);
    let joined = browser(ADA, 2).start(otp).await.unwrap().challenge_id;
    let approved = client.confirm(otp, id, ADAS_CODE).await.unwrap();
    let later = client.clone().at(NOW.plus(Duration::from_secs(599)));
    assert_eq!(later.confirm(otp, id, ADAS_CODE).await.unwrap(), approved);
    assert_eq!(later.confirm(otp, None, ADAS_CODE).await.unwrap(), approved);
    let wrong = later.confirm(otp, id, WRONG_CODE).await;
    assert!(matches!(wrong, Err(ConfirmError::Wrong { .. })));
    let stranger = browser(ADA, 2);
    for id in [id, Some(joined), None] {
        let spent = stranger.confirm(otp, id, ADAS_CODE).await;
        assert!(matches!(spent, Err(ConfirmError::Expired)), "{spent:?}");
    }
    let replicas = [replica.base.store.clone(), replica.base.second().await];
    let mut sessions = JoinSet::new();
    for n in 0..20 {
        let store = replicas[n % 2].clone();
        let id = approved.challenge_id;
        sessions.spawn(async move {
            store
                .consume_approval(id, Uuid::from_u128(7), later.now)
                .await
                .unwrap()
        });
    }
    let consumed = sessions.join_all().await;
    assert_eq!(consumed.iter().filter(|consumed| **consumed).count(), 1);
    let used = client.confirm(otp, id, ADAS_CODE).await;
    assert!(matches!(used, Err(ConfirmError::Expired)), "{used:?}");
}

#[rstest]
#[tokio::test]
async fn an_approval_expires_after_ten_minutes_and_a_new_challenge_is_approved(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = OtpReplica::new(engine, OtpLimits::default()).await;
    let client = app(ADA);
    let id = client.start(&replica.otp).await.unwrap().challenge_id;
    client
        .confirm(&replica.otp, Some(id), ADAS_CODE)
        .await
        .unwrap();
    let later = client.at(NOW.plus(Duration::from_mins(10)));
    let store = &replica.base.store;
    let consumed = store
        .consume_approval(id, Uuid::from_u128(7), later.now)
        .await
        .unwrap();
    assert!(!consumed);
    let late = later.confirm(&replica.otp, Some(id), ADAS_CODE).await;
    assert!(matches!(late, Err(ConfirmError::Expired)), "{late:?}");
    // The next challenge is approved.
    let id = Some(later.start(&replica.otp).await.unwrap().challenge_id);
    later.confirm(&replica.otp, id, ADAS_CODE).await.unwrap();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn one_code_approves_only_one_of_its_simultaneously_confirmed_challenges(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = OtpReplica::new(engine, OtpLimits::default()).await;
    let replicas = [
        replica.otp.clone(),
        replica.second(OtpLimits::default()).await,
    ];
    let mut challenges = Vec::new();
    for n in 0..10 {
        let client = browser(ADA, n).from([192, 0, 2, n]);
        let id = Some(client.start(&replica.otp).await.unwrap().challenge_id);
        challenges.push((client, id));
    }
    let mut tasks = JoinSet::new();
    for (n, (client, id)) in challenges.into_iter().enumerate() {
        let otp = replicas[n % 2].clone();
        tasks.spawn(async move { client.confirm(&otp, id, ADAS_CODE).await });
    }
    let mut approved = 0;
    for outcome in tasks.join_all().await {
        match outcome {
            Ok(_) => approved += 1,
            Err(ConfirmError::Expired) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(approved, 1);
}
