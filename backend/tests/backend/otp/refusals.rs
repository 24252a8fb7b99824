//! Codes that the provider refuses to send, or may have sent: against which limits they count.

use std::time::Duration;

use archety_backend::config::OtpLimits;
use archety_backend::otp::StartError;
use twilio_stand_in::{Fault, TwilioError};

use super::sends::{WIDE, limited};
use super::support::{app, twilio_doors};
use crate::support::NOW;

const BO: &str = "+15550100001";

#[tokio::test]
async fn refused_codes_do_not_count_against_the_limits_on_sent_codes() {
    let limits = OtpLimits {
        per_prefix_hour: 1,
        per_country_day: 1,
        per_day: 1,
        ..WIDE
    };
    for door in twilio_doors(limits).await {
        let client = app(BO);
        for error in TwilioError::ALL {
            door.twilio.refuse_start(error);
            let refused = client.start(door.otp()).await;
            assert!(refused.is_err(), "{error:?} {refused:?}");
        }
        client.start(door.otp()).await.unwrap();
        assert_eq!(door.twilio.sends(BO), 1);
        let later = client.at(NOW.plus(Duration::from_mins(11)));
        limited(&later, &door).await;
    }
}

/// Errors of Twilio about a single number.
const ABOUT_THE_NUMBER: [TwilioError; 4] = [
    TwilioError::Landline,
    TwilioError::FraudGuard,
    TwilioError::MaxSends,
    TwilioError::TooManyForNumber,
];

#[tokio::test]
async fn after_fifteen_refused_numbers_an_address_is_refused() {
    for door in twilio_doors(OtpLimits::default()).await {
        let replicas = [door.otp().clone(), door.second().await];
        for n in 0..40 {
            door.twilio.refuse_start(ABOUT_THE_NUMBER[n % 4]);
            let client = app(&format!("+1555{n:03}0001"));
            let refused = client.start(&replicas[n % 2]).await;
            assert!(refused.is_err(), "{n} {refused:?}");
        }
        assert_eq!(door.twilio.requests().count("/Verifications"), 15);
        // Limits on sent codes, which other clients share, have counted nothing.
        let sent = "select cast(coalesce(sum(count), 0) as bigint) from rate_counters \
                    where scope in ('send_day', 'send_country_day', 'send_prefix_hour', 'sent_prefix')";
        assert_eq!(door.door.count(sent).await, 0);
    }
}

#[tokio::test]
async fn the_provider_is_asked_three_times_an_hour_for_a_number_that_it_refuses() {
    for door in twilio_doors(OtpLimits::default()).await {
        for n in 0..10_u8 {
            door.twilio
                .refuse_start(ABOUT_THE_NUMBER[usize::from(n) % 4]);
            let client = app(BO).from([198, 51, 100, n]);
            assert!(client.start(door.otp()).await.is_err());
        }
        assert_eq!(door.twilio.requests().count("/Verifications"), 3);
    }
}

#[tokio::test]
async fn an_outage_of_the_provider_counts_only_against_the_limit_on_requests() {
    let limits = OtpLimits {
        joins_per_ip_hour: 20,
        ..OtpLimits::default()
    };
    for door in twilio_doors(limits).await {
        let outage = [TwilioError::TooManyRequests, TwilioError::Authenticate];
        for n in 0..19 {
            door.twilio.refuse_start(outage[n % 2]);
            let away = app(BO).start(door.otp()).await.unwrap_err();
            let is_expected = match outage[n % 2] {
                TwilioError::Authenticate => matches!(away, StartError::Unavailable { .. }),
                _ => matches!(away, StartError::Limited { retry_after: 30 }),
            };
            assert!(is_expected, "{n} {away:?}");
        }
        // The provider is back. The number and the address have used up no codes.
        app(BO).start(door.otp()).await.unwrap();
        let other = app("+15550100002");
        assert_eq!(limited(&other, &door).await, 2_800);
        assert_eq!(door.twilio.requests().count("/Verifications"), 20);
        other
            .from([198, 51, 100, 1])
            .start(door.otp())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_code_that_may_have_been_sent_counts_against_the_limits() {
    let limits = OtpLimits {
        per_phone_hour: 2,
        ..WIDE
    };
    for door in twilio_doors(limits).await {
        let client = app(BO);
        for fault in [Fault::DropAfter, Fault::garbage()] {
            door.twilio.spoil_start(fault);
            let lost = client.start(door.otp()).await;
            assert!(
                matches!(lost, Err(StartError::Unavailable { .. })),
                "{lost:?}"
            );
        }
        limited(&client, &door).await;
        let asked = door.twilio.requests().count("/Verifications");
        assert_eq!(asked, 2, "no request is repeated");
    }
}
