//! Signed messages into the backend, 16 connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use anyhow::{Context, ensure};
use archety_harness::{Backend, BackendStore, Binaries, now_micros, resident_kib};
use shared_protocol::{
    Event, HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, MESSAGE_ROUTE, Message, MessageIdentity,
    MessageTime, Mode, RelayName, ReplyVia, SigningKey,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::{Bench, figure};

const CONNECTIONS: usize = 16;

pub(crate) fn measure(binaries: &Binaries, postgres: Option<&str>) -> anyhow::Result<()> {
    let bench = Bench::new(0)?;
    let sqlite = BackendStore::Sqlite(bench.database());
    run(binaries, &bench, &sqlite, "SQLite", 20_000)?;
    if let Some(url) = postgres {
        let store = BackendStore::Postgres(url.to_owned());
        run(binaries, &bench, &store, "Postgres", 60_000)
    } else {
        figure(
            "signed messages stored on Postgres",
            "not measured: no --postgres",
            ">= 5 x 2,580/s",
        );
        Ok(())
    }
}

fn run(
    binaries: &Binaries,
    bench: &Bench,
    store: &BackendStore,
    name: &str,
    count: u32,
) -> anyhow::Result<()> {
    let backend = Backend::start(
        binaries,
        store,
        &bench.secret,
        0,
        &[],
        &bench.path("intake.log"),
    )?;
    let requests: Arc<Vec<Vec<u8>>> = Arc::new(requests(&bench.secret.0, count)?);
    let address = backend.url().trim_start_matches("http://").to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let next = Arc::new(AtomicU32::new(0));
    let started = Instant::now();
    runtime.block_on(async {
        let mut connections = tokio::task::JoinSet::new();
        for _ in 0..CONNECTIONS {
            connections.spawn(connection(
                address.clone(),
                Arc::clone(&requests),
                Arc::clone(&next),
            ));
        }
        while let Some(ended) = connections.join_next().await {
            ended??;
        }
        anyhow::Ok(())
    })?;
    let rate = f64::from(count) / started.elapsed().as_secs_f64();
    let mib = resident_kib(backend.pid()).unwrap_or(0) / 1024;
    let target = if name == "Postgres" {
        ">= 12,900/s, RSS <= 50 MiB"
    } else {
        "RSS <= 50 MiB"
    };
    figure(
        &format!("signed messages stored on {name}, {CONNECTIONS} connections"),
        &format!("{rate:.0}/s, RSS {mib} MiB"),
        target,
    );
    Ok(())
}

/// Whole requests, made before the clock starts: the load generator shares the cores.
fn requests(secret: &str, count: u32) -> anyhow::Result<Vec<Vec<u8>>> {
    let key = SigningKey::parse(secret)?;
    let relay = RelayName::default();
    let now = now_micros();
    let salt = format!("{now:X}");
    (0..count)
        .map(|n| {
            let person = format!("+1555{:07}", n % 1_000);
            let guid = format!("{salt}-{n}");
            let mut message = Message::new(
                format!("iMessage;-;{person}"),
                Mode::Direct,
                person.clone(),
                format!("message {n}"),
                MessageTime::from_micros(now),
                vec![person],
            );
            message.message_guid = Some(guid.clone());
            message.line = Some("+15550009999".to_owned());
            message.reply_via = Some(ReplyVia::Commands);
            let identity = MessageIdentity {
                relay: &relay,
                message_guid: &guid,
                event: Event::Message,
                revision: 0,
            };
            let (id, at) = (identity.webhook_id(), now / 1_000_000);
            let body = serde_json::to_vec(&message)?;
            let mut request = format!(
                "POST {MESSAGE_ROUTE} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
                 {HEADER_ID}: {id}\r\n{HEADER_TIMESTAMP}: {at}\r\n{HEADER_SIGNATURE}: {}\r\n\
                 content-length: {}\r\n\r\n",
                key.sign(&id, at, &body),
                body.len(),
            )
            .into_bytes();
            request.extend_from_slice(&body);
            Ok(request)
        })
        .collect()
}

/// One keep-alive connection that sends the next request when the last is answered.
async fn connection(
    address: String,
    requests: Arc<Vec<Vec<u8>>>,
    next: Arc<AtomicU32>,
) -> anyhow::Result<()> {
    let stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let mut body = Vec::new();
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed) as usize;
        let Some(request) = requests.get(n) else {
            return Ok(());
        };
        stream.get_mut().write_all(request).await?;
        let mut length = 0;
        let mut status = String::new();
        loop {
            line.clear();
            ensure!(
                stream.read_line(&mut line).await? > 0,
                "the backend closed the connection"
            );
            if status.is_empty() {
                status.clone_from(&line);
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().context("a length")?;
            }
            if line == "\r\n" {
                break;
            }
        }
        body.resize(length, 0);
        stream.read_exact(&mut body).await?;
        ensure!(
            status.starts_with("HTTP/1.1 200"),
            "{} {}",
            status.trim(),
            String::from_utf8_lossy(&body)
        );
    }
}
