//! Answers of Twilio, and faults of the connection to it.

use std::time::Duration;

use archety_backend::config::OtpLimits;
use archety_backend::otp::{ConfirmError, StartError};
use http::StatusCode;
use rstest::rstest;
use serde_json::json;
use twilio_stand_in::{Answer, Fault, Status, TwilioError};
use uuid::Uuid;

use super::sends::HIGH_LIMITS;
use super::support::{TwilioReplica, app, browser};
use crate::support::{Engine, NOW, Postgres, Sqlite};

const BO: &str = "+15550100001";

/// Starts a challenge, whose code is sent, and returns its id.
async fn start_challenge(replica: &TwilioReplica) -> Option<Uuid> {
    let started = app(BO).start(&replica.otp).await.expect("sent");
    Some(started.challenge_id)
}

#[rstest]
#[tokio::test]
async fn a_code_that_twilio_sent_is_approved_once_by_twilio_and_then_by_the_backend(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, OtpLimits::default()).await;
    let client = browser(BO, 1);
    let started = client.start(&replica.otp).await.unwrap();
    assert_eq!(started.code_length, 6);
    let id = Some(started.challenge_id);
    let wrong = replica.twilio.wrong_code_for(BO);
    let wrong = client.confirm(&replica.otp, id, &wrong).await;
    assert!(matches!(
        wrong,
        Err(ConfirmError::Wrong { attempts_left: 4 })
    ));
    let code = replica.code(BO);
    let approved = client.confirm(&replica.otp, id, &code).await.unwrap();
    assert!(!approved.is_test);
    // Twilio has deleted the verification; the backend keeps the approval.
    assert_eq!(
        client.confirm(&replica.otp, id, &code).await.unwrap(),
        approved
    );
    assert_eq!(replica.twilio.checks(), 2);
    let checks = replica.twilio.requests().matching("/VerificationCheck");
    assert!(
        checks
            .iter()
            .all(|check| check.body.contains("VerificationSid=VE"))
    );
}

#[rstest]
#[tokio::test]
async fn each_error_of_twilio_at_a_start_is_mapped_to_the_expected_error(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, HIGH_LIMITS).await;
    for error in TwilioError::ALL {
        replica.twilio.refuse_start(error);
        let refused = app(BO).start(&replica.otp).await.unwrap_err();
        let is_expected = match error {
            TwilioError::InvalidNumber | TwilioError::InvalidParameter | TwilioError::Landline => {
                matches!(refused, StartError::InvalidPhone)
            }
            TwilioError::MaxSends | TwilioError::MaxChecks => {
                matches!(refused, StartError::Limited { retry_after: 600 })
            }
            TwilioError::ConcurrentForNumber | TwilioError::TooManyRequests => {
                matches!(refused, StartError::Limited { retry_after: 30 })
            }
            TwilioError::UnverifiedNumber
            | TwilioError::ChannelDisabled
            | TwilioError::CreationBlocked
            | TwilioError::FraudGuard
            | TwilioError::DeviceIntelligence
            | TwilioError::GeoPermission => matches!(refused, StartError::CannotSend),
            TwilioError::Authenticate | TwilioError::NotFound => {
                matches!(refused, StartError::Unavailable { .. })
            }
        };
        assert!(is_expected, "{error:?}: {refused:?}");
    }
    // After all of these errors the next code is sent.
    start_challenge(&replica).await;
    let asked = replica.twilio.requests().count("/Verifications");
    assert_eq!(asked, TwilioError::ALL.len() + 1, "no request is repeated");
}

#[rstest]
#[tokio::test]
async fn each_error_of_twilio_at_a_confirmation_is_mapped_to_the_expected_error(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, HIGH_LIMITS).await;
    for error in TwilioError::ALL {
        let id = start_challenge(&replica).await;
        replica.twilio.refuse_check(error);
        let code = replica.code(BO);
        let refused = app(BO).confirm(&replica.otp, id, &code).await.unwrap_err();
        let is_expected = match error {
            TwilioError::MaxChecks => {
                matches!(refused, ConfirmError::TooManyAttempts { retry_after: 600 })
            }
            TwilioError::NotFound => matches!(refused, ConfirmError::Expired),
            // Twilio answers a code of another length with this error.
            TwilioError::InvalidParameter => matches!(refused, ConfirmError::Wrong { .. }),
            _ => matches!(refused, ConfirmError::Unavailable { .. }),
        };
        assert!(is_expected, "{error:?}: {refused:?}");
    }
}

