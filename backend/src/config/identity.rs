//! `IDENTITY` and what belongs to it: who issues people's access tokens.
//!
//! A half-set or vanished Supabase configuration must not turn into local identities: everybody would
//! be another person from then on. So the choice is explicit in production, a single `SUPABASE_*`
//! variable without the others is refused everywhere, and the store remembers whom it is bound to.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{Environment, Problems, Variables, strength};

/// Who issues access tokens.
#[derive(Debug)]
pub enum IdentityConfig {
    /// This backend, with keys that its database keeps.
    Local,
    /// A Supabase project.
    Supabase(SupabaseConfig),
}

/// A Supabase project.
#[derive(Debug)]
pub struct SupabaseConfig {
    /// `https://<ref>.supabase.co`, without a path.
    pub url: Url,
    /// Issuer of its access tokens: the URL and `/auth/v1`, unless `SUPABASE_ISSUER` says otherwise.
    pub issuer: String,
    /// Anonymous or publishable key, for calls on behalf of a user.
    pub anon_key: ApiKey,
    /// Service-role or secret key.
    pub service_key: ApiKey,
    /// What passwords derive from, newest first.
    pub password_keys: Vec<SecretString>,
    /// Where we run: production refuses every sign-in before the project's own settings are known.
    pub environment: Environment,
}

/// A key of a Supabase project, of either kind.
#[derive(Clone)]
pub enum ApiKey {
    /// A JWT: goes into `apikey` and, as a bearer token, into `Authorization`.
    Legacy(SecretString),
    /// `sb_…`: goes into `apikey` alone.
    Opaque(SecretString),
}

impl ApiKey {
    pub(super) fn parse(text: &str) -> Self {
        if text.starts_with("sb_") {
            Self::Opaque(text.into())
        } else {
            Self::Legacy(text.into())
        }
    }

    /// The key itself.
    pub fn expose(&self) -> &str {
        match self {
            Self::Legacy(key) | Self::Opaque(key) => key.expose_secret(),
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Legacy(_) => "Legacy(…)",
            Self::Opaque(_) => "Opaque(…)",
        })
    }
}

const MIN_PASSWORD_KEY_CHARS: usize = 32;
const SUPABASE_KEYS: [&str; 5] = [
    "SUPABASE_URL",
    "SUPABASE_ISSUER",
    "SUPABASE_ANON_KEY",
    "SUPABASE_SERVICE_KEY",
    "SUPABASE_PASSWORD_KEYS",
];

impl IdentityConfig {
    pub(super) fn read(
        variables: &Variables,
        environment: Environment,
        found: &mut Problems,
        warnings: &mut Problems,
    ) -> Self {
        let any_set = SUPABASE_KEYS.iter().any(|key| variables.get(key).is_some());
        let chosen = match (variables.get("IDENTITY"), environment) {
            (Some("local"), _) => {
                if any_set {
                    found.push(
                        "IDENTITY",
                        "is local, but SUPABASE_* variables are set; unset them, or set it to supabase",
                    );
                }
                return Self::Local;
            }
            (Some("supabase"), _) => true,
            (Some(_), _) => {
                found.push("IDENTITY", "must be supabase or local");
                false
            }
            (None, Environment::Production) => {
                found.push(
                    "IDENTITY",
                    "is not set; set it to supabase, or to local for tokens of this backend's own",
                );
                any_set
            }
            (None, Environment::Development) => any_set,
        };
        if chosen {
            let read = SupabaseConfig::read(variables, environment, found, warnings);
            read.map_or(Self::Local, Self::Supabase)
        } else {
            Self::Local
        }
    }
}

