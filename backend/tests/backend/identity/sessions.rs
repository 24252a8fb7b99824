//! Sessions at the project after sign-in: refresh, logout, and deletion of the account.

use std::time::Duration;

use archety_backend::identity::{EndReason, Grant, RefreshError, UpstreamError, UpstreamTokens};
use secrecy::ExposeSecret;
use supabase_stand_in::{Fault, RefreshTokens, Settings, faults};
use uuid::Uuid;

use super::support::{KeyKind, LONG_TIMEOUTS, Project, project, upstream_session};
use crate::support::TestStore;

const REFRESH: &str = "/token?grant_type=refresh_token";

async fn refresh(
    project: &Project,
    subject: Uuid,
    tokens: &UpstreamTokens,
) -> Result<Grant, RefreshError> {
    let session = Uuid::from_u128(1);
    let now = project.now();
    project
        .identity
        .refresh(session, subject, Some(tokens), now)
        .await
}

fn tokens(grant: &Grant) -> UpstreamTokens {
    grant.upstream.as_ref().expect("a session").tokens.clone()
}

/// The settings of a project with each kind of refresh token.
fn both_refresh_token_versions() -> [Settings; 2] {
    [RefreshTokens::V1, RefreshTokens::V2].map(|refresh_tokens| Settings {
        refresh_tokens,
        ..Settings::default()
    })
}

#[tokio::test]
async fn a_refresh_takes_one_call_and_can_be_repeated_after_a_lost_answer() {
    for settings in both_refresh_token_versions() {
        let project = project(settings).await;
        let ada = project.new_user(1).await;
        let first = project.signed_in(&ada).await;
        let second = refresh(&project, ada.user_id, &tokens(&first)).await;
        let second = second.expect("refreshed");
        assert_eq!(project.calls(), [format!("POST {REFRESH}")]);
        assert_eq!(upstream_session(&first), upstream_session(&second));
        assert_eq!(second.subject, ada.user_id);
        project.stand_in.faults().next(REFRESH, Fault::DropAfter);
        let lost = refresh(&project, ada.user_id, &tokens(&second)).await;
        assert!(
            matches!(lost, Err(RefreshError::Unavailable { .. })),
            "{lost:?}"
        );
        project.stand_in.clock().advance(Duration::from_mins(2));
        let third = refresh(&project, ada.user_id, &tokens(&second)).await;
        let third = third.expect("refreshed again");
        let fourth = refresh(&project, ada.user_id, &tokens(&third)).await;
        fourth.expect("refreshed");
    }
}

