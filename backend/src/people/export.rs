//! Everything about a person, as one JSON document in pieces.
//!
//! A history of any length is read a page at a time, so that neither the backend nor the
//! database holds more than a page. The caller asks for the next piece; one that fails leaves the document
//! unfinished, which no reader takes for a whole one.

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Json;
use uuid::Uuid;

use super::json_pieces::{ArrayItems, up_to_array};
use super::profile::{MessageView, OnboardingView, RelationshipView, TraitsView, UserView};
use crate::clock::Timestamp;
use crate::store::people::{
    ConversationRow, ExportRows, ExportedRelationship, ExportedSession, MessagePosition,
    MessageQuery, ProfileRow, Reader, RestOfUser, TraitRow,
};
use crate::store::{Store, StoreError};

/// Messages, or audit events, of one piece.
const PAGE: u32 = 500;

/// A document that is being written.
pub struct Export {
    store: Store,
    reader: Reader,
    items: ArrayItems,
    next: NextPiece,
}

enum NextPiece {
    Head(String),
    Events { after: (Timestamp, Uuid) },
    Messages { below: MessagePosition },
    Nothing,
}

#[derive(Serialize)]
struct ExportHead<'a> {
    exported_at: Timestamp,
    user: ExportedUser<'a>,
    trait_profile: Option<&'a RawValue>,
    #[serde(flatten)]
    traits: TraitsView<'a>,
    relationships: Vec<ExportedRelationshipView<'a>>,
    onboarding_sessions: Vec<OnboardingView<'a>>,
    conversations: Vec<ConversationView<'a>>,
    sessions: &'a [ExportedSession],
}

/// The person's row: what the profile shows of it, and the rest.
#[derive(Serialize)]
struct ExportedUser<'a> {
    #[serde(flatten)]
    shown: UserView<'a>,
    #[serde(flatten)]
    rest: &'a RestOfUser,
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
            items: ArrayItems::default(),
            next: NextPiece::Head(head(&profile, &traits, &rest, now)),
        }))
    }

    /// The next piece; `None` after the last.
    pub async fn next_piece(&mut self) -> Result<Option<String>, StoreError> {
        match std::mem::replace(&mut self.next, NextPiece::Nothing) {
            NextPiece::Head(head) => {
                self.next = NextPiece::Events {
                    after: (Timestamp::from_micros(0), Uuid::nil()),
                };
                Ok(Some(head))
            }
            NextPiece::Events { after } => self.events(after).await.map(Some),
            NextPiece::Messages { below } => self.messages(below).await.map(Some),
            NextPiece::Nothing => Ok(None),
        }
    }

    async fn events(&mut self, after: (Timestamp, Uuid)) -> Result<String, StoreError> {
        let user_id = self.reader.user_id();
        let rows = self.store.export_events(user_id, after, PAGE).await?;
        let mut piece = self.items.write(&rows);
        self.next = match rows.last() {
            Some(last) if rows.len() == PAGE as usize => NextPiece::Events {
                after: (last.occurred_at, last.id),
            },
            _ => {
                piece.push_str("],\"messages\":[");
                self.items = ArrayItems::default();
                NextPiece::Messages {
                    below: MessagePosition::TOP,
                }
            }
        };
        Ok(piece)
    }

    async fn messages(&mut self, below: MessagePosition) -> Result<String, StoreError> {
        let query = MessageQuery {
            below,
            limit: PAGE,
            conversation_id: None,
        };
        let rows = self.store.messages(&self.reader, query).await?;
        let mut piece = self.items.write(rows.iter().map(MessageView::from));
        match rows.last() {
            Some(last) if rows.len() == PAGE as usize => {
                let below = last.position();
                self.next = NextPiece::Messages { below };
            }
            _ => piece.push_str("]}\n"),
        }
        Ok(piece)
    }
}

fn head(profile: &ProfileRow, traits: &[TraitRow], rest: &ExportRows, now: Timestamp) -> String {
    let head = ExportHead {
        exported_at: now,
        user: ExportedUser {
            shown: UserView::from(&profile.user),
            rest: &rest.user,
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
        sessions: &rest.sessions,
    };
    up_to_array(&head, "auth_events")
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
