//! One file per route.

mod auth;
mod edge_unserved;
mod fallback;
mod health;
mod jwks;
mod message;
mod metrics;
mod pull;
mod refusal;
mod user;

pub(super) use auth::{
    confirm, csrf_token, delete_session, list_sessions, logout, refresh, session, start,
};
pub(super) use edge_unserved::{photo, web_socket};
pub(super) use fallback::{method_not_allowed, not_found};
pub(super) use health::{health, ready};
pub(super) use jwks::jwks;
pub(super) use message::{edge_message, message};
pub(super) use metrics::metrics;
pub(super) use pull::pull;
pub(super) use user::{
    change_profile, delete_person, delete_traits, export, messages, onboarding, profile,
    set_traits, traits,
};
