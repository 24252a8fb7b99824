//! What one rented server can use up: its own share, and nobody else's.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use archety_backend::config::OtpLimits;
use archety_backend::otp::{ConfirmError, StartError};

use super::sends::{WIDE, limited};
use super::support::{ADA, ADAS_CODE, Client, WRONG, app, browser, doors, twilio_doors};
use crate::support::NOW;

/// Address `host` of subnet `n` (a /64) of a /48.
fn rented(n: u16, host: u16) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 7, n, 0, 0, 0, host).into()
}

fn at(mut client: Client, address: IpAddr) -> Client {
    client.address = address;
    client
}

#[tokio::test]
async fn a_rented_server_sends_no_more_than_four_homes() {
    let limits = OtpLimits {
        per_ip_hour: 3,
        ..WIDE
    };
    for door in twilio_doors(limits).await {
        let mut sent = 0;
        for n in 0..200_u16 {
            // Subnets all over the /48: each its own /64, most their own /56.
            let client = app(&format!("+1555{:03}0001", n + 100));
            let started = at(client, rented(n.wrapping_mul(331), n))
                .start(door.otp())
                .await;
            sent += u32::from(started.is_ok());
        }
        assert_eq!(sent, 12, "{}", door.door.base.kind);
        // Another network is not concerned.
        app("+15559990001").start(door.otp()).await.unwrap();
    }
}

/// Addresses all over one /48, as many as there are starts.
#[tokio::test]
async fn with_the_usual_limits_a_rented_server_leaves_most_of_everything_to_others() {
    for door in twilio_doors(OtpLimits::default()).await {
        let begin = Duration::from_hours(0);
        let mut sent = Vec::new();
        let mut number = 0_u16;
        // Every ten minutes of three hours.
        for minutes in (0..180).step_by(10) {
            let mut in_these = 0;
            for _ in 0..40 {
                number += 1;
                let now = NOW.plus(begin + Duration::from_mins(minutes));
                let client = app(&format!("+1555{:03}{number:04}", 100 + number % 800)).at(now);
                let started = at(client, rented(number.wrapping_mul(331), number))
                    .start(door.otp())
                    .await;
                in_these += u32::from(started.is_ok());
            }
            sent.push(in_these);
            // A person in another network, with a number of another block, is never refused for it.
            let now = NOW.plus(begin + Duration::from_mins(minutes));
            let other = app(&format!("+1212555{:04}", 1_000 + minutes)).from([198, 51, 100, 7]);
            let other = other.at(now);
            let started = other.start(door.otp()).await;
            assert!(started.is_ok(), "{minutes}: {started:?} after {sent:?}");
            let id = started.map(|started| started.challenge_id).ok();
            let code = door.code(other.phone.as_str());
            other.confirm(door.otp(), id, &code).await.unwrap();
            door.twilio.clock().advance(Duration::from_mins(10));
        }
        // 13 in ten minutes, 16 in an hour.
        assert_eq!(sent[0], 13);
        assert!(sent.iter().sum::<u32>() <= 4 * 16, "{sent:?}");
    }
}

#[tokio::test]
async fn a_home_is_counted_with_its_other_subnets() {
    let limits = OtpLimits {
        per_ip_hour: 3,
        ..WIDE
    };
    for door in twilio_doors(limits).await {
        let of = |number: u16, subnet| at(app(&format!("+1555{number:03}0001")), rented(subnet, 1));
        for n in 0..6 {
            // Two /64 of one /56.
            of(100 + n, 0x1200 + n % 2).start(door.otp()).await.unwrap();
        }
        assert_eq!(limited(&of(200, 0x12ff), &door).await, 2_800);
        of(201, 0x1300).start(door.otp()).await.unwrap();
    }
}

#[tokio::test]
async fn the_days_budget_is_spread_over_its_hours() {
    let limits = OtpLimits {
        per_day: 240,
        known_device_reserve: 5,
        ..WIDE
    };
    for door in twilio_doors(limits).await {
        let client = |n: u16, minutes| {
            app(&format!("+1555{n:03}0001"))
                .from([203, 0, 113, u8::try_from(n).expect("small")])
                .at(NOW.plus(Duration::from_mins(minutes)))
        };
        // A twelfth in ten minutes; the clock stands 200 s after the last ten are full.
        for n in 0..20 {
            client(n, 0).start(door.otp()).await.unwrap();
        }
        assert_eq!(limited(&client(20, 0), &door).await, 400);
        client(21, 0).known().start(door.otp()).await.unwrap();
        // A fifth in the hour, which has 2,800 s left.
        door.twilio.clock().advance(Duration::from_mins(10));
        for n in 30..50 {
            client(n, 10).start(door.otp()).await.unwrap();
        }
        door.twilio.clock().advance(Duration::from_mins(10));
        for n in 50..57 {
            client(n, 20).start(door.otp()).await.unwrap();
        }
        let left = 2_800 - 20 * 60;
        assert_eq!(limited(&client(57, 20), &door).await, left);
        let next = u64::from(left.div_ceil(60)) + 20;
        client(58, next).start(door.otp()).await.unwrap();
    }
}

#[tokio::test]
async fn a_small_budget_is_not_cut_to_nothing() {
    let limits = OtpLimits { per_day: 8, ..WIDE };
    for door in twilio_doors(limits).await {
        for n in 0..8 {
            app(&format!("+1555{n:03}0001"))
                .start(door.otp())
                .await
                .unwrap();
        }
        let ninth = app("+15551110001").start(door.otp()).await;
        assert!(
            matches!(ninth, Err(StartError::Limited { .. })),
            "{ninth:?}"
        );
    }
}

#[tokio::test]
async fn who_guesses_in_one_network_uses_up_what_that_network_may_try() {
    for door in doors(OtpLimits::default()).await {
        let otp = &door.otp;
        let guess = async |n: u8| {
            // A subnet of its own each time.
            let stranger = at(browser(ADA, n), rented(u16::from(n) << 8, 1));
            let id = Some(stranger.start(otp).await.unwrap().challenge_id);
            stranger.confirm(otp, id, WRONG).await
        };
        for n in 0..10 {
            let wrong = guess(n).await;
            assert!(
                matches!(wrong, Err(ConfirmError::Wrong { .. })),
                "{wrong:?}"
            );
        }
        let eleventh = at(browser(ADA, 10), rented(10 << 8, 1)).start(otp).await;
        assert!(
            matches!(eleventh, Err(StartError::Limited { .. })),
            "{eleventh:?}"
        );
        // The person is elsewhere, and on a device that is not known.
        let own = app(ADA).from([203, 0, 113, 1]);
        let id = Some(own.start(otp).await.unwrap().challenge_id);
        own.confirm(otp, id, ADAS_CODE).await.unwrap();
    }
}

#[tokio::test]
async fn wrong_codes_in_all_never_refuse_a_right_one() {
    let limits = OtpLimits {
        wrong_per_hour: 3,
        ..WIDE
    };
    for door in doors(limits).await {
        let client = app(ADA);
        let id = Some(client.start(&door.otp).await.unwrap().challenge_id);
        for _ in 0..4 {
            let wrong = client.confirm(&door.otp, id, WRONG).await;
            assert!(
                matches!(wrong, Err(ConfirmError::Wrong { .. })),
                "{wrong:?}"
            );
        }
        client.confirm(&door.otp, id, ADAS_CODE).await.unwrap();
        let counted = "select count from rate_counters where scope = 'wrong_hour'";
        assert_eq!(door.count(counted).await, 4, "the right one was taken back");
    }
}
