//! Makes each group one conversation for the backend, although Messages may keep it in several chats.
//!
//! A group that moves to another service continues in a new chat under another identifier. The table
//! `chat_lookup` shows that both chats are one group, at once or some time later. For the
//! backend the name of the group is the chat guid under which the group's first message was posted. The name
//! is written down under the guid of each of the chats and stays, even if chat.db is rebuilt with other ROWIDs
//! and a `chat_lookup` that no longer joins the chats. Direct chats are never joined.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use chatdb::{Chat, ChatDb, ChatStyle, Row, lane};
use rusqlite::Connection;
use shared_protocol::{Message, Mode};

use super::PipelineError;
use super::first_chat::{self, KnownChat};
use crate::state::group_name::{self, GroupName};
use crate::state::{State, filtered};

/// At most this many messages of a chat are read to find the first one that was posted.
const FIRST_MESSAGES: usize = 100;

/// The names of the groups of which a message was posted, by the guid of their chat without its service.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupNames(HashMap<String, GroupName>);

impl GroupNames {
    pub(super) fn load(state: &Connection) -> rusqlite::Result<Self> {
        let mut names = Self::default();
        names.add(group_name::all(state)?);
        Ok(names)
    }

    /// The chat guid under which the backend knows the group of a chat, if it has a name.
    pub(super) fn name_of(&self, chat_guid: &str) -> Option<&str> {
        let group = self.0.get(lane(chat_guid))?;
        Some(&group.chat_guid)
    }

    pub(super) fn add(&mut self, groups: impl IntoIterator<Item = GroupName>) {
        for group in groups {
            self.0.insert(group.conversation.clone(), group);
        }
    }

    /// Has the message of a row posted under the name of its group, if that is not the guid of its chat.
    pub(super) fn apply(&self, row: &mut Row) {
        let Some(chat) = group_of(row) else { return };
        let Some(name) = self.name_of(&chat.guid) else {
            return;
        };
        if lane(name) != lane(&chat.guid) {
            row.chat = Some(Rc::new(Chat {
                posted_as: Some(name.to_owned()),
                ..chat.clone()
            }));
        }
    }

    /// Whether chat.db joins several chats to the group of a row, and these don't all have one name yet.
    pub(super) fn needs_name(&self, row: &Row) -> bool {
        let Some(chat) = group_of(row).filter(|chat| !chat.other_chats_of_group.is_empty()) else {
            return false;
        };
        let name = self.name_of(&chat.guid);
        name.is_none()
            || chat
                .other_chats_of_group
                .iter()
                .any(|guid| self.name_of(guid) != name)
    }

    /// Finds one name for all chats of a row's group. If one of the chats has a name other than its own
    /// guid, that name stays. Otherwise the chat of which a message was posted first gives the name. Of a
    /// chat without a name, the first message since `earliest_post` counts as posted first.
    pub(super) fn find_name(
        &self,
        db: &ChatDb,
        state: &State,
        row: &Row,
        earliest_post: i64,
        now: i64,
    ) -> Result<Vec<GroupName>, PipelineError> {
        let Some(chat) = group_of(row) else {
            return Ok(Vec::new());
        };
        let mut guids: Vec<&str> = vec![&chat.guid];
        guids.extend(chat.other_chats_of_group.iter().map(String::as_str));
        let renamed = guids
            .iter()
            .filter_map(|guid| self.0.get(lane(guid)))
            .filter(|group| lane(&group.chat_guid) != group.conversation)
            .min_by_key(|group| group.since);
        let (since, chat_guid) = match renamed {
            Some(group) => (group.since, group.chat_guid.clone()),
            None => self.first_posted(db, state, &guids, earliest_post, now)?,
        };
        // Chats of several services under one identifier have the same conversation.
        let conversations: BTreeSet<&str> = guids.iter().map(|guid| lane(guid)).collect();
        let named = conversations.into_iter().map(|conversation| GroupName {
            conversation: conversation.to_owned(),
            chat_guid: chat_guid.clone(),
            since,
        });
        Ok(named.collect())
    }

    /// When a message of these chats was first posted, and under which guid. If no message was posted, these
    /// are `now` and the guid of the first chat.
    fn first_posted(
        &self,
        db: &ChatDb,
        state: &State,
        guids: &[&str],
        earliest_post: i64,
        now: i64,
    ) -> Result<(i64, String), PipelineError> {
        let mut first = (now, guids[0].to_owned());
        for guid in guids {
            let posted = match self.0.get(lane(guid)) {
                Some(group) => Some((group.since, group.chat_guid.clone())),
                None => first_posted_in(db, state, guid, earliest_post)?,
            };
            // A date after `now` comes from another device's wrong clock and is left out.
            first = posted.filter(|posted| posted.0 < first.0).unwrap_or(first);
        }
        Ok(first)
    }
}

/// When a message of a chat was first posted, and under which guid. Messages that filters hold back were not posted.
fn first_posted_in(
    db: &ChatDb,
    state: &State,
    guid: &str,
    earliest_post: i64,
) -> Result<Option<(i64, String)>, PipelineError> {
    let mut since = earliest_post;
    for _ in 0..FIRST_MESSAGES {
        let Some((message, sent_at)) = db.first_message_in(guid, since)? else {
            break;
        };
        if !state.read(|state| filtered::contains(state, &message))? {
            return Ok(Some((sent_at, posted_in(state, &message, guid)?)));
        }
        since = sent_at + 1;
    }
    Ok(None)
}

/// The chat in which a message was posted, as far as that is known; else `guid`. When a group moves, its
/// messages may be joined to its new chat.
fn posted_in(state: &State, message: &str, guid: &str) -> Result<String, PipelineError> {
    Ok(
        match state.read(|state| first_chat::find(state, message))? {
            KnownChat::Chat(first) => first.chat_guid,
            KnownChat::Lane(first) if first != lane(guid) => format!("any;{first}"),
            KnownChat::Lane(_) | KnownChat::Unknown => guid.to_owned(),
        },
    )
}

/// Writes down the name of a row's group, whose `message` is posted, and returns it, if the group has none yet.
pub(super) fn note_first_post(
    state: &Connection,
    groups: &GroupNames,
    row: &Row,
    message: &Message,
    now: i64,
) -> rusqlite::Result<Option<GroupName>> {
    let is_unnamed = |chat: &&Chat| groups.name_of(&chat.guid).is_none();
    let chat = group_of(row).filter(|_| message.mode == Mode::Group);
    let Some(chat) = chat.filter(is_unnamed) else {
        return Ok(None);
    };
    let group = GroupName {
        conversation: lane(&chat.guid).to_owned(),
        chat_guid: message.chat_guid.clone(),
        since: now,
    };
    group_name::save(state, &group)?;
    Ok(Some(group))
}

fn group_of(row: &Row) -> Option<&Chat> {
    row.chat
        .as_deref()
        .filter(|chat| chat.style == ChatStyle::Group)
}