#[rstest]
#[tokio::test]
async fn a_check_that_twilio_refuses_to_do_uses_up_no_attempt(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, HIGH_LIMITS).await;
    let id = start_challenge(&replica).await;
    for _ in 0..7 {
        replica.twilio.refuse_check(TwilioError::TooManyRequests);
        let busy = app(BO).confirm(&replica.otp, id, "123456").await;
        assert!(
            matches!(busy, Err(ConfirmError::Unavailable { retry_after: 30 })),
            "{busy:?}"
        );
    }
    let code = replica.code(BO);
    app(BO).confirm(&replica.otp, id, &code).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn only_the_status_approved_approves_a_challenge(#[values(Sqlite, Postgres)] engine: Engine) {
    let replica = TwilioReplica::new(engine, HIGH_LIMITS).await;
    for status in [
        Status::Pending,
        Status::Canceled,
        Status::MaxAttemptsReached,
        Status::Deleted,
        Status::Failed,
        Status::Expired,
    ] {
        let id = start_challenge(&replica).await;
        replica.twilio.force_check(status);
        let code = replica.code(BO);
        let refused = app(BO).confirm(&replica.otp, id, &code).await.unwrap_err();
        let is_expected = match status {
            Status::Pending => matches!(refused, ConfirmError::Wrong { .. }),
            Status::MaxAttemptsReached => {
                matches!(refused, ConfirmError::TooManyAttempts { .. })
            }
            _ => matches!(refused, ConfirmError::Expired),
        };
        assert!(is_expected, "{status:?}: {refused:?}");
    }
}

#[rstest]
#[tokio::test]
async fn an_answer_about_another_number_is_refused(#[values(Sqlite, Postgres)] engine: Engine) {
    let replica = TwilioReplica::new(engine, HIGH_LIMITS).await;
    let other = json!({
        "sid": "VE00000000000000000000000000000000",
        "to": "+15550100002",
        "status": "pending",
    });
    replica.twilio.spoil_start(Fault::json(201, &other));
    let misdirected = app(BO).start(&replica.otp).await;
    assert!(
        matches!(misdirected, Err(StartError::CannotSend)),
        "{misdirected:?}"
    );
    let id = start_challenge(&replica).await;
    replica.twilio.approve_another("+15550100002");
    let code = replica.code(BO);
    let refused = app(BO).confirm(&replica.otp, id, &code).await;
    assert!(
        matches!(refused, Err(ConfirmError::Unavailable { .. })),
        "{refused:?}"
    );
    let other = json!({
        "sid": "VE00000000000000000000000000000000",
        "to": BO,
        "status": "approved",
    });
    replica.twilio.spoil_check(Fault::json(200, &other));
    let refused = app(BO).confirm(&replica.otp, id, &code).await;
    assert!(
        matches!(refused, Err(ConfirmError::Unavailable { .. })),
        "{refused:?}"
    );
}

/// Answers from which it is unclear what Twilio did.
fn unclear_answers() -> Vec<Fault> {
    let typed =
        |kind: &str, body: &str| Fault::Answer(Answer::text(StatusCode::OK, kind, body.to_owned()));
    vec![
        Fault::Drop,
        Fault::html(200),
        Fault::html(502),
        Fault::html(404),
        Fault::html(401),
        Fault::garbage(),
        Fault::empty(200),
        Fault::empty(500),
        Fault::json(200, &json!({})),
        Fault::json(200, &json!([])),
        Fault::json(200, &json!({"sid": null, "to": BO, "status": "approved"})),
        Fault::json(200, &json!({"valid": true, "status": "approved"})),
        Fault::json(500, &json!({"code": 20500, "message": "", "status": 500})),
        typed("text/plain", "{\"status\": \"approved\"}"),
        typed(
            "application/json",
            &format!("{{\"to\": \"{}\"}}", "1".repeat(100_000)),
        ),
    ]
}

