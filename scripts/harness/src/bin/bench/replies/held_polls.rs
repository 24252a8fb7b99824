//! What fifty held polls cost the backend: processor time in a minute, and memory.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use archety_harness::{
    Backend, BackendStore, Binaries, Secret, cpu_seconds, now_micros, resident_kib,
};
use shared_protocol::{
    After, HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, MAX_PULL_WAIT_SECS, PULL_ROUTE,
    PullRequest, RelayStatus, SigningKey, WebhookId,
};

use crate::{Bench, database_of, on_each_store, print_figure};

const POLLS: u8 = 50;
const MEASURED_TIME: Duration = Duration::from_mins(1);
/// By then every poll is held, and what the first ones cost is over.
const SETTLING_TIME: Duration = Duration::from_secs(5);
const TARGET: &str = "CPU <= 0.5 %, RSS <= 1 MiB";

/// A relay that only pulls.
struct PullingRelay {
    key: SigningKey,
    instance_id: String,
    polls: u8,
}

pub(super) fn measure(binaries: &Binaries, postgres: Option<&str>) -> anyhow::Result<()> {
    let bench = Bench::new(0)?;
    on_each_store(
        &bench,
        database_of(postgres, "held_polls"),
        "50 held polls on Postgres",
        TARGET,
        |store, name| run(binaries, &bench, store, name),
    )
}

fn run(binaries: &Binaries, bench: &Bench, store: &BackendStore, name: &str) -> anyhow::Result<()> {
    let mut relays = Vec::new();
    let mut secrets = Vec::new();
    for n in 0..POLLS {
        let key = SigningKey::from_bytes([n + 1; 32]);
        secrets.push(format!("relay-{n}:{}", *key.to_whsec()));
        relays.push(PullingRelay {
            key,
            instance_id: format!("instance-{n}"),
            polls: 0,
        });
    }
    let secret = Secret(secrets.join(","));
    let log = bench.path("backend.log");
    let backend = Backend::start(binaries, store, &secret, 0, &[], &log)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // The first poll of a relay creates its row, and the first of all loads pages of the binary.
    let client = reqwest::Client::builder().no_proxy().build()?;
    for relay in &mut relays {
        runtime.block_on(relay.poll(&client, &backend, 0))?;
    }
    drop(client);
    let at_rest = runtime.block_on(cost_of_a_minute(&backend))?;
    let with_polls = runtime.block_on(async {
        let mut polls = tokio::task::JoinSet::new();
        for relay in relays {
            polls.spawn(relay.poll_without_end(backend.url()));
        }
        tokio::select! {
            cost = cost_of_a_minute(&backend) => cost,
            Some(ended) = polls.join_next() => Err(ended?.err().context("a poll ended")?),
        }
    })?;
    print_figure(
        &format!("{POLLS} held polls on {name}"),
        &format!(
            "CPU {:.3} % ({:.3} - {:.3}), RSS {:.2} MiB",
            with_polls.cpu_percent - at_rest.cpu_percent,
            with_polls.cpu_percent,
            at_rest.cpu_percent,
            with_polls.mib - at_rest.mib,
        ),
        TARGET,
    );
    Ok(())
}

struct Cost {
    cpu_percent: f64,
    mib: f64,
}

async fn cost_of_a_minute(backend: &Backend) -> anyhow::Result<Cost> {
    let pid = backend.process.pid();
    let cpu = || cpu_seconds(pid).context("needs Linux's /proc");
    tokio::time::sleep(SETTLING_TIME).await;
    let (started, before) = (Instant::now(), cpu()?);
    tokio::time::sleep(MEASURED_TIME).await;
    let share = (cpu()? - before) / started.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a measurement")]
    let mib = resident_kib(pid).context("needs Linux's /proc")? as f64 / 1024.0;
    Ok(Cost {
        cpu_percent: share * 100.0,
        mib,
    })
}

impl PullingRelay {
    /// Polls over a connection of its own, each time as long as a poll is held.
    async fn poll_without_end(mut self, url: String) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        loop {
            self.poll_url(&client, &url, MAX_PULL_WAIT_SECS).await?;
        }
    }

    async fn poll(
        &mut self,
        client: &reqwest::Client,
        backend: &Backend,
        wait_seconds: u8,
    ) -> anyhow::Result<()> {
        self.poll_url(client, &backend.url(), wait_seconds).await
    }

    async fn poll_url(
        &mut self,
        client: &reqwest::Client,
        url: &str,
        wait_seconds: u8,
    ) -> anyhow::Result<()> {
        let request = PullRequest {
            lease: None,
            instance_id: self.instance_id.clone(),
            wait_seconds,
            after_seq: 0,
            after: Some(After {
                seq: 0,
                id: String::new(),
            }),
            rehearsal: false,
            acks: Vec::new(),
            status: RelayStatus::default(),
        };
        self.polls += 1;
        let mut random = [self.polls; 16];
        random[..8].copy_from_slice(&now_micros().to_be_bytes());
        let (id, at) = (WebhookId::pull(random), now_micros() / 1_000_000);
        let body = serde_json::to_vec(&request)?;
        let signature = self.key.sign(&id, at, &body);
        let request = client
            .post(format!("{url}{PULL_ROUTE}"))
            .header("content-type", "application/json")
            .header(HEADER_ID, id.as_str())
            .header(HEADER_TIMESTAMP, at)
            .header(HEADER_SIGNATURE, signature);
        let response = request.body(body).send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "a poll failed: {status} {text}");
        Ok(())
    }
}
