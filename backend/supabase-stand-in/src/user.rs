//! A stored user, and its JSON in answers.

use serde_json::{Map, Value, json};
use stand_in::random;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// Length of the random password of a user who is created without a password.
const RANDOM_PASSWORD_LEN: usize = 64;

pub(crate) type Object = Map<String, Value>;

/// Maximum length of the database's columns for phone numbers.
pub(crate) const PHONE_COLUMN_LEN: usize = 15;

/// A row of `auth.users` with its identities and second factors.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_field_names,
    reason = "fields are named as in the real server's JSON"
)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    /// Empty if the user has no e-mail address.
    pub(crate) email: String,
    /// Digits; empty if the user has no number.
    pub(crate) phone: String,
    /// Not hashed. [`Settings::grant_delay`](crate::Settings::grant_delay) imitates the time that the real server
    /// spends on hashing.
    pub(crate) password: String,
    pub(crate) email_confirmed_at: Option<OffsetDateTime>,
    pub(crate) phone_confirmed_at: Option<OffsetDateTime>,
    pub(crate) confirmation_sent_at: Option<OffsetDateTime>,
    pub(crate) recovery_sent_at: Option<OffsetDateTime>,
    pub(crate) last_sign_in_at: Option<OffsetDateTime>,
    pub(crate) banned_until: Option<OffsetDateTime>,
    pub(crate) deleted_at: Option<OffsetDateTime>,
    pub(crate) app_metadata: Object,
    pub(crate) user_metadata: Object,
    pub(crate) identities: Vec<Identity>,
    pub(crate) factors: Vec<Factor>,
    /// Hash of the last link that `generate_link` made; a new link replaces it.
    pub(crate) link_hash: Option<String>,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) updated_at: OffsetDateTime,
}

#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) id: Uuid,
    pub(crate) provider: String,
    pub(crate) provider_id: String,
    /// `None` after a soft deletion.
    pub(crate) data: Option<Object>,
    pub(crate) created_at: OffsetDateTime,
}

/// A verified second factor.
#[derive(Debug, Clone)]
pub(crate) struct Factor {
    pub(crate) id: Uuid,
    pub(crate) created_at: OffsetDateTime,
}

/// Which state of a user an answer shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum UserView {
    /// The stored state.
    Stored,
    /// The state in the answer to a creation or a change by an admin: the real server does not read the row again, so
    /// the column `confirmed_at`, which the database generates, still has its old value.
    Changed {
        confirmed_before: Option<OffsetDateTime>,
    },
    /// The state in a list of users, which has no identities.
    Listed,
}

impl User {
    pub(crate) fn new(id: Uuid, now: OffsetDateTime) -> Self {
        Self {
            id,
            email: String::new(),
            phone: String::new(),
            password: String::new(),
            email_confirmed_at: None,
            phone_confirmed_at: None,
            confirmation_sent_at: None,
            recovery_sent_at: None,
            last_sign_in_at: None,
            banned_until: None,
            deleted_at: None,
            app_metadata: Object::new(),
            user_metadata: Object::new(),
            identities: Vec::new(),
            factors: Vec::new(),
            link_hash: None,
            created_at: now,
            updated_at: now,
        }
    }

    pub(crate) fn identity_mut(&mut self, provider: &str) -> Option<&mut Identity> {
        let mut identities = self.identities.iter_mut();
        identities.find(|identity| identity.provider == provider)
    }

    /// Adds an identity, and its provider to the metadata. The first provider becomes the main provider.
    pub(crate) fn add_identity(&mut self, provider: &str, now: OffsetDateTime) {
        let mut data = Object::new();
        data.insert("sub".into(), json!(self.id));
        data.insert("email_verified".into(), json!(false));
        data.insert("phone_verified".into(), json!(false));
        match provider {
            "phone" => data.insert("phone".into(), json!(self.phone)),
            _ => data.insert("email".into(), json!(self.email)),
        };
        self.identities.push(Identity {
            id: random::uuid(),
            provider: provider.to_owned(),
            provider_id: self.id.to_string(),
            data: Some(data),
            created_at: now,
        });
        let providers: Vec<&str> = self
            .identities
            .iter()
            .map(|identity| identity.provider.as_str())
            .collect();
        let (first, providers) = (json!(providers[0]), json!(providers));
        self.app_metadata.insert("provider".into(), first);
        self.app_metadata.insert("providers".into(), providers);
    }

