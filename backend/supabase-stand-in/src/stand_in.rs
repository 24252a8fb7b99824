//! The interface for tests: addresses, keys, clock, faults, and direct access to users and sessions.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use stand_in::{Clock, Faults, Requests, Server};
use uuid::Uuid;

use crate::auth::Auth;
use crate::people::{Person, Seed};
use crate::settings::Settings;
use crate::state::SessionSet;

/// A running stand-in. It stops when this is dropped.
#[derive(Debug)]
pub struct StandIn {
    auth: Arc<Auth>,
    server: Server,
}

impl StandIn {
    pub async fn start(settings: Settings) -> std::io::Result<Self> {
        let (server, auth) = Server::start(settings.port, |url| Auth::new(settings, url)).await?;
        Ok(Self { auth, server })
    }

    /// The URL of the bare server, with paths such as `/token`. No slash at the end.
    pub fn url(&self) -> String {
        self.server.url.clone()
    }

    /// The value for `SUPABASE_URL`, to which clients append `/auth/v1`. It is the same address as [`url`](Self::url).
    pub fn hosted_url(&self) -> String {
        self.server.url.clone()
    }

    pub fn issuer(&self) -> String {
        self.auth.issuer()
    }

    pub fn service_key(&self) -> &str {
        &self.auth.keys.legacy_service_key
    }

    pub fn anon_key(&self) -> &str {
        &self.auth.keys.legacy_anon_key
    }

    /// The service key of the new kind, `sb_secret_…`. Only the gateway accepts it, not the bare server.
    pub fn secret_key(&self) -> &str {
        &self.auth.keys.secret_key
    }

    /// The anon key of the new kind, `sb_publishable_…`.
    pub fn publishable_key(&self) -> &str {
        &self.auth.keys.publishable_key
    }

    pub fn kid(&self) -> &str {
        &self.auth.keys.kid
    }

    /// Signs any claims with the project's key for the header's `alg`: `HS256`, `ES256` or `none`.
    pub fn mint(&self, header: &Value, claims: &Value) -> String {
        self.auth.keys.sign(header, claims)
    }

    /// A new access token for a session, with only the claims that the server requires.
    pub fn access_token(&self, session: Uuid) -> String {
        self.auth.mint_access_token(session)
    }

    pub fn clock(&self) -> &Clock {
        &self.auth.clock
    }

    pub fn requests(&self) -> &Requests {
        &self.server.requests
    }

    /// Schedules faults for the next requests. The module [`faults`](crate::faults) has faults of Supabase Auth.
    pub fn faults(&self) -> &Faults {
        &self.server.faults
    }

    /// Adds a user and returns the id.
    pub fn seed(&self, seed: Seed) -> Uuid {
        self.auth.seed(seed)
    }

    pub fn people(&self) -> Vec<Person> {
        self.auth.people()
    }

    pub fn person(&self, id: Uuid) -> Option<Person> {
        self.people().into_iter().find(|person| person.id == id)
    }

    /// The users with this number, given with or without a plus. More than one is a bug of the stand-in.
    pub fn people_by_phone(&self, phone: &str) -> Vec<Person> {
        let phone = crate::phone::strip(phone);
        let mut people = self.people();
        people.retain(|person| person.phone == phone);
        people
    }

    pub fn person_by_phone(&self, phone: &str) -> Option<Person> {
        self.people_by_phone(phone).into_iter().next()
    }

    pub fn session_count(&self, user: Uuid) -> usize {
        self.person(user).map_or(0, |person| person.sessions.len())
    }

    /// Bans a user from now on. The sessions stay, as on the real server.
    pub fn ban(&self, user: Uuid, duration: Duration) {
        let until = self.auth.now() + duration;
        self.auth
            .change(user, |user| user.banned_until = Some(until));
    }

    pub fn unban(&self, user: Uuid) {
        self.auth.change(user, |user| user.banned_until = None);
    }

    /// Changes a password without ending the sessions.
    pub fn set_password(&self, user: Uuid, password: &str) {
        self.auth
            .change(user, |user| password.clone_into(&mut user.password));
    }

    pub fn unconfirm_phone(&self, user: Uuid) {
        self.auth
            .change(user, |user| user.phone_confirmed_at = None);
    }

    pub fn delete(&self, user: Uuid) {
        self.auth.lock().delete_user(user);
    }

    /// Deletes all sessions of a user, as a global sign-out does.
    pub fn end_sessions(&self, user: Uuid) {
        self.auth.lock().end_sessions(user, SessionSet::All);
    }

    /// Expires a session: a refresh answers `session_expired`.
    pub fn expire_session(&self, session: Uuid) {
        if let Some(session) = self.auth.lock().session_mut(session) {
            session.expired = true;
        }
    }
}
