//! The stand-in as a test holds it: addresses, keys, clock, faults, and a look behind the scenes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use stand_in::{Clock, Faults, Requests, Server};
use uuid::Uuid;

use crate::auth::Auth;
use crate::people::{Person, Seed};
use crate::settings::Settings;
use crate::state::Ending;

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

    /// The bare server, where `/token` and `/admin/users` are. No slash at the end.
    pub fn url(&self) -> String {
        self.server.url.clone()
    }

    /// What `SUPABASE_URL` would be: clients append `/auth/v1` and send an `apikey`.
    pub fn hosted_url(&self) -> String {
        self.server.url.clone()
    }

    pub fn issuer(&self) -> String {
        self.auth.issuer()
    }

    pub fn service_key(&self) -> &str {
        &self.auth.keys.service
    }

    pub fn anon_key(&self) -> &str {
        &self.auth.keys.anon
    }

    /// The new kind of service key, `sb_secret_…`. The gateway knows it, the bare server does not.
    pub fn secret_key(&self) -> &str {
        &self.auth.keys.secret_key
    }

    /// The new kind of anon key, `sb_publishable_…`.
    pub fn publishable_key(&self) -> &str {
        &self.auth.keys.publishable
    }

    pub fn kid(&self) -> &str {
        &self.auth.keys.kid
    }

    /// Signs any token with the project's keys, by the header's `alg`: `HS256`, `ES256` or `none`.
    pub fn mint(&self, header: &Value, claims: &Value) -> String {
        self.auth.keys.sign(header, claims)
    }

    /// A fresh access token for a session, of the fewest claims that are accepted.
    pub fn access_token(&self, session: Uuid) -> String {
        self.auth.mint_for(session)
    }

    pub fn clock(&self) -> &Clock {
        &self.auth.clock
    }

    pub fn requests(&self) -> &Requests {
        &self.server.requests
    }

    /// Faults for the next requests; see also [`faults`](crate::faults).
    pub fn faults(&self) -> &Faults {
        &self.server.faults
    }

    pub fn seed(&self, seed: Seed) -> Uuid {
        self.auth.seed(seed)
    }

    pub fn people(&self) -> Vec<Person> {
        self.auth.people()
    }

    pub fn person(&self, id: Uuid) -> Option<Person> {
        self.people().into_iter().find(|person| person.id == id)
    }

    /// The users with this number, with or without plus. More than one would be a bug of the stand-in.
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

    /// Bans a user from now on. Sessions stay, as with the real server.
    pub fn ban(&self, user: Uuid, duration: Duration) {
        let until = self.auth.now() + duration;
        self.auth
            .change(user, |user| user.banned_until = Some(until));
    }

    pub fn unban(&self, user: Uuid) {
        self.auth.change(user, |user| user.banned_until = None);
    }

    /// Changes a password and nothing else: the sessions stay.
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

    /// Deletes the sessions of a user, as a sign-out elsewhere does.
    pub fn end_sessions(&self, user: Uuid) {
        self.auth.lock().end_sessions(user, Ending::All);
    }

    /// Lets the time box of a session run out: refreshing it gives `session_expired`.
    pub fn expire_session(&self, session: Uuid) {
        if let Some(session) = self.auth.lock().session_mut(session) {
            session.expired = true;
        }
    }
}