    /// The generated column `confirmed_at`: the earlier of the two confirmations.
    pub(crate) fn confirmed_at(&self) -> Option<OffsetDateTime> {
        match (self.email_confirmed_at, self.phone_confirmed_at) {
            (Some(email), Some(phone)) => Some(email.min(phone)),
            (email, phone) => email.or(phone),
        }
    }

    pub(crate) fn is_banned(&self, now: OffsetDateTime) -> bool {
        self.banned_until.is_some_and(|until| now < until)
    }

    pub(crate) fn to_json(&self, view: UserView) -> Value {
        let confirmed_at = match view {
            UserView::Stored | UserView::Listed => self.confirmed_at(),
            UserView::Changed { confirmed_before } => confirmed_before,
        };
        let identities = match view {
            UserView::Listed => Value::Null,
            UserView::Stored | UserView::Changed { .. } => {
                let identities = self.identities.iter();
                identities
                    .map(|identity| identity.to_json(self.id))
                    .collect()
            }
        };
        let mut user = json!({
            "id": self.id,
            "aud": "authenticated",
            "role": "authenticated",
            "email": self.email,
            "phone": self.phone,
            "app_metadata": self.app_metadata,
            "user_metadata": self.user_metadata,
            "identities": identities,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
            "is_anonymous": false,
        });
        for (name, time) in [
            ("email_confirmed_at", self.email_confirmed_at),
            ("phone_confirmed_at", self.phone_confirmed_at),
            ("confirmation_sent_at", self.confirmation_sent_at),
            ("confirmed_at", confirmed_at),
            ("recovery_sent_at", self.recovery_sent_at),
            ("last_sign_in_at", self.last_sign_in_at),
            ("banned_until", self.banned_until),
            ("deleted_at", self.deleted_at),
        ] {
            if let Some(time) = time {
                user[name] = json!(rfc3339(time));
            }
        }
        if self.deleted_at.is_some() {
            // For a deleted user the real server shows hashes as new number and address, even if no change of
            // them is pending.
            let hash = crate::keys::sha256_base64(&self.id.to_string());
            user["new_phone"] = json!(hash[..PHONE_COLUMN_LEN]);
            user["new_email"] = json!(hash);
        }
        if !self.factors.is_empty() {
            user["factors"] = self.factors.iter().map(Factor::to_json).collect();
        }
        user
    }
}

impl Identity {
    fn to_json(&self, user: Uuid) -> Value {
        let mut identity = json!({
            "identity_id": self.id,
            "id": self.provider_id,
            "user_id": user,
            "provider": self.provider,
            "last_sign_in_at": rfc3339(self.created_at),
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.created_at),
        });
        if let Some(data) = &self.data {
            identity["identity_data"] = json!(data);
            if let Some(email) = data.get("email") {
                identity["email"] = email.clone();
            }
        }
        identity
    }
}

impl Factor {
    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.created_at),
            "status": "verified",
            "factor_type": "totp",
        })
    }
}

/// The password of a user who is created without one.
pub(crate) fn random_password() -> String {
    random::digits(RANDOM_PASSWORD_LEN)
}

pub(crate) fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&Rfc3339)
        .expect("a time of this century can be written")
}

/// Merges metadata: each top-level key is replaced, and `null` removes it.
pub(crate) fn merge(into: &mut Object, changes: Option<&Object>) {
    for (key, value) in changes.into_iter().flatten() {
        if value.is_null() {
            into.remove(key);
        } else {
            into.insert(key.clone(), value.clone());
        }
    }
}
