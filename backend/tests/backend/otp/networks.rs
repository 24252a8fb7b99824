//! Limits by network: a rented server with a /48 of addresses cannot use up the codes of others.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use archety_backend::config::OtpLimits;
use archety_backend::otp::{ConfirmError, StartError};

use rstest::rstest;

use super::sends::{HIGH_LIMITS, expect_limited};
use super::support::{
    ADA, ADAS_CODE, Client, OtpReplica, REST_OF_HOUR, TwilioReplica, WRONG_CODE, app, browser,
};
use crate::support::{Engine, NOW, Postgres, Sqlite};

/// Address `host` in the /64 numbered `n` of a rented server's /48.
fn rented_address(n: u16, host: u16) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 7, n, 0, 0, 0, host).into()
}

fn with_address(mut client: Client, address: IpAddr) -> Client {
    client.address = address;
    client
}

#[rstest]
#[tokio::test]
async fn a_48_gets_four_times_as_many_codes_as_a_64_and_other_networks_still_get_theirs(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let limits = OtpLimits {
        per_ip_hour: 3,
        ..HIGH_LIMITS
    };
    let replica = TwilioReplica::new(engine, limits).await;
    let mut sent = 0;
    for n in 0..40_u16 {
        // Each client has its own /64, and most their own /56.
        let client = app(&format!("+1555{:03}0001", n + 100));
        let started = with_address(client, rented_address(n.wrapping_mul(331), n))
            .start(&replica.otp)
            .await;
        sent += u32::from(started.is_ok());
    }
    assert_eq!(sent, 12, "{}", replica.base.kind);
    // Another network still gets a code.
    app("+15559990001").start(&replica.otp).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn with_the_default_limits_a_rented_server_does_not_keep_others_from_codes(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, OtpLimits::default()).await;
    let mut sent = Vec::new();
    let mut number = 0_u16;
    let mut elapsed = 0;
    // The server tries two spans of ten minutes in each of three clock hours, and one in a fourth.
    for minutes in [0, 10, 50, 60, 110, 120, 170] {
        replica
            .twilio
            .clock()
            .advance(Duration::from_mins(minutes - elapsed));
        elapsed = minutes;
        let now = NOW.plus(Duration::from_mins(minutes));
        let mut in_ten_minutes = 0;
        // The server starts more codes than it may get in ten minutes, each from its own /64.
        for _ in 0..16 {
            number += 1;
            let client = app(&format!("+1555{:03}{number:04}", 100 + number)).at(now);
            let started = with_address(client, rented_address(number.wrapping_mul(331), number))
                .start(&replica.otp)
                .await;
            in_ten_minutes += u32::from(started.is_ok());
        }
        sent.push(in_ten_minutes);
        // A client in another network, with a number of another block, still signs in.
        let other = app(&format!("+1212555{:04}", 1_000 + minutes)).from([198, 51, 100, 7]);
        let other = other.at(now);
        let started = other.start(&replica.otp).await;
        assert!(started.is_ok(), "{minutes}: {started:?} after {sent:?}");
        let id = started.map(|started| started.challenge_id).ok();
        let code = replica.code(other.phone.as_str());
        other.confirm(&replica.otp, id, &code).await.unwrap();
    }
    // The server gets 13 codes in ten minutes and 16 in an hour.
    assert_eq!(sent, [13, 3, 13, 3, 13, 3, 13]);
}

