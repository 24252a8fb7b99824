//! `serve`: wires the parts, listens, and takes them down in order.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;

use super::Failure;
use super::identity::look_at_settings;
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::former_accounts;
use crate::http::{
    App, BodyBudget, ClientAddresses, CookieRules, Limits, MetricsAccess, Reach, router, serve,
};
use crate::identity::Identity;
use crate::jobs::{Jobs, Pace};
use crate::keyring::Keyring;
use crate::lifecycle::{Lifecycle, termination_signal};
use crate::relay_auth::FailureLimiter;
use crate::services::{Services, job_registry};
use crate::store::Store;
use crate::supervisor::Supervisor;
use crate::telemetry::{Metrics, start_logging};

/// More than the connections take to drain.
const GRACE: Duration = Duration::from_secs(15);
/// How often what this process knows is told to its metrics.
const MEASURE_EVERY: Duration = Duration::from_mins(1);
const SORT_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Long enough for a megabyte over a bad line, short enough to shed whoever only holds on.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn run(config: Config) -> Result<(), Failure> {
    start_logging(&config.logging).map_err(|error| Failure::Configuration(error.into()))?;
    for warning in &config.warnings {
        tracing::warn!(key = warning.key, "{}", warning.message);
    }
    let clock = Clock::System;
    // First: beside a file that is not ours no secret is made either.
    let store = Store::open(&config.database, config.environment, clock.now()).await?;
    let services = Services::build(&config, store.clone(), clock, &mut rand::rng()).await?;
    let settings = look_at_settings(&config, &services.identity).await?;
    tracing::info!(
        issuer = services.identity.issuer(),
        "who issues access tokens"
    );
    let listener = TcpListener::bind(config.server.address)
        .await
        .with_context(|| format!("cannot listen on {} (HOST, PORT)", config.server.address))?;
    let address = listener.local_addr().context("no local address")?;
    let lifecycle = Lifecycle::new();
    let metrics = Metrics::of_process();
    let registry = job_registry(
        &store,
        &services.pepper,
        &services.keyring,
        &services.identity,
        &services.sessions,
        config.retention,
    );
    let jobs = Jobs::new(store.clone(), registry, Pace::default());
    let sorted = sort_account_deletions(
        store.clone(),
        Arc::clone(&services.keyring),
        Arc::clone(&services.identity),
        services.clock.clone(),
    );
    let jobs = jobs.run(services.clock.clone(), lifecycle.clone());
    let app = app(&config, services, lifecycle.clone(), metrics.clone());
    let mut tasks = Supervisor::new(lifecycle.clone());
    tasks.spawn("signals", drain_on_signal(lifecycle.clone()));
    tasks.spawn(
        "http",
        serve(
            listener,
            router(Arc::new(app)),
            lifecycle,
            Limits::of_process(),
            config.proxies,
        ),
    );
    tasks.spawn_until_draining("intake", watch_intake(store.clone()));
    tasks.spawn_until_draining("identity settings", settings.run());
    tasks.spawn_until_draining("metrics", measure(store.clone(), metrics));
    tasks.spawn_until_draining("account deletions", sorted);
    tasks.spawn("jobs", jobs);
    announce(address);
    tracing::info!(%address, environment = config.environment.as_str(), "listening");
    let ended = tasks.watch(GRACE).await;
    store.close().await;
    tracing::info!("stopped");
    ended.map_err(|fault| Failure::Other(fault.into()))
}

fn app(config: &Config, services: Services, lifecycle: Lifecycle, metrics: Metrics) -> App {
    let web = Arc::new(config.web.clone());
    App {
        relays: services.relays,
        store: services.store,
        pepper: services.pepper,
        environment: services.environment,
        clock: services.clock,
        lifecycle,
        failures: FailureLimiter::default(),
        sign_in_failures: FailureLimiter::default(),
        client_addresses: ClientAddresses::new(config.proxies.clone(), config.client_ip_header),
        reach: reach(config),
        bodies: BodyBudget::default(),
        metrics: metrics_access(config, metrics),
        otp: services.otp,
        sessions: services.sessions,
        identity: services.identity,
        known_devices: services.known_devices,
        keyring: services.keyring,
        cookies: CookieRules::of(&web),
        web,
        body_timeout: BODY_TIMEOUT,
    }
}

/// Ends only if the store takes no messages any more, which it does as long as the process serves.
async fn watch_intake(store: Store) {
    store.intake_ended().await;
}

/// For whoever started this with PORT=0. Nobody has to read it.
fn announce(address: SocketAddr) {
    let line = format!("listening on http://{address}\n");
    if let Err(error) = std::io::stdout().write_all(line.as_bytes()) {
        tracing::warn!(error = %error, "standard output is closed");
    }
}

fn reach(config: &Config) -> Reach {
    let is_development = config.environment == Environment::Development;
    if is_development && config.server.address.ip().is_loopback() {
        Reach::OwnMachine
    } else {
        Reach::Network
    }
}

fn metrics_access(config: &Config, metrics: Metrics) -> MetricsAccess {
    match &config.metrics.token {
        Some(token) => MetricsAccess::Token(metrics, token.expose_secret().into()),
        None if reach(config) == Reach::OwnMachine => MetricsAccess::Open(metrics),
        None => MetricsAccess::Closed,
    }
}

async fn drain_on_signal(lifecycle: Lifecycle) {
    match termination_signal().await {
        Ok(()) => tracing::info!("going down"),
        Err(error) => tracing::error!(error = %error, "no signal handler; going down"),
    }
    lifecycle.start_draining();
}

/// Once, as soon as the database lets it.
async fn sort_account_deletions(
    store: Store,
    keyring: Arc<Keyring>,
    identity: Arc<Identity>,
    clock: Clock,
) {
    while let Err(error) =
        former_accounts::sort(&store, &keyring, identity.issuer(), clock.now()).await
    {
        tracing::warn!(error = %error, "deletions at former providers were not looked at; trying again later");
        tokio::time::sleep(SORT_AGAIN_AFTER).await;
    }
    std::future::pending::<()>().await;
}

/// What belongs to this process alone.
async fn measure(store: Store, metrics: Metrics) {
    let mut tick = tokio::time::interval(MEASURE_EVERY);
    loop {
        tick.tick().await;
        metrics.run_upkeep();
        match store.waiting_jobs().await {
            Ok(waiting) => {
                let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
                metrics::gauge!("jobs_waiting").set(f64::from(waiting));
            }
            Err(error) => tracing::warn!(error = %error, "jobs were not counted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Variables;

    #[test]
    fn metrics_without_a_token_stay_on_the_machine() {
        let access = |pairs: &[(&str, &str)]| {
            let variables = Variables::of(pairs.iter().copied());
            let config = Config::from_variables(&variables).expect("valid");
            metrics_access(&config, Metrics::of_process())
        };
        let development = ("APP_ENV", "development");
        assert!(matches!(access(&[]), MetricsAccess::Open(_)));
        let twilio = [
            ("TWILIO_ACCOUNT_SID", "AC00"),
            ("TWILIO_AUTH_TOKEN", "00"),
            ("TWILIO_VERIFY_SERVICE_SID", "VA00"),
        ];
        let exposed = [&twilio[..], &[development, ("HOST", "0.0.0.0")]].concat();
        assert!(matches!(access(&exposed), MetricsAccess::Closed));
        let token = ("METRICS_TOKEN", "0123456789abcdef");
        let exposed = access(&[&exposed[..], &[token]].concat());
        assert!(matches!(exposed, MetricsAccess::Token(..)));
    }
}