impl SupabaseConfig {
    fn read(
        variables: &Variables,
        environment: Environment,
        found: &mut Problems,
        warnings: &mut Problems,
    ) -> Option<Self> {
        let mut required = |key: &'static str, hint: &str| {
            let value = variables.get(key);
            if value.is_none() {
                found.push(key, format!("is not set; {hint}"));
            }
            value
        };
        let url = required(
            "SUPABASE_URL",
            "copy it from the project's settings, such as https://abc.supabase.co",
        );
        let anon_key = required(
            "SUPABASE_ANON_KEY",
            "copy the anon or publishable key from the project's API settings",
        );
        let service_key = required(
            "SUPABASE_SERVICE_KEY",
            "copy the service_role or secret key from the project's API settings",
        );
        let password_keys = required(
            "SUPABASE_PASSWORD_KEYS",
            "make one with `openssl rand -hex 32` and keep it: people's accounts hang on it",
        );
        let url = url.and_then(|text| {
            let url = parse_url(text, environment);
            if url.is_none() {
                found.push(
                    "SUPABASE_URL",
                    "must be a URL without a path, such as https://abc.supabase.co (http on this machine only)",
                );
            }
            url
        });
        // Accounts may still hang on an older one, which is used for nothing new.
        let newest = variables.list("SUPABASE_PASSWORD_KEYS").take(1);
        strength::check_keys(
            "SUPABASE_PASSWORD_KEYS",
            newest,
            environment,
            found,
            warnings,
        );
        let password_keys = password_keys.and_then(|list| {
            let keys: Vec<&str> = list.split(',').map(str::trim).collect();
            let weak = keys.iter().position(|key| key.chars().count() < MIN_PASSWORD_KEY_CHARS);
            if let Some(index) = weak {
                let message = format!(
                    "entry {} is shorter than {MIN_PASSWORD_KEY_CHARS} characters; make one with `openssl rand -hex 32`",
                    index + 1
                );
                found.push("SUPABASE_PASSWORD_KEYS", message);
            }
            weak.is_none().then(|| keys.into_iter().map(SecretString::from).collect())
        });
        if let (Some(anon), Some(service)) = (anon_key, service_key)
            && anon == service
        {
            found.push(
                "SUPABASE_SERVICE_KEY",
                "is the same as SUPABASE_ANON_KEY; use the service_role or secret key",
            );
        }
        let reference = url.as_ref().and_then(project_reference);
        for (key, text, kind) in [
            ("SUPABASE_ANON_KEY", anon_key, KeyKind::Anonymous),
            ("SUPABASE_SERVICE_KEY", service_key, KeyKind::Service),
        ] {
            if let Some(fault) = text.and_then(|text| kind.fault(text, reference)) {
                found.push(key, fault);
            }
        }
        let url = url?;
        let issuer = variables.get("SUPABASE_ISSUER").map_or_else(
            || format!("{}/auth/v1", url.as_str().trim_end_matches('/')),
            |issuer| issuer.trim_end_matches('/').to_owned(),
        );
        Some(Self {
            issuer,
            url,
            anon_key: ApiKey::parse(anon_key?),
            service_key: ApiKey::parse(service_key?),
            password_keys: password_keys?,
            environment,
        })
    }
}

/// What a key of a project is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    Anonymous,
    Service,
}

impl KeyKind {
    const fn role(self) -> &'static str {
        match self {
            Self::Anonymous => "anon",
            Self::Service => "service_role",
        }
    }

    /// Why `key` cannot be one of this kind and of the project `reference`, as far as it tells.
    pub(super) fn fault(self, key: &str, reference: Option<&str>) -> Option<String> {
        let other_kind = match self {
            Self::Anonymous => {
                "is a service key, which must never reach a browser; use the anon or publishable key"
            }
            Self::Service => "is the anon or publishable key; use the service_role or secret key",
        };
        if key.starts_with("sb_secret_") || key.starts_with("sb_publishable_") {
            let is_secret = key.starts_with("sb_secret_");
            return (is_secret != (self == Self::Service)).then(|| other_kind.to_owned());
        }
        let claims = claims_of(key)?;
        if claims.role.is_some_and(|role| role != self.role()) {
            return Some(other_kind.to_owned());
        }
        match (claims.reference, reference) {
            (Some(of_key), Some(of_url)) if of_key != of_url => Some(format!(
                "is a key of the project {of_key}, but SUPABASE_URL names {of_url}"
            )),
            _ => None,
        }
    }
}

#[derive(serde::Deserialize)]
struct KeyClaims {
    role: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
}

/// What a legacy key says of itself. It is not verified: the project does that.
fn claims_of(key: &str) -> Option<KeyClaims> {
    let mut parts = key.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// The project that a URL of Supabase's own names; none under another domain.
pub(super) fn project_reference(url: &Url) -> Option<&str> {
    url.host_str()?.strip_suffix(".supabase.co")
}

/// Keys and passwords travel to it: encrypted, or not further than this machine.
pub(super) fn parse_url(text: &str, environment: Environment) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let is_near = super::is_loopback(&url) && environment == Environment::Development;
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_near);
    (is_bare && is_safe && url.has_host()).then_some(url)
}