#[rstest]
#[tokio::test]
async fn an_unclear_answer_is_reported_as_unavailable_and_uses_up_an_attempt(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, HIGH_LIMITS).await;
    for fault in unclear_answers() {
        replica.twilio.spoil_start(fault.clone());
        let unclear = app(BO).start(&replica.otp).await;
        assert!(
            matches!(unclear, Err(StartError::Unavailable { .. })),
            "{fault:?} {unclear:?}"
        );
    }
    for (n, fault) in unclear_answers().into_iter().enumerate() {
        // Each fault is tried with a phone number of its own, because an unclear check uses up an attempt.
        let client = app(&format!("+1555010{:04}", 100 + n));
        let id = Some(client.start(&replica.otp).await.unwrap().challenge_id);
        replica.twilio.spoil_check(fault.clone());
        let code = replica.code(client.phone.as_str());
        let unclear = client.confirm(&replica.otp, id, &code).await;
        assert!(
            matches!(unclear, Err(ConfirmError::Unavailable { .. })),
            "{fault:?} {unclear:?}"
        );
        let wrong = replica.twilio.wrong_code_for(client.phone.as_str());
        let counted = client.confirm(&replica.otp, id, &wrong).await;
        assert!(
            matches!(counted, Err(ConfirmError::Wrong { attempts_left: 3 })),
            "{fault:?} {counted:?}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn a_redirect_of_twilio_is_not_followed(#[values(Sqlite, Postgres)] engine: Engine) {
    let replica = TwilioReplica::new(engine, HIGH_LIMITS).await;
    let other_server = twilio_stand_in::StandIn::start(replica.twilio.settings().clone())
        .await
        .unwrap();
    let service = &replica.twilio.settings().service_sid;
    let location = format!("{}/v2/Services/{service}/Verifications", other_server.url());
    replica.twilio.spoil_start(Fault::redirect(&location));
    let unclear = app(BO).start(&replica.otp).await;
    assert!(matches!(unclear, Err(StartError::Unavailable { .. })));
    assert!(other_server.requests().all().is_empty());
}

#[rstest]
#[tokio::test]
async fn after_a_lost_approval_the_code_has_expired_and_a_new_one_is_sent_at_once(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, HIGH_LIMITS).await;
    let id = start_challenge(&replica).await;
    let code = replica.code(BO);
    replica.twilio.spoil_check(Fault::DropAfter);
    let lost = app(BO).confirm(&replica.otp, id, &code).await;
    assert!(
        matches!(lost, Err(ConfirmError::Unavailable { .. })),
        "{lost:?}"
    );
    let expired = app(BO).confirm(&replica.otp, id, &code).await;
    assert!(matches!(expired, Err(ConfirmError::Expired)), "{expired:?}");
    // A new code is sent at once.
    let id = start_challenge(&replica).await;
    assert_eq!(replica.twilio.sends(BO), 2);
    let code = replica.code(BO);
    app(BO).confirm(&replica.otp, id, &code).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_slow_answer_of_twilio_is_reported_as_unavailable(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, HIGH_LIMITS).await;
    let slow = Fault::HangAfter(Duration::from_mins(10));
    replica.twilio.spoil_start(slow.clone());
    let unclear = app(BO).start(&replica.otp).await;
    assert!(matches!(unclear, Err(StartError::Unavailable { .. })));
    let id = start_challenge(&replica).await;
    let code = replica.code(BO);
    replica.twilio.spoil_check(slow);
    let unclear = app(BO).confirm(&replica.otp, id, &code).await;
    assert!(matches!(unclear, Err(ConfirmError::Unavailable { .. })));
    let expired = app(BO).confirm(&replica.otp, id, &code).await;
    assert!(matches!(expired, Err(ConfirmError::Expired)), "{expired:?}");
}

#[rstest]
#[tokio::test]
async fn while_twilio_is_down_starts_and_confirmations_count_against_no_limit(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let limits = OtpLimits {
        per_phone_hour: 1,
        ..HIGH_LIMITS
    };
    let mut replica = TwilioReplica::new(engine, limits).await;
    let id = start_challenge(&replica).await;
    let code = replica.code(BO);
    // The second replica has no open connection. On an open connection that breaks it is unclear whether
    // the request arrived.
    let otp = replica.second().await;
    let url = replica.twilio.url();
    replica.twilio = twilio_stand_in::StandIn::start(replica.twilio.settings().clone())
        .await
        .unwrap();
    assert_ne!(replica.twilio.url(), url);
    for _ in 0..6 {
        let unavailable = app(BO).confirm(&otp, id, &code).await;
        assert!(
            matches!(unavailable, Err(ConfirmError::Unavailable { .. })),
            "{unavailable:?}"
        );
        let other = app("+15550100002").start(&otp).await;
        assert!(
            matches!(other, Err(StartError::Unavailable { .. })),
            "{other:?}"
        );
    }
    let counted =
        "select count(*) from rate_counters where scope = 'send_phone_hour' and count > 0";
    assert_eq!(replica.base.number(counted).await, 1);
    let counted = "select count(*) from rate_counters where scope like 'wrong_%' and count > 0";
    assert_eq!(replica.base.number(counted).await, 0);
}

#[rstest]
#[tokio::test]
async fn wrong_credentials_of_the_backend_are_not_revealed_to_the_client(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = TwilioReplica::new(engine, HIGH_LIMITS).await;
    let id = start_challenge(&replica).await;
    replica.twilio.refuse_check(TwilioError::Authenticate);
    let unavailable = app(BO).confirm(&replica.otp, id, "123456").await;
    assert!(matches!(unavailable, Err(ConfirmError::Unavailable { .. })));
    replica.twilio.refuse_start(TwilioError::Authenticate);
    let later = app(BO).at(NOW.plus(Duration::from_mins(11)));
    let unavailable = later.start(&replica.otp).await.unwrap_err();
    assert_eq!(
        unavailable.to_string(),
        "codes cannot be sent at the moment"
    );
}
