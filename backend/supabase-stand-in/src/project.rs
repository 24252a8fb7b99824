//! The public routes of a project: health, settings and public keys.

use http::header::CACHE_CONTROL;
use serde_json::{Map, Value, json};
use stand_in::Answer;

use crate::keys::ProjectKeys;
use crate::settings::Settings;

/// Sign-in providers that are always off in the stand-in.
const OTHER_PROVIDERS: &str = "\
    anonymous_users apple azure bitbucket discord facebook snapchat figma fly github gitlab
    google keycloak kakao linkedin linkedin_oidc notion spotify slack slack_oidc workos twitch
    twitter zoom";

pub(crate) fn health() -> Answer {
    Answer::ok(&json!({
        "version": "",
        "name": "GoTrue",
        "description": "GoTrue is a user registration and authentication API",
    }))
}

pub(crate) fn settings(settings: &Settings) -> Answer {
    let mut external: Map<String, Value> = OTHER_PROVIDERS
        .split_whitespace()
        .map(|name| (name.to_owned(), json!(false)))
        .collect();
    external.insert("email".into(), json!(settings.email_provider));
    external.insert("phone".into(), json!(settings.phone_provider));
    Answer::ok(&json!({
        "external": external,
        "disable_signup": settings.disable_signup,
        "mailer_autoconfirm": false,
        "phone_autoconfirm": settings.sms_autoconfirm,
        "sms_provider": "",
        "saml_enabled": false,
        "saml_private_key_next_configured": true,
        "passkeys_enabled": false,
    }))
}

pub(crate) fn key_set(keys: &ProjectKeys) -> Answer {
    Answer::ok(&keys.key_set()).with(CACHE_CONTROL, "public, max-age=600")
}
