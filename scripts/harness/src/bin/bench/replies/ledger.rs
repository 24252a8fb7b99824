//! What a relay with a large ledger costs while nothing happens, and how large its state is.

use std::time::Duration;

use archety_harness::{Binaries, now_micros};
use archety_relay::clock::UnixMicros;
use archety_relay::state::State;
use archety_relay::state::ledger::history::{self, Contact};
use archety_relay::state::ledger::matching::{OwnRow, RowState, match_row};
use archety_relay::state::ledger::take::{advance, take};
use archety_relay::state::ledger::{Baseline, dispatching};
use archety_relay::state::ledger::{BubbleNumber, BubbleState, acks, retention, transitions};
use rusqlite::Transaction;
use shared_protocol::{Bubble, Command, CommandBody, Priority, SendMessage, conversation_guid};

use crate::idle::{CpuAndMemory, measure_idle};
use crate::{Bench, person, print_figure};

/// Replies of two bubbles each.
const REPLIES: u32 = 50_000;
/// The replies are spread over the time for which the ledger keeps them.
const SPREAD: Duration = Duration::from_hours(30 * 24 - 1);
/// Replies that one transaction writes.
const BATCH: u32 = 500;
const FILE: &str = "the chat.db of the bench";

pub(super) fn measure(binaries: &Binaries) -> anyhow::Result<()> {
    let mut bench = Bench::new(200_000)?;
    fill(&bench)?;
    let backend = bench.start_backend(binaries, 0)?;
    let relay = bench.start_relay(binaries, &backend.url())?;
    bench.mac.receive(&person(0), "a text")?;
    let CpuAndMemory { cpu_percent, mib } = measure_idle(relay.process.pid())?;
    drop(relay);
    #[expect(clippy::cast_precision_loss, reason = "a size")]
    let megabytes = bench.path("relay").join("state.db").metadata()?.len() as f64 / 1e6;
    print_figure(
        "idle relay, ledger of 100,000 bubbles",
        &format!("CPU {cpu_percent:.3} %, RSS {mib:.1} MiB, {megabytes:.0} MB on disk"),
        "CPU <= 0.1 %, RSS <= 15 MiB, <= 60 MB",
    );
    Ok(())
}

/// Writes the ledger as the relay does that has sent all of it.
fn fill(bench: &Bench) -> anyhow::Result<()> {
    let now = UnixMicros::from_micros(now_micros());
    let state = State::open(&bench.path("relay"), now.minus(SPREAD))?;
    let pause = SPREAD / REPLIES;
    for batch in 0..REPLIES / BATCH {
        state.write(|tx| {
            let mut at = now;
            for n in batch * BATCH..(batch + 1) * BATCH {
                at = now.minus(pause * (REPLIES - n));
                add_reply(tx, n, at)?;
            }
            // The relay cleans hourly.
            retention::clean(tx, at, BATCH).map(|_| ())
        })?;
    }
    state.checkpoint()?;
    Ok(())
}

/// A reply of two bubbles that were delivered at `at`.
fn add_reply(tx: &Transaction<'_>, n: u32, at: UnixMicros) -> rusqlite::Result<()> {
    let (id, line) = (format!("re_{n:064x}"), "+15550009999");
    let chat_guid = format!("iMessage;-;{}", person(n));
    let texts = [
        format!("Hello, number {n}."),
        "How can I help you?".to_owned(),
    ];
    let bubbles = texts.clone().map(|text| Bubble { text, pause_ms: 0 });
    let body = CommandBody::SendMessage(SendMessage {
        chat_guid: chat_guid.clone(),
        aliases: Vec::new(),
        anchor_guid: Some(guid(n, 9)),
        line: Some(line.to_owned()),
        service: Some("iMessage".to_owned()),
        bubbles: bubbles.into(),
        priority: Priority::Reply,
        not_before: None,
        not_after: at.plus(Duration::from_hours(6)).as_secs(),
        quiet: None,
        handed: false,
    });
    let seq = i64::from(n) + 1;
    take(tx, &Command::new(seq, &id, &body), &body, at)?;
    advance(tx, seq, &id)?;
    for (bubble, text) in (0_u32..).zip(&texts) {
        let rowid = i64::from(n) * 10 + i64::from(bubble);
        let baseline = Baseline {
            file: FILE.to_owned(),
            rowid,
        };
        let sql = "select number from ledger_bubble
                   where command = (select max(number) from ledger_command) and bubble = ?1";
        let number: BubbleNumber = tx.query_row(sql, [bubble], |row| row.get(0))?;
        dispatching::dispatch(tx, number, &chat_guid, &baseline, at)?;
        history::record(tx, line, Contact::Known, at)?;
        let row = OwnRow {
            guid: &guid(n, bubble),
            file: FILE,
            rowid: rowid + 1,
            sent_at: at,
            text,
        };
        let (state, code) = (BubbleState::RowSeen, None);
        let conversation = conversation_guid(&chat_guid);
        match_row(tx, &[conversation], &row, RowState { state, code }, at)?;
        for state in [BubbleState::Sent, BubbleState::Delivered] {
            transitions::reach(tx, number, state, None, at)?;
        }
    }
    let pending = acks::pending(tx, 10)?;
    let numbers: Vec<i64> = pending.iter().map(|pending| pending.number).collect();
    acks::mark_taken(tx, &numbers)
}

/// A guid of the form that Messages uses.
fn guid(n: u32, row: u32) -> String {
    format!("{n:08X}-{row:04X}-4A7B-8C3D-0123456789AB")
}
