//! An account as Supabase shows it, and whether it may become one of ours.
//!
//! A number that we have verified does not make the account behind it ours: anybody with the project's
//! public key may have signed up with it, or an owner of another app may have linked it. Only what
//! nobody else can have a way into is taken over.

use serde::Deserialize;
use serde::de::IgnoredAny;
use uuid::Uuid;

use crate::phone::Phone;

/// What counts of a user object. Its metadata is written by the person, so it is not even read.
#[derive(Debug, Deserialize)]
pub(super) struct UserRecord {
    pub(super) id: Uuid,
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    phone_confirmed_at: Option<String>,
    #[serde(default)]
    last_sign_in_at: Option<String>,
    #[serde(default)]
    identities: Option<Vec<Identity>>,
    #[serde(default)]
    factors: Option<Vec<IgnoredAny>>,
    #[serde(default)]
    is_anonymous: Option<bool>,
    #[serde(default)]
    is_sso_user: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Identity {
    provider: String,
}

/// What may be done with an account that holds our number and is not known as ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adoption {
    Adopt,
    /// Nobody ever proved the number or signed in: delete it and make our own.
    Replace,
    /// Leave it alone, let nobody in by it, tell the owner.
    Refuse,
}

impl UserRecord {
    pub(super) fn has(&self, phone: &Phone) -> bool {
        self.phone.as_deref() == Some(phone.digits())
    }

    pub(super) fn adoption(&self, phone: &Phone) -> Adoption {
        let empty = |text: &Option<String>| text.as_deref().unwrap_or_default().is_empty();
        let identities = self.identities.as_deref().unwrap_or_default();
        let is_person = matches!(self.role.as_deref(), None | Some("" | "authenticated"))
            && self.is_anonymous != Some(true)
            && self.is_sso_user != Some(true);
        let is_phone_only = empty(&self.email)
            && identities
                .iter()
                .all(|identity| identity.provider == "phone")
            && self.factors.as_deref().unwrap_or_default().is_empty();
        if !(self.has(phone) && is_person && is_phone_only) {
            Adoption::Refuse
        } else if empty(&self.phone_confirmed_at) && empty(&self.last_sign_in_at) {
            Adoption::Replace
        } else {
            Adoption::Adopt
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn adoption(change: impl FnOnce(&mut Value)) -> Adoption {
        let mut user = json!({
            "id": "00000000-0000-4000-8000-000000000001", "aud": "authenticated", "role": "authenticated",
            "email": "", "phone": "15550100118", "phone_confirmed_at": "2026-01-01T00:00:00Z",
            "identities": [{"provider": "phone", "last_sign_in_at": "2026-01-01T00:00:00Z"}],
            "app_metadata": {"provider": "phone"}, "user_metadata": {"phone": "15550100119"},
        });
        change(&mut user);
        let user: UserRecord = serde_json::from_value(user).expect("a user object");
        user.adoption(&Phone::parse("+15550100118").expect("a phone"))
    }

    #[test]
    fn only_what_nobody_else_has_a_way_into_is_taken_over() {
        use Adoption::{Adopt, Refuse, Replace};
        assert_eq!(adoption(|_| ()), Adopt);
        assert_eq!(
            adoption(|user| user["last_sign_in_at"] = json!("2026-01-02T00:00:00Z")),
            Adopt
        );
        assert_eq!(adoption(|user| user["identities"] = Value::Null), Adopt);
        let unconfirmed = |user: &mut Value| user["phone_confirmed_at"] = Value::Null;
        assert_eq!(adoption(unconfirmed), Replace);
        for (key, value) in [
            ("phone", json!("15550100119")),
            ("phone", json!("+15550100118")),
            ("phone", Value::Null),
            ("email", json!("a@example.com")),
            ("role", json!("service_role")),
            (
                "identities",
                json!([{"provider": "phone"}, {"provider": "google"}]),
            ),
            ("factors", json!([{"id": "f"}])),
            ("is_anonymous", json!(true)),
            ("is_sso_user", json!(true)),
        ] {
            assert_eq!(adoption(|user| user[key] = value.clone()), Refuse, "{key}");
            let both = |user: &mut Value| {
                unconfirmed(user);
                user[key] = value.clone();
            };
            assert_eq!(adoption(both), Refuse, "{key}, unconfirmed");
        }
    }
}
