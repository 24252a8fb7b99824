//! Where codes go and are never confirmed, no more are sent; elsewhere nothing changes.

use std::time::Duration;

use archety_backend::config::OtpLimits;
use archety_backend::otp::StartError;

use super::sends::WIDE;
use super::support::{Client, TwilioDoor, app, twilio_doors};
use crate::support::NOW;

const LIMITS: OtpLimits = OtpLimits {
    breaker_prefix_codes: 10,
    breaker_country_codes: 40,
    breaker_percent: 20,
    ..WIDE
};

/// A number of the block `prefix`, `minutes` after the beginning, asked for from an address of its own.
fn number(prefix: &str, n: u32, minutes: u64) -> Client {
    let number = format!("{prefix}{n:04}");
    let digits = number.bytes().rev().take(6).enumerate();
    let [.., a, b] = digits
        .fold(0_u32, |sum, (n, digit)| {
            sum * 7 + u32::from(digit) + u32::try_from(n).expect("small")
        })
        .to_be_bytes();
    let client = app(&number).from([10, 0, a, b]);
    client.at(NOW.plus(Duration::from_mins(minutes)))
}

async fn send(door: &TwilioDoor, client: &Client) {
    client.start(door.otp()).await.expect("sent");
}

async fn sign_in(door: &TwilioDoor, client: &Client) {
    let started = client.start(door.otp()).await.expect("sent");
    let code = door.code(client.phone.as_str());
    let id = Some(started.challenge_id);
    let approved = client.confirm(door.otp(), id, &code).await;
    approved.expect("the right code");
}

async fn is_cut_off(door: &TwilioDoor, client: &Client) -> Option<u32> {
    match client.start(door.otp()).await {
        Ok(_) => None,
        Err(StartError::Limited { retry_after }) => Some(retry_after),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_block_that_confirms_hardly_anything_is_cut_off_for_an_hour() {
    for door in twilio_doors(LIMITS).await {
        sign_in(&door, &number("+1555111", 0, 0)).await;
        for n in 1..10 {
            send(&door, &number("+1555111", n, 0)).await;
        }
        // They may yet be confirmed.
        assert_eq!(is_cut_off(&door, &number("+1555111", 10, 6)).await, None);
        let cut = is_cut_off(&door, &number("+1555111", 11, 15)).await;
        assert_eq!(cut, Some(3_600));
        let cut = is_cut_off(&door, &number("+1555111", 11, 20)).await;
        assert_eq!(cut, Some(3_300), "it stays open, and is not opened anew");
        sign_in(&door, &number("+1555112", 0, 20)).await;
        // Who has shown that codes arrive is not shut out, nor is who waits for one.
        sign_in(&door, &number("+1555111", 12, 20).known()).await;
        // An hour later it is judged by what is left of the last two hours.
        let cut = is_cut_off(&door, &number("+1555111", 13, 76)).await;
        assert_eq!(cut, Some(3_600), "nothing has changed");
        assert_eq!(is_cut_off(&door, &number("+1555111", 13, 137)).await, None);
    }
}

#[tokio::test]
async fn a_block_whose_people_sign_in_is_left_alone() {
    for door in twilio_doors(LIMITS).await {
        for n in 0..3 {
            sign_in(&door, &number("+1555111", n, 0)).await;
        }
        for n in 3..15 {
            send(&door, &number("+1555111", n, 0)).await;
        }
        assert_eq!(is_cut_off(&door, &number("+1555111", 20, 15)).await, None);
        // Too few prove nothing.
        for n in 0..9 {
            send(&door, &number("+1555112", n, 0)).await;
        }
        assert_eq!(is_cut_off(&door, &number("+1555112", 20, 15)).await, None);
    }
}

#[tokio::test]
async fn a_country_is_judged_over_all_its_blocks() {
    for door in twilio_doors(LIMITS).await {
        for n in 0..40 {
            send(&door, &number(&format!("+1555{n:03}"), 1, 0)).await;
        }
        let cut = is_cut_off(&door, &number("+1555900", 1, 15)).await;
        assert_eq!(cut, Some(3_600));
        let abroad = number("+44740012", 3456, 15);
        assert_eq!(is_cut_off(&door, &abroad).await, None);
    }
}

/// Thirty codes to each of `blocks`, and none comes back.
async fn pump(door: &TwilioDoor, blocks: std::ops::Range<u32>) {
    for block in blocks {
        for n in 0..30 {
            send(door, &number(&format!("+1555{block:03}"), n, 0)).await;
        }
    }
}

#[tokio::test]
async fn a_few_blocks_that_are_pumped_do_not_take_their_country_with_them() {
    for door in twilio_doors(LIMITS).await {
        pump(&door, 0..3).await;
        for block in 0..3 {
            let pumped = number(&format!("+1555{block:03}"), 40, 15);
            assert_eq!(is_cut_off(&door, &pumped).await, Some(3_600));
        }
        assert_eq!(is_cut_off(&door, &number("+1555900", 1, 15)).await, None);
        // Many are a matter of the country.
        pump(&door, 3..4).await;
        let cut = is_cut_off(&door, &number("+1555901", 1, 15)).await;
        assert_eq!(cut, Some(3_600));
    }
}

#[tokio::test]
async fn a_block_weighs_with_the_share_that_it_confirms() {
    for door in twilio_doors(LIMITS).await {
        // As heavy as 10 codes of which 9 are confirmed: with 30 that are not, 22 percent.
        for n in 0..18 {
            sign_in(&door, &number("+1555800", n, 0)).await;
        }
        for n in 18..20 {
            send(&door, &number("+1555800", n, 0)).await;
        }
        pump(&door, 0..3).await;
        assert_eq!(is_cut_off(&door, &number("+1555900", 1, 15)).await, None);
        // Below 20.
        pump(&door, 3..4).await;
        let cut = is_cut_off(&door, &number("+1555901", 1, 15)).await;
        assert_eq!(cut, Some(3_600));
    }
}

#[tokio::test]
async fn what_is_refused_is_no_sign_of_anything() {
    for door in twilio_doors(LIMITS).await {
        for n in 0..12 {
            door.twilio
                .refuse_start(twilio_stand_in::TwilioError::Blocked);
            let refused = number("+1555111", n, 0).start(door.otp()).await;
            assert!(matches!(refused, Err(StartError::CannotSend)));
        }
        assert_eq!(is_cut_off(&door, &number("+1555111", 20, 15)).await, None);
    }
}
