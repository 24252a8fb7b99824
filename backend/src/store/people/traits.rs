//! Traits: what is known about a person by name, and who said so.

use serde_json::value::RawValue;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::reader::{Reader, reading};
use crate::clock::Timestamp;
use crate::store::statements::statements;
use crate::store::transaction::as_user;
use crate::store::{Actor, Store, StoreError};

statements! {
    LIST_TRAITS {
        both: "select name, value, source, created_at, updated_at from user_traits \
               where user_id = $1 order by name",
    }
    /// Whoever changes traits waits here for others who do, or the bound would not hold.
    LOCK_TRAITS {
        postgres: "select id from users where id = $1 for no key update",
        sqlite: "select id from users where id = $1",
    }
    SET_TRAIT {
        both: "insert into user_traits (id, user_id, name, value, source, created_at, updated_at) \
               values ($2, $1, $3, $4, $5, $6, $6) \
               on conflict (user_id, name) do update set \
                 value = excluded.value, source = excluded.source, updated_at = excluded.updated_at",
    }
    DELETE_TRAIT { both: "delete from user_traits where user_id = $1 and name = $2" }
    DELETE_TRAITS { both: "delete from user_traits where user_id = $1" }
}

/// A trait of a person.
#[derive(Debug, FromRow)]
pub struct TraitRow {
    /// Its name, unique per person.
    pub name: String,
    /// Any JSON.
    pub value: Json<Box<RawValue>>,
    /// Who said so: `user`, or whoever found out.
    pub source: String,
    /// Since when it is known.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Why traits were not changed.
#[derive(Debug, thiserror::Error)]
pub enum TraitsError {
    /// The person would have more than that many.
    #[error("a person has at most {0} traits")]
    TooMany(usize),
    /// The person is gone.
    #[error("there is nobody to have traits")]
    Gone,
    /// The database did not do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for TraitsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// A person's traits, by name.
    pub async fn traits(&self, reader: &Reader) -> Result<Vec<TraitRow>, StoreError> {
        reading!(self.pools, reader, |tx, dialect| {
            let rows = sqlx::query_as(LIST_TRAITS.on(dialect))
                .bind(reader.user_id())
                .fetch_all(tx)
                .await;
            rows.map_err(StoreError::from)
        })
    }

    /// Sets the given traits, each with the id of its row should it be new, and leaves the others.
    /// Returns all of them.
    pub async fn set_traits(
        &self,
        actor: &Actor,
        given: &[(Uuid, &str, &RawValue)],
        source: &str,
        at_most: usize,
        now: Timestamp,
    ) -> Result<Vec<TraitRow>, TraitsError> {
        as_user!(self.pools, actor, |tx, dialect| {
            let person = sqlx::query(LOCK_TRAITS.on(dialect))
                .bind(actor.user_id)
                .fetch_optional(&mut *tx)
                .await?;
            if person.is_none() {
                return Err(TraitsError::Gone);
            }
            for (id, name, value) in given {
                sqlx::query(SET_TRAIT.on(dialect))
                    .bind(actor.user_id)
                    .bind(*id)
                    .bind(*name)
                    .bind(Json(*value))
                    .bind(source)
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
            }
            let rows: Vec<TraitRow> = sqlx::query_as(LIST_TRAITS.on(dialect))
                .bind(actor.user_id)
                .fetch_all(&mut *tx)
                .await?;
            if rows.len() > at_most {
                return Err(TraitsError::TooMany(at_most));
            }
            Ok(rows)
        })
    }

    /// Forgets one trait, or all of them. Tells how many there were.
    pub async fn delete_traits(
        &self,
        actor: &Actor,
        name: Option<&str>,
    ) -> Result<u64, StoreError> {
        as_user!(self.pools, actor, |tx, dialect| {
            let done = if let Some(name) = name {
                let statement = sqlx::query(DELETE_TRAIT.on(dialect));
                statement.bind(actor.user_id).bind(name).execute(tx).await?
            } else {
                let statement = sqlx::query(DELETE_TRAITS.on(dialect));
                statement.bind(actor.user_id).execute(tx).await?
            };
            Ok(done.rows_affected())
        })
    }
}
