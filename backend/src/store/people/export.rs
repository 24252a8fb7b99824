//! Reads all rows about a person for an export. Messages and events are read page by page.
//!
//! The role that people's requests run as may not read sessions and events, since those tables have columns with
//! secrets. The backend's own role reads the rows with the person's id.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::profile::{OnboardingRow, RelationshipRow};
use super::reader::Reader;
use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::pools::retry_if_lost;
use crate::store::statement::statements;
use crate::store::{Store, StoreError};

statements! {
    READ_REST_OF_USER {
        both: "select meta_data, heard_at, silence_ended_at from users where id = $1",
    }
    LIST_RELATIONSHIPS {
        both: "select persona_id, stage, trust_score, message_count, last_interaction_at, meta_data
               from relationships where user_id = $1 order by persona_id",
    }
    LIST_ONBOARDINGS {
        both: "select persona_id, stage, answers, started_at, updated_at, completed_at
               from onboarding_sessions where user_id = $1 order by started_at, id",
    }
    LIST_CONVERSATIONS {
        both: "select id, chat_guid, line, created_at, meta_data from conversations
               where user_id = $1 and mode = 'direct' order by created_at, id",
    }
    LIST_SESSIONS_FOR_EXPORT {
        both: "select id, transport, device, created_at, last_seen_at, expires_at, ended_at, end_reason
               from sessions where user_id = $1 order by created_at, id",
    }
    LIST_EVENTS_FOR_EXPORT {
        both: "select id, occurred_at, kind, outcome, session_id from auth_events
               where user_id = $1 and (occurred_at, id) > ($2, $3) order by occurred_at, id limit $4",
    }
}

/// The result of [`Store::export_rows`].
#[derive(Debug)]
pub struct ExportRows {
    pub user: RestOfUser,
    pub relationships: Vec<ExportedRelationship>,
    pub onboardings: Vec<OnboardingRow>,
    pub conversations: Vec<ConversationRow>,
    pub sessions: Vec<ExportedSession>,
}

/// The columns of a person's row that the profile does not have.
#[derive(Debug, Default, FromRow, Serialize)]
pub struct RestOfUser {
    /// Written by an older deployment, like `meta_data` in the types below. The JSON is not parsed, since a parsed
    /// value could not keep all of it, such as `\u0000`.
    pub meta_data: Option<Json<Box<RawValue>>>,
    /// The time of the last message that retention has deleted.
    pub heard_at: Option<Timestamp>,
    /// The end of the last long silence between messages that retention has deleted.
    pub silence_ended_at: Option<Timestamp>,
}

#[derive(Debug, FromRow, Serialize)]
pub struct ExportedRelationship {
    #[sqlx(flatten)]
    #[serde(flatten)]
    pub row: RelationshipRow,
    pub meta_data: Option<Json<Box<RawValue>>>,
}

/// A direct conversation.
#[derive(Debug, FromRow, Serialize)]
pub struct ConversationRow {
    pub id: Uuid,
    /// The chat's guid in the first message of the conversation.
    pub chat_guid: String,
    /// The name of the conversation's line; empty if no message had a line.
    #[serde(serialize_with = "null_if_empty")]
    pub line: String,
    pub created_at: Timestamp,
    pub meta_data: Option<Json<Box<RawValue>>>,
}

/// A session, without its secrets.
#[derive(Debug, FromRow, Serialize)]
pub struct ExportedSession {
    pub id: Uuid,
    pub transport: String,
    pub device: Option<String>,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub end_reason: Option<String>,
}

#[derive(Debug, FromRow, Serialize)]
pub struct ExportedEvent {
    #[serde(skip)]
    pub id: Uuid,
    pub occurred_at: Timestamp,
    pub kind: String,
    pub outcome: String,
    pub session_id: Option<Uuid>,
}

fn null_if_empty<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    (!text.is_empty()).then_some(text).serialize(serializer)
}

impl Store {
    /// Everything about a person except profile, traits, messages and events.
    pub async fn export_rows(&self, reader: &Reader) -> Result<ExportRows, StoreError> {
        let user_id = reader.user_id();
        let (user, relationships, onboardings, conversations) = retry_if_lost(|| async move {
            let mut tx = self.pools.begin_read(reader.actor()).await?;
            let user: Option<RestOfUser> = tx.optional(READ_REST_OF_USER, (user_id,)).await?;
            Ok((
                user.unwrap_or_default(),
                tx.all(LIST_RELATIONSHIPS, (user_id,)).await?,
                tx.all(LIST_ONBOARDINGS, (user_id,)).await?,
                tx.all(LIST_CONVERSATIONS, (user_id,)).await?,
            ))
        })
        .await?;
        let mut reads = self.pools.reads();
        let sessions = reads.all(LIST_SESSIONS_FOR_EXPORT, (user_id,)).await?;
        Ok(ExportRows {
            user,
            relationships,
            onboardings,
            conversations,
            sessions,
        })
    }

    /// A page of a person's events, the earliest first. `after` has the time and the id of the last event of the page
    /// before.
    pub async fn export_events(
        &self,
        user_id: Uuid,
        after: (Timestamp, Uuid),
        limit: u32,
    ) -> Result<Vec<ExportedEvent>, StoreError> {
        let params = (user_id, after.0, after.1, i64::from(limit));
        let mut reads = self.pools.reads();
        reads.all(LIST_EVENTS_FOR_EXPORT, params).await
    }
}
