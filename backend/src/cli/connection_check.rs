//! `check --connect`: checks that the database, Supabase and Twilio answer and accept the credentials, without
//! changing anything or sending a message.

use serde_json::{Value, json};

use super::output::print_line;
use crate::config::{Config, IdentityConfig, OtpProviderConfig, SupabaseConfig, TwilioConfig};
use crate::identity::{self, CodeSender, SettingsProblem};
use crate::otp::probe_twilio;
use crate::store::Store;

/// The result for one service: the text that describes it, or the reason why it cannot be used.
pub(super) struct ConnectionCheck {
    name: &'static str,
    outcome: Result<String, String>,
}

impl ConnectionCheck {
    pub(super) fn is_usable(&self) -> bool {
        self.outcome.is_ok()
    }

    pub(super) fn print(&self) {
        match &self.outcome {
            Ok(description) => print_line!("{:<9} ok: {description}", self.name),
            Err(reason) => print_line!("{:<9} FAILED: {reason}", self.name),
        }
    }

    pub(super) fn json(&self) -> Value {
        let (Ok(text) | Err(text)) = &self.outcome;
        json!({ "name": self.name, "ok": self.is_usable(), "found": text })
    }
}

/// Checks the database, and Supabase and Twilio where they are configured.
pub(super) async fn check_all(config: &Config) -> Vec<ConnectionCheck> {
    let mut outcomes = vec![("database", check_database(config).await)];
    if let IdentityConfig::Supabase(project) = &config.identity {
        outcomes.push(("supabase", check_supabase(project, config).await));
    }
    if let OtpProviderConfig::Twilio(config) = &config.otp.provider {
        outcomes.push(("twilio", check_twilio(config).await));
    }
    let checks = outcomes.into_iter();
    checks
        .map(|(name, outcome)| ConnectionCheck { name, outcome })
        .collect()
}

async fn check_database(config: &Config) -> Result<String, String> {
    let probe = Store::probe(&config.database, config.environment).await;
    // The causes of the error are printed too, because the outermost message does not say what failed.
    let probe = probe.map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
    let address = probe.address;
    Ok(match probe.pending {
        0 => format!("{address}, up to date"),
        pending => format!("{address}, {pending} migration(s) to run: `archety-backend migrate`"),
    })
}

async fn check_supabase(project: &SupabaseConfig, config: &Config) -> Result<String, String> {
    let code_sender = CodeSender::of(&config.otp.provider);
    let problems = identity::probe(project, code_sender)
        .await
        .map_err(|error| format!("{}: {error}", project.url))?;
    if problems.is_empty() {
        return Ok(format!("{}, both keys are accepted", project.url));
    }
    let descriptions = problems.iter();
    let descriptions: Vec<_> = descriptions
        .map(|problem| format!("{}: {problem}", problem.location()))
        .collect();
    let descriptions = descriptions.join("; ");
    let is_fatal = |problem: &SettingsProblem| problem.is_fatal(config.environment);
    if problems.iter().any(is_fatal) {
        return Err(descriptions);
    }
    Ok(format!("{} (warning: {descriptions})", project.url))
}

async fn check_twilio(config: &TwilioConfig) -> Result<String, String> {
    let probe = probe_twilio(config).await;
    probe.map_err(|error| error.to_string())?;
    Ok(format!("the Verify service {}", config.service_sid))
}
