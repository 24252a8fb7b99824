//! One group, one conversation, under whatever identifiers Messages keeps it.
//!
//! A group that moves to another service goes on in a new chat under another identifier; `chat_lookup`
//! tells that both are one, at once or some time later. On the wire it keeps the guid under which it was
//! told first. That is written down by guid and stays, whatever ROWIDs a rebuilt chat.db gives and
//! whether or not its lookup still knows. Direct chats are never joined.

use std::collections::HashMap;
use std::rc::Rc;

use chatdb::{Chat, ChatDb, ChatStyle, Row, lane};
use rusqlite::Connection;
use shared_protocol::{Message, Mode};

use super::PipelineError;
use super::binding::{self, ToldIn};
use crate::state::told_group::{self, ToldGroup};
use crate::state::{State, filtered};

/// So many messages of a chat are looked at to find one that was told.
const HELD_AT_FIRST: usize = 100;

/// The groups that were told, by the guid of their chat without its service.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    told: HashMap<String, ToldGroup>,
}

impl Groups {
    /// What the state remembers.
    pub(super) fn load(state: &Connection) -> rusqlite::Result<Self> {
        let groups = told_group::all(state)?.into_iter();
        Ok(Self {
            told: groups
                .map(|group| (group.conversation.clone(), group))
                .collect(),
        })
    }

    /// Whether the group of `chat` was told before.
    pub(super) fn knows(&self, chat: &Chat) -> bool {
        self.told.contains_key(lane(&chat.guid))
    }

    /// The guid under which the group of a chat was told first, if it was.
    pub(super) fn told_as(&self, chat_guid: &str) -> Option<&str> {
        let group = self.told.get(lane(chat_guid))?;
        Some(&group.chat_guid)
    }

    /// Adds what was written down.
    pub(super) fn add(&mut self, groups: impl IntoIterator<Item = ToldGroup>) {
        for group in groups {
            self.told.insert(group.conversation.clone(), group);
        }
    }

    /// Names the group of a row as it was told first.
    pub(super) fn name(&self, row: &mut Row) {
        let Some(chat) = group_of(row) else { return };
        let conversation = lane(&chat.guid);
        let Some(told) = self.told.get(conversation) else {
            return;
        };
        if lane(&told.chat_guid) != conversation {
            row.chat = Some(Rc::new(Chat {
                told_as: Some(told.chat_guid.clone()),
                ..chat.clone()
            }));
        }
    }

    /// Whether there is something to decide about a row's group.
    pub(super) fn is_undecided(&self, row: &Row) -> bool {
        group_of(row).is_some_and(|chat| {
            !chat.joined.is_empty() && {
                let told_as = |guid: &str| self.told.get(lane(guid)).map(|told| &told.chat_guid);
                let own = told_as(&chat.guid);
                own.is_none() || chat.joined.iter().any(|guid| told_as(guid) != own)
            }
        })
    }

    /// What the chats of a row's group are told as from now on. Once one of them is told as another, that
    /// stands; else the one that was told first is it. A chat that was told before names of groups were
    /// written down counts from its first message after `began`, when this relay began.
    pub(super) fn decide(
        &self,
        db: &ChatDb,
        state: &State,
        row: &Row,
        began: i64,
        now: i64,
    ) -> Result<Vec<ToldGroup>, PipelineError> {
        let Some(chat) = group_of(row) else {
            return Ok(Vec::new());
        };
        let mut guids: Vec<&str> = vec![&chat.guid];
        guids.extend(chat.joined.iter().map(String::as_str));
        let told: Vec<_> = guids
            .iter()
            .filter_map(|guid| self.told.get(lane(guid)))
            .collect();
        let decided = told
            .iter()
            .filter(|group| lane(&group.chat_guid) != group.conversation)
            .min_by_key(|group| group.told_since);
        let (chat_guid, told_since) = match decided {
            Some(group) => (group.chat_guid.clone(), group.told_since),
            None => self.first_told(db, state, &guids, began, now)?,
        };
        // Of several chats on different services under one identifier each has the same conversation.
        let mut groups: Vec<ToldGroup> = Vec::new();
        for guid in guids {
            let conversation = lane(guid);
            if groups
                .iter()
                .all(|group| group.conversation != conversation)
            {
                groups.push(ToldGroup {
                    conversation: conversation.to_owned(),
                    chat_guid: chat_guid.clone(),
                    told_since,
                });
            }
        }
        Ok(groups)
    }

    fn first_told(
        &self,
        db: &ChatDb,
        state: &State,
        guids: &[&str],
        began: i64,
        now: i64,
    ) -> Result<(String, i64), PipelineError> {
        let mut first: Option<(i64, String)> = None;
        for guid in guids {
            let since = match self.told.get(lane(guid)) {
                Some(group) => Some((group.told_since, group.chat_guid.clone())),
                None => first_told_in(db, state, guid, began)?,
            };
            // A date of another device's clock says nothing about a time to come.
            let since = since.filter(|(since, _)| *since < now);
            if let Some(since) = since
                && first.as_ref().is_none_or(|first| since.0 < first.0)
            {
                first = Some(since);
            }
        }
        Ok(first.map_or_else(|| (guids[0].to_owned(), now), |(since, guid)| (guid, since)))
    }
}

/// When a chat was told first, and as which, by the messages in it; what filters hold back was not told.
fn first_told_in(
    db: &ChatDb,
    state: &State,
    guid: &str,
    began: i64,
) -> Result<Option<(i64, String)>, PipelineError> {
    let mut since = began;
    for _ in 0..HELD_AT_FIRST {
        let Some((message, sent_at)) = db.first_message_in(guid, since)? else {
            break;
        };
        if !state.read(|state| filtered::contains(state, &message))? {
            return Ok(Some((sent_at, told_as(state, &message, guid)?)));
        }
        since = sent_at + 1;
    }
    Ok(None)
}

/// The chat in which a message was told, as far as that is known; else `guid`. When a group moves, its
/// messages may be joined to its new chat.
fn told_as(state: &State, message: &str, guid: &str) -> Result<String, PipelineError> {
    Ok(
        match state.read(|state| binding::told_in(state, message))? {
            ToldIn::Chat(bound) => bound.chat_guid,
            ToldIn::Lane(told) if told != lane(guid) => format!("any;{told}"),
            ToldIn::Lane(_) | ToldIn::Unknown => guid.to_owned(),
        },
    )
}

/// Writes down under what name the group of a row is told, if that is for the first time.
pub(super) fn note_telling(
    state: &Connection,
    groups: &Groups,
    row: &Row,
    message: &Message,
    now: i64,
) -> rusqlite::Result<Option<ToldGroup>> {
    let chat = group_of(row).filter(|chat| message.mode == Mode::Group && !groups.knows(chat));
    let Some(chat) = chat else { return Ok(None) };
    let group = ToldGroup {
        conversation: lane(&chat.guid).to_owned(),
        chat_guid: message.chat_guid.clone(),
        told_since: now,
    };
    told_group::save(state, &group)?;
    Ok(Some(group))
}

/// Writes groups down.
pub(super) fn save(tx: &Connection, groups: &[ToldGroup]) -> rusqlite::Result<()> {
    groups
        .iter()
        .try_for_each(|group| told_group::save(tx, group))
}

fn group_of(row: &Row) -> Option<&Chat> {
    row.chat
        .as_deref()
        .filter(|chat| chat.style == ChatStyle::Group)
}
