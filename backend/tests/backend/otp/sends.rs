//! How many messages go out: one for many starts, and no more than may be paid for.

use std::time::Duration;

use archety_backend::config::OtpLimits;
use archety_backend::otp::{Channel, ConfirmError, StartError};
use archety_backend::store::Pools;
use archety_backend::store::otp::{Begun, BoundTo, CODE_TTL, ChallengeAsk, SendGuard, SentCode};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::support::{Client, TwilioDoor, app, browser, twilio_doors};
use crate::support::NOW;

const BO: &str = "+15550100001";

/// Limits that nothing reaches.
pub(super) const WIDE: OtpLimits = OtpLimits {
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

/// The client's number is told off until then.
pub(super) async fn limited(client: &Client, door: &TwilioDoor) -> u32 {
    match client.start(door.otp()).await {
        Err(StartError::Limited { retry_after }) => retry_after,
        other => panic!("{other:?} on {}", door.door.base.kind),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_starts_at_once_send_one_message() {
    for door in twilio_doors(OtpLimits::default()).await {
        let replicas = [door.otp().clone(), door.second().await];
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
            assert_eq!(door.twilio.sends(&number), 1, "{}", door.door.base.kind);
            let (client, started) = &starts[19];
            let id = Some(started.challenge_id);
            client
                .confirm(door.otp(), id, &door.code(&number))
                .await
                .unwrap();
        }
        let codes = door.door.count("select count(*) from otp_codes").await;
        assert_eq!(codes, 5);
    }
}

#[tokio::test]
async fn a_number_gets_so_many_codes_an_hour_and_a_day() {
    for door in twilio_doors(OtpLimits::default()).await {
        let at = |minutes| app(BO).at(NOW.plus(Duration::from_mins(minutes)));
        let send = async |minutes| {
            at(minutes).start(door.otp()).await.unwrap();
            // A live code costs nothing.
            at(minutes).start(door.otp()).await.unwrap();
            door.twilio.clock().advance(Duration::from_mins(11));
        };
        // The clock stands 800 s after a full hour, 51,200 s after midnight.
        for minutes in [0, 11, 22] {
            send(minutes).await;
        }
        assert_eq!(limited(&at(33), &door).await, 2_800 - 33 * 60);
        assert_eq!(limited(&at(33).by(Channel::Call), &door).await, 820);
        for minutes in [47, 58, 69] {
            send(minutes).await;
        }
        // Both are full now, and it is the day that lasts longer.
        let midnight = 86_400 - 51_200;
        assert_eq!(limited(&at(80), &door).await, midnight - 80 * 60);
        assert_eq!(limited(&at(110), &door).await, midnight - 110 * 60);
        assert_eq!(door.twilio.sends(BO), 6);
        let tomorrow = u64::from(midnight.div_ceil(60));
        send(tomorrow).await;
        assert_eq!(door.twilio.sends(BO), 7);
    }
}

#[tokio::test]
async fn an_address_asks_for_so_many_codes_an_hour() {
    let limits = OtpLimits {
        per_ip_hour: 3,
        ..WIDE
    };
    for door in twilio_doors(limits).await {
        let of = |n: u32, address: &str| {
            let mut client = app(&format!("+1555{n:03}0001"));
            client.address = address.parse().unwrap();
            client
        };
        for n in 0..3 {
            let address = format!("2001:db8::{n}");
            of(n, &address).start(door.otp()).await.unwrap();
        }
        assert_eq!(limited(&of(3, "2001:db8::ffff"), &door).await, 2_800);
        of(3, "2001:db8:0:1::").start(door.otp()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_pumps_one_block_of_numbers_is_stopped_and_nobody_else_is() {
    for door in twilio_doors(OtpLimits::default()).await {
        let replicas = [door.otp().clone(), door.second().await];
        let mut starts = JoinSet::new();
        for n in 0..500_u16 {
            let client = app(&format!("+1555777{n:04}"));
            let client = client.from([198, 51, 100, u8::try_from(n % 100).unwrap()]);
            let otp = replicas[usize::from(n) % 2].clone();
            starts.spawn(async move { client.start(&otp).await });
        }
        let starts = starts.join_all().await;
        let sent = starts.iter().filter(|started| started.is_ok()).count();
        assert_eq!((sent, door.twilio.total_sends()), (30, 30));
        let refused = |start: &Result<_, _>| match start {
            Ok(_) => true,
            Err(StartError::Limited { retry_after }) => *retry_after == 2_800,
            Err(_) => false,
        };
        assert!(starts.iter().all(refused), "{starts:?}");
        let healthy = browser(BO, 1);
        let id = Some(healthy.start(door.otp()).await.unwrap().challenge_id);
        let confirmed = healthy.confirm(door.otp(), id, &door.code(BO)).await;
        confirmed.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paid_in_a_day_is_capped_to_the_message() {
    for (limits, expected) in [
        (
            OtpLimits {
                per_day: 20,
                known_device_reserve: 7,
                ..WIDE
            },
            13,
        ),
        (
            OtpLimits {
                per_country_day: 11,
                ..WIDE
            },
            11,
        ),
    ] {
        for door in twilio_doors(limits).await {
            let replicas = [door.otp().clone(), door.second().await];
            let mut starts = JoinSet::new();
            for n in 0..60_usize {
                let address = [203, 0, 113, u8::try_from(n).expect("small")];
                let client = app(&format!("+1555{n:03}0002")).from(address);
                let otp = replicas[n % 2].clone();
                starts.spawn(async move { client.start(&otp).await });
            }
            let starts = starts.join_all().await;
            let sent = starts.iter().filter(|started| started.is_ok()).count();
            assert_eq!((sent, door.twilio.total_sends()), (expected, expected));
        }
    }
}

#[tokio::test]
async fn a_start_that_died_on_the_way_is_forgotten_after_a_minute() {
    for door in twilio_doors(OtpLimits::default()).await {
        let store = &door.door.base.store;
        let client = app(BO);
        client.start(door.otp()).await.unwrap();
        let (sent, ask) = wish_like_the_last(&door).await;
        store.spend_code(sent, NOW).await.unwrap();
        // What a process does before it asks the provider. Then it dies.
        let guard = SendGuard::default();
        let begun = store.begin_challenge(&ask, &guard, NOW);
        assert_eq!(begun.await.unwrap(), Begun::Send);
        // Whoever asks meanwhile joins what may be on its way, but has nothing to confirm.
        let meanwhile = client.clone().at(NOW.plus(Duration::from_secs(59)));
        let joined = meanwhile.start(door.otp()).await.unwrap();
        assert!(!joined.sent);
        let id = Some(joined.challenge_id);
        let nothing = meanwhile.confirm(door.otp(), id, "123456").await;
        assert!(matches!(nothing, Err(ConfirmError::Expired)), "{nothing:?}");
        assert_eq!(door.twilio.sends(BO), 1);
        let anew = client.at(NOW.plus(Duration::from_mins(1)));
        let id = Some(anew.start(door.otp()).await.unwrap().challenge_id);
        assert_eq!(door.twilio.sends(BO), 2);
        // The dead one's note comes too late to change anything.
        let sent = SentCode::default();
        let late = store.note_code_sent(ask.code_id, &sent, anew.now);
        assert!(!late.await.unwrap());
        anew.confirm(door.otp(), id, &door.code(BO)).await.unwrap();
    }
}

/// The code that was sent, and an app's wish for another one to the same number.
async fn wish_like_the_last(door: &TwilioDoor) -> (Uuid, ChallengeAsk) {
    let sql = "select id, phone_hash from otp_codes";
    let row: Result<(Uuid, Vec<u8>), _> = match door.door.base.store.pools() {
        Pools::Postgres(pool) => sqlx::query_as(sql).fetch_one(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_as(sql).fetch_one(writer).await,
    };
    let (sent, hash) = row.expect("one code");
    let wish = ChallengeAsk {
        id: Uuid::from_u128(1),
        code_id: Uuid::from_u128(2),
        phone_hash: hash.try_into().expect("32 bytes"),
        channel: Channel::Sms.as_str(),
        provider: "twilio",
        is_test: false,
        joinable_for: CODE_TTL,
        can_resend: false,
        bound_to: BoundTo {
            browser: None,
            session: None,
        },
    };
    (sent, wish)
}

#[tokio::test]
async fn challenges_are_not_minted_without_bound() {
    let limits = OtpLimits {
        joins_per_phone_hour: 4,
        ..OtpLimits::default()
    };
    for door in twilio_doors(limits).await {
        for n in 0..5 {
            let client = app(BO).from([192, 0, 2, n]);
            client.start(door.otp()).await.unwrap();
        }
        assert_eq!(limited(&app(BO), &door).await, 2_800);
        app(BO).known().start(door.otp()).await.unwrap();
        let made = door.door.count("select count(*) from otp_challenges").await;
        assert_eq!(made, 6, "what was refused left nothing behind");
    }
}

#[tokio::test]
async fn a_number_that_is_known_is_answered_as_one_that_is_not() {
    for door in twilio_doors(OtpLimits::default()).await {
        let insert = "insert into users (id, phone, created_at) values ($1, $2, $3)";
        match door.door.base.store.pools() {
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
            let mut started = browser(number, 1).start(door.otp()).await.unwrap();
            let id = std::mem::take(&mut started.challenge_id);
            let wrong = door.twilio.wrong_code_for(number);
            let wrong = browser(number, 1)
                .confirm(door.otp(), Some(id), &wrong)
                .await;
            let none = browser(number, 2).confirm(door.otp(), None, "123456").await;
            answers.push(format!("{started:?} {wrong:?} {none:?}"));
        }
        assert_eq!(answers[0], answers[1]);
    }
}
