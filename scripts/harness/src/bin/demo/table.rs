//! The printed table of messages: what was sent, what the backend stored, and how long that took.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use archety_harness::{BackendDatabase, Percentiles, StoredMessage};

/// A message that is not stored after this time counts as lost.
const DEADLINE: Duration = Duration::from_secs(10);
/// Number of characters of a message's text that are printed.
const WIDTH: usize = 60;

/// Prints the line above the table.
pub(crate) fn print_heading() {
    println!(
        "{:>3}  {:<18} {:<17} {:<WIDTH$}  stored after",
        "#", "what", "from", "text"
    );
}

/// Counts the messages sent so far, and compares them with the stored ones.
pub(crate) struct DeliveryTable {
    database: BackendDatabase,
    /// The text of each message by guid, to quote in the line of a reaction.
    texts: HashMap<String, String>,
    sent: usize,
    /// How often each event was stored, by guid and event name.
    arrived: HashMap<(String, String), u32>,
    /// How long each stored event took.
    times: Vec<Duration>,
    lost: usize,
}

impl DeliveryTable {
    pub(crate) fn new(database: BackendDatabase) -> Self {
        Self {
            database,
            texts: HashMap::new(),
            sent: 0,
            arrived: HashMap::new(),
            times: Vec::new(),
            lost: 0,
        }
    }

    /// Waits until the backend has stored the event that was just committed in chat.db, and prints it.
    pub(crate) fn expect_stored(&mut self, guid: String, event: &str) -> anyhow::Result<()> {
        let committed = Instant::now();
        self.sent += 1;
        let key = (guid, event.to_owned());
        while !self.arrived.contains_key(&key) {
            if committed.elapsed() > DEADLINE {
                self.lost += 1;
                println!("{:>3}  {event:<18} LOST", self.sent);
                return Ok(());
            }
            for message in self.take_new()? {
                if (&message.guid, &message.event) == (&key.0, &key.1) {
                    let took = committed.elapsed();
                    self.times.push(took);
                    self.print_line(&message, took);
                }
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        // A pause, so that a person can follow the lines.
        std::thread::sleep(Duration::from_millis(120));
        Ok(())
    }

    /// Waits for `span` and counts what the backend stores in this time.
    pub(crate) fn watch_for(&mut self, span: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + span;
        while Instant::now() < end {
            self.take_new()?;
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Reads and counts what the backend has stored since the last call.
    fn take_new(&mut self) -> anyhow::Result<Vec<StoredMessage>> {
        let new = self.database.take_new()?;
        for message in &new {
            if !message.text.is_empty() {
                let text = message.text.clone();
                self.texts.insert(message.guid.clone(), text);
            }
            *self
                .arrived
                .entry((message.guid.clone(), message.event.clone()))
                .or_default() += 1;
        }
        Ok(new)
    }

    fn print_line(&self, message: &StoredMessage, took: Duration) {
        let text = self.describe(message);
        let text: String = text.chars().take(WIDTH).collect();
        let ms = format!("{:.1} ms", took.as_secs_f64() * 1e3);
        let ms = if std::io::stdout().is_terminal() {
            format!("\x1b[32m{ms}\x1b[0m")
        } else {
            ms
        };
        println!(
            "{:>3}  {:<18} {:<17} {:<WIDTH$}  {ms}",
            self.sent, message.event, message.sender, text
        );
    }

    /// The printed text of a stored message: its own text, its reaction, its attachments and its link.
    fn describe(&self, message: &StoredMessage) -> String {
        let details = &message.details;
        let mut parts: Vec<String> = Vec::new();
        if !message.text.is_empty() {
            parts.push(message.text.replace('\n', " "));
        }
        if let Some(kind) = details["tapback"]["kind"].as_str() {
            let target = details["tapback"]["target_guid"].as_str();
            let target = target.and_then(|guid| self.texts.get(guid));
            let target = target.map_or("a message", String::as_str);
            parts.push(format!("{kind} on “{target}”"));
        }
        for attachment in details["attachments"].as_array().into_iter().flatten() {
            if let Some(transcript) = attachment["transcript"].as_str() {
                parts.push(format!("🎙 “{transcript}”"));
            } else if let Some(name) = attachment["name"].as_str() {
                parts.push(format!("[{name}]"));
            }
        }
        if let Some(guid) = details["link_of_guid"].as_str() {
            let text = self.texts.get(guid).map_or("a message", String::as_str);
            parts.push(format!("(link of “{text}”)"));
        }
        parts.join(" ")
    }

    pub(crate) fn summary(&self) -> Summary {
        let stored: u32 = self.arrived.values().sum();
        Summary {
            sent: self.sent,
            stored: stored as usize,
            lost: self.lost,
            doubled: self.arrived.values().map(|n| *n as usize - 1).sum(),
            unexpected: self.arrived.len().saturating_sub(self.sent - self.lost),
            times: Percentiles::of(self.times.iter().copied()),
        }
    }
}

/// Totals of the whole run.
pub(crate) struct Summary {
    sent: usize,
    stored: usize,
    lost: usize,
    /// Number of times that an event was stored again.
    doubled: usize,
    /// Number of stored messages that were not awaited, such as older ones and those that came too late.
    unexpected: usize,
    times: Percentiles,
}

impl Summary {
    pub(crate) fn is_complete(&self) -> bool {
        (self.lost, self.doubled, self.unexpected) == (0, 0, 0) && self.stored == self.sent
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            sent,
            stored,
            lost,
            doubled,
            unexpected,
            times,
        } = self;
        write!(
            f,
            "sent {sent}, stored {stored}, lost {lost}, doubled {doubled}, {times}"
        )?;
        if *unexpected > 0 {
            write!(f, "; {unexpected} stored that were not awaited")?;
        }
        Ok(())
    }
}
