//! The check of a project's settings, and sign-ins in production before the check has passed.

use archety_backend::config::Environment;
use archety_backend::identity::{CodeSender, SettingsProblem, SignInError, Unreachable};
use serde_json::json;
use supabase_stand_in::{Fault, Settings, faults};

use super::support::project;

async fn check(settings: Settings, codes: CodeSender) -> Vec<SettingsProblem> {
    let project = project(settings).await;
    let problems = project.supabase().check_settings(codes).await;
    problems.expect("an answer")
}

fn signup_disabled() -> Settings {
    Settings {
        disable_signup: true,
        ..Settings::default()
    }
}

#[tokio::test]
async fn each_unsafe_setting_is_reported_and_is_fatal_only_in_production() {
    use SettingsProblem::{PhoneAutoconfirm, PhoneProviderOff, PublicSignup, SignupClosed};
    assert_eq!(check(signup_disabled(), CodeSender::Other).await, []);
    assert_eq!(
        check(Settings::default(), CodeSender::Other).await,
        [PublicSignup]
    );
    assert_eq!(check(Settings::default(), CodeSender::Supabase).await, []);
    assert_eq!(
        check(signup_disabled(), CodeSender::Supabase).await,
        [SignupClosed]
    );
    let all_unsafe = Settings {
        phone_provider: false,
        sms_autoconfirm: true,
        ..Settings::default()
    };
    assert_eq!(
        check(all_unsafe, CodeSender::Other).await,
        [PhoneProviderOff, PhoneAutoconfirm, PublicSignup]
    );
    for problem in [PhoneProviderOff, PhoneAutoconfirm, PublicSignup] {
        assert!(problem.is_fatal(Environment::Production));
        assert!(!problem.is_fatal(Environment::Development));
    }
    assert!(!SignupClosed.is_fatal(Environment::Production));
}

#[tokio::test]
async fn a_refused_key_is_distinguished_from_a_project_that_does_not_answer() {
    use SettingsProblem::{AnonKeyRefused, ServiceKeyRefused};
    let project = project(signup_disabled()).await;
    let check = async || project.supabase().check_settings(CodeSender::Other).await;
    project
        .stand_in
        .faults()
        .next("/settings", faults::bad_api_key());
    assert_eq!(check().await, Ok(vec![AnonKeyRefused]));
    project
        .stand_in
        .faults()
        .next("/admin/users", faults::bad_api_key());
    assert_eq!(check().await, Ok(vec![ServiceKeyRefused]));
    // The gateway refuses a good key now and then, so only a second refusal in a row is the key's fault.
    project
        .stand_in
        .faults()
        .next("/admin/users", faults::unrecognized_kid());
    assert_eq!(check().await, Ok(vec![]));
    project
        .stand_in
        .faults()
        .times(2, "/admin/users", faults::unrecognized_kid());
    assert_eq!(check().await, Ok(vec![ServiceKeyRefused]));
    for fault in [
        Fault::Drop,
        Fault::html(502),
        Fault::empty(401),
        Fault::garbage(),
    ] {
        for step in ["/settings", "/admin/users"] {
            project.stand_in.faults().next(step, fault.clone());
            assert_eq!(check().await, Err(Unreachable), "{step}: {fault:?}");
        }
    }
    assert_eq!(check().await, Ok(vec![]));
}

#[tokio::test]
async fn production_refuses_sign_ins_until_the_settings_are_known_to_be_safe() {
    let development = project(signup_disabled()).await;
    let production = development.in_production().await;
    let ada = development.new_user(1).await;
    let check = async || {
        let checked = production
            .supabase()
            .check_settings(CodeSender::Other)
            .await;
        development.calls();
        checked
    };
    let assert_refused = async |reason: &str| {
        let refused = production.sign_in(&ada).await;
        assert!(
            matches!(refused, Err(SignInError::Unavailable { .. })),
            "{reason}: {refused:?}"
        );
        assert_eq!(production.calls(), [""; 0], "{reason}");
    };
    let settings = |phone_autoconfirm, disable_signup| {
        let body = json!({
            "external": { "phone": true },
            "phone_autoconfirm": phone_autoconfirm,
            "disable_signup": disable_signup,
        });
        let next = Fault::json(200, &body);
        development.stand_in.faults().next("/settings", next);
    };
    assert_refused("the settings were never checked").await;
    development
        .stand_in
        .faults()
        .next("/settings", Fault::html(502));
    assert_eq!(check().await, Err(Unreachable));
    assert_refused("the project did not answer").await;
    settings(true, true);
    assert_eq!(check().await, Ok(vec![SettingsProblem::PhoneAutoconfirm]));
    assert_refused("phone numbers are confirmed automatically").await;
    settings(false, false);
    assert_eq!(check().await, Ok(vec![SettingsProblem::PublicSignup]));
    assert_refused("public sign-up is on").await;
    let grant = development.sign_in(&ada).await;
    grant.expect("development allows sign-ins with unsafe settings");
    assert_eq!(check().await, Ok(vec![]));
    production
        .sign_in(&ada)
        .await
        .expect("the settings are safe");
}
