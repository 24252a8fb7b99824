//! The number of messages: one for simultaneous starts, and no more than each limit allows.

use std::time::Duration;

use archety_backend::config::OtpLimits;
use archety_backend::otp::{Channel, ConfirmError, StartError};
use archety_backend::store::Pools;
use archety_backend::store::otp::{
    BeginResult, CODE_TTL, ChallengeOwner, ChallengeRequest, SendGuard, SentCode,
};
use rstest::rstest;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::support::{Client, REST_OF_HOUR, TwilioReplica, app, browser};
use crate::support::{Engine, NOW, Postgres, Sqlite};

const BO: &str = "+15550100001";

/// Limits that no test reaches.
pub(super) const HIGH_LIMITS: OtpLimits = OtpLimits {
    per_phone_hour: 1_000,
    per_phone_day: 1_000,
    per_ip_hour: 1_000,
    per_prefix_hour: 1_000,
    per_country_day: 1_000,
    per_day: 1_000_000,
    known_device_reserve: 0,
    joins_per_phone_hour: 1_000,
    joins_per_ip_hour: 1_000,
    wrong_per_phone_network_day: 10,
    wrong_per_phone_day: 10,
    wrong_per_ip_hour: 1_000,
    wrong_per_hour: 1_000,
    breaker_prefix_codes: 1_000,
    breaker_country_codes: 1_000,
    breaker_percent: 0,
};

