//! `scripts/demo`: a conversation arrives in a chat.db, and one sees each message being stored.
//!
//! Everything is the product itself, started as its owner would; only Messages is a stand-in. Ends
//! with one line that sums up, and with exit code 0 if nothing was lost or doubled.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use archety_harness::{
    Backend, BackendStore, Binaries, Mac, Relay, Secret, Spread, Stored, StoredMessage, now_micros,
};
use clap::Parser;
use messages_stand_in::{
    Attachment, Date, NewMessage, Piece, Style, Tapback, TapbackChange, TransferState,
};

const ADA: &str = "+15550100001";
const BOB: &str = "+15550100002";
const EVE: &str = "eve@example.com";
/// How long a message may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shows the whole product at work on this machine, without a Mac and without any account.
#[derive(Parser)]
#[command(name = "demo")]
struct Arguments {
    /// Leave backend and relay running afterwards, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Which macOS the chat.db looks like: monterey, ventura, sequoia, tahoe, macos27
    #[arg(long, default_value = "tahoe")]
    style: Style,
    /// Messages that are in chat.db before the relay starts; none of them is relayed
    #[arg(long, default_value_t = 2_000)]
    older: u32,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let binaries = Binaries::beside_this_program()?;
    let folder = tempfile::Builder::new().prefix("archety-demo-").tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let secret = Secret::default();
    let store = at("backend.db");

    let mut mac = Mac::create(folder.path(), arguments.style)?;
    mac.fill(&[ADA, BOB, EVE], arguments.older)?;
    let mut backend = Backend::start(
        &binaries,
        &BackendStore::Sqlite(store.clone()),
        &secret,
        0,
        &[],
        &at("backend.log"),
    )?;
    let (url, state) = (backend.url(), at("relay"));
    let mut relay = Relay::start(
        &binaries,
        mac.chat_db(),
        &state,
        &url,
        &secret,
        &[],
        &at("relay.log"),
    )?;
    relay.wait_until_reading(&state)?;
    println!("backend  {url}, storing in {}", store.display());
    println!(
        "chat.db  {} ({}, {} older messages)",
        mac.chat_db().display(),
        arguments.style,
        arguments.older
    );
    println!("relay    reading chat.db, posting to the backend\n");

