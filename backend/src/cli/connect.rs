//! `check --connect`: whether everything that the configuration names answers and lets us in. Nothing is
//! changed anywhere, and no message is sent.

use std::fmt::Display;

use serde_json::{Value, json};

use super::output::say;
use crate::config::{
    Config, DatabaseConfig, Environment, IdentityConfig, OtpProviderConfig, SupabaseConfig,
    TwilioConfig,
};
use crate::identity::{self, CodesBy};
use crate::otp::probe_twilio;
use crate::store::Store;

/// What came of trying one of them.
pub(super) struct Tried {
    name: &'static str,
    outcome: Result<String, String>,
}

impl Tried {
    fn of(name: &'static str, outcome: Result<String, impl Display>) -> Self {
        let outcome = outcome.map_err(|error| error.to_string());
        Self { name, outcome }
    }

    pub(super) fn is_usable(&self) -> bool {
        self.outcome.is_ok()
    }

    pub(super) fn print(&self) {
        match &self.outcome {
            Ok(found) => say!("{:<9} ok: {found}", self.name),
            Err(fault) => say!("{:<9} FAILED: {fault}", self.name),
        }
    }

    pub(super) fn json(&self) -> Value {
        let (Ok(found) | Err(found)) = &self.outcome;
        json!({ "name": self.name, "ok": self.is_usable(), "found": found })
    }
}

/// Tries the database, and Supabase and Twilio where they are configured.
pub(super) async fn try_all(config: &Config) -> Vec<Tried> {
    let mut tried = vec![database(&config.database, config.environment).await];
    if let IdentityConfig::Supabase(project) = &config.identity {
        tried.push(supabase(project, config).await);
    }
    if let OtpProviderConfig::Twilio(service) = &config.otp.provider {
        tried.push(twilio(service).await);
    }
    tried
}

async fn database(config: &DatabaseConfig, environment: Environment) -> Tried {
    let found = Store::probe(config, environment).await.map(|probe| {
        let place = probe.place;
        match probe.pending {
            0 => format!("{place}, up to date"),
            pending => format!("{place}, {pending} migration(s) to run: `archety-backend migrate`"),
        }
    });
    // With its causes: the outermost alone says only what was tried.
    Tried::of(
        "database",
        found.map_err(|error| format!("{:#}", anyhow::Error::from(error))),
    )
}

async fn supabase(project: &SupabaseConfig, config: &Config) -> Tried {
    let codes = CodesBy::of(&config.otp.provider);
    let looked = identity::probe(project, codes).await;
    let found = match looked {
        Err(error) => Err(format!("{}: {error}", project.url)),
        Ok(problems) if problems.is_empty() => {
            Ok(format!("{}, both keys are accepted", project.url))
        }
        Ok(problems) => {
            let listed: Vec<_> = problems
                .iter()
                .map(|problem| format!("{}: {problem}", problem.key()))
                .collect();
            let listed = listed.join("; ");
            if problems
                .iter()
                .any(|problem| problem.is_fatal(config.environment))
            {
                Err(listed)
            } else {
                Ok(format!("{} (warning: {listed})", project.url))
            }
        }
    };
    Tried::of("supabase", found)
}

async fn twilio(service: &TwilioConfig) -> Tried {
    let found = probe_twilio(service).await;
    Tried::of(
        "twilio",
        found.map(|()| format!("the Verify service {}", service.service_sid)),
    )
}
