//! Codes that the Supabase project sends and checks itself.

use std::collections::BTreeMap;
use std::time::Duration;

use archety_backend::identity::{StartOtpError, VerifyOtpError};
use archety_backend::otp::Channel;
use archety_backend::phone::Phone;
use supabase_stand_in::{Fault, Settings, faults};

use super::support::{CLIENT_ADDRESS, Project, project};

const CODE: &str = "123456";

async fn project_with_test_code(settings: Settings) -> (Project, Phone) {
    let phone = Phone::parse("+15550100201").expect("a phone");
    let project = project(Settings {
        sms_test_otp: BTreeMap::from([(phone.digits().to_owned(), CODE.to_owned())]),
        ..settings
    })
    .await;
    (project, phone)
}

#[tokio::test]
async fn only_the_right_code_is_verified_and_the_sign_in_adopts_the_account_that_it_created() {
    let (project, phone) = project_with_test_code(Settings::default()).await;
    let ada = project.new_user(1).await;
    assert_eq!(ada.phone, phone);
    let supabase = project.supabase();
    let start = async || {
        supabase
            .start_otp(&phone, Channel::Sms, Some(CLIENT_ADDRESS))
            .await
    };
    start().await.expect("sent");
    let again = start().await;
    assert!(
        matches!(again, Err(StartOtpError::TooSoon { .. })),
        "{again:?}"
    );
    let wrong = supabase
        .verify_otp(&phone, "000000", Some(CLIENT_ADDRESS))
        .await;
    assert!(matches!(wrong, Err(VerifyOtpError::Wrong)), "{wrong:?}");
    let tokens = supabase
        .verify_otp(&phone, CODE, Some(CLIENT_ADDRESS))
        .await
        .expect("right");
    project.identity.log_out(&tokens).await.expect("ended");
    // The code created an account, and the number is its only way to sign in, so the sign-in adopts the account.
    let account = project
        .stand_in
        .person_by_phone(phone.as_str())
        .expect("an account");
    assert!(account.sessions.is_empty());
    let grant = project.sign_in(&ada).await.expect("signed in");
    assert_eq!(grant.subject, account.id);
    assert_eq!(project.stand_in.people_by_phone(phone.as_str()).len(), 1);
}

#[tokio::test]
async fn each_refusal_to_send_a_code_is_mapped_to_the_expected_error() {
    use StartOtpError::{InvalidPhone, Misconfigured, TooSoon, Unavailable, Undeliverable};
    let (project, phone) = project_with_test_code(Settings::default()).await;
    let supabase = project.supabase();
    let start = async |fault| {
        project.stand_in.faults().next("/otp", fault);
        let started = supabase.start_otp(&phone, Channel::WhatsApp, None).await;
        started.expect_err("refused")
    };
    let code = |code: &str| Fault::json(422, &serde_json::json!({"code": 422, "error_code": code}));
    assert!(matches!(
        start(code("validation_failed")).await,
        InvalidPhone
    ));
    assert!(matches!(
        start(code("sms_send_failed")).await,
        Undeliverable
    ));
    assert!(matches!(
        start(code("signup_disabled")).await,
        Misconfigured
    ));
    assert!(matches!(
        start(code("phone_provider_disabled")).await,
        Misconfigured
    ));
    assert!(matches!(
        start(faults::rate_limited()).await,
        TooSoon { .. }
    ));
    assert!(matches!(start(Fault::Drop).await, Unavailable));
    assert!(matches!(start(Fault::html(502)).await, Unavailable));
    assert!(matches!(start(faults::timed_out()).await, Unavailable));
}

#[tokio::test]
async fn an_unclear_answer_to_a_code_is_unavailable_and_a_banned_user_is_reported() {
    let (project, phone) = project_with_test_code(Settings::default()).await;
    let supabase = project.supabase();
    for fault in [
        Fault::Drop,
        Fault::DropAfter,
        Fault::html(200),
        Fault::garbage(),
        Fault::empty(200),
    ] {
        project.stand_in.faults().next("/verify", fault);
        let result = supabase.verify_otp(&phone, CODE, None).await;
        assert!(
            matches!(result, Err(VerifyOtpError::Unavailable)),
            "{result:?}"
        );
    }
    supabase
        .start_otp(&phone, Channel::Sms, None)
        .await
        .expect("sent");
    let user_id = project
        .stand_in
        .person_by_phone(phone.as_str())
        .expect("an account")
        .id;
    project.stand_in.ban(user_id, Duration::from_hours(1));
    let result = supabase.verify_otp(&phone, CODE, None).await;
    assert!(matches!(result, Err(VerifyOtpError::Banned)), "{result:?}");
}