    let mut show = Show::new(Stored::open(&store)?);
    heading();
    converse(&mut mac, &mut show)?;
    // What should not come would come now.
    show.watch_for(Duration::from_millis(500))?;
    let outcome = show.summary();
    println!("\n{outcome}");
    if arguments.keep {
        keep_running(&folder.keep(), &url)?;
    }
    relay.terminate()?;
    backend.terminate()?;
    Ok(if outcome.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A conversation with a bit of everything that Messages writes.
fn converse(mac: &mut Mac, show: &mut Show) -> anyhow::Result<()> {
    let texts = [
        (ADA, "hello sage!"),
        (ADA, "are you there? 👋"),
        (BOB, "Can you remind me about the dentist tomorrow?"),
        (EVE, "Grüße aus Köln – läuft alles?"),
        (ADA, "it is about the trip ✈️"),
    ];
    for (person, text) in texts {
        let row = mac.receive(person, text)?;
        show.expect(mac.messages.guid_of(row)?, "message")?;
    }
    let (ada_chat, ada) = mac.direct(ADA)?;
    let bob = mac.direct(BOB)?.1;
    let group = mac.group(&[ADA, BOB], "Trip")?;
    let now = || Date::from_unix_micros(now_micros());

    let mut rows = Vec::new();
    for (handle, text) in [
        (ada, "who is in?"),
        (bob, "me!"),
        (ada, "great, Friday at nine 🚆"),
    ] {
        let row = mac
            .messages
            .deliver(group, &NewMessage::incoming(handle, now()).text(text))?;
        rows.push(row);
        show.expect(mac.messages.guid_of(row)?, "message")?;
    }
    let target = mac.messages.guid_of(rows[2])?;
    let like = NewMessage::incoming(bob, now()).tapback(
        &Tapback::Like,
        TapbackChange::Add,
        (0, &target),
        "great",
    );
    let row = mac.messages.deliver(group, &like)?;
    show.expect(mac.messages.guid_of(row)?, "tapback")?;
    let reply = NewMessage::incoming(bob, now())
        .text("nine is early")
        .reply_to(&target);
    let row = mac.messages.deliver(group, &reply)?;
    show.expect(mac.messages.guid_of(row)?, "message")?;

    if mac.messages.style() >= Style::Ventura {
        mac.messages
            .edit(rows[2], "great, Friday at ten 🚆", now())?;
        show.expect(target, "edit")?;
    }

    // The row is there, its chat is not yet: Messages writes them one after the other.
    let row = mac
        .messages
        .insert_message(&NewMessage::incoming(ada, now()).text("this one was joined late"))?;
    std::thread::sleep(Duration::from_millis(300));
    mac.messages.join(ada_chat, row)?;
    show.expect(mac.messages.guid_of(row)?, "message")?;

    let photo = Attachment::photo("tickets.jpg", 184_000).in_state(TransferState::Transferring);
    let photo = photo.with_guid("at_0_00000000-0000-4000-8000-00000000D3D0");
    let pieces = [
        Piece::attachment("at_0_00000000-0000-4000-8000-00000000D3D0"),
        Piece::text("the tickets").in_part(1),
    ];
    let row = mac
        .messages
        .deliver(ada_chat, &NewMessage::incoming(ada, now()).pieces(&pieces))?;
    std::thread::sleep(Duration::from_millis(200));
    let attachment = mac.messages.attach(row, &photo, now())?;
    let guid = mac.messages.guid_of(row)?;
    show.expect(guid.clone(), "message")?;
    mac.messages.finish_attachment(attachment, 184_000)?;
    show.expect(guid, "attachment_update")?;

    mac.messages.rotate_wal()?;
    let row = mac.receive(BOB, "after Messages was restarted")?;
    let guid = mac.messages.guid_of(row)?;
    show.expect(guid.clone(), "message")?;
    if mac.messages.style() >= Style::Ventura {
        mac.messages.unsend(row, &[], now())?;
        show.expect(guid, "unsend")?;
    }
    let row = mac.messages.deliver(
        ada_chat,
        &NewMessage::outgoing(now()).text("typed by the owner"),
    )?;
    show.expect(mac.messages.guid_of(row)?, "message")?;
    for n in 1..=5 {
        let row = mac.receive(ADA, &format!("and {n} more"))?;
        show.expect(mac.messages.guid_of(row)?, "message")?;
    }
    Ok(())
}

fn heading() {
    println!(
        "{:>3}  {:<18} {:<17} {:<44} stored after",
        "#", "what", "from", "text"
    );
}

/// What was sent, what was stored, and how long it took.
struct Show {
    stored: Stored,
    sent: usize,
    arrived: HashMap<(String, String), u32>,
    times: Vec<Duration>,
    lost: usize,
}

impl Show {
    fn new(stored: Stored) -> Self {
        Self {
            stored,
            sent: 0,
            arrived: HashMap::new(),
            times: Vec::new(),
            lost: 0,
        }
    }

    /// Waits for what was just committed in chat.db.
    fn expect(&mut self, guid: String, event: &str) -> anyhow::Result<()> {
        let committed = Instant::now();
        self.sent += 1;
        let key = (guid, event.to_owned());
        while !self.arrived.contains_key(&key) {
            if committed.elapsed() > PATIENCE {
                self.lost += 1;
                println!("{:>3}  {event:<18} LOST", self.sent);
                return Ok(());
            }
            for message in self.take_new()? {
                if (&message.guid, &message.event) == (&key.0, &key.1) {
                    let took = committed.elapsed();
                    self.times.push(took);
                    self.line(&message, took);
                }
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(Duration::from_millis(120));
        Ok(())
    }

    fn watch_for(&mut self, span: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + span;
        while Instant::now() < end {
            self.take_new()?;
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn take_new(&mut self) -> anyhow::Result<Vec<StoredMessage>> {
        let new = self.stored.take_new()?;
        for message in &new {
            *self
                .arrived
                .entry((message.guid.clone(), message.event.clone()))
                .or_default() += 1;
        }
        Ok(new)
    }

    fn line(&self, message: &StoredMessage, took: Duration) {
        let text: String = message.text.chars().take(42).collect();
        let ms = format!("{:.1} ms", took.as_secs_f64() * 1e3);
        let ms = if std::io::stdout().is_terminal() {
            format!("\x1b[32m{ms}\x1b[0m")
        } else {
            ms
        };
        println!(
            "{:>3}  {:<18} {:<17} {:<44} {ms}",
            self.sent, message.event, message.sender, text
        );
    }

    fn summary(&self) -> Summary {
        let stored: u32 = self.arrived.values().sum();
        Summary {
            sent: self.sent,
            stored: stored as usize,
            lost: self.lost,
            doubled: self.arrived.values().map(|n| *n as usize - 1).sum(),
            unasked: self.arrived.len().saturating_sub(self.sent - self.lost),
            times: Spread::of(self.times.iter().copied()),
        }
    }
}

struct Summary {
    sent: usize,
    stored: usize,
    lost: usize,
    doubled: usize,
    /// Stored though nobody sent it live: an older message, say.
    unasked: usize,
    times: Spread,
}

impl Summary {
    fn is_good(&self) -> bool {
        (self.lost, self.doubled, self.unasked) == (0, 0, 0) && self.stored == self.sent
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            sent,
            stored,
            lost,
            doubled,
            unasked,
            times,
        } = self;
        write!(
            f,
            "sent {sent}, stored {stored}, lost {lost}, doubled {doubled}, {times}"
        )?;
        if *unasked > 0 {
            write!(f, "; {unasked} stored that nobody sent")?;
        }
        Ok(())
    }
}

fn keep_running(folder: &Path, url: &str) -> anyhow::Result<()> {
    let folder = folder.display();
    println!("\nstill running (Ctrl-C ends it); in another terminal:");
    println!("  curl {url}/healthz");
    println!("  ARCHETY_STATE_DIR={folder}/relay target/debug/archety-relay status");
    println!("  sqlite3 {folder}/backend.db 'select event, sender, text from messages'");
    println!("everything lies in {folder}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime
        .block_on(tokio::signal::ctrl_c())
        .context("cannot wait for Ctrl-C")
}