/// Checks that a limit refuses the client. Returns the seconds until the client may start again.
pub(super) async fn expect_limited(client: &Client, replica: &TwilioReplica) -> u32 {
    match client.start(&replica.otp).await {
        Err(StartError::Limited { retry_after }) => retry_after,
        other => panic!("{other:?} on {}", replica.base.kind),
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn twenty_simultaneous_starts_send_one_message(#[values(Sqlite, Postgres)] engine: Engine) {
    let replica = TwilioReplica::new(engine, OtpLimits::default()).await;
    let replicas = [replica.otp.clone(), replica.second().await];
    for round in 0..5 {
        let number = format!("+1555010{round:04}");
        let mut starts = JoinSet::new();
        for n in 0..20 {
            let client = browser(&number, n).from([192, 0, 2, n]);
            let otp = replicas[usize::from(n) % 2].clone();
            starts.spawn(async move {
                let started = client.start(&otp).await.unwrap();
                (client, started)
            });
        }
        let starts = starts.join_all().await;
        assert_eq!(replica.twilio.sends(&number), 1, "{}", replica.base.kind);
        let (client, started) = &starts[19];
        let id = Some(started.challenge_id);
        client
            .confirm(&replica.otp, id, &replica.code(&number))
            .await
            .unwrap();
    }
    let codes = replica.base.number("select count(*) from otp_codes").await;
    assert_eq!(codes, 5);
}

#[rstest]
#[tokio::test]
async fn a_number_gets_three_codes_an_hour_and_six_a_day(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, OtpLimits::default()).await;
    let at = |minutes| app(BO).at(NOW.plus(Duration::from_mins(minutes)));
    let send = async |minutes| {
        at(minutes).start(&replica.otp).await.unwrap();
        // Joining a code that has not expired counts against no limit.
        at(minutes).start(&replica.otp).await.unwrap();
        replica.twilio.clock().advance(Duration::from_mins(11));
    };
    // The hour began 800 s ago, the day 51,200 s ago.
    for minutes in [0, 11, 22] {
        send(minutes).await;
    }
    assert_eq!(
        expect_limited(&at(33), &replica).await,
        REST_OF_HOUR - 33 * 60
    );
    assert_eq!(
        expect_limited(&at(33).by(Channel::Call), &replica).await,
        820
    );
    for minutes in [47, 58, 69] {
        send(minutes).await;
    }
    // Both limits are used up now. The day ends later than the hour.
    let midnight = 86_400 - 51_200;
    assert_eq!(expect_limited(&at(80), &replica).await, midnight - 80 * 60);
    assert_eq!(
        expect_limited(&at(110), &replica).await,
        midnight - 110 * 60
    );
    assert_eq!(replica.twilio.sends(BO), 6);
    let tomorrow = u64::from(midnight.div_ceil(60));
    send(tomorrow).await;
    assert_eq!(replica.twilio.sends(BO), 7);
}

#[rstest]
#[tokio::test]
async fn the_addresses_of_one_64_share_three_codes_an_hour(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let limits = OtpLimits {
        per_ip_hour: 3,
        ..HIGH_LIMITS
    };
    let replica = TwilioReplica::new(engine, limits).await;
    let client_at = |n: u32, address: &str| {
        let mut client = app(&format!("+1555{n:03}0001"));
        client.address = address.parse().unwrap();
        client
    };
    for n in 0..3 {
        let address = format!("2001:db8::{n}");
        client_at(n, &address).start(&replica.otp).await.unwrap();
    }
    assert_eq!(
        expect_limited(&client_at(3, "2001:db8::ffff"), &replica).await,
        REST_OF_HOUR
    );
    client_at(3, "2001:db8:0:1::")
        .start(&replica.otp)
        .await
        .unwrap();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_block_of_numbers_gets_thirty_codes_an_hour_and_other_blocks_still_get_theirs(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, OtpLimits::default()).await;
    let replicas = [replica.otp.clone(), replica.second().await];
    let mut starts = JoinSet::new();
    for n in 0..150_u16 {
        let client = app(&format!("+1555777{n:04}"));
        let client = client.from([198, 51, 100, u8::try_from(n % 100).unwrap()]);
        let otp = replicas[usize::from(n) % 2].clone();
        starts.spawn(async move { client.start(&otp).await });
    }
    let starts = starts.join_all().await;
    let sent = starts.iter().filter(|started| started.is_ok()).count();
    assert_eq!((sent, replica.twilio.total_sends()), (30, 30));
    let is_expected = |start: &Result<_, _>| match start {
        Ok(_) => true,
        Err(StartError::Limited { retry_after }) => *retry_after == REST_OF_HOUR,
        Err(_) => false,
    };
    assert!(starts.iter().all(is_expected), "{starts:?}");
    let other_block = browser(BO, 1);
    let id = Some(other_block.start(&replica.otp).await.unwrap().challenge_id);
    let confirmed = other_block
        .confirm(&replica.otp, id, &replica.code(BO))
        .await;
    confirmed.unwrap();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn sixty_simultaneous_starts_send_exactly_as_many_messages_as_the_daily_limits_allow(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    for (limits, expected) in [
        (
            OtpLimits {
                per_day: 20,
                known_device_reserve: 7,
                ..HIGH_LIMITS
            },
            13,
        ),
        (
            OtpLimits {
                per_country_day: 11,
                ..HIGH_LIMITS
            },
            11,
        ),
    ] {
        let replica = TwilioReplica::new(engine, limits).await;
        let replicas = [replica.otp.clone(), replica.second().await];
        let mut starts = JoinSet::new();
        for n in 0..60_usize {
            let address = [203, 0, 113, u8::try_from(n).expect("small")];
            let client = app(&format!("+1555{n:03}0002")).from(address);
            let otp = replicas[n % 2].clone();
            starts.spawn(async move { client.start(&otp).await });
        }
        let starts = starts.join_all().await;
        let sent = starts.iter().filter(|started| started.is_ok()).count();
        assert_eq!((sent, replica.twilio.total_sends()), (expected, expected));
    }
}

#[rstest]
#[tokio::test]
async fn a_code_reserved_by_a_process_that_died_is_joined_for_a_minute_and_then_replaced(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, OtpLimits::default()).await;
    let store = &replica.base.store;
    let client = app(BO);
    client.start(&replica.otp).await.unwrap();
    let (sent, request) = sent_code_and_new_request(&replica).await;
    store.spend_code(sent, NOW).await.unwrap();
    // A process reserves a code, and dies before it asks the provider.
    let guard = SendGuard::default();
    let begun = store.begin_challenge(&request, &guard, NOW);
    assert_eq!(begun.await.unwrap(), BeginResult::Send);
    // A start within the minute joins the reserved code, which cannot be confirmed.
    let meanwhile = client.clone().at(NOW.plus(Duration::from_secs(59)));
    let joined = meanwhile.start(&replica.otp).await.unwrap();
    assert!(!joined.sent);
    let id = Some(joined.challenge_id);
    let refused = meanwhile.confirm(&replica.otp, id, "123456").await;
    assert!(matches!(refused, Err(ConfirmError::Expired)), "{refused:?}");
    assert_eq!(replica.twilio.sends(BO), 1);
    let after_a_minute = client.at(NOW.plus(Duration::from_mins(1)));
    let id = Some(
        after_a_minute
            .start(&replica.otp)
            .await
            .unwrap()
            .challenge_id,
    );
    assert_eq!(replica.twilio.sends(BO), 2);
    // If the first process notes late that its code was sent, the note is ignored.
    let sent = SentCode::default();
    let late = store.note_code_sent(request.code_id, &sent, after_a_minute.now);
    assert!(!late.await.unwrap());
    after_a_minute
        .confirm(&replica.otp, id, &replica.code(BO))
        .await
        .unwrap();
}

/// The id of the code that was sent, and an app's request for another code to the same number.
async fn sent_code_and_new_request(replica: &TwilioReplica) -> (Uuid, ChallengeRequest) {
    let sql = "select id, phone_hash from otp_codes";
    let row: Result<(Uuid, Vec<u8>), _> = match replica.base.store.pools() {
        Pools::Postgres(pool) => sqlx::query_as(sql).fetch_one(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_as(sql).fetch_one(writer).await,
    };
    let (sent, hash) = row.expect("one code");
    let request = ChallengeRequest {
        id: Uuid::from_u128(1),
        code_id: Uuid::from_u128(2),
        phone_hash: hash.try_into().expect("32 bytes"),
        channel: Channel::Sms.into_str(),
        provider: "twilio",
        is_test: false,
        joinable_for: CODE_TTL,
        can_resend: false,
        bound_to: ChallengeOwner {
            browser: None,
            session: None,
        },
    };
    (sent, request)
}

#[rstest]
#[tokio::test]
async fn a_number_gets_four_joined_challenges_an_hour(#[values(Sqlite, Postgres)] engine: Engine) {
    let limits = OtpLimits {
        joins_per_phone_hour: 4,
        ..OtpLimits::default()
    };
    let replica = TwilioReplica::new(engine, limits).await;
    for n in 0..5 {
        let client = app(BO).from([192, 0, 2, n]);
        client.start(&replica.otp).await.unwrap();
    }
    assert_eq!(expect_limited(&app(BO), &replica).await, REST_OF_HOUR);
    app(BO).known().start(&replica.otp).await.unwrap();
    let made = replica
        .base
        .number("select count(*) from otp_challenges")
        .await;
    assert_eq!(made, 6, "the refused start made no challenge");
}

#[rstest]
#[tokio::test]
async fn the_answers_for_the_number_of_a_user_equal_those_for_an_unknown_number(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, OtpLimits::default()).await;
    let insert = "insert into users (id, phone, created_at) values ($1, $2, $3)";
    match replica.base.store.pools() {
        Pools::Postgres(pool) => sqlx::query(insert)
            .bind(Uuid::from_u128(5))
            .bind(BO)
            .bind(NOW)
            .execute(pool)
            .await
            .map(drop),
        Pools::Sqlite { writer, .. } => sqlx::query(insert)
            .bind(Uuid::from_u128(5))
            .bind(BO)
            .bind(NOW)
            .execute(writer)
            .await
            .map(drop),
    }
    .unwrap();
    let mut answers = Vec::new();
    for number in [BO, "+15550100002"] {
        let mut started = browser(number, 1).start(&replica.otp).await.unwrap();
        let id = std::mem::take(&mut started.challenge_id);
        let wrong = replica.twilio.wrong_code_for(number);
        let wrong = browser(number, 1)
            .confirm(&replica.otp, Some(id), &wrong)
            .await;
        let none = browser(number, 2)
            .confirm(&replica.otp, None, "123456")
            .await;
        answers.push(format!("{started:?} {wrong:?} {none:?}"));
    }
    assert_eq!(answers[0], answers[1]);
}
