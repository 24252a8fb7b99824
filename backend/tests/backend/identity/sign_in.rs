//! Sign-ins with Supabase: the calls to the project, and the result of each of its answers.

use archety_backend::identity::SignInError;
use rstest::rstest;
use secrecy::ExposeSecret;
use supabase_stand_in::{Fault, Settings, StandIn, faults};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::support::{
    CLIENT_ADDRESS, KeyKind, LONG_TIMEOUTS, OTHER_PASSWORD_KEY, PASSWORD_KEY, Project, TestUser,
    project, upstream_session,
};
use crate::support::{Engine, Postgres, Sqlite, TestStore};

/// Requests to the project, as [`Project::calls`] lists them.
const GRANT: &str = "POST /token?grant_type=password";
const CREATE: &str = "POST /admin/users";

#[rstest]
#[tokio::test]
async fn the_first_sign_in_takes_two_calls_and_each_later_one_takes_one(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let project = Project::new(engine, Settings::default()).await;
    let ada = project.new_user(1).await;
    let first = project.sign_in(&ada).await.expect("signed in");
    assert_eq!(project.calls(), [CREATE, GRANT], "{}", project.kind);
    assert_eq!(first.subject, ada.user_id);
    assert!(project.account(&ada).await.is_confirmed);
    let second = project.sign_in(&ada).await.expect("signed in");
    assert_eq!(project.calls(), [GRANT], "{}", project.kind);
    assert_ne!(upstream_session(&first), upstream_session(&second));
    let person = project.stand_in.person(ada.user_id).expect("an account");
    assert_eq!(person.phone, ada.phone.digits());
    assert!(person.phone_confirmed && person.email.is_empty());
    assert_eq!(person.app_metadata["source"], "archety");
    assert_eq!(person.sessions.len(), 2);
}

#[rstest]
#[tokio::test]
async fn twenty_simultaneous_first_sign_ins_make_one_account_and_twenty_sessions(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let project = Project::new(engine, Settings::default()).await;
    let ada = project.new_user(1).await;
    let replica = project.replica().await;
    let mut tasks = JoinSet::new();
    for n in 0..20_u128 {
        let identity = if n % 2 == 0 {
            &project.identity
        } else {
            &replica.identity
        };
        let (identity, ada, now) = (identity.clone(), ada.clone(), project.now());
        tasks.spawn(async move {
            let session = Uuid::from_u128(n + 1);
            identity
                .sign_in(&ada.person(), session, CLIENT_ADDRESS, now)
                .await
        });
    }
    for signed_in in tasks.join_all().await {
        assert_eq!(signed_in.expect("signed in").subject, ada.user_id);
    }
    let people = project.stand_in.people_by_phone(ada.phone.as_str());
    assert_eq!(people.len(), 1);
    assert_eq!(people[0].sessions.len(), 20, "{}", project.kind);
    let calls = project.calls();
    assert!(calls.len() <= 60, "{} calls", calls.len());
    assert!(calls.iter().all(|call| call == GRANT || call == CREATE));
}

#[tokio::test]
async fn each_kind_of_api_key_is_sent_in_its_own_headers() {
    for kind in [KeyKind::Legacy, KeyKind::New] {
        let base = TestStore::sqlite().await;
        let project = Project::on(base, Settings::default(), kind, LONG_TIMEOUTS).await;
        let ada = project.new_user(1).await;
        let grant = project.sign_in(&ada).await.expect("signed in");
        let upstream = grant.upstream.expect("a session");
        let logged_out = project.identity.log_out(&upstream.tokens).await;
        logged_out.expect("logged out");
        let requests = project.stand_in.requests().all();
        let (logout, with_service_key) = requests.split_last().expect("requests");
        let (key, anon) = match kind {
            KeyKind::Legacy => (project.stand_in.service_key(), project.stand_in.anon_key()),
            KeyKind::New => (
                project.stand_in.secret_key(),
                project.stand_in.publishable_key(),
            ),
        };
        for request in with_service_key {
            assert_eq!(request.headers["apikey"], key);
            match kind {
                KeyKind::Legacy => {
                    assert_eq!(request.headers["authorization"], format!("Bearer {key}"));
                }
                KeyKind::New => assert!(!request.headers.contains_key("authorization")),
            }
            let agent = request.headers["user-agent"].to_str().expect("text");
            assert!(agent.starts_with("archety-backend/"), "{agent}");
        }
        assert_eq!(
            with_service_key[1].headers["sb-forwarded-for"],
            CLIENT_ADDRESS.to_string()
        );
        assert_eq!(logout.headers["apikey"], anon);
        let bearer = format!("Bearer {}", upstream.tokens.access.expose_secret());
        assert_eq!(logout.headers["authorization"], bearer);
    }
}

