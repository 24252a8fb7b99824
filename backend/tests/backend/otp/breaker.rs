//! The breaker sends no more codes to a block of numbers or a country that confirms few codes. Other numbers are
//! not affected.

use std::time::Duration;

use archety_backend::config::OtpLimits;
use archety_backend::otp::StartError;

use rstest::rstest;

use super::sends::HIGH_LIMITS;
use super::support::{Client, TwilioReplica, app};
use crate::support::{Engine, NOW, Postgres, Sqlite};

const LIMITS: OtpLimits = OtpLimits {
    breaker_prefix_codes: 5,
    breaker_country_codes: 20,
    breaker_percent: 20,
    ..HIGH_LIMITS
};

/// The client with number `n` of the block `prefix` at `minutes` after the start of the test, with an address that
/// depends on the number.
fn client_in_block(prefix: &str, n: u32, minutes: u64) -> Client {
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

async fn send(replica: &TwilioReplica, client: &Client) {
    client.start(&replica.otp).await.expect("sent");
}

async fn sign_in(replica: &TwilioReplica, client: &Client) {
    let started = client.start(&replica.otp).await.expect("sent");
    let code = replica.code(client.phone.as_str());
    let id = Some(started.challenge_id);
    let approved = client.confirm(&replica.otp, id, &code).await;
    approved.expect("the right code");
}

/// Seconds until codes are sent to the number again; `None` if a code was sent now.
async fn cut_off_secs(replica: &TwilioReplica, client: &Client) -> Option<u32> {
    match client.start(&replica.otp).await {
        Ok(_) => None,
        Err(StartError::Limited { retry_after }) => Some(retry_after),
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[tokio::test]
async fn a_block_that_confirms_few_codes_is_cut_off_for_an_hour(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, LIMITS).await;
    sign_in(&replica, &client_in_block("+1555111", 0, 0)).await;
    for n in 1..10 {
        send(&replica, &client_in_block("+1555111", n, 0)).await;
    }
    // The codes are six minutes old, and may still be confirmed.
    assert_eq!(
        cut_off_secs(&replica, &client_in_block("+1555111", 10, 6)).await,
        None
    );
    let cut_off = cut_off_secs(&replica, &client_in_block("+1555111", 11, 15)).await;
    assert_eq!(cut_off, Some(3_600));
    let cut_off = cut_off_secs(&replica, &client_in_block("+1555111", 11, 20)).await;
    assert_eq!(cut_off, Some(3_300), "the hour does not begin again");
    sign_in(&replica, &client_in_block("+1555112", 0, 20)).await;
    // A known device still gets codes.
    sign_in(&replica, &client_in_block("+1555111", 12, 20).known()).await;
    // After the hour the codes of the last two hours are judged again.
    let cut_off = cut_off_secs(&replica, &client_in_block("+1555111", 13, 76)).await;
    assert_eq!(cut_off, Some(3_600), "nothing has changed");
    assert_eq!(
        cut_off_secs(&replica, &client_in_block("+1555111", 13, 137)).await,
        None
    );
}

#[rstest]
#[tokio::test]
async fn a_block_that_confirms_enough_codes_is_not_cut_off(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, LIMITS).await;
    for n in 0..2 {
        sign_in(&replica, &client_in_block("+1555111", n, 0)).await;
    }
    for n in 2..10 {
        send(&replica, &client_in_block("+1555111", n, 0)).await;
    }
    assert_eq!(
        cut_off_secs(&replica, &client_in_block("+1555111", 20, 15)).await,
        None
    );
    // These codes are one fewer than the breaker judges.
    for n in 0..4 {
        send(&replica, &client_in_block("+1555112", n, 0)).await;
    }
    assert_eq!(
        cut_off_secs(&replica, &client_in_block("+1555112", 20, 15)).await,
        None
    );
}

#[rstest]
#[tokio::test]
async fn a_country_that_confirms_no_code_in_any_of_its_blocks_is_cut_off_alone(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, LIMITS).await;
    for n in 0..20 {
        send(&replica, &client_in_block(&format!("+1555{n:03}"), 1, 0)).await;
    }
    let cut_off = cut_off_secs(&replica, &client_in_block("+1555900", 1, 15)).await;
    assert_eq!(cut_off, Some(3_600));
    let abroad = client_in_block("+44740012", 3456, 15);
    assert_eq!(cut_off_secs(&replica, &abroad).await, None);
}

/// Sends three times as many codes to each of `blocks` as the breaker judges. No code is confirmed.
async fn pump_messages(replica: &TwilioReplica, blocks: std::ops::Range<u32>) {
    for block in blocks {
        for n in 0..15 {
            send(replica, &client_in_block(&format!("+1555{block:03}"), n, 0)).await;
        }
    }
}

#[rstest]
#[tokio::test]
async fn three_pumped_blocks_do_not_cut_off_their_country_and_four_do(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, LIMITS).await;
    pump_messages(&replica, 0..3).await;
    for block in 0..3 {
        let pumped = client_in_block(&format!("+1555{block:03}"), 40, 15);
        assert_eq!(cut_off_secs(&replica, &pumped).await, Some(3_600));
    }
    assert_eq!(
        cut_off_secs(&replica, &client_in_block("+1555900", 1, 15)).await,
        None
    );
    pump_messages(&replica, 3..4).await;
    let cut_off = cut_off_secs(&replica, &client_in_block("+1555901", 1, 15)).await;
    assert_eq!(cut_off, Some(3_600));
}

#[rstest]
#[tokio::test]
async fn a_block_counts_for_its_country_by_the_share_of_its_codes_that_are_confirmed(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, LIMITS).await;
    // These ten codes, of which nine are confirmed, count as 5 with 4.5 confirmed. With the 15 that count
    // for three pumped blocks, 22 percent of the country's codes are confirmed.
    for n in 0..9 {
        sign_in(&replica, &client_in_block("+1555800", n, 0)).await;
    }
    send(&replica, &client_in_block("+1555800", 9, 0)).await;
    pump_messages(&replica, 0..3).await;
    assert_eq!(
        cut_off_secs(&replica, &client_in_block("+1555900", 1, 15)).await,
        None
    );
    // With a fourth pumped block, 18 percent are confirmed.
    pump_messages(&replica, 3..4).await;
    let cut_off = cut_off_secs(&replica, &client_in_block("+1555901", 1, 15)).await;
    assert_eq!(cut_off, Some(3_600));
}

#[rstest]
#[tokio::test]
async fn codes_that_the_provider_refuses_do_not_count_for_the_breaker(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, LIMITS).await;
    for n in 0..6 {
        replica
            .twilio
            .refuse_start(twilio_stand_in::TwilioError::CreationBlocked);
        let refused = client_in_block("+1555111", n, 0).start(&replica.otp).await;
        assert!(matches!(refused, Err(StartError::CannotSend)));
    }
    assert_eq!(
        cut_off_secs(&replica, &client_in_block("+1555111", 20, 15)).await,
        None
    );
}
