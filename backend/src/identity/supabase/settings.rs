//! What the project's own settings mean for us, asked at start and until they are known.
//!
//! A setting that opens a side door is a reason not to start; a project that does not answer is none,
//! for it would take the whole product down with it. But nobody is signed in by it in production until
//! its settings were seen and open no side door: that it did not answer proves nothing.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::SupabaseIdentity;
use super::call_error::CallError;
use super::client::{Client, UpstreamTimeouts};
use crate::config::{Environment, OtpProviderConfig, SupabaseConfig};
use crate::identity::failure::SignInError;

/// How long whoever finds the gate shut waits; the settings are looked at about as often.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Whether anybody is signed in. Shut at first in production, and open in development.
pub(super) struct Gate {
    environment: Environment,
    is_shut: AtomicBool,
}

impl Gate {
    pub(super) const fn new(environment: Environment) -> Self {
        let is_shut = matches!(environment, Environment::Production);
        Self {
            environment,
            is_shut: AtomicBool::new(is_shut),
        }
    }

    fn set(&self, problems: &[SettingsProblem]) {
        let is_fatal = |problem: &SettingsProblem| problem.is_fatal(self.environment);
        let is_shut = problems.iter().any(is_fatal);
        // Nothing else is published with it.
        self.is_shut.store(is_shut, Ordering::Relaxed);
    }

    pub(super) fn pass(&self) -> Result<(), SignInError> {
        if self.is_shut.load(Ordering::Relaxed) {
            Err(SignInError::Unavailable {
                retry_after: RETRY_AFTER,
            })
        } else {
            Ok(())
        }
    }
}

/// Something to mend in the project or in its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsProblem {
    /// Nobody could sign in.
    PhoneProviderOff,
    /// Anybody owns any number.
    PhoneAutoconfirm,
    /// Anybody may open an account with any number.
    PublicSignup,
    /// New people could not get a code.
    SignupClosed,
    /// The project does not accept the anonymous key.
    AnonKeyRefused,
    /// The project does not accept the service key as one.
    ServiceKeyRefused,
}

/// The project does not answer, so its settings are not known.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the identity provider does not answer")]
pub struct Unreachable;

impl SettingsProblem {
    /// The variable or setting that it is about.
    pub const fn key(self) -> &'static str {
        match self {
            Self::PhoneProviderOff | Self::PhoneAutoconfirm => {
                "Supabase: Authentication > Providers > Phone"
            }
            Self::PublicSignup | Self::SignupClosed => "Supabase: Authentication > Sign-ups",
            Self::AnonKeyRefused => "SUPABASE_ANON_KEY",
            Self::ServiceKeyRefused => "SUPABASE_SERVICE_KEY",
        }
    }

    /// Whether somebody can sign in nevertheless.
    pub fn is_usable(self) -> bool {
        !matches!(
            self,
            Self::PhoneProviderOff | Self::AnonKeyRefused | Self::ServiceKeyRefused
        )
    }

    /// Whether one may not start with it.
    pub fn is_fatal(self, environment: Environment) -> bool {
        environment == Environment::Production && self != Self::SignupClosed
    }
}

impl fmt::Display for SettingsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PhoneProviderOff => {
                "the phone provider is off, so nobody can sign in; turn it on (placeholders will do as its credentials)"
            }
            Self::PhoneAutoconfirm => {
                "phone numbers are confirmed automatically, so anybody owns any number; turn that off"
            }
            Self::PublicSignup => {
                "anybody may sign up past this backend; disable new sign-ups (the backend can still create accounts)"
            }
            Self::SignupClosed => {
                "new sign-ups are disabled, so OTP_PROVIDER=supabase sends no code to new people; allow them, or use Twilio"
            }
            Self::AnonKeyRefused => {
                "the project does not accept it; copy the anon or publishable key from the project's API settings"
            }
            Self::ServiceKeyRefused => {
                "the project does not accept it; copy the service_role or secret key from the project's API settings"
            }
        })
    }
}

/// A project's settings could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be set up; on Linux, install ca-certificates")]
    Client(#[from] reqwest::Error),
    /// It does not answer.
    #[error("the project does not answer")]
    Unreachable(#[from] Unreachable),
}

/// What is wrong with a project, as far as it tells, without serving.
pub async fn probe(
    config: &SupabaseConfig,
    timeouts: UpstreamTimeouts,
    codes: CodesBy,
) -> Result<Vec<SettingsProblem>, ProbeError> {
    let client = Client::new(config, timeouts)?;
    Ok(look(&client, codes).await?)
}

impl SupabaseIdentity {
    /// What is wrong with the project, as far as it tells, and from now on nobody is signed in if that
    /// is fatal, and everybody if it is not. `codes` says who sends them.
    pub async fn check_settings(
        &self,
        codes: CodesBy,
    ) -> Result<Vec<SettingsProblem>, Unreachable> {
        let problems = look(&self.client, codes).await?;
        self.gate.set(&problems);
        Ok(problems)
    }
}

async fn look(client: &Client, codes: CodesBy) -> Result<Vec<SettingsProblem>, Unreachable> {
    let mut problems = Vec::new();
    match client.settings().await {
        Ok(settings) => {
            let mut note = |is_wrong: bool, problem| {
                if is_wrong {
                    problems.push(problem);
                }
            };
            note(!settings.external.phone, SettingsProblem::PhoneProviderOff);
            note(
                settings.phone_autoconfirm,
                SettingsProblem::PhoneAutoconfirm,
            );
            match codes {
                CodesBy::Supabase => {
                    note(settings.disable_signup, SettingsProblem::SignupClosed);
                }
                CodesBy::Others => {
                    note(!settings.disable_signup, SettingsProblem::PublicSignup);
                }
            }
        }
        Err(error) if is_about_keys(&error) => problems.push(SettingsProblem::AnonKeyRefused),
        Err(_) => return Err(Unreachable),
    }
    match client.list_users(1, 1).await {
        Ok(_) => {}
        Err(error) if is_about_keys(&error) => {
            problems.push(SettingsProblem::ServiceKeyRefused);
        }
        Err(_) => return Err(Unreachable),
    }
    Ok(problems)
}

/// Who sends the codes that people prove their number with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodesBy {
    /// The project itself, which needs public sign-up for it.
    Supabase,
    /// Somebody else.
    Others,
}

impl CodesBy {
    /// By the configured provider of codes.
    pub const fn of(provider: &OtpProviderConfig) -> Self {
        match provider {
            OtpProviderConfig::Supabase => Self::Supabase,
            OtpProviderConfig::Console | OtpProviderConfig::Twilio(_) => Self::Others,
        }
    }
}

pub(super) fn is_about_keys(error: &CallError) -> bool {
    matches!(
        error.code(),
        Some("invalid_api_key" | "bad_jwt" | "not_admin" | "no_authorization")
    )
}
