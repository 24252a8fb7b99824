//! A chat.db with people in it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use messages_stand_in::{Chat, ChatDb, Date, NewMessage, Style};

/// Microseconds since 1970.
pub fn now_micros() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "a demonstration happens now")]
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Messages on a Mac, and the chats on it.
pub struct Mac {
    /// The database, as Messages holds it.
    pub messages: ChatDb,
    path: PathBuf,
    chats: HashMap<String, (i64, i64)>,
}

impl Mac {
    /// Makes a chat.db in `folder`.
    pub fn create(folder: &Path, style: Style) -> anyhow::Result<Self> {
        let path = folder.join("chat.db");
        let messages = ChatDb::create(&path, style)?.with_line("+15550009999");
        Ok(Self {
            messages,
            path,
            chats: HashMap::new(),
        })
    }

    /// Where chat.db is.
    pub fn chat_db(&self) -> &Path {
        &self.path
    }

    /// The direct chat with a person, and the person's handle.
    pub fn direct(&mut self, person: &str) -> anyhow::Result<(i64, i64)> {
        if let Some(known) = self.chats.get(person) {
            return Ok(*known);
        }
        let chat = self.messages.chat(&Chat::direct(person))?;
        let handle = self.messages.handle(person, "iMessage")?;
        self.chats.insert(person.to_owned(), (chat, handle));
        Ok((chat, handle))
    }

    /// A group chat.
    pub fn group(&mut self, people: &[&str], name: &str) -> anyhow::Result<i64> {
        Ok(self
            .messages
            .chat(&Chat::group(people.iter().copied()).named(name))?)
    }

    /// A message that arrives now: the row, then its chat, as Messages writes them. Returns ROWID.
    pub fn receive(&mut self, person: &str, text: &str) -> anyhow::Result<i64> {
        let (chat, handle) = self.direct(person)?;
        let date = Date::from_unix_micros(now_micros());
        Ok(self
            .messages
            .deliver(chat, &NewMessage::incoming(handle, date).text(text))?)
    }

    /// `count` older messages from `people`, spread over the days before now, in one commit.
    pub fn fill(&mut self, people: &[&str], count: u32) -> anyhow::Result<()> {
        let mut chats = Vec::new();
        for person in people {
            chats.push(self.direct(person)?);
        }
        let start = now_micros() - i64::from(count) * 60_000_000 - 3_600_000_000;
        self.messages.atomically(|messages| {
            for n in 0..count {
                let (chat, handle) = chats[n as usize % chats.len()];
                let date = Date::from_unix_micros(start + i64::from(n) * 60_000_000);
                let text = format!("an older message, number {n}");
                messages.deliver(chat, &NewMessage::incoming(handle, date).text(text))?;
            }
            Ok::<_, messages_stand_in::Error>(())
        })?;
        Ok(())
    }
}
