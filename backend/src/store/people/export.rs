//! Everything about one person beside their messages, which are read page by page.
//!
//! Sessions and what happened at the door are not open to the guarded role, whose grants would have to
//! name the secrets among their columns; they are read by the backend itself, by the owner's id.

use serde::Serialize;
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
    /// Those after one of them.
    LIST_EVENTS_FOR_EXPORT {
        both: "select id, occurred_at, kind, outcome, session_id from auth_events
               where user_id = $1 and (occurred_at, id) > ($2, $3) order by occurred_at, id limit $4",
    }
    /// Those who have this number or had it.
    FIND_HOLDERS {
        both: "select id, archived_at from users where phone = $1 or archived_phone = $1
               order by created_at, id",
    }
}

/// What there is beside the profile, the traits and the messages.
#[derive(Debug)]
pub struct ExportRows {
    /// What the profile leaves out of the person's row.
    pub user: RestOfUser,
    /// How they stand with each persona.
    pub relationships: Vec<ExportedRelationship>,
    /// Every course of questions.
    pub onboardings: Vec<OnboardingRow>,
    /// Their direct conversations.
    pub conversations: Vec<ConversationRow>,
    /// Where they are or were signed in.
    pub sessions: Vec<ExportedSession>,
}

/// What the profile leaves out of a person's row.
#[derive(Debug, Default, FromRow, Serialize)]
pub struct RestOfUser {
    /// What an older deployment kept.
    pub meta_data: Option<Json<Box<RawValue>>>,
    /// When the last of the messages came that retention has removed.
    pub heard_at: Option<Timestamp>,
    /// When the last long silence among those ended.
    pub silence_ended_at: Option<Timestamp>,
}

/// How a person stands with a persona.
#[derive(Debug, FromRow)]
pub struct ExportedRelationship {
    /// As the profile has it.
    #[sqlx(flatten)]
    pub row: RelationshipRow,
    /// What an older deployment kept.
    pub meta_data: Option<Json<Box<RawValue>>>,
}

/// A direct conversation.
#[derive(Debug, FromRow)]
pub struct ConversationRow {
    /// Our id.
    pub id: Uuid,
    /// The chat's guid, as it was first seen.
    pub chat_guid: String,
    /// The own address that it runs on; empty if none was named.
    pub line: String,
    /// When it began.
    pub created_at: Timestamp,
    /// What an older deployment kept.
    pub meta_data: Option<Json<Box<RawValue>>>,
}

/// A session, without its secrets.
#[derive(Debug, FromRow, Serialize)]
pub struct ExportedSession {
    /// Its id.
    pub id: Uuid,
    /// `cookie` or `bearer`.
    pub transport: String,
    /// What the person recognises it by.
    pub device: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
    /// Why.
    pub end_reason: Option<String>,
}

/// What happened at the door.
#[derive(Debug, FromRow, Serialize)]
pub struct ExportedEvent {
    /// Id of the row.
    #[serde(skip)]
    pub id: Uuid,
    /// When.
    pub occurred_at: Timestamp,
    /// What.
    pub kind: String,
    /// How it came out.
    pub outcome: String,
    /// In which session.
    pub session_id: Option<Uuid>,
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

    /// A page of what happened to a person at the door, the earliest first, after the event of this time
    /// and id.
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
