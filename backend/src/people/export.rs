//! Everything about a person, as one JSON document in pieces.
//!
//! A history of any length is read a page at a time, so that neither the backend nor the
//! database holds more than a page. Whoever wants the document asks for the next piece; one that fails
//! leaves the document unfinished, which no reader takes for a whole one.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Json;
use uuid::Uuid;

use super::profile::{MessageView, OnboardingView, RelationshipView, TraitsView, UserView};
use crate::clock::Timestamp;
use crate::store::people::{
    ConversationRow, ExportRows, ExportedEvent, ExportedRelationship, ExportedSession,
    MessagePosition, MessageQuery, ProfileRow, Reader, TraitRow,
};
use crate::store::{Store, StoreError};

/// Messages, or events of the door, of one piece.
const PAGE: u32 = 500;

/// A document that is being written.
pub struct Export {
    store: Store,
    reader: Reader,
    next: Next,
}

enum Next {
    Head(String),
    Events {
        after: (Timestamp, Uuid),
        separator: &'static str,
    },
    Messages {
        below: MessagePosition,
        separator: &'static str,
    },
    Nothing,
}

#[derive(Serialize)]
struct Head<'a> {
    exported_at: Timestamp,
    user: ExportedUser<'a>,
    trait_profile: Option<&'a RawValue>,
    #[serde(flatten)]
    traits: TraitsView<'a>,
    relationships: Vec<ExportedRelationshipView<'a>>,
    onboarding_sessions: Vec<OnboardingView<'a>>,
    conversations: Vec<ConversationView<'a>>,
    sessions: Vec<SessionView<'a>>,
}

/// The person's row: what the profile shows of it, and the rest.
#[derive(Serialize)]
struct ExportedUser<'a> {
    #[serde(flatten)]
    shown: UserView<'a>,
    meta_data: Option<&'a RawValue>,
    heard_at: Option<Timestamp>,
    silence_ended_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct ExportedRelationshipView<'a> {
    #[serde(flatten)]
    shown: RelationshipView<'a>,
    meta_data: Option<&'a RawValue>,
}

#[derive(Serialize)]
pub(super) struct ConversationView<'a> {
    id: Uuid,
    chat_guid: &'a str,
    line: Option<&'a str>,
    created_at: Timestamp,
    meta_data: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct SessionView<'a> {
    id: Uuid,
    transport: &'a str,
    device: Option<&'a str>,
    created_at: Timestamp,
    last_seen_at: Timestamp,
    expires_at: Timestamp,
    ended_at: Option<Timestamp>,
    end_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct EventView<'a> {
    occurred_at: Timestamp,
    kind: &'a str,
    outcome: &'a str,
    session_id: Option<Uuid>,
}

impl Export {
    /// Begins the document, unless the person is gone.
    pub async fn begin(
        store: &Store,
        reader: Reader,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let Some(profile) = store.profile(&reader).await? else {
            return Ok(None);
        };
        let traits = store.traits(&reader).await?;
        let rest = store.export_rows(&reader).await?;
        Ok(Some(Self {
            store: store.clone(),
            reader,
            next: Next::Head(head(&profile, &traits, &rest, now)),
        }))
    }

    /// The next piece; none after the last.
    pub async fn next_piece(&mut self) -> Result<Option<String>, StoreError> {
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Head(head) => {
                self.next = Next::Events {
                    after: (Timestamp::from_micros(0), Uuid::nil()),
                    separator: "",
                };
                Ok(Some(head))
            }
            Next::Events { after, separator } => self.events(after, separator).await.map(Some),
            Next::Messages { below, separator } => self.messages(below, separator).await.map(Some),
            Next::Nothing => Ok(None),
        }
    }

    async fn events(
        &mut self,
        after: (Timestamp, Uuid),
        mut separator: &'static str,
    ) -> Result<String, StoreError> {
        let user_id = self.reader.user_id();
        let rows = self.store.export_events(user_id, after, PAGE).await?;
        let mut piece = String::new();
        for row in &rows {
            let event = to_json(&event(row));
            let _ = write!(piece, "{separator}{event}");
            separator = ",";
        }
        self.next = match rows.last() {
            Some(last) if rows.len() == PAGE as usize => Next::Events {
                after: (last.occurred_at, last.id),
                separator,
            },
            _ => {
                piece.push_str("],\"messages\":[");
                Next::Messages {
                    below: MessagePosition::TOP,
                    separator: "",
                }
            }
        };
        Ok(piece)
    }

    async fn messages(
        &mut self,
        below: MessagePosition,
        mut separator: &'static str,
    ) -> Result<String, StoreError> {
        let query = MessageQuery {
            below,
            limit: PAGE,
            conversation_id: None,
        };
        let rows = self.store.messages(&self.reader, query).await?;
        let mut piece = String::new();
        for row in &rows {
            let message = to_json(&MessageView::from(row));
            let _ = write!(piece, "{separator}{message}");
            separator = ",";
        }
        match rows.last() {
            Some(last) if rows.len() == PAGE as usize => {
                self.next = Next::Messages {
                    below: last.position(),
                    separator,
                };
            }
            _ => piece.push_str("]}\n"),
        }
        Ok(piece)
    }
}

fn head(profile: &ProfileRow, traits: &[TraitRow], rest: &ExportRows, now: Timestamp) -> String {
    let mut head = to_json(&Head {
        exported_at: now,
        user: ExportedUser {
            shown: UserView::from(&profile.user),
            meta_data: raw(rest.user.meta_data.as_ref()),
            heard_at: rest.user.heard_at,
            silence_ended_at: rest.user.silence_ended_at,
        },
        trait_profile: profile.trait_profile.as_ref().map(|json| &*json.0),
        traits: TraitsView::from(traits),
        relationships: rest.relationships.iter().map(relationship).collect(),
        onboarding_sessions: rest
            .onboardings
            .iter()
            .map(|row| OnboardingView::from(Some(row)))
            .collect(),
        conversations: rest.conversations.iter().map(conversation).collect(),
        sessions: rest.sessions.iter().map(session).collect(),
    });
    let closing = head.pop();
    debug_assert_eq!(closing, Some('}'));
    head.push_str(",\"auth_events\":[");
    head
}

pub(super) fn conversation(row: &ConversationRow) -> ConversationView<'_> {
    ConversationView {
        id: row.id,
        chat_guid: &row.chat_guid,
        line: Some(row.line.as_str()).filter(|line| !line.is_empty()),
        created_at: row.created_at,
        meta_data: raw(row.meta_data.as_ref()),
    }
}

fn relationship(row: &ExportedRelationship) -> ExportedRelationshipView<'_> {
    ExportedRelationshipView {
        shown: RelationshipView::from(&row.row),
        meta_data: raw(row.meta_data.as_ref()),
    }
}

/// JSON as it is kept: an adopted column holds what no value of JSON's types keeps, such as `\u0000`.
fn raw(json: Option<&Json<Box<RawValue>>>) -> Option<&RawValue> {
    json.map(|json| &*json.0)
}

fn session(row: &ExportedSession) -> SessionView<'_> {
    SessionView {
        id: row.id,
        transport: &row.transport,
        device: row.device.as_deref(),
        created_at: row.created_at,
        last_seen_at: row.last_seen_at,
        expires_at: row.expires_at,
        ended_at: row.ended_at,
        end_reason: row.end_reason.as_deref(),
    }
}

fn event(row: &ExportedEvent) -> EventView<'_> {
    EventView {
        occurred_at: row.occurred_at,
        kind: &row.kind,
        outcome: &row.outcome,
        session_id: row.session_id,
    }
}

pub(super) fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data with string keys")
}
