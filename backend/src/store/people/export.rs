//! Everything about one person beside their messages, which are read page by page.
//!
//! The guarded role may not read sessions and events: its grants would have to name the secrets among
//! their columns. The backend itself reads these, by the owner's id.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::profile::{OnboardingRow, RelationshipRow};
use super::reader::Reader;
use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::pools::again_if_lost;
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
    FIND_HOLDERS {
        both: "select id, archived_at from users where phone = $1 or archived_phone = $1
               order by created_at, id",
    }
}

/// What there is beside the profile, the traits and the messages.
#[derive(Debug)]
pub struct ExportRows {
    pub user: RestOfUser,
    pub relationships: Vec<ExportedRelationship>,
    pub onboardings: Vec<OnboardingRow>,
    pub conversations: Vec<ConversationRow>,
    pub sessions: Vec<ExportedSession>,
}

/// What the profile leaves out of a person's row.
#[derive(Debug, Default, FromRow, Serialize)]
pub struct RestOfUser {
    /// From an older deployment, as `meta_data` below. Raw: it may hold what no value of JSON's types
    /// keeps, such as `\u0000`.
    pub meta_data: Option<Json<Box<RawValue>>>,
    /// When the last of the messages came that retention has removed.
    pub heard_at: Option<Timestamp>,
    /// When the last long silence among those ended.
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
    /// As it was first seen.
    pub chat_guid: String,
    /// The own address that it runs on; empty if no message named one.
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

/// An event of signing in or out.
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
    /// Everything about a person beside profile, traits and messages.
    pub async fn export_rows(&self, reader: &Reader) -> Result<ExportRows, StoreError> {
        let user_id = reader.user_id();
        let (user, relationships, onboardings, conversations) = again_if_lost(|| async move {
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

    /// A page of a person's events, the earliest first, after the event of this time and id.
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

    /// The people who have or had this number, the earliest first. With those who had it stands the time
    /// when it went.
    pub async fn holders(&self, phone: &str) -> Result<Vec<(Uuid, Option<Timestamp>)>, StoreError> {
        self.pools.reads().all(FIND_HOLDERS, (phone,)).await
    }
}
