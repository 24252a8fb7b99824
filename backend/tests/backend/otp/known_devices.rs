//! Strangers cannot use up the codes and the attempts that are reserved for known devices.

use std::time::Duration;

use archety_backend::config::OtpLimits;
use archety_backend::otp::{ConfirmError, StartError};
use rstest::rstest;
use uuid::Uuid;

use super::sends::HIGH_LIMITS;
use super::support::{
    ADA, ADAS_CODE, Client, OtpReplica, REST_OF_HOUR, TwilioReplica, WRONG_CODE, app, browser,
};
use crate::support::{Engine, NOW, Postgres, Sqlite};

const BO: &str = "+15550100001";

#[rstest]
#[tokio::test]
async fn after_thirty_wrong_codes_of_strangers_a_known_device_has_five_attempts(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = OtpReplica::new(engine, OtpLimits::default()).await;
    let otp = &replica.otp;
    let guess = async |n: u8| {
        let stranger = browser(ADA, n).from([198, 51, 100, n]);
        let id = Some(stranger.start(otp).await.unwrap().challenge_id);
        stranger.confirm(otp, id, WRONG_CODE).await
    };
    for n in 0..30 {
        let guessed = guess(n).await;
        let left = u32::from(29 - n).min(4);
        assert!(
            matches!(guessed, Err(ConfirmError::Wrong { attempts_left }) if attempts_left == left),
            "{guessed:?}"
        );
    }
    // Strangers have 30 attempts for a number, and five for a challenge. The next stranger cannot start.
    let blocked = browser(ADA, 30).from([198, 51, 100, 30]).start(otp).await;
    let Err(StartError::Limited { retry_after }) = blocked else {
        panic!("{blocked:?}");
    };
    // Attempts are counted by the hour, and this hour began 800 s ago.
    assert_eq!(retry_after, 25 * 3_600 - 800);
    // An unknown device of the number's owner has to wait, too. A known device has five attempts more.
    let own = browser(ADA, 100).known();
    let id = Some(own.start(otp).await.unwrap().challenge_id);
    let unknown = browser(ADA, 100).confirm(otp, id, ADAS_CODE).await;
    assert!(matches!(unknown, Err(ConfirmError::TooManyAttempts { .. })));
    for left in (1..5).rev() {
        let wrong = own.confirm(otp, id, WRONG_CODE).await;
        assert!(
            matches!(wrong, Err(ConfirmError::Wrong { attempts_left }) if attempts_left == left)
        );
    }
    own.confirm(otp, id, ADAS_CODE).await.unwrap();
    // The attempt with the right code is not counted.
    let again = Some(own.start(otp).await.unwrap().challenge_id);
    own.confirm(otp, again, ADAS_CODE).await.unwrap();
}

/// Strangers who know only the number can send a confirmation without a challenge's id.
#[rstest]
#[tokio::test]
async fn confirmations_without_an_id_leave_two_attempts_to_the_client_that_started_the_code(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, OtpLimits::default()).await;
    let otp = &replica.otp;
    let own = app(BO).from([203, 0, 113, 9]);
    let id = Some(own.start(otp).await.unwrap().challenge_id);
    let sent_code = replica.code(BO);
    let stranger = app(BO).from([198, 51, 100, 1]);
    for left in [2, 1, 0] {
        let wrong = stranger.confirm(otp, None, WRONG_CODE).await;
        assert!(
            matches!(wrong, Err(ConfirmError::Wrong { attempts_left }) if attempts_left == left),
            "{wrong:?}"
        );
    }
    for _ in 0..3 {
        let refused = stranger.confirm(otp, None, WRONG_CODE).await;
        assert!(
            matches!(refused, Err(ConfirmError::TooManyAttempts { .. })),
            "{refused:?}"
        );
    }
    let wrong = own.confirm(otp, id, WRONG_CODE).await;
    assert!(
        matches!(wrong, Err(ConfirmError::Wrong { attempts_left: 1 })),
        "{wrong:?}"
    );
    own.confirm(otp, id, &sent_code).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_known_device_without_an_id_confirms_the_challenge_that_started_the_code(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, OtpLimits::default()).await;
    let otp = &replica.otp;
    let own = app(BO).from([203, 0, 113, 9]).known();
    own.start(otp).await.unwrap();
    let sent_code = replica.code(BO);
    // A stranger joins the code, and uses up the attempts of the clients that joined.
    let stranger = app(BO)
        .from([198, 51, 100, 1])
        .at(NOW.plus(Duration::from_secs(1)));
    let joined = Some(stranger.start(otp).await.unwrap().challenge_id);
    for _ in 0..5 {
        let tried = stranger.confirm(otp, joined, WRONG_CODE).await;
        assert!(tried.is_err());
    }
    own.confirm(otp, None, &sent_code).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn one_network_may_give_ten_wrong_codes_in_any_24_hours(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = OtpReplica::new(engine, OtpLimits::default()).await;
    let otp = &replica.otp;
    let guess = async |hours: u64, n: u8| {
        let stranger = browser(ADA, n).at(NOW.plus(Duration::from_hours(hours)));
        let started = stranger.start(otp).await?;
        let judged = stranger
            .confirm(otp, Some(started.challenge_id), WRONG_CODE)
            .await;
        Ok::<bool, StartError>(matches!(judged, Err(ConfirmError::Wrong { .. })))
    };
    let is_judged = |guess: &Result<bool, StartError>| matches!(guess, Ok(true));
    // Five codes come before midnight and five after it. The limit does not start again at midnight.
    for n in 0..10 {
        let hours = if n < 5 { 0 } else { 11 };
        assert!(is_judged(&guess(hours, n).await), "{n}");
    }
    assert!(!is_judged(&guess(11, 10).await));
    assert!(!is_judged(&guess(24, 11).await));
    for n in 12..17 {
        assert!(is_judged(&guess(25, n).await), "{n}");
    }
    assert!(!is_judged(&guess(25, 17).await));
}

