//! Traits: named facts about a person, each with its source.

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
    LIST_TRAITS {
        both: "select name, value, source, created_at, updated_at from user_traits
               where user_id = $1 order by name",
    }
    /// Simultaneous changes wait for each other, so that together they do not exceed the maximum number of traits.
    LOCK_TRAITS {
        postgres: "select id from users where id = $1 for no key update",
        sqlite: "select id from users where id = $1",
    }
    SET_TRAIT {
        both: "insert into user_traits (id, user_id, name, value, source, created_at, updated_at)
               values ($2, $1, $3, $4, $5, $6, $6)
               on conflict (user_id, name) do update set
                 value = excluded.value, source = excluded.source, updated_at = excluded.updated_at",
    }
    DELETE_TRAIT { both: "delete from user_traits where user_id = $1 and name = $2" }
    DELETE_TRAITS { both: "delete from user_traits where user_id = $1" }
}

#[derive(Debug, FromRow, Serialize, ToSchema)]
#[schema(as = TraitView)]
pub struct TraitRow {
    #[serde(skip)]
    pub name: String,
    #[schema(value_type = Value)]
    pub value: Json<Box<RawValue>>,
    // `user`, or the name of the program that set the trait.
    pub source: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum TraitsError {
    #[error("a person has at most {0} traits")]
    TooMany(usize),
    #[error("the person does not exist any more")]
    Gone,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// The traits of the reader's person, ordered by name.
    pub async fn traits(&self, reader: &Reader) -> Result<Vec<TraitRow>, StoreError> {
        retry_if_lost(|| async move {
            let mut tx = self.pools.begin_read(reader.actor()).await?;
            tx.all(LIST_TRAITS, (reader.user_id(),)).await
        })
        .await
    }

    /// Sets traits. Each is given by an id (of its row, if the trait is new), its name and its value. Returns all
    /// traits of the person. Changes nothing if there would be more than `max_traits`.
    pub async fn set_traits(
        &self,
        actor: &Actor,
        traits: &[(Uuid, &str, &RawValue)],
        source: &str,
        max_traits: usize,
        now: Timestamp,
    ) -> Result<Vec<TraitRow>, TraitsError> {
        let mut tx = self.pools.begin_as(actor).await?;
        let person: Option<Uuid> = tx.optional_value(LOCK_TRAITS, (actor.user_id,)).await?;
        if person.is_none() {
            return Err(TraitsError::Gone);
        }
        for (id, name, value) in traits {
            let params = (actor.user_id, *id, *name, Json(*value), source, now);
            tx.execute(SET_TRAIT, params).await?;
        }
        let rows: Vec<TraitRow> = tx.all(LIST_TRAITS, (actor.user_id,)).await?;
        if rows.len() > max_traits {
            return Err(TraitsError::TooMany(max_traits));
        }
        tx.commit().await?;
        Ok(rows)
    }

    /// Deletes the trait `name`, or all traits if it is `None`. Returns the number of deleted traits.
    pub async fn delete_traits(
        &self,
        actor: &Actor,
        name: Option<&str>,
    ) -> Result<u64, StoreError> {
        let mut tx = self.pools.begin_as(actor).await?;
        let deleted = match name {
            Some(name) => tx.execute(DELETE_TRAIT, (actor.user_id, name)).await?,
            None => tx.execute(DELETE_TRAITS, (actor.user_id,)).await?,
        };
        tx.commit().await?;
        Ok(deleted)
    }
}
