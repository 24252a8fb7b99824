//! A right code opens exactly one session, even if the provider fails.

use std::time::Duration;

use archety_backend::jobs::JobOutcome;
use rstest::rstest;
use serde_json::{Value, json};
use supabase_stand_in::Fault;

use super::support::{ADA, BOB, Issuer, LOG_OUT, Pair, Person, at_once, renewed};
use crate::support::{Engine, Postgres, Sqlite, TestApp, TestPhone, code_of};

const GRANT: &str = "grant_type=password";

/// Starts a challenge and returns the body that confirms it.
async fn started(app: &TestApp, phone: &str) -> Value {
    let started = app
        .post_json("/auth/verify/start", &json!({ "phone": phone }))
        .await;
    assert_eq!(started.status, 200, "{}", started.text());
    let challenge = started.json()["challenge_id"].clone();
    json!({ "phone": phone, "code": code_of(phone), "challenge_id": challenge })
}

/// Confirms a code while the identity provider is unavailable, so that an approval exists and no session. Returns
/// the body of the confirmation.
async fn approved(pair: &Pair, phone: &str) -> Value {
    let confirm = started(pair.first(), phone).await;
    pair.provider().faults().always(GRANT, Fault::html(502));
    let refused = pair
        .first()
        .post_json("/auth/verify/confirm", &confirm)
        .await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(refused.fault(), "provider_unavailable");
    assert!(refused.header("retry-after").is_some());
    pair.provider().faults().clear();
    confirm
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_confirmations_of_one_approved_code_one_opens_a_session_and_the_others_are_refused(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let confirm = approved(&pair, ADA).await;
    pair.provider()
        .faults()
        .times(20, GRANT, Fault::HangAfter(Duration::from_millis(30)));
    let answers = at_once(20, |n| {
        let (confirm, app) = (confirm.clone(), pair.replicas[n % 2].clone());
        async move { app.post_json("/auth/verify/confirm", &confirm).await }
    });
    let (mut phones, mut refused) = (Vec::new(), 0);
    for answer in answers.await {
        match answer.status.as_u16() {
            200 => phones.push(TestPhone::of(ADA, &answer)),
            422 | 429 => refused += 1,
            _ => panic!("{} {}", answer.status, answer.text()),
        }
    }
    assert_eq!((phones.len(), refused), (1, 19), "{}", pair.kind());
    let opened = pair.base.number("select count(*) from sessions").await;
    assert_eq!(opened, 1, "{}", pair.kind());
    let granted = pair.sessions_at_provider(ADA);
    let jobs = pair.do_jobs().await;
    assert_eq!(jobs.len(), granted - 1, "{}", pair.kind());
    assert!(jobs.iter().all(|job| *job == JobOutcome::Done));
    assert_eq!(pair.request_count(LOG_OUT), granted - 1);
    assert_eq!(pair.sessions_at_provider(ADA), 1, "{}", pair.kind());
    assert!(phones[0].is_signed_in(pair.second()).await);
    let next = phones[0].refresh(pair.second()).await;
    assert_eq!(next.status, 200, "{}", next.text());
    let late = pair
        .second()
        .post_json("/auth/verify/confirm", &confirm)
        .await;
    assert_eq!(late.fault(), "code_expired");
}

#[rstest]
#[tokio::test]
async fn an_approval_opens_a_session_for_ten_minutes_after_the_provider_failed(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let confirm = approved(&pair, ADA).await;
    pair.advance(Duration::from_secs(599));
    let opened = pair
        .second()
        .post_json("/auth/verify/confirm", &confirm)
        .await;
    assert!(TestPhone::of(ADA, &opened).is_signed_in(pair.first()).await);

    let confirm = approved(&pair, BOB).await;
    let wrong = json!({
        "phone": BOB, "code": "999999", "challenge_id": confirm["challenge_id"],
    });
    let refused = pair
        .second()
        .post_json("/auth/verify/confirm", &wrong)
        .await;
    assert_eq!(refused.fault(), "wrong_code");
    pair.advance(Duration::from_mins(10));
    let late = pair
        .second()
        .post_json("/auth/verify/confirm", &confirm)
        .await;
    assert_eq!(late.status, 422, "{}", late.text());
    assert_eq!(late.fault(), "code_expired", "{}", pair.kind());
}

#[rstest]
#[tokio::test]
async fn a_code_is_checked_once_although_the_identity_provider_fails_after_the_check(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    const NUMBER: &str = "+15550100044";
    let pair = Pair::supabase(engine).await;
    let twilio = twilio_stand_in::StandIn::start(twilio_stand_in::Settings::default());
    let twilio = twilio.await.expect("a port");
    // The settings that the stand-in's program prints are enough for a backend to use it.
    let printed = twilio.variables();
    let mut settings = vec![("OTP_PROVIDER", "twilio"), ("OTP_TEST_NUMBERS", "")];
    settings.extend(printed.iter().map(|(name, value)| (*name, value.as_str())));
    let app = pair.another(&settings).await;
    let mut confirm = started(&app, NUMBER).await;
    confirm["code"] = json!(twilio.code_for(NUMBER).expect("a code"));
    pair.provider().faults().times(3, GRANT, Fault::Drop);
    for _ in 0..3 {
        let refused = app.post_json("/auth/verify/confirm", &confirm).await;
        assert_eq!(refused.status, 503, "{}", refused.text());
    }
    let opened = app.post_json("/auth/verify/confirm", &confirm).await;
    assert!(TestPhone::of(NUMBER, &opened).is_signed_in(&app).await);
    assert_eq!(twilio.checks(), 1, "{}", pair.kind());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn twenty_simultaneous_first_sign_ins_of_one_number_make_one_person(
    #[values(Sqlite, Postgres)] engine: Engine,
    #[values(Issuer::Local, Issuer::Supabase)] issuer: Issuer,
) {
    let pair = Pair::of(engine, issuer).await;
    let answers = at_once(20, |n| {
        let app = pair.replicas[n % 2].clone();
        async move {
            let confirm = started(&app, ADA).await;
            app.post_json("/auth/verify/confirm", &confirm).await
        }
    });
    let mut phones = Vec::new();
    for answer in answers.await {
        match answer.status.as_u16() {
            200 => phones.push(TestPhone::of(ADA, &answer)),
            // Another request had just used the code of the same challenge.
            422 => assert_eq!(answer.fault(), "code_expired", "{}", answer.text()),
            _ => panic!("{} {}", answer.status, answer.text()),
        }
    }
    assert!(!phones.is_empty());
    for phone in &phones {
        assert_eq!(phone.user_id, phones[0].user_id);
        assert!(phone.is_signed_in(pair.first()).await && phone.is_signed_in(pair.second()).await);
        let next = renewed(phone, &phone.refresh(pair.second()).await);
        assert!(next.is_signed_in(pair.first()).await, "{}", pair.kind());
    }
    assert_eq!(pair.base.number("select count(*) from users").await, 1);
    assert_eq!(pair.base.number("select count(*) from accounts").await, 1);
    let sessions = pair.base.number("select count(*) from sessions").await;
    assert_eq!(usize::try_from(sessions), Ok(phones.len()));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn twenty_simultaneous_sign_ins_with_approved_codes_make_one_account_at_the_provider(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    // Twenty correct codes are confirmed while the provider fails.
    let mut confirms = Vec::new();
    pair.provider()
        .faults()
        .always("POST /auth/v1/", Fault::html(502));
    for n in 0..20 {
        let app = &pair.replicas[n % 2];
        let confirm = started(app, BOB).await;
        let refused = app.post_json("/auth/verify/confirm", &confirm).await;
        assert_eq!(refused.status, 503, "{}", refused.text());
        confirms.push(confirm);
    }
    pair.provider().faults().clear();
    let answers = at_once(20, |n| {
        let (confirm, app) = (confirms[n].clone(), pair.replicas[n % 2].clone());
        async move { app.post_json("/auth/verify/confirm", &confirm).await }
    });
    let phones: Vec<_> = answers
        .await
        .iter()
        .map(|answer| TestPhone::of(BOB, answer))
        .collect();
    for phone in &phones {
        assert!(phone.is_signed_in(pair.second()).await, "{}", pair.kind());
        assert_eq!(phone.user_id, phones[0].user_id);
    }
    assert_eq!(pair.provider().people_by_phone(BOB).len(), 1);
    assert_eq!(pair.base.number("select count(*) from users").await, 1);
    assert_eq!(pair.base.number("select count(*) from accounts").await, 1);
    assert_eq!(pair.do_jobs().await, []);
    assert_eq!(pair.sessions_at_provider(BOB), 20, "{}", pair.kind());
}
