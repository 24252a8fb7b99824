//! The rate at which the backend stores signed messages from 16 connections.

use std::sync::Arc;

use archety_harness::{Backend, BackendStore, Binaries, now_micros, resident_kib};
use shared_protocol::{
    Event, HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, MESSAGE_ROUTE, Message, MessageIdentity,
    MessageTime, Mode, RelayName, ReplyVia, SigningKey,
};

use crate::keep_alive::{CONNECTIONS, Load};
use crate::people::phone_number;
use crate::{Bench, database_of, on_each_store, print_figure};

const TARGET_ON_POSTGRES: &str = ">= 12,900/s, RSS <= 50 MiB";

/// Environment of a backend in which each message opens a turn. The first turns are due after ten seconds, so fewer
/// messages are posted.
const OPENING_TURNS: [(&str, &str); 2] = [("RESPONDER", "canned"), ("TURN_QUIET_MS", "10000")];

pub(crate) fn measure(binaries: &Binaries, postgres: Option<&str>) -> anyhow::Result<()> {
    for (environment, what, database) in [
        (
            &[][..],
            "signed messages stored",
            postgres.map(str::to_owned),
        ),
        (
            &OPENING_TURNS[..],
            "the same with a turn each",
            database_of(postgres, "turns"),
        ),
    ] {
        let bench = Bench::new(0)?;
        on_each_store(
            &bench,
            database,
            &format!("{what} on Postgres"),
            TARGET_ON_POSTGRES,
            |store, name| {
                let figure = format!("{what} on {name}, {CONNECTIONS} connections");
                run(binaries, &bench, store, environment, &figure)
            },
        )?;
    }
    Ok(())
}

fn run(
    binaries: &Binaries,
    bench: &Bench,
    store: &BackendStore,
    environment: &[(&str, &str)],
    figure: &str,
) -> anyhow::Result<()> {
    let backend = bench.start_backend_on(store, binaries, 0, environment)?;
    let (count, target) = match store {
        BackendStore::Postgres(_) => (60_000, TARGET_ON_POSTGRES),
        BackendStore::Sqlite(_) => (20_000, "RSS <= 50 MiB"),
    };
    let count = if environment.is_empty() {
        count
    } else {
        count / 2
    };
    let rate = load(&backend, requests(&bench.secret.0, count)?).measure_rate_of_all()?;
    let mib = resident_kib(backend.process.pid()).unwrap_or(0) / 1024;
    print_figure(figure, &format!("{rate:.0}/s, RSS {mib} MiB"), target);
    Ok(())
}

/// A load that posts `requests` to `backend`.
pub(crate) fn load(backend: &Backend, requests: Vec<Vec<u8>>) -> Arc<Load> {
    Load::new(backend, requests, "\"status\":")
}

/// `count` complete HTTP requests, each with a signed message; a thousand senders take turns.
pub(crate) fn requests(secret: &str, count: u32) -> anyhow::Result<Vec<Vec<u8>>> {
    let key = SigningKey::parse(secret)?;
    let relay = RelayName::default();
    let now = now_micros();
    let guid_prefix = format!("{now:X}");
    (0..count)
        .map(|n| {
            let phone = phone_number(n % 1_000);
            let guid = format!("{guid_prefix}-{n}");
            let mut message = Message::new(
                format!("iMessage;-;{phone}"),
                Mode::Direct,
                phone.clone(),
                format!("message {n}"),
                MessageTime::from_micros(now),
                vec![phone],
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
