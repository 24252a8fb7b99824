//! A stand-in for a Mac with Messages: a chat.db, and the people who write to its owner.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use messages_stand_in::{Chat, ChatDb, Date, NewMessage, Style};

const MICROS_PER_MINUTE: i64 = 60_000_000;

/// Microseconds since 1970.
pub fn now_micros() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "a message is dated at the time when it is written"
    )]
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
}

/// A chat.db and the direct chats in it.
pub struct Mac {
    /// The database, opened as Messages opens it.
    pub messages: ChatDb,
    path: PathBuf,
    /// ROWIDs of the direct chat with a person and of the person's handle, by the person's address.
    direct_chats: HashMap<String, (i64, i64)>,
}

impl Mac {
    /// Creates a chat.db in `folder`.
    pub fn create(folder: &Path, style: Style) -> anyhow::Result<Self> {
        let path = folder.join("chat.db");
        let messages = ChatDb::create(&path, style)?.with_own_address("+15550009999");
        Ok(Self {
            messages,
            path,
            direct_chats: HashMap::new(),
        })
    }

    /// The path of chat.db.
    pub fn chat_db(&self) -> &Path {
        &self.path
    }

    /// Creates the direct chat with a person and the person's handle, unless they exist. Returns the ROWIDs of both.
    pub fn ensure_direct_chat(&mut self, person: &str) -> anyhow::Result<(i64, i64)> {
        if let Some(known) = self.direct_chats.get(person) {
            return Ok(*known);
        }
        let chat = self.messages.insert_chat(&Chat::direct(person))?;
        let handle = self.messages.ensure_handle(person, "iMessage")?;
        self.direct_chats.insert(person.to_owned(), (chat, handle));
        Ok((chat, handle))
    }

    /// Creates a group chat and returns its ROWID.
    pub fn create_group(&mut self, people: &[&str], name: &str) -> anyhow::Result<i64> {
        Ok(self
            .messages
            .insert_chat(&Chat::group(people.iter().copied()).named(name))?)
    }

    /// Writes a message that arrives now: first its row, then its join to the chat. Returns its ROWID.
    pub fn receive(&mut self, person: &str, text: &str) -> anyhow::Result<i64> {
        let (chat, handle) = self.ensure_direct_chat(person)?;
        let date = Date::from_unix_micros(now_micros());
        Ok(self
            .messages
            .deliver(chat, &NewMessage::incoming(handle, date).text(text))?)
    }

    /// Writes `count` messages from `people` in one commit. They are dated a minute apart, the last an hour ago.
    pub fn fill(&mut self, people: &[&str], count: u32) -> anyhow::Result<()> {
        let mut chats = Vec::new();
        for person in people {
            chats.push(self.ensure_direct_chat(person)?);
        }
        let start = now_micros() - (i64::from(count) + 60) * MICROS_PER_MINUTE;
        self.messages.atomically(|messages| {
            for n in 0..count {
                let (chat, handle) = chats[n as usize % chats.len()];
                let date = Date::from_unix_micros(start + i64::from(n) * MICROS_PER_MINUTE);
                let text = format!("an older message, number {n}");
                messages.deliver(chat, &NewMessage::incoming(handle, date).text(text))?;
            }
            Ok::<_, messages_stand_in::Error>(())
        })?;
        Ok(())
    }
}