#[rstest]
#[tokio::test]
async fn a_new_password_key_ends_no_session_and_derives_the_passwords_of_new_users(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let project = Project::new(engine, Settings::default()).await;
    let ada = project.new_user(1).await;
    project.signed_in(&ada).await;
    let rotated = project.with_keys(&[OTHER_PASSWORD_KEY, PASSWORD_KEY]).await;
    rotated.sign_in(&ada).await.expect("signed in");
    assert_eq!(project.calls(), [GRANT, GRANT], "{}", project.kind);
    assert_eq!(project.stand_in.session_count(ada.user_id), 2);
    // A new user gets a password derived from the new key.
    let bob = project.new_user(2).await;
    rotated.signed_in(&bob).await;
    let new_key_only = project.with_keys(&[OTHER_PASSWORD_KEY]).await;
    new_key_only.sign_in(&bob).await.expect("signed in");
    assert_eq!(project.calls(), [GRANT]);
}

#[rstest]
#[tokio::test]
async fn an_unconfirmed_number_is_confirmed_without_a_password_reset(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let project = Project::new(engine, Settings::default()).await;
    let ada = project.new_user(1).await;
    project.signed_in(&ada).await;
    project.stand_in.unconfirm_phone(ada.user_id);
    project.sign_in(&ada).await.expect("signed in");
    let confirm = format!("PUT /admin/users/{}", ada.user_id);
    assert_eq!(
        project.calls(),
        [GRANT, &confirm, GRANT],
        "{}",
        project.kind
    );
    assert_eq!(
        project.stand_in.session_count(ada.user_id),
        2,
        "no session ends"
    );
}

#[tokio::test]
async fn a_banned_user_is_refused() {
    let project = project(Settings::default()).await;
    let ada = project.new_user(1).await;
    project.signed_in(&ada).await;
    project
        .stand_in
        .ban(ada.user_id, std::time::Duration::from_hours(1));
    let refused = project.sign_in(&ada).await;
    assert!(matches!(refused, Err(SignInError::Banned)), "{refused:?}");
    assert_eq!(project.calls(), [GRANT]);
}

#[tokio::test]
async fn sign_in_reports_misconfiguration_if_the_phone_provider_is_off_or_the_api_key_is_refused() {
    let off = Settings {
        phone_provider: false,
        ..Settings::default()
    };
    let project = project(off).await;
    let ada = project.new_user(1).await;
    let refused = project.sign_in(&ada).await;
    assert!(
        matches!(refused, Err(SignInError::Misconfigured)),
        "{refused:?}"
    );
    assert_eq!(project.calls(), [CREATE, GRANT]);
    for fault in [faults::bad_api_key(), faults::phone_provider_disabled()] {
        project.stand_in.faults().next(GRANT_PATH, fault);
        let refused = project.sign_in(&ada).await;
        assert!(
            matches!(refused, Err(SignInError::Misconfigured)),
            "{refused:?}"
        );
        assert_eq!(project.calls(), [GRANT]);
    }
}

const GRANT_PATH: &str = "/token?grant_type=password";

