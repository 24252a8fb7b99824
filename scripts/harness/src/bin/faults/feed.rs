//! The people who write: questions, each of which asks for a reply of one to five bubbles.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use archety_harness::{Mac, now_micros};
use messages_stand_in::{Chat, Date, NewMessage};

use crate::stage::line;

/// How many bubbles the questions ask for, in turn.
const BUBBLES: [u32; 10] = [1, 2, 1, 3, 1, 5, 2, 1, 4, 1];
/// Every so-manieth chat is a group.
const GROUP_EVERY: usize = 10;

/// A feed that was late catches up with the questions of this time.
const LONGEST_BURST: Duration = Duration::from_millis(200);

/// A chat of chat.db in which people write.
struct FedChat {
    rowid: i64,
    guid: String,
    handle: i64,
    line: String,
    is_group: bool,
    /// The guid of the newest question, until it is answered.
    open_question: Option<String>,
    /// How many questions may still be asked.
    left: usize,
}

/// A message that asks for a reply.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// `message.guid`
    pub(crate) guid: String,
    /// The guid of its chat.
    pub(crate) chat: String,
    /// What the bubbles of the reply begin with.
    pub(crate) words: String,
    /// How many bubbles the reply has to have.
    pub(crate) bubbles: u32,
}

impl Question {
    /// The text of a bubble of the reply, from 0.
    pub(crate) fn bubble_text(&self, bubble: u32) -> String {
        format!("{} {} of {}", self.words, bubble + 1, self.bubbles)
    }
}

/// Writes the questions, at most one at a time into each chat, and as many into each chat.
pub(crate) struct Feed {
    chats: Vec<FedChat>,
    pub(crate) asked: Vec<Question>,
    /// How many questions are asked in all.
    total: usize,
    /// The time between two questions.
    every: Duration,
    next_at: Instant,
    next_chat: usize,
}

impl Feed {
    /// Makes `chats` chats. In them `total` questions are asked, at most `per_second`.
    pub(crate) fn new(
        mac: &mut Mac,
        chats: usize,
        total: usize,
        per_second: u32,
    ) -> anyhow::Result<Self> {
        let in_each = total.div_ceil(chats);
        let chats = (0..chats).map(|n| chat(mac, n, in_each));
        Ok(Self {
            chats: chats.collect::<anyhow::Result<_>>()?,
            asked: Vec::new(),
            total,
            every: Duration::from_secs(1) / per_second,
            next_at: Instant::now(),
            next_chat: 0,
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.asked.len() >= self.total
    }

    /// Notes which questions are answered, so that their chats can ask again.
    pub(crate) fn note_answers(
        &mut self,
        replies: &BTreeMap<String, Vec<String>>,
        unanswered: &BTreeSet<String>,
    ) {
        for chat in &mut self.chats {
            let is_answered =
                |guid: &String| replies.contains_key(guid) && !unanswered.contains(guid);
            if chat.open_question.as_ref().is_some_and(is_answered) {
                chat.open_question = None;
            }
        }
    }

    /// Asks the questions that are due, in the chats whose last question is answered.
    pub(crate) fn ask_due(&mut self, mac: &mut Mac) -> anyhow::Result<()> {
        while !self.is_over() && Instant::now() >= self.next_at {
            let order = (0..self.chats.len()).map(|n| (self.next_chat + n) % self.chats.len());
            let is_free = |chat: &FedChat| chat.open_question.is_none() && chat.left > 0;
            let free = order.into_iter().find(|n| is_free(&self.chats[*n]));
            let Some(free) = free else {
                return Ok(());
            };
            self.ask(mac, free)?;
            self.next_chat = free + 1;
            // A feed that had to wait for answers does not catch up in a burst.
            let earliest = Instant::now().checked_sub(LONGEST_BURST);
            self.next_at = (self.next_at + self.every).max(earliest.unwrap_or(self.next_at));
        }
        Ok(())
    }

    fn ask(&mut self, mac: &mut Mac, chat: usize) -> anyhow::Result<()> {
        let number = self.asked.len();
        let chat = &mut self.chats[chat];
        let bubbles = BUBBLES[number % BUBBLES.len()];
        // A group is answered only if it names the persona.
        let name = if chat.is_group { "sage, " } else { "" };
        let words = format!("{name}question {number}:");
        let date = Date::from_unix_micros(now_micros());
        let message = NewMessage::incoming(chat.handle, date)
            .text(format!("{words} {bubbles} bubbles"))
            .set("account", format!("P:{}", chat.line))
            .set("destination_caller_id", chat.line.clone());
        let rowid = mac.messages.deliver(chat.rowid, &message)?;
        let guid = mac.messages.guid_of(rowid)?;
        chat.open_question = Some(guid.clone());
        chat.left -= 1;
        self.asked.push(Question {
            guid,
            chat: chat.guid.clone(),
            words,
            bubbles,
        });
        Ok(())
    }
}

fn chat(mac: &mut Mac, n: usize, questions: usize) -> anyhow::Result<FedChat> {
    let person = format!("+1555010{n:04}");
    let is_group = n % GROUP_EVERY == GROUP_EVERY - 1;
    let mut chat = if is_group {
        let further = format!("+1555011{n:04}");
        Chat::group([person.clone(), further]).named(format!("group {n}"))
    } else {
        Chat::direct(&*person)
    };
    let line = line(n);
    chat.line = Some(line.clone());
    let rowid = mac.messages.insert_chat(&chat)?;
    let handle = mac.messages.ensure_handle(&person, "iMessage")?;
    let sql = "select guid from chat where ROWID = ?1";
    let guid = mac
        .messages
        .raw()
        .query_row(sql, [rowid], |row| row.get(0))?;
    Ok(FedChat {
        rowid,
        guid,
        handle,
        line,
        is_group,
        open_question: None,
        left: questions,
    })
}
