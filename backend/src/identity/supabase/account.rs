//! An account at Supabase, and the decision whether the backend may take it over.
//!
//! A verified number does not prove that the person owns the account with this number: a stranger with the
//! project's public key may have signed up with the number, or another app may have added an e-mail address or a
//! Google account. So an account is taken over only if its number is the only way to sign in.

use serde::Deserialize;
use serde::de::IgnoredAny;
use uuid::Uuid;

use crate::phone::Phone;

/// The used fields of a user object. Metadata is not read, because people can write it themselves.
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
    identities: Option<Vec<LinkedIdentity>>,
    #[serde(default)]
    factors: Option<Vec<IgnoredAny>>,
    #[serde(default)]
    is_anonymous: Option<bool>,
    #[serde(default)]
    is_sso_user: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct LinkedIdentity {
    provider: String,
}

/// What to do with an account that has the person's number, if they have not signed in to it through this backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AdoptionDecision {
    /// Take it over, with a new password.
    Adopt,
    /// Delete it and create another: its number was never confirmed, and it was never used to sign in.
    Replace,
    /// Leave it alone, refuse the sign-in, and log an alert.
    Refuse,
}

impl UserRecord {
    pub(super) fn has_phone(&self, phone: &Phone) -> bool {
        self.phone.as_deref() == Some(phone.digits())
    }

    pub(super) fn decide_adoption(&self, phone: &Phone) -> AdoptionDecision {
        let is_empty = |text: &Option<String>| text.as_deref().unwrap_or_default().is_empty();
        let identities = self.identities.as_deref().unwrap_or_default();
        let is_person = matches!(self.role.as_deref(), None | Some("" | "authenticated"))
            && self.is_anonymous != Some(true)
            && self.is_sso_user != Some(true);
        let is_phone_only = is_empty(&self.email)
            && identities
                .iter()
                .all(|identity| identity.provider == "phone")
            && self.factors.as_deref().unwrap_or_default().is_empty();
        if !(self.has_phone(phone) && is_person && is_phone_only) {
            AdoptionDecision::Refuse
        } else if is_empty(&self.phone_confirmed_at) && is_empty(&self.last_sign_in_at) {
            AdoptionDecision::Replace
        } else {
            AdoptionDecision::Adopt
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn decision(change: impl FnOnce(&mut Value)) -> AdoptionDecision {
        let mut user = json!({
            "id": "00000000-0000-4000-8000-000000000001", "aud": "authenticated", "role": "authenticated",
            "email": "", "phone": "15550100118", "phone_confirmed_at": "2026-01-01T00:00:00Z",
            "identities": [{"provider": "phone", "last_sign_in_at": "2026-01-01T00:00:00Z"}],
            "app_metadata": {"provider": "phone"}, "user_metadata": {"phone": "15550100119"},
        });
        change(&mut user);
        let user: UserRecord = serde_json::from_value(user).expect("a user object");
        user.decide_adoption(&Phone::parse("+15550100118").expect("a phone"))
    }

    #[test]
    fn only_an_account_without_another_way_to_sign_in_is_taken_over() {
        use AdoptionDecision::{Adopt, Refuse, Replace};
        assert_eq!(decision(|_| ()), Adopt);
        assert_eq!(
            decision(|user| user["last_sign_in_at"] = json!("2026-01-02T00:00:00Z")),
            Adopt
        );
        assert_eq!(decision(|user| user["identities"] = Value::Null), Adopt);
        let unconfirmed = |user: &mut Value| user["phone_confirmed_at"] = Value::Null;
        assert_eq!(decision(unconfirmed), Replace);
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
            assert_eq!(decision(|user| user[key] = value.clone()), Refuse, "{key}");
            let also_unconfirmed = |user: &mut Value| {
                unconfirmed(user);
                user[key] = value.clone();
            };
            assert_eq!(decision(also_unconfirmed), Refuse, "{key}, unconfirmed");
        }
    }
}
