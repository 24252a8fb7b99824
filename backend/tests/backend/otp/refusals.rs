//! The limits against which codes count that the provider refuses to send or may have sent.

use std::time::Duration;

use archety_backend::config::OtpLimits;
use archety_backend::otp::StartError;
use rstest::rstest;
use twilio_stand_in::{Fault, TwilioError};

use super::sends::{HIGH_LIMITS, expect_limited};
use super::support::{REST_OF_HOUR, TwilioReplica, app};
use crate::support::{Engine, NOW, Postgres, Sqlite};

const BO: &str = "+15550100001";

#[rstest]
#[tokio::test]
async fn refused_codes_do_not_count_against_the_limits_on_sent_codes(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let limits = OtpLimits {
        per_prefix_hour: 1,
        per_country_day: 1,
        per_day: 1,
        ..HIGH_LIMITS
    };
    let replica = TwilioReplica::new(engine, limits).await;
    let client = app(BO);
    for error in TwilioError::ALL {
        replica.twilio.refuse_start(error);
        let refused = client.start(&replica.otp).await;
        assert!(refused.is_err(), "{error:?} {refused:?}");
    }
    client.start(&replica.otp).await.unwrap();
    assert_eq!(replica.twilio.sends(BO), 1);
    let later = client.at(NOW.plus(Duration::from_mins(11)));
    expect_limited(&later, &replica).await;
}

/// Errors of Twilio about a single number.
const ABOUT_THE_NUMBER: [TwilioError; 4] = [
    TwilioError::Landline,
    TwilioError::FraudGuard,
    TwilioError::MaxSends,
    TwilioError::ConcurrentForNumber,
];

#[rstest]
#[tokio::test]
async fn the_provider_is_asked_for_no_more_than_fifteen_refused_numbers_of_one_address(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, OtpLimits::default()).await;
    let replicas = [replica.otp.clone(), replica.second().await];
    for n in 0..40 {
        replica.twilio.refuse_start(ABOUT_THE_NUMBER[n % 4]);
        let client = app(&format!("+1555{n:03}0001"));
        let refused = client.start(&replicas[n % 2]).await;
        assert!(refused.is_err(), "{n} {refused:?}");
    }
    assert_eq!(replica.twilio.requests().count("/Verifications"), 15);
    // Limits on sent codes, which other clients share, have counted nothing.
    let sent = "select cast(coalesce(sum(count), 0) as bigint) from rate_counters \
                where scope in ('send_day', 'send_country_day', 'send_prefix_hour', 'sent_prefix')";
    assert_eq!(replica.base.number(sent).await, 0);
}

#[rstest]
#[tokio::test]
async fn the_provider_is_asked_three_times_an_hour_for_a_number_that_it_refuses(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, OtpLimits::default()).await;
    for n in 0..10_u8 {
        replica
            .twilio
            .refuse_start(ABOUT_THE_NUMBER[usize::from(n) % 4]);
        let client = app(BO).from([198, 51, 100, n]);
        assert!(client.start(&replica.otp).await.is_err());
    }
    assert_eq!(replica.twilio.requests().count("/Verifications"), 3);
}

#[rstest]
#[tokio::test]
async fn an_outage_of_the_provider_counts_only_against_the_limit_on_requests(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let limits = OtpLimits {
        joins_per_ip_hour: 20,
        ..OtpLimits::default()
    };
    let replica = TwilioReplica::new(engine, limits).await;
    let outage = [TwilioError::TooManyRequests, TwilioError::Authenticate];
    for n in 0..19 {
        replica.twilio.refuse_start(outage[n % 2]);
        let refused = app(BO).start(&replica.otp).await.unwrap_err();
        let is_expected = match outage[n % 2] {
            TwilioError::Authenticate => matches!(refused, StartError::Unavailable { .. }),
            _ => matches!(refused, StartError::Limited { retry_after: 30 }),
        };
        assert!(is_expected, "{n} {refused:?}");
    }
    // The provider is back. The number and the address have used up no codes.
    app(BO).start(&replica.otp).await.unwrap();
    let other = app("+15550100002");
    assert_eq!(expect_limited(&other, &replica).await, REST_OF_HOUR);
    assert_eq!(replica.twilio.requests().count("/Verifications"), 20);
    other
        .from([198, 51, 100, 1])
        .start(&replica.otp)
        .await
        .unwrap();
}

#[rstest]
#[tokio::test]
async fn a_code_that_may_have_been_sent_counts_against_the_limits(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let limits = OtpLimits {
        per_phone_hour: 2,
        ..HIGH_LIMITS
    };
    let replica = TwilioReplica::new(engine, limits).await;
    let client = app(BO);
    for fault in [Fault::DropAfter, Fault::garbage()] {
        replica.twilio.spoil_start(fault);
        let lost = client.start(&replica.otp).await;
        assert!(
            matches!(lost, Err(StartError::Unavailable { .. })),
            "{lost:?}"
        );
    }
    expect_limited(&client, &replica).await;
    let asked = replica.twilio.requests().count("/Verifications");
    assert_eq!(asked, 2, "no request is repeated");
}