#[rstest]
#[tokio::test]
async fn a_56_gets_twice_as_many_codes_as_a_64(#[values(Sqlite, Postgres)] engine: Engine) {
    let limits = OtpLimits {
        per_ip_hour: 3,
        ..HIGH_LIMITS
    };
    let replica = TwilioReplica::new(engine, limits).await;
    let client_in = |number: u16, subnet| {
        with_address(
            app(&format!("+1555{number:03}0001")),
            rented_address(subnet, 1),
        )
    };
    for n in 0..6 {
        // The requests alternate between two /64s of one /56.
        client_in(100 + n, 0x1200 + n % 2)
            .start(&replica.otp)
            .await
            .unwrap();
    }
    assert_eq!(
        expect_limited(&client_in(200, 0x12ff), &replica).await,
        REST_OF_HOUR
    );
    client_in(201, 0x1300).start(&replica.otp).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn ten_minutes_may_use_a_twelfth_and_an_hour_a_fifth_of_the_days_codes(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let limits = OtpLimits {
        per_day: 240,
        known_device_reserve: 5,
        ..HIGH_LIMITS
    };
    let replica = TwilioReplica::new(engine, limits).await;
    let client = |n: u16, minutes| {
        app(&format!("+1555{n:03}0001"))
            .from([203, 0, 113, u8::try_from(n).expect("small")])
            .at(NOW.plus(Duration::from_mins(minutes)))
    };
    // Ten minutes may use 20 codes, a twelfth of the day's. These ten minutes began 200 s ago.
    for n in 0..20 {
        client(n, 0).start(&replica.otp).await.unwrap();
    }
    assert_eq!(expect_limited(&client(20, 0), &replica).await, 400);
    client(21, 0).known().start(&replica.otp).await.unwrap();
    // An hour may use 48 codes, a fifth of the day's. This hour ends 2,800 s after the start of the test.
    replica.twilio.clock().advance(Duration::from_mins(10));
    for n in 30..50 {
        client(n, 10).start(&replica.otp).await.unwrap();
    }
    replica.twilio.clock().advance(Duration::from_mins(10));
    for n in 50..57 {
        client(n, 20).start(&replica.otp).await.unwrap();
    }
    let left = REST_OF_HOUR - 20 * 60;
    assert_eq!(expect_limited(&client(57, 20), &replica).await, left);
    let next = u64::from(left.div_ceil(60)) + 20;
    client(58, next).start(&replica.otp).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_daily_limit_below_twenty_may_be_used_up_in_ten_minutes(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let limits = OtpLimits {
        per_day: 8,
        ..HIGH_LIMITS
    };
    let replica = TwilioReplica::new(engine, limits).await;
    for n in 0..8 {
        app(&format!("+1555{n:03}0001"))
            .start(&replica.otp)
            .await
            .unwrap();
    }
    let ninth = app("+15551110001").start(&replica.otp).await;
    assert!(
        matches!(ninth, Err(StartError::Limited { .. })),
        "{ninth:?}"
    );
}

#[rstest]
#[tokio::test]
async fn guesses_from_one_network_use_up_only_the_attempts_of_that_network(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = OtpReplica::new(engine, OtpLimits::default()).await;
    let otp = &replica.otp;
    let guess = async |n: u8| {
        // Each guess comes from its own /56.
        let stranger = with_address(browser(ADA, n), rented_address(u16::from(n) << 8, 1));
        let id = Some(stranger.start(otp).await.unwrap().challenge_id);
        stranger.confirm(otp, id, WRONG_CODE).await
    };
    for n in 0..10 {
        let wrong = guess(n).await;
        assert!(
            matches!(wrong, Err(ConfirmError::Wrong { .. })),
            "{wrong:?}"
        );
    }
    let eleventh = with_address(browser(ADA, 10), rented_address(10 << 8, 1))
        .start(otp)
        .await;
    assert!(
        matches!(eleventh, Err(StartError::Limited { .. })),
        "{eleventh:?}"
    );
    // The number's owner is in another network, on an unknown device.
    let own = app(ADA).from([203, 0, 113, 1]);
    let id = Some(own.start(otp).await.unwrap().challenge_id);
    own.confirm(otp, id, ADAS_CODE).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn the_alarm_limit_on_wrong_codes_refuses_no_right_code(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let limits = OtpLimits {
        wrong_per_hour: 3,
        ..HIGH_LIMITS
    };
    let replica = OtpReplica::new(engine, limits).await;
    let client = app(ADA);
    let id = Some(client.start(&replica.otp).await.unwrap().challenge_id);
    for _ in 0..4 {
        let wrong = client.confirm(&replica.otp, id, WRONG_CODE).await;
        assert!(
            matches!(wrong, Err(ConfirmError::Wrong { .. })),
            "{wrong:?}"
        );
    }
    client.confirm(&replica.otp, id, ADAS_CODE).await.unwrap();
    let counted = "select count from rate_counters where scope = 'wrong_hour'";
    assert_eq!(
        replica.base.number(counted).await,
        4,
        "the attempt with the right code is not counted"
    );
}