#[tokio::test]
async fn only_five_error_codes_end_a_session() {
    let not_ending = [
        Fault::Drop,
        Fault::html(502),
        Fault::garbage(),
        Fault::empty(401),
        Fault::redirect("https://elsewhere.example/"),
        faults::rate_limited(),
        faults::conflict(),
        faults::timed_out(),
        faults::bad_api_key(),
        Fault::json(
            400,
            &serde_json::json!({"code": 400, "error_code": "validation_failed"}),
        ),
        Fault::json(
            400,
            &serde_json::json!({"code": 400, "error_code": "something_new"}),
        ),
        Fault::json(
            400,
            &serde_json::json!({"error": "invalid_grant", "error_description": "…"}),
        ),
        Fault::json(
            500,
            &serde_json::json!({"code": "unexpected_failure", "message": "…"}),
        ),
    ];
    let project = project(Settings::default()).await;
    let ada = project.new_user(1).await;
    let grant = project.signed_in(&ada).await;
    for fault in not_ending {
        project.stand_in.faults().next(REFRESH, fault.clone());
        let result = refresh(&project, ada.user_id, &tokens(&grant)).await;
        assert!(
            matches!(result, Err(RefreshError::Unavailable { .. })),
            "{fault:?}: {result:?}"
        );
    }
    let with_short_timeout = project.with_timeout(Duration::from_millis(200)).await;
    project
        .stand_in
        .faults()
        .next(REFRESH, Fault::Hang(Duration::from_secs(30)));
    let result = refresh(&with_short_timeout, ada.user_id, &tokens(&grant)).await;
    assert!(
        matches!(result, Err(RefreshError::Unavailable { .. })),
        "{result:?}"
    );
    refresh(&project, ada.user_id, &tokens(&grant))
        .await
        .expect("the session has not ended");
    for (code, ended) in [
        ("refresh_token_already_used", EndReason::AlreadyUsed),
        ("refresh_token_not_found", EndReason::NotFound),
        ("session_not_found", EndReason::SessionNotFound),
        ("session_expired", EndReason::SessionExpired),
        ("user_banned", EndReason::UserBanned),
    ] {
        for body in [
            serde_json::json!({"code": 400, "error_code": code, "msg": "…"}),
            serde_json::json!({"code": code, "message": "…"}),
        ] {
            project
                .stand_in
                .faults()
                .next(REFRESH, Fault::json(400, &body));
            let result = refresh(&project, ada.user_id, &tokens(&grant)).await;
            assert!(
                matches!(result, Err(RefreshError::Ended(reason)) if reason == ended),
                "{result:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_refresh_reports_why_the_project_ended_the_session() {
    let project = project(Settings::default()).await;
    let ada = project.new_user(1).await;
    let grant = project.signed_in(&ada).await;
    project.stand_in.expire_session(upstream_session(&grant));
    let result = refresh(&project, ada.user_id, &tokens(&grant)).await;
    assert!(
        matches!(result, Err(RefreshError::Ended(EndReason::SessionExpired))),
        "{result:?}"
    );
    let grant = project.signed_in(&ada).await;
    project.stand_in.ban(ada.user_id, Duration::from_hours(1));
    let result = refresh(&project, ada.user_id, &tokens(&grant)).await;
    assert!(
        matches!(result, Err(RefreshError::Ended(EndReason::UserBanned))),
        "{result:?}"
    );
    project.stand_in.unban(ada.user_id);
    project.stand_in.end_sessions(ada.user_id);
    let result = refresh(&project, ada.user_id, &tokens(&grant)).await;
    assert!(
        matches!(result, Err(RefreshError::Ended(EndReason::NotFound))),
        "{result:?}"
    );
    let session = Uuid::from_u128(1);
    let now = project.now();
    let without_tokens = project
        .identity
        .refresh(session, ada.user_id, None, now)
        .await;
    assert!(
        matches!(without_tokens, Err(RefreshError::Ended(_))),
        "{without_tokens:?}"
    );
}

#[tokio::test]
async fn a_logout_ends_only_its_own_session_and_can_be_repeated() {
    let project = project(Settings::default()).await;
    let ada = project.new_user(1).await;
    let session_count = || project.stand_in.session_count(ada.user_id);
    let grants = [
        project.signed_in(&ada).await,
        project.signed_in(&ada).await,
        project.signed_in(&ada).await,
    ];
    let log_out = async |grant: &Grant| project.identity.log_out(&tokens(grant)).await;
    for (n, grant) in grants.iter().enumerate() {
        for _ in 0..2 {
            log_out(grant).await.expect("logged out");
            assert_eq!(session_count(), 2 - n);
        }
    }
    let grant = project.signed_in(&ada).await;
    project.stand_in.faults().next("/logout", Fault::DropAfter);
    let lost = log_out(&grant).await;
    assert!(matches!(lost, Err(UpstreamError::Unavailable)), "{lost:?}");
    log_out(&grant).await.expect("the session had ended");
    let grant = project.signed_in(&ada).await;
    project.stand_in.delete(ada.user_id);
    log_out(&grant).await.expect("the account is gone");
}

#[tokio::test]
async fn an_expired_access_token_is_refreshed_to_log_out() {
    for settings in both_refresh_token_versions() {
        let project = project(settings).await;
        let ada = project.new_user(1).await;
        let grant = project.signed_in(&ada).await;
        project.stand_in.clock().advance(Duration::from_hours(2));
        let log_out = async || project.identity.log_out(&tokens(&grant)).await;
        // The first logout fails after its refresh, and the refreshed tokens are lost. The old tokens can be
        // refreshed again.
        project
            .stand_in
            .faults()
            .next("/logout", Fault::Answer(bad_jwt()));
        project.stand_in.faults().next("/logout", Fault::Drop);
        log_out().await.expect_err("cut");
        assert_eq!(project.stand_in.session_count(ada.user_id), 1);
        log_out().await.expect("logged out");
        assert_eq!(project.stand_in.session_count(ada.user_id), 0);
        log_out().await.expect("logged out already");
    }
}

fn bad_jwt() -> supabase_stand_in::Answer {
    let body = serde_json::json!({"code": 403, "error_code": "bad_jwt", "msg": "token is expired"});
    supabase_stand_in::Answer::json(http::StatusCode::FORBIDDEN, &body)
}

#[tokio::test]
async fn a_deletion_removes_the_account_and_can_be_repeated() {
    let base = TestStore::sqlite().await;
    let project = Project::on(base, Settings::default(), KeyKind::New, LONG_TIMEOUTS).await;
    let ada = project.new_user(1).await;
    project.signed_in(&ada).await;
    project.stand_in.faults().next("DELETE", Fault::DropAfter);
    let lost = project.identity.delete_account(ada.user_id).await;
    assert!(matches!(lost, Err(UpstreamError::Unavailable)), "{lost:?}");
    for _ in 0..2 {
        project
            .identity
            .delete_account(ada.user_id)
            .await
            .expect("deleted");
        assert!(project.stand_in.person(ada.user_id).is_none());
    }
    project
        .stand_in
        .faults()
        .next("DELETE", faults::bad_api_key());
    let refused = project.identity.delete_account(ada.user_id).await;
    assert!(
        matches!(refused, Err(UpstreamError::Misconfigured)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn serialized_tokens_can_be_read_and_refreshed() {
    let project = project(Settings::default()).await;
    let ada = project.new_user(1).await;
    let grant = project.signed_in(&ada).await;
    let read = UpstreamTokens::from_json(&tokens(&grant).to_json()).expect("valid JSON");
    let refreshed = refresh(&project, ada.user_id, &read)
        .await
        .expect("refreshed");
    assert!(!tokens(&refreshed).refresh.expose_secret().is_empty());
}