#[tokio::test]
async fn sign_in_with_the_service_key_of_another_project_reports_misconfiguration() {
    let (ours, other_project) = (
        project(Settings::default()).await,
        StandIn::start(Settings::default()).await.expect("a port"),
    );
    let mut config = super::support::config(&ours.stand_in, KeyKind::Legacy, &[PASSWORD_KEY]);
    config.service_key =
        archety_backend::config::ApiKey::Legacy(other_project.service_key().into());
    let config = archety_backend::config::IdentityConfig::Supabase(config);
    let ring = super::support::keyring(super::support::SESSION_KEY);
    let now = ours.now();
    let identity =
        archety_backend::identity::Identity::open(&config, LONG_TIMEOUTS, &ours.store, ring, now)
            .await;
    let ada = ours.new_user(1).await;
    let session = Uuid::from_u128(1);
    let identity = identity.expect("the issuer is the same");
    let refused = identity
        .sign_in(&ada.person(), session, CLIENT_ADDRESS, now)
        .await;
    assert!(
        matches!(refused, Err(SignInError::Misconfigured)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_first_sign_in_with_a_wrong_issuer_reports_misconfiguration() {
    let project = project(Settings::default()).await;
    let mut config = super::support::config(&project.stand_in, KeyKind::Legacy, &[PASSWORD_KEY]);
    config.issuer = "https://auth.example.com/auth/v1".to_owned();
    let config = archety_backend::config::IdentityConfig::Supabase(config);
    let base = TestStore::sqlite().await;
    let ring = super::support::keyring(super::support::SESSION_KEY);
    let now = project.now();
    let identity =
        archety_backend::identity::Identity::open(&config, LONG_TIMEOUTS, &base.store, ring, now)
            .await;
    let identity = identity.expect("a database of its own");
    let ada: TestUser = super::support::new_user(&base.store, 1, now).await;
    let refused = identity
        .sign_in(&ada.person(), Uuid::from_u128(1), CLIENT_ADDRESS, now)
        .await;
    assert!(
        matches!(refused, Err(SignInError::Misconfigured)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_sign_in_that_the_project_answers_with_another_users_tokens_is_refused() {
    let project = project(Settings::default()).await;
    let (ada, bob) = (project.new_user(1).await, project.new_user(2).await);
    project.signed_in(&ada).await;
    project.signed_in(&bob).await;
    // The project answers Ada's request with Bob's tokens.
    let password = project
        .stand_in
        .person(bob.user_id)
        .expect("an account")
        .password;
    let answer = reqwest::Client::new()
        .post(format!("{}{GRANT_PATH}", project.stand_in.url()))
        .json(&serde_json::json!({"phone": bob.phone.as_str(), "password": password}))
        .send()
        .await
        .expect("answers");
    let body: serde_json::Value = answer.json().await.expect("JSON");
    project
        .stand_in
        .faults()
        .next(GRANT_PATH, Fault::json(200, &body));
    let refused = project.sign_in(&ada).await;
    assert!(
        matches!(refused, Err(SignInError::ForeignAccount)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn calls_to_the_provider_are_counted_without_personal_data() {
    let metrics = archety_backend::telemetry::process_metrics();
    let project = project(Settings::default()).await;
    let ada = project.new_user(1).await;
    project.stand_in.faults().next(GRANT_PATH, Fault::Drop);
    project.sign_in(&ada).await.expect_err("cut");
    project.sign_in(&ada).await.expect("signed in");
    let junk = project.identity.verify("junk", project.now()).await;
    junk.expect_err("not a token");
    let shown = metrics.render();
    for line in [
        r#"identity_calls_total{operation="create_user",outcome="ok"}"#,
        r#"identity_calls_total{operation="grant",outcome="lost"}"#,
        r#"identity_calls_total{operation="grant",outcome="ok"}"#,
        r#"access_token_failures_total{reason="malformed"}"#,
    ] {
        assert!(shown.contains(line), "{line}");
    }
    assert!(!shown.contains(ada.phone.digits()));
    assert!(!shown.contains(&ada.user_id.to_string()));
}

#[tokio::test]
async fn sign_in_logout_and_deletion_work_with_a_project_that_has_only_new_keys() {
    let settings = Settings {
        signing: supabase_stand_in::Signing::Es256Only,
        ..Settings::default()
    };
    let base = TestStore::sqlite().await;
    let project = Project::on(base, settings, KeyKind::New, LONG_TIMEOUTS).await;
    let ada = project.new_user(1).await;
    let grant = project.sign_in(&ada).await.expect("signed in");
    assert_eq!(project.calls(), [CREATE, GRANT]);
    let token = super::support::token(&grant);
    let verified = project.identity.verify(token, project.now()).await;
    assert!(
        matches!(verified, Ok(archety_backend::identity::Verified::Proven(_))),
        "{verified:?}"
    );
    let upstream = grant.upstream.as_ref().expect("a session");
    let logged_out = project.identity.log_out(&upstream.tokens).await;
    logged_out.expect("logged out");
    project
        .identity
        .delete_account(ada.user_id)
        .await
        .expect("deleted");
}
