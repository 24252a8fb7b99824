//! `serve`: builds the parts of the server, runs them until a signal, and shuts them down in order.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

use super::Failure;
use super::identity::check_provider_settings;
use crate::clock::Clock;
use crate::config::{Config, RepliesConfig};
use crate::former_accounts;
use crate::http::{App, Limits, router, serve};
use crate::identity::Identity;
use crate::jobs::{Jobs, Pace};
use crate::keyring::Keyring;
use crate::lifecycle::{Lifecycle, termination_signal};
use crate::relay::gauges;
use crate::services::Services;
use crate::store::Store;
use crate::supervisor::Supervisor;
use crate::telemetry::process_metrics;

/// The time that tasks have to end after draining started. Connections have less time.
const GRACE: Duration = Duration::from_secs(15);
/// Shortest pause between two looks for due turns.
const SHORTEST_LOOK: Duration = Duration::from_millis(50);
/// Pause between two updates of the metrics that no request updates.
const GAUGE_INTERVAL: Duration = Duration::from_mins(1);
/// Pause before account deletions are sorted again, after the database did not answer.
const SORT_RETRY_AFTER: Duration = Duration::from_secs(2);

pub(super) async fn run(config: Config) -> Result<(), Failure> {
    for warning in &config.warnings {
        tracing::warn!(key = warning.key, "{}", warning.message);
    }
    let clock = Clock::System;
    // The store is opened first: if its file belongs to another program, no secret is created beside it.
    let store = Store::open(&config.database, config.environment, clock.now()).await?;
    let services = Services::build(&config, store.clone(), clock, &mut rand::rng()).await?;
    let settings_watch = check_provider_settings(&config, &services.identity).await?;
    tracing::info!(
        issuer = services.identity.issuer(),
        "the issuer of access tokens"
    );
    let listener = TcpListener::bind(config.server.address)
        .await
        .with_context(|| format!("cannot listen on {} (HOST, PORT)", config.server.address))?;
    let address = listener.local_addr().context("no local address")?;
    let lifecycle = Lifecycle::new();
    let metrics = process_metrics();
    let jobs = Jobs::new(
        store.clone(),
        services.jobs(config.retention),
        pace(&config.replies),
    );
    let account_deletions = sort_account_deletions(
        store.clone(),
        Arc::clone(&services.keyring),
        Arc::clone(&services.identity),
        services.clock.clone(),
    );
    let jobs = jobs.run(services.clock.clone(), lifecycle.clone());
    let gauge_clock = services.clock.clone();
    let app = App::new(&config, services, lifecycle.clone(), metrics.clone());
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
    let intake = store.clone();
    tasks.spawn_until_draining("intake", async move { intake.intake_ended().await });
    let commands = store.clone();
    tasks.spawn_until_draining("commands", async move { commands.watch_commands().await });
    tasks.spawn_until_draining("identity settings", settings_watch.run());
    tasks.spawn_until_draining(
        "metrics",
        update_gauges(store.clone(), metrics, gauge_clock),
    );
    tasks.spawn_until_draining("account deletions", account_deletions);
    tasks.spawn("jobs", jobs);
    announce(address);
    tracing::info!(%address, environment = config.environment.into_str(), "listening");
    let result = tasks.watch(GRACE).await;
    store.close().await;
    tracing::info!("stopped");
    result.map_err(|error| Failure::Other(error.into()))
}

/// The waiting times of the workers. The look for due turns is frequent enough for the quiet gap that is set.
fn pace(replies: &RepliesConfig) -> Pace {
    let default = Pace::default();
    let half_gap = (replies.quiet / 2).max(SHORTEST_LOOK);
    Pace {
        turn_workers: replies.workers,
        poll_turns_every: default.poll_turns_every.min(half_gap),
        ..default
    }
}

/// Prints the address, from which scripts read the port when PORT=0. A closed standard output is only logged.
fn announce(address: SocketAddr) {
    let line = format!("listening on http://{address}\n");
    if let Err(error) = std::io::stdout().write_all(line.as_bytes()) {
        tracing::warn!(error = %error, "standard output is closed");
    }
}

/// Starts draining at SIGTERM or SIGINT.
async fn drain_on_signal(lifecycle: Lifecycle) {
    match termination_signal().await {
        Ok(()) => tracing::info!("going down"),
        Err(error) => tracing::error!(error = %error, "no signal handler; going down"),
    }
    lifecycle.start_draining();
}

/// Runs [`former_accounts::sort_by_provider`], again and again until the database answers. The task never ends, because
/// the supervisor takes a task that ends for a failure.
async fn sort_account_deletions(
    store: Store,
    keyring: Arc<Keyring>,
    identity: Arc<Identity>,
    clock: Clock,
) {
    while let Err(error) =
        former_accounts::sort_by_provider(&store, &keyring, identity.issuer(), clock.now()).await
    {
        tracing::warn!(error = %error, "deletions at former providers were not sorted; trying again");
        tokio::time::sleep(SORT_RETRY_AFTER).await;
    }
    std::future::pending::<()>().await;
}

/// Updates the metrics that no request updates.
async fn update_gauges(store: Store, metrics: PrometheusHandle, clock: Clock) {
    let mut tick = tokio::time::interval(GAUGE_INTERVAL);
    loop {
        tick.tick().await;
        metrics.run_upkeep();
        if let Err(error) = gauges::update(&store, clock.now()).await {
            tracing::warn!(error = %error, "the metrics of relays were not updated");
        }
        for (name, count) in [
            ("jobs_waiting", store.unfinished_jobs().await),
            ("attention_entries", store.attention_count().await),
        ] {
            match count {
                Ok(count) => {
                    let count = u32::try_from(count).unwrap_or(u32::MAX);
                    metrics::gauge!(name).set(f64::from(count));
                }
                Err(error) => tracing::warn!(error = %error, name, "a metric was not updated"),
            }
        }
    }
}
