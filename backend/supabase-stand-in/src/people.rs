//! Direct access for tests to the stored users: adds, reads and changes them without a request.

use serde_json::json;
use stand_in::random;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::auth::Auth;
use crate::phone;
use crate::state::Session;
use crate::user::{Factor, Object, User, random_password};

/// A user that a test adds directly.
#[derive(Debug, Clone, Default)]
pub struct Seed {
    id: Option<Uuid>,
    phone: String,
    email: String,
    password: Option<String>,
    phone_confirmed: bool,
    identities: Vec<String>,
    factors: usize,
    app_metadata: Object,
    user_metadata: Object,
}

impl Seed {
    /// A user with this confirmed number, in any spelling that the server accepts, and a random password.
    pub fn phone(phone: &str) -> Self {
        Self {
            phone: phone::strip(phone),
            phone_confirmed: true,
            ..Self::default()
        }
    }

    pub fn email(email: &str) -> Self {
        Self::default().and_email(email)
    }

    #[must_use]
    pub fn id(mut self, id: Uuid) -> Self {
        self.id = Some(id);
        self
    }

    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Leaves the number unconfirmed, as after a sign-up that was not completed.
    #[must_use]
    pub fn unconfirmed(mut self) -> Self {
        self.phone_confirmed = false;
        self
    }

    /// Adds a confirmed e-mail address and its identity.
    #[must_use]
    pub fn and_email(mut self, email: &str) -> Self {
        email.clone_into(&mut self.email);
        self
    }

    /// Adds an identity of another provider, such as `google`.
    #[must_use]
    pub fn identity(mut self, provider: &str) -> Self {
        self.identities.push(provider.to_owned());
        self
    }

    /// Adds a verified second factor.
    #[must_use]
    pub fn factor(mut self) -> Self {
        self.factors += 1;
        self
    }

    #[must_use]
    pub fn app_metadata(mut self, key: &str, value: serde_json::Value) -> Self {
        self.app_metadata.insert(key.to_owned(), value);
        self
    }

    #[must_use]
    pub fn user_metadata(mut self, key: &str, value: serde_json::Value) -> Self {
        self.user_metadata.insert(key.to_owned(), value);
        self
    }

    fn build(self, now: OffsetDateTime) -> User {
        let mut user = User::new(self.id.unwrap_or_else(random::uuid), now);
        user.phone = self.phone;
        user.email = self.email;
        user.password = self.password.unwrap_or_else(random_password);
        user.phone_confirmed_at = self.phone_confirmed.then_some(now);
        if !user.email.is_empty() {
            user.email_confirmed_at = Some(now);
            user.add_identity("email", now);
        }
        if !user.phone.is_empty() {
            user.add_identity("phone", now);
        }
        for provider in self.identities {
            user.add_identity(&provider, now);
        }
        user.factors = (0..self.factors)
            .map(|_| Factor {
                id: random::uuid(),
                created_at: now,
            })
            .collect();
        user.app_metadata.extend(self.app_metadata);
        user.user_metadata.extend(self.user_metadata);
        user
    }
}

/// A stored user as a test reads it.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: Uuid,
    /// Digits without a plus; empty if the user has no number.
    pub phone: String,
    /// Empty if the user has no address.
    pub email: String,
    pub password: String,
    pub phone_confirmed: bool,
    pub banned: bool,
    pub deleted: bool,
    pub providers: Vec<String>,
    pub app_metadata: Object,
    pub user_metadata: Object,
    pub sessions: Vec<Uuid>,
}

impl Auth {
    pub(crate) fn seed(&self, seed: Seed) -> Uuid {
        let user = seed.build(self.now());
        let id = user.id;
        self.lock().users.push(user);
        id
    }

    /// All users, also those of a soft deletion.
    pub(crate) fn people(&self) -> Vec<Person> {
        let (state, now) = (self.lock(), self.now());
        let sessions_of = |id: Uuid| {
            let is_of_user = |session: &&Session| session.user == id;
            let sessions = state.sessions.iter().filter(is_of_user);
            sessions.map(|session| session.id).collect()
        };
        let person = |user: &User| Person {
            id: user.id,
            phone: user.phone.clone(),
            email: user.email.clone(),
            password: user.password.clone(),
            phone_confirmed: user.phone_confirmed_at.is_some(),
            banned: user.is_banned(now),
            deleted: user.deleted_at.is_some(),
            providers: user
                .identities
                .iter()
                .map(|identity| identity.provider.clone())
                .collect(),
            app_metadata: user.app_metadata.clone(),
            user_metadata: user.user_metadata.clone(),
            sessions: sessions_of(user.id),
        };
        state.users.iter().map(person).collect()
    }

    /// Changes a user directly, without ending sessions.
    pub(crate) fn change(&self, id: Uuid, change: impl FnOnce(&mut User)) {
        let mut state = self.lock();
        let user = state
            .user_mut(id)
            .expect("a test changes a user that exists");
        change(user);
    }

    /// A new access token for an existing session, with only the claims that the server requires.
    pub(crate) fn mint_access_token(&self, session: Uuid) -> String {
        let state = self.lock();
        let session = state
            .session(session)
            .expect("a test makes a token for a session that exists");
        let issued_at = self.now().unix_timestamp();
        let claims = json!({
            "iss": self.issuer(),
            "sub": session.user,
            "aud": "authenticated",
            "role": "authenticated",
            "iat": issued_at,
            "exp": issued_at.saturating_add_unsigned(self.settings.access_token_ttl.as_secs()),
            "session_id": session.id,
        });
        self.keys.sign(&self.keys.token_header(), &claims)
    }
}
