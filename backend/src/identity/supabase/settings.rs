//! The check of the project's settings, at start and while the server runs.
//!
//! In production the backend does not start with a fatal [`SettingsProblem`]. It starts if the project does not answer,
//! because messages can be relayed without it. Then, and if a later check finds a fatal problem, every sign-in is
//! refused until a check finds none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::SupabaseIdentity;
use super::client::{Client, TIMEOUTS};
use crate::config::{Environment, OtpProviderConfig, SupabaseConfig};
use crate::identity::failure::SignInError;

/// Time after which a refused sign-in may be tried again: the interval of the checks while the gate is shut.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Refuses every sign-in while the gate is shut. The last check of the settings shuts or opens the gate. Before the
/// first check the gate is shut in production and open in development.
pub(super) struct SignInGate {
    environment: Environment,
    is_shut: AtomicBool,
}

impl SignInGate {
    pub(super) const fn new(environment: Environment) -> Self {
        let is_shut = matches!(environment, Environment::Production);
        Self {
            environment,
            is_shut: AtomicBool::new(is_shut),
        }
    }

    /// Shuts the gate if one of the problems is fatal, and opens it otherwise.
    fn update(&self, problems: &[SettingsProblem]) {
        let is_fatal = |problem: &SettingsProblem| problem.is_fatal(self.environment);
        let is_shut = problems.iter().any(is_fatal);
        // Relaxed: no other data depends on the flag.
        self.is_shut.store(is_shut, Ordering::Relaxed);
    }

    /// Returns an error while the gate is shut.
    pub(super) fn check(&self) -> Result<(), SignInError> {
        if self.is_shut.load(Ordering::Relaxed) {
            Err(SignInError::Unavailable {
                retry_after: RETRY_AFTER,
            })
        } else {
            Ok(())
        }
    }
}

/// A wrong setting of the project, or a refused API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsProblem {
    #[error(
        "the phone provider is off, so that sign-in fails; turn it on (placeholders will do as its credentials)"
    )]
    PhoneProviderOff,
    #[error(
        "phone numbers are confirmed automatically, so a person can sign up with another's number; turn that off"
    )]
    PhoneAutoconfirm,
    #[error(
        "people can sign up without this backend; disable new sign-ups (the backend can still create accounts)"
    )]
    PublicSignup,
    #[error(
        "new sign-ups are disabled, so OTP_PROVIDER=supabase sends no code to new people; allow them, or use Twilio"
    )]
    SignupClosed,
    #[error(
        "the project does not accept it; copy the anon or publishable key from the project's API settings"
    )]
    AnonKeyRefused,
    #[error(
        "the project does not accept it; copy the service_role or secret key from the project's API settings"
    )]
    ServiceKeyRefused,
}

impl SettingsProblem {
    /// The variable, or the place in Supabase's dashboard, where the problem is solved.
    pub const fn location(self) -> &'static str {
        match self {
            Self::PhoneProviderOff | Self::PhoneAutoconfirm => {
                "Supabase: Authentication > Providers > Phone"
            }
            Self::PublicSignup | Self::SignupClosed => "Supabase: Authentication > Sign-ups",
            Self::AnonKeyRefused => "SUPABASE_ANON_KEY",
            Self::ServiceKeyRefused => "SUPABASE_SERVICE_KEY",
        }
    }

    /// Whether people can sign in despite the problem.
    pub fn allows_sign_in(self) -> bool {
        !matches!(
            self,
            Self::PhoneProviderOff | Self::AnonKeyRefused | Self::ServiceKeyRefused
        )
    }

    /// Whether the backend does not start with the problem, and refuses every sign-in if it appears later.
    pub fn is_fatal(self, environment: Environment) -> bool {
        environment == Environment::Production && self != Self::SignupClosed
    }
}

/// The project does not answer, so its settings are not known.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the identity provider does not answer")]
pub struct Unreachable;

#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("the HTTP client cannot be set up; on Linux, install ca-certificates")]
    Client(#[from] reqwest::Error),
    #[error("the project does not answer")]
    Unreachable(#[from] Unreachable),
}

/// Finds the problems of a project, for commands that do not start the server.
pub async fn probe(
    config: &SupabaseConfig,
    code_sender: CodeSender,
) -> Result<Vec<SettingsProblem>, ProbeError> {
    let client = Client::new(config, TIMEOUTS)?;
    Ok(find_problems(&client, code_sender).await?)
}

impl SupabaseIdentity {
    /// Finds the problems of the project. If one is fatal, every sign-in is refused until a check finds none.
    pub async fn check_settings(
        &self,
        code_sender: CodeSender,
    ) -> Result<Vec<SettingsProblem>, Unreachable> {
        let problems = find_problems(&self.client, code_sender).await?;
        self.gate.update(&problems);
        Ok(problems)
    }
}

async fn find_problems(
    client: &Client,
    code_sender: CodeSender,
) -> Result<Vec<SettingsProblem>, Unreachable> {
    let mut problems = Vec::new();
    match client.settings().await {
        Ok(settings) => {
            let is_sign_up_closed = settings.disable_signup;
            let sign_up = match code_sender {
                CodeSender::Supabase => (is_sign_up_closed, SettingsProblem::SignupClosed),
                CodeSender::Other => (!is_sign_up_closed, SettingsProblem::PublicSignup),
            };
            let checks = [
                (!settings.external.phone, SettingsProblem::PhoneProviderOff),
                (
                    settings.phone_autoconfirm,
                    SettingsProblem::PhoneAutoconfirm,
                ),
                sign_up,
            ];
            let failed = checks.into_iter().filter(|(is_wrong, _)| *is_wrong);
            problems.extend(failed.map(|(_, problem)| problem));
        }
        Err(error) if error.is_key_refusal() => problems.push(SettingsProblem::AnonKeyRefused),
        Err(_) => return Err(Unreachable),
    }
    // This request only tests the service key.
    match client.list_users(1, 1).await {
        Ok(_) => {}
        Err(error) if error.is_key_refusal() => problems.push(SettingsProblem::ServiceKeyRefused),
        Err(_) => return Err(Unreachable),
    }
    Ok(problems)
}

/// The provider of one-time codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeSender {
    /// The project, which then needs public sign-up.
    Supabase,
    /// Another provider. Public sign-up must then be off.
    Other,
}

impl CodeSender {
    pub const fn of(provider: &OtpProviderConfig) -> Self {
        match provider {
            OtpProviderConfig::Supabase => Self::Supabase,
            OtpProviderConfig::Console | OtpProviderConfig::Twilio(_) => Self::Other,
        }
    }
}
