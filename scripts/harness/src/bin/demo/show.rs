//! What was sent, what the backend has stored of it, and how long that took.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use archety_harness::{Spread, Stored, StoredMessage};

/// How long a message may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// Characters that are shown of a message.
const WIDTH: usize = 60;

/// The line above the table.
pub(crate) fn heading() {
    println!(
        "{:>3}  {:<18} {:<17} {:<WIDTH$}  stored after",
        "#", "what", "from", "text"
    );
}

/// What was sent, what was stored, and how long it took.
pub(crate) struct Show {
    stored: Stored,
    /// What each message said, for the reactions to it.
    texts: HashMap<String, String>,
    sent: usize,
    arrived: HashMap<(String, String), u32>,
    times: Vec<Duration>,
    lost: usize,
}

impl Show {
    pub(crate) fn new(stored: Stored) -> Self {
        Self {
            stored,
            texts: HashMap::new(),
            sent: 0,
            arrived: HashMap::new(),
            times: Vec::new(),
            lost: 0,
        }
    }

    /// Waits for what was just committed in chat.db.
    pub(crate) fn expect(&mut self, guid: String, event: &str) -> anyhow::Result<()> {
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

    pub(crate) fn watch_for(&mut self, span: Duration) -> anyhow::Result<()> {
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

    fn line(&self, message: &StoredMessage, took: Duration) {
        let text = self.told(message);
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

    /// What a stored message says: its text, and what stands beside it.
    fn told(&self, message: &StoredMessage) -> String {
        let details = &message.details;
        let mut told: Vec<String> = Vec::new();
        if !message.text.is_empty() {
            told.push(message.text.replace('\n', " "));
        }
        if let Some(kind) = details["tapback"]["kind"].as_str() {
            let target = details["tapback"]["target_guid"].as_str();
            let target = target.and_then(|guid| self.texts.get(guid));
            let target = target.map_or("a message", String::as_str);
            told.push(format!("{kind} on “{target}”"));
        }
        for attachment in details["attachments"].as_array().into_iter().flatten() {
            if let Some(transcript) = attachment["transcript"].as_str() {
                told.push(format!("🎙 “{transcript}”"));
            } else if let Some(name) = attachment["name"].as_str() {
                told.push(format!("[{name}]"));
            }
        }
        if let Some(text) = details["link_of_guid"].as_str() {
            let text = self.texts.get(text).map_or("a message", String::as_str);
            told.push(format!("(link of “{text}”)"));
        }
        told.join(" ")
    }

    pub(crate) fn summary(&self) -> Summary {
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

/// What came of it.
pub(crate) struct Summary {
    sent: usize,
    stored: usize,
    lost: usize,
    doubled: usize,
    /// How many stored messages were not sent in this run, such as older ones.
    unasked: usize,
    times: Spread,
}

impl Summary {
    pub(crate) fn is_good(&self) -> bool {
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
            write!(f, "; {unasked} stored that were not sent")?;
        }
        Ok(())
    }
}
