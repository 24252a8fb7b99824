//! The export of a person's data: one JSON document, produced in pieces.
//!
//! Messages are read a page at a time, so that neither the backend nor the database holds more than a page. If a
//! piece fails, the document stays incomplete and is not valid JSON, so no reader takes it for a complete one.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Json;
use uuid::Uuid;

use super::profile::{OnboardingView, TraitsView};
use crate::clock::Timestamp;
use crate::store::people::{
    ConversationRow, ExportRows, ExportedRelationship, ExportedSession, MessagePosition,
    MessageQuery, ProfileRow, Reader, RestOfUser, TraitRow, UserRow,
};
use crate::store::{Store, StoreError};

/// The largest number of messages or audit events in one piece.
const PAGE: u32 = 500;

/// The JSON document about one person, produced in pieces.
pub struct Export {
    store: Store,
    reader: Reader,
    state: ExportState,
}

/// The part of the document that comes next.
enum ExportState {
    Head(String),
    /// The events of the audit log, from the oldest on.
    Events {
        /// Time and id of the last event that was written.
        after: (Timestamp, Uuid),
        separator: &'static str,
    },
    /// The messages, from the newest on.
    Messages {
        /// The position of the last message that was written.
        below: MessagePosition,
        separator: &'static str,
    },
    Finished,
}

#[derive(Serialize)]
struct ExportHead<'a> {
    exported_at: Timestamp,
    user: ExportedUser<'a>,
    trait_profile: Option<&'a Json<Box<RawValue>>>,
    #[serde(flatten)]
    traits: TraitsView<'a>,
    relationships: &'a [ExportedRelationship],
    onboarding_sessions: Vec<OnboardingView<'a>>,
    conversations: &'a [ConversationRow],
    sessions: &'a [ExportedSession],
}

/// The person's row: the fields of the profile and all others.
#[derive(Serialize)]
struct ExportedUser<'a> {
    #[serde(flatten)]
    profile: &'a UserRow,
    #[serde(flatten)]
    other_fields: &'a RestOfUser,
}

impl Export {
    /// Begins the document. `None` if the person does not exist any more.
    pub async fn begin(
        store: &Store,
        reader: Reader,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let Some(profile) = store.profile(&reader).await? else {
            return Ok(None);
        };
        let traits = store.traits(&reader).await?;
        let rows = store.export_rows(&reader).await?;
        Ok(Some(Self {
            store: store.clone(),
            reader,
            state: ExportState::Head(head(&profile, &traits, &rows, now)),
        }))
    }

    /// The next piece; `None` after the last.
    pub async fn next_piece(&mut self) -> Result<Option<String>, StoreError> {
        match std::mem::replace(&mut self.state, ExportState::Finished) {
            ExportState::Head(head) => {
                self.state = ExportState::Events {
                    after: (Timestamp::from_micros(0), Uuid::nil()),
                    separator: "",
                };
                Ok(Some(head))
            }
            ExportState::Events { after, separator } => {
                self.events(after, separator).await.map(Some)
            }
            ExportState::Messages { below, separator } => {
                self.messages(below, separator).await.map(Some)
            }
            ExportState::Finished => Ok(None),
        }
    }

    async fn events(
        &mut self,
        after: (Timestamp, Uuid),
        mut separator: &'static str,
    ) -> Result<String, StoreError> {
        let user_id = self.reader.user_id();
        let rows = self.store.export_events(user_id, after, PAGE).await?;
        let mut piece = json_items(&rows, &mut separator);
        self.state = match rows.last() {
            Some(last) if rows.len() == PAGE as usize => ExportState::Events {
                after: (last.occurred_at, last.id),
                separator,
            },
            _ => {
                piece.push_str("],\"messages\":[");
                ExportState::Messages {
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
        let mut piece = json_items(&rows, &mut separator);
        match rows.last() {
            Some(last) if rows.len() == PAGE as usize => {
                self.state = ExportState::Messages {
                    below: last.position(),
                    separator,
                };
            }
            _ => piece.push_str("]}\n"),
        }
        Ok(piece)
    }
}

fn head(profile: &ProfileRow, traits: &[TraitRow], rows: &ExportRows, now: Timestamp) -> String {
    let head = ExportHead {
        exported_at: now,
        user: ExportedUser {
            profile: &profile.user,
            other_fields: &rows.user,
        },
        trait_profile: profile.trait_profile.as_ref(),
        traits: TraitsView::from(traits),
        relationships: &rows.relationships,
        onboarding_sessions: (rows.onboardings.iter())
            .map(|row| OnboardingView::from(Some(row)))
            .collect(),
        conversations: &rows.conversations,
        sessions: &rows.sessions,
    };
    open_json_list(&head, "auth_events")
}

/// Serializes `head` and leaves the object open inside a new list called `name`.
pub(super) fn open_json_list(head: &impl Serialize, name: &str) -> String {
    let mut json = to_json(head);
    let closing = json.pop();
    debug_assert_eq!(closing, Some('}'));
    let _ = write!(json, ",\"{name}\":[");
    json
}

/// Serializes rows as items of a list. `separator` is empty before the first item of the list and a comma after
/// it.
pub(super) fn json_items<T: Serialize>(rows: &[T], separator: &mut &'static str) -> String {
    let mut items = String::new();
    for row in rows {
        let _ = write!(items, "{separator}{}", to_json(row));
        *separator = ",";
    }
    items
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data with string keys")
}
