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

use super::profile::{OnboardingView, TraitsView};
use crate::clock::Timestamp;
use crate::store::people::{
    ConversationRow, ExportRows, ExportedRelationship, ExportedSession, MessagePosition,
    MessageQuery, ProfileRow, Reader, RestOfUser, TraitRow, UserRow,
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
    trait_profile: Option<&'a Json<Box<RawValue>>>,
    #[serde(flatten)]
    traits: TraitsView<'a>,
    relationships: &'a [ExportedRelationship],
    onboarding_sessions: Vec<OnboardingView<'a>>,
    conversations: &'a [ConversationRow],
    sessions: &'a [ExportedSession],
}

/// The person's row: what the profile shows of it, and the rest.
#[derive(Serialize)]
struct ExportedUser<'a> {
    #[serde(flatten)]
    shown: &'a UserRow,
    #[serde(flatten)]
    rest: &'a RestOfUser,
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
        let mut piece = joined(&rows, &mut separator);
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
        let mut piece = joined(&rows, &mut separator);
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
    let head = Head {
        exported_at: now,
        user: ExportedUser {
            shown: &profile.user,
            rest: &rest.user,
        },
        trait_profile: profile.trait_profile.as_ref(),
        traits: TraitsView::from(traits),
        relationships: &rest.relationships,
        onboarding_sessions: (rest.onboardings.iter())
            .map(|row| OnboardingView::from(Some(row)))
            .collect(),
        conversations: &rest.conversations,
        sessions: &rest.sessions,
    };
    with_open_list(&head, "auth_events")
}

/// `head` as JSON that ends inside a list of this name.
pub(super) fn with_open_list(head: &impl Serialize, name: &str) -> String {
    let mut json = to_json(head);
    let closing = json.pop();
    debug_assert_eq!(closing, Some('}'));
    let _ = write!(json, ",\"{name}\":[");
    json
}

/// Rows as items of a list. `separator` goes before each but the first of all.
pub(super) fn joined<T: Serialize>(rows: &[T], separator: &mut &'static str) -> String {
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
