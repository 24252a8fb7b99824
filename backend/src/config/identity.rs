//! `IDENTITY` and `SUPABASE_*`: who issues people's access tokens.
//!
//! If an incomplete or lost Supabase configuration turned into local identities, each person would become another
//! person. So production must set `IDENTITY`, an incomplete set of `SUPABASE_*` variables is refused everywhere, and
//! the database remembers who issues its people's tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{Environment, Reader, parse_base_url, strength};

/// The issuer of access tokens.
#[derive(Debug)]
pub enum IdentityConfig {
    /// This backend, with keys that its database keeps.
    Local,
    Supabase(SupabaseConfig),
}

/// A Supabase project.
#[derive(Debug)]
pub struct SupabaseConfig {
    /// `https://<ref>.supabase.co`, without a path.
    pub url: Url,
    /// Issuer of its access tokens: `SUPABASE_ISSUER`, or else the URL and `/auth/v1`.
    pub issuer: String,
    /// Anonymous or publishable key, for calls on behalf of a user.
    pub anon_key: ApiKey,
    /// Service-role or secret key.
    pub service_key: ApiKey,
    /// The keys that the passwords of accounts derive from, newest first.
    pub password_keys: Vec<SecretString>,
    /// In production, the backend refuses every sign-in until it has read the project's own settings.
    pub environment: Environment,
}

/// An API key of a Supabase project, in the old or the new format.
#[derive(Clone, Debug)]
pub enum ApiKey {
    /// A JWT. It is sent in the header `apikey` and, as a bearer token, in `Authorization`.
    Legacy(SecretString),
    /// `sb_…`. It is sent in the header `apikey` alone.
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

    /// The secret text of the key.
    pub fn expose(&self) -> &str {
        match self {
            Self::Legacy(key) | Self::Opaque(key) => key.expose_secret(),
        }
    }
}

const MIN_PASSWORD_KEY_CHARS: usize = 32;
const URL: &str = "SUPABASE_URL";
const ISSUER: &str = "SUPABASE_ISSUER";
const ANON_KEY: &str = "SUPABASE_ANON_KEY";
const SERVICE_KEY: &str = "SUPABASE_SERVICE_KEY";
const PASSWORD_KEYS: &str = "SUPABASE_PASSWORD_KEYS";

impl IdentityConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let keys = [URL, ISSUER, ANON_KEY, SERVICE_KEY, PASSWORD_KEYS];
        let has_supabase = keys.iter().any(|key| reader.is_set(key));
        let is_supabase = match reader.required("IDENTITY") {
            Some("supabase") => true,
            Some("local") => {
                if has_supabase {
                    reader.refuse(
                        "IDENTITY",
                        "is local, but SUPABASE_* variables are set; unset them, or set it to supabase",
                    );
                }
                false
            }
            Some(_) => {
                reader.refuse_invalid("IDENTITY");
                false
            }
            None => has_supabase,
        };
        let project = is_supabase.then(|| SupabaseConfig::read(reader));
        project.flatten().map_or(Self::Local, Self::Supabase)
    }
}

impl SupabaseConfig {
    fn read(reader: &mut Reader) -> Option<Self> {
        let environment = reader.environment;
        reader.required(URL);
        let anon_key = reader.required(ANON_KEY);
        let service_key = reader.required(SERVICE_KEY);
        reader.required(PASSWORD_KEYS);
        let url = reader.optional(URL, |text| parse_base_url(text, environment));
        let password_keys = read_password_keys(reader);
        if service_key.is_some() && anon_key == service_key {
            reader.refuse(
                SERVICE_KEY,
                "is the same as SUPABASE_ANON_KEY; use the service_role or secret key",
            );
        }
        let reference = url.as_ref().and_then(project_reference);
        for (key, text, role) in [
            (ANON_KEY, anon_key, KeyRole::Anonymous),
            (SERVICE_KEY, service_key, KeyRole::Service),
        ] {
            if let Some(fault) = text.and_then(|text| role.fault(text, reference)) {
                reader.refuse(key, fault);
            }
        }
        let url = url?;
        let issuer = reader.get(ISSUER).map(|text| text.trim_end_matches('/'));
        Some(Self {
            issuer: issuer.map_or_else(|| issuer_of(&url), str::to_owned),
            url,
            anon_key: ApiKey::parse(anon_key?),
            service_key: ApiKey::parse(service_key?),
            password_keys: password_keys?,
            environment,
        })
    }
}

fn read_password_keys(reader: &mut Reader) -> Option<Vec<SecretString>> {
    // Only the newest key must be strong. An older one has to stay for the accounts whose passwords derive from it.
    let newest = reader.list(PASSWORD_KEYS).take(1);
    strength::check_keys(PASSWORD_KEYS, newest, reader);
    let is_short = |key: &str| key.chars().count() < MIN_PASSWORD_KEY_CHARS;
    if let Some(index) = reader.list(PASSWORD_KEYS).position(is_short) {
        let message = format!(
            "entry {} is shorter than {MIN_PASSWORD_KEY_CHARS} characters; make one with `openssl rand -hex 32`",
            index + 1
        );
        reader.refuse(PASSWORD_KEYS, message);
        return None;
    }
    Some(reader.list(PASSWORD_KEYS).map(SecretString::from).collect())
}

/// The issuer in the tokens of a project without a custom domain.
pub(super) fn issuer_of(url: &Url) -> String {
    format!("{}/auth/v1", url.as_str().trim_end_matches('/'))
}

/// The purpose of a project's key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyRole {
    Anonymous,
    Service,
}

impl KeyRole {
    /// The `role` claim of a legacy key with this role.
    const fn claim(self) -> &'static str {
        match self {
            Self::Anonymous => "anon",
            Self::Service => "service_role",
        }
    }

    /// Why `key` cannot have this role in the project `reference`, as far as the key itself shows.
    pub(super) fn fault(self, key: &str, reference: Option<&str>) -> Option<String> {
        let wrong_role = match self {
            Self::Anonymous => {
                "is a service key, which must never reach a browser; use the anon or publishable key"
            }
            Self::Service => "is the anon or publishable key; use the service_role or secret key",
        };
        if key.starts_with("sb_secret_") || key.starts_with("sb_publishable_") {
            let is_secret = key.starts_with("sb_secret_");
            return (is_secret != (self == Self::Service)).then(|| wrong_role.to_owned());
        }
        let claims = claims_of(key)?;
        match claims.role.as_deref() {
            Some(role) if role == self.claim() => {}
            Some("anon" | "service_role") => return Some(wrong_role.to_owned()),
            Some(_) => {
                return Some("is the token of a person, not a key of the project".to_owned());
            }
            None => {}
        }
        match (claims.reference, reference) {
            (Some(of_key), Some(of_url)) if of_key != of_url => Some(format!(
                "is a key of the project {of_key}, but SUPABASE_URL names {of_url}"
            )),
            _ => None,
        }
    }
}

/// The claims of a legacy key that show its role and its project.
#[derive(serde::Deserialize)]
struct KeyClaims {
    role: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
}

/// The claims of a legacy key; `None` if `key` is no JWT with such claims. The key's signature is not verified here,
/// because the project verifies it.
fn claims_of(key: &str) -> Option<KeyClaims> {
    let mut parts = key.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// The project reference in a URL under `supabase.co`; `None` for another domain.
pub(super) fn project_reference(url: &Url) -> Option<&str> {
    url.host_str()?.strip_suffix(".supabase.co")
}