#[rstest]
#[tokio::test]
async fn an_address_may_give_three_wrong_codes_an_hour(#[values(Sqlite, Postgres)] engine: Engine) {
    let limits = OtpLimits {
        wrong_per_ip_hour: 3,
        ..HIGH_LIMITS
    };
    let replica = OtpReplica::new(engine, limits).await;
    let client = app(ADA);
    let id = Some(client.start(&replica.otp).await.unwrap().challenge_id);
    for _ in 0..3 {
        let wrong = client.confirm(&replica.otp, id, WRONG_CODE).await;
        assert!(matches!(wrong, Err(ConfirmError::Wrong { .. })));
    }
    let limited = client.confirm(&replica.otp, id, ADAS_CODE).await;
    assert!(
        matches!(
            limited,
            Err(ConfirmError::TooManyAttempts {
                retry_after: REST_OF_HOUR
            })
        ),
        "{limited:?}"
    );
    // The refused attempt did not count against the challenge.
    let other = client.clone().from([203, 0, 113, 1]);
    other.confirm(&replica.otp, id, ADAS_CODE).await.unwrap();
}

/// For each limit on sending: limits that refuse a stranger's second code because of that limit alone.
fn limits_for_one_code() -> [OtpLimits; 6] {
    [
        OtpLimits {
            per_phone_hour: 1,
            ..HIGH_LIMITS
        },
        OtpLimits {
            per_phone_day: 1,
            ..HIGH_LIMITS
        },
        OtpLimits {
            per_ip_hour: 1,
            ..HIGH_LIMITS
        },
        OtpLimits {
            per_prefix_hour: 1,
            ..HIGH_LIMITS
        },
        OtpLimits {
            per_country_day: 1,
            known_device_reserve: 1,
            ..HIGH_LIMITS
        },
        OtpLimits {
            per_day: 2,
            known_device_reserve: 1,
            ..HIGH_LIMITS
        },
    ]
}

#[rstest]
#[tokio::test]
async fn strangers_cannot_use_up_the_codes_of_a_known_device(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    for limits in limits_for_one_code() {
        let replica = TwilioReplica::new(engine, limits).await;
        let otp = &replica.otp;
        app(BO).start(otp).await.unwrap();
        let later: Client = app(BO).at(NOW.plus(Duration::from_mins(11)));
        replica.twilio.clock().advance(Duration::from_mins(11));
        let stranger = later.start(otp).await;
        assert!(
            matches!(stranger, Err(StartError::Limited { .. })),
            "{limits:?} {stranger:?}"
        );
        let own = later.known();
        let id: Option<Uuid> = Some(own.start(otp).await.unwrap().challenge_id);
        own.confirm(otp, id, &replica.code(BO)).await.unwrap();
    }
}

#[rstest]
#[tokio::test]
async fn the_daily_limit_on_all_codes_applies_to_known_devices(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let limits = OtpLimits {
        per_day: 3,
        known_device_reserve: 1,
        ..HIGH_LIMITS
    };
    let replica = TwilioReplica::new(engine, limits).await;
    for n in 1..=3 {
        let client = app(&format!("+1555010000{n}")).known();
        client.start(&replica.otp).await.unwrap();
    }
    let fourth = app("+15550100004").known().start(&replica.otp).await;
    assert!(
        matches!(fourth, Err(StartError::Limited { .. })),
        "{fourth:?}"
    );
    assert_eq!(replica.twilio.total_sends(), 3);
}
