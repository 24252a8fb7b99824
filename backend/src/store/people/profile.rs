//! The profile of a person, read in one statement.
//!
//! The profile has one relationship, with the persona that the person talked with last, and the latest onboarding:
//! the person's answers to the questions by which a persona gets to know them.

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::FromRow;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::reader::Reader;
use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::pools::retry_if_lost;
use crate::store::statement::statements;
use crate::store::{Actor, Store, StoreError};

statements! {
    READ_PROFILE {
        postgres: "select u.id, u.phone, u.name, u.created_at, u.updated_at, u.last_sign_in_at,
                     t.profile as trait_profile,
                     r.persona_id, r.stage, r.trust_score, r.message_count, r.last_interaction_at,
                     o.persona_id as onboarding_persona_id, o.stage as onboarding_stage,
                     o.answers, o.started_at, o.updated_at as onboarding_updated_at, o.completed_at
                   from users u
                   left join trait_profiles t on t.user_id = u.id
                   left join lateral (
                     select persona_id, stage, trust_score, message_count, last_interaction_at
                     from relationships where user_id = u.id
                     order by last_interaction_at desc nulls last, persona_id limit 1) r on true
                   left join lateral (
                     select persona_id, stage, answers, started_at, updated_at, completed_at
                     from onboarding_sessions where user_id = u.id
                     order by started_at desc, id desc limit 1) o on true
                   where u.id = $1",
        sqlite: "select u.id, u.phone, u.name, u.created_at, u.updated_at, u.last_sign_in_at,
                   t.profile as trait_profile,
                   r.persona_id, r.stage, r.trust_score, r.message_count, r.last_interaction_at,
                   o.persona_id as onboarding_persona_id, o.stage as onboarding_stage,
                   o.answers, o.started_at, o.updated_at as onboarding_updated_at, o.completed_at
                 from users u
                 left join trait_profiles t on t.user_id = u.id
                 left join relationships r on r.id = (
                   select id from relationships where user_id = u.id
                   order by last_interaction_at desc nulls last, persona_id limit 1)
                 left join onboarding_sessions o on o.id = (
                   select id from onboarding_sessions where user_id = u.id
                   order by started_at desc, id desc limit 1)
                 where u.id = $1",
    }
    RENAME {
        both: "update users set name = $2, updated_at = $3 where id = $1 and archived_at is null",
    }
}

#[derive(Debug)]
pub struct ProfileRow {
    pub user: UserRow,
    pub trait_profile: Option<Json<Box<RawValue>>>,
    pub relationship: Option<RelationshipRow>,
    pub onboarding: Option<OnboardingRow>,
}

#[derive(Debug, FromRow, Serialize, ToSchema)]
#[schema(as = UserView)]
pub struct UserRow {
    pub id: Uuid,
    // E.164, or as an older deployment wrote the number.
    pub phone: String,
    pub name: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
    pub last_sign_in_at: Option<Timestamp>,
}

#[derive(Debug, FromRow, Serialize, ToSchema)]
#[schema(as = RelationshipView)]
pub struct RelationshipRow {
    pub persona_id: String,
    // `new` at first; later values are the persona's.
    pub stage: String,
    pub trust_score: f64,
    // The number of messages from the person.
    pub message_count: i64,
    // The time of the last message that iCloud did not restore.
    pub last_interaction_at: Option<Timestamp>,
}

#[derive(Debug, FromRow)]
pub struct OnboardingRow {
    pub persona_id: String,
    pub stage: String,
    pub answers: Json<Box<RawValue>>,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
    pub completed_at: Option<Timestamp>,
}

/// The columns of [`READ_PROFILE`].
#[derive(FromRow)]
struct ProfileColumns {
    #[sqlx(flatten)]
    user: UserRow,
    trait_profile: Option<Json<Box<RawValue>>>,
    persona_id: Option<String>,
    stage: Option<String>,
    trust_score: Option<f64>,
    message_count: Option<i64>,
    last_interaction_at: Option<Timestamp>,
    onboarding_persona_id: Option<String>,
    onboarding_stage: Option<String>,
    answers: Option<Json<Box<RawValue>>>,
    started_at: Option<Timestamp>,
    onboarding_updated_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
}

impl From<ProfileColumns> for ProfileRow {
    fn from(row: ProfileColumns) -> Self {
        let relationship = || {
            Some(RelationshipRow {
                persona_id: row.persona_id?,
                stage: row.stage?,
                trust_score: row.trust_score?,
                message_count: row.message_count?,
                last_interaction_at: row.last_interaction_at,
            })
        };
        let onboarding = || {
            Some(OnboardingRow {
                persona_id: row.onboarding_persona_id?,
                stage: row.onboarding_stage?,
                answers: row.answers?,
                started_at: row.started_at?,
                updated_at: row.onboarding_updated_at?,
                completed_at: row.completed_at,
            })
        };
        Self {
            relationship: relationship(),
            onboarding: onboarding(),
            user: row.user,
            trait_profile: row.trait_profile,
        }
    }
}

impl Store {
    /// The profile of the reader's person; `None` if there is no such person.
    pub async fn profile(&self, reader: &Reader) -> Result<Option<ProfileRow>, StoreError> {
        let row: Option<ProfileColumns> = retry_if_lost(|| async move {
            let mut tx = self.pools.begin_read(reader.actor()).await?;
            tx.optional(READ_PROFILE, (reader.user_id(),)).await
        })
        .await?;
        Ok(row.map(ProfileRow::from))
    }

    /// Changes the name and returns the new profile; `None` if there is no such person. An archived person keeps the
    /// old name.
    pub async fn rename(
        &self,
        actor: &Actor,
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<ProfileRow>, StoreError> {
        let mut tx = self.pools.begin_as(actor).await?;
        tx.execute(RENAME, (actor.user_id, name, now)).await?;
        let row: Option<ProfileColumns> = tx.optional(READ_PROFILE, (actor.user_id,)).await?;
        tx.commit().await?;
        Ok(row.map(ProfileRow::from))
    }
}
