//! Faults of the Supabase project at each step of a sign-in: no account is lost or created twice, the failed
//! sign-in does not retry, and the next sign-in succeeds.

use std::time::Duration;

use archety_backend::identity::SignInError;
use supabase_stand_in::{Fault, Seed, Settings, faults};

use super::support::{project, upstream_session};

/// Ways in which a request to the project can fail, before or after the project has processed it. The name is for
/// the failure message.
fn all_faults() -> Vec<(&'static str, Fault)> {
    let long = Duration::from_secs(30);
    vec![
        ("connection cut before", Fault::Drop),
        ("connection cut after", Fault::DropAfter),
        ("hangs before", Fault::Hang(long)),
        ("hangs after", Fault::HangAfter(long)),
        ("502 in HTML", Fault::html(502)),
        ("200 in HTML", Fault::html(200)),
        ("200 and nothing", Fault::empty(200)),
        ("503 and nothing", Fault::empty(503)),
        ("401 and nothing", Fault::empty(401)),
        ("garbage", Fault::garbage()),
        (
            "unexpected JSON",
            Fault::json(200, &serde_json::json!({"id": 1})),
        ),
        ("redirect", Fault::redirect("https://elsewhere.example/")),
        ("429", faults::rate_limited()),
        ("409", faults::conflict()),
        ("504 before", faults::timed_out()),
        ("504 after", faults::timed_out_after_writing()),
    ]
}

#[tokio::test]
async fn a_sign_in_fails_at_a_fault_without_a_retry_and_the_next_sign_in_succeeds() {
    let project = project(Settings::default()).await;
    let with_short_timeout = project.with_timeout(Duration::from_millis(400)).await;
    let mut n = 0;
    for step in ["POST /auth/v1/admin/users", "/token?grant_type=password"] {
        for (name, fault) in all_faults() {
            n += 1;
            let ada = project.new_user(n).await;
            project.stand_in.requests().clear();
            project.stand_in.faults().next(step, fault);
            let refused = with_short_timeout.sign_in(&ada).await;
            assert!(
                matches!(refused, Err(SignInError::Unavailable { retry_after }) if retry_after >= Duration::from_secs(1)),
                "{step}, {name}: {refused:?}"
            );
            assert_eq!(
                project.stand_in.requests().count(step),
                1,
                "{step}, {name}: once"
            );
            let grant = project.sign_in(&ada).await;
            let grant = grant.unwrap_or_else(|error| panic!("{step}, {name}: {error}"));
            let people = project.stand_in.people_by_phone(ada.phone.as_str());
            assert_eq!(people.len(), 1, "{step}, {name}");
            assert!(people[0].sessions.contains(&upstream_session(&grant)));
            assert!(
                project.stand_in.requests().all().len() <= 5,
                "{step}, {name}"
            );
            assert_eq!(
                project.stand_in.requests().count("PUT "),
                0,
                "{step}, {name}"
            );
        }
    }
}

#[tokio::test]
async fn a_repair_that_a_fault_interrupts_is_completed_by_the_next_sign_in() {
    let project = project(Settings::default()).await;
    let with_short_timeout = project.with_timeout(Duration::from_millis(400)).await;
    let mut n = 0;
    for step in [
        "GET /auth/v1/admin/users/",
        "GET /auth/v1/admin/users?",
        "PUT /auth/v1/admin/users/",
    ] {
        for (name, fault) in all_faults() {
            n += 1;
            let ada = project.new_user(n).await;
            let id = project.stand_in.seed(Seed::phone(ada.phone.as_str()));
            project.stand_in.faults().next(step, fault);
            let refused = with_short_timeout.sign_in(&ada).await;
            assert!(
                matches!(refused, Err(SignInError::Unavailable { .. })),
                "{step}, {name}: {refused:?}"
            );
            let grant = project.sign_in(&ada).await;
            let grant = grant.unwrap_or_else(|error| panic!("{step}, {name}: {error}"));
            assert_eq!(grant.subject, id, "{step}, {name}");
            assert_eq!(
                project.stand_in.people_by_phone(ada.phone.as_str()).len(),
                1
            );
            assert!(project.account(&ada).await.is_confirmed, "{step}, {name}");
        }
    }
}

#[tokio::test]
async fn a_replacement_that_a_fault_interrupts_is_completed_by_the_next_sign_in() {
    let project = project(Settings::default()).await;
    let with_short_timeout = project.with_timeout(Duration::from_millis(400)).await;
    for (n, (name, fault)) in (1..).zip(all_faults()) {
        let ada = project.new_user(n).await;
        project
            .stand_in
            .seed(Seed::phone(ada.phone.as_str()).unconfirmed());
        project
            .stand_in
            .faults()
            .next("DELETE /auth/v1/admin/users/", fault);
        // The sign-in may succeed despite the fault: any JSON answer counts as a deletion, and a deletion whose
        // answer is lost has happened.
        if with_short_timeout.sign_in(&ada).await.is_err() {
            project
                .sign_in(&ada)
                .await
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let people = project.stand_in.people_by_phone(ada.phone.as_str());
        assert_eq!((people.len(), people[0].id), (1, ada.user_id), "{name}");
    }
}

#[tokio::test]
async fn a_request_whose_key_the_gateway_does_not_recognize_is_retried_once() {
    let project = project(Settings::default()).await;
    let ada = project.new_user(1).await;
    project
        .stand_in
        .faults()
        .next("/admin/users", faults::unrecognized_kid());
    project.sign_in(&ada).await.expect("signed in");
    assert_eq!(project.stand_in.requests().count("/admin/users"), 2);
    let bob = project.new_user(2).await;
    project.stand_in.requests().clear();
    project
        .stand_in
        .faults()
        .times(2, "/admin/users", faults::unrecognized_kid());
    let refused = project.sign_in(&bob).await;
    assert!(
        matches!(refused, Err(SignInError::Misconfigured)),
        "{refused:?}"
    );
    assert_eq!(
        project.stand_in.requests().count("/admin/users"),
        2,
        "one retry"
    );
}

#[tokio::test]
async fn an_error_contains_neither_the_number_nor_the_address_of_the_project() {
    let project = project(Settings::default()).await;
    let ada = project.new_user(1).await;
    project.stand_in.faults().always("/token", Fault::Drop);
    let refused = project.sign_in(&ada).await.expect_err("cut");
    let message = format!("{refused} {refused:?}");
    assert!(
        !message.contains("127.0.0.1") && !message.contains(ada.phone.digits()),
        "{message}"
    );
}
