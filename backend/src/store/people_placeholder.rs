//! Placeholder until the people's own statements land: to be deleted then.

use uuid::Uuid;

use super::pools::on_writer;
use super::statements::statements;
use super::{Store, StoreError};
use crate::clock::Timestamp;

statements! {
    PLACEHOLDER_PERSON {
        both: "insert into users (id, phone, created_at) values ($1, $2, $3) \
               on conflict (phone) do update set phone = excluded.phone returning id",
    }
}

impl Store {
    pub(crate) async fn placeholder_person(
        &self,
        phone: &str,
        id: Uuid,
        now: Timestamp,
    ) -> Result<Uuid, StoreError> {
        let id = on_writer!(self.pools, PLACEHOLDER_PERSON, |pool, sql| {
            sqlx::query_scalar(sql)
                .bind(id)
                .bind(phone)
                .bind(now)
                .fetch_one(pool)
                .await
        })?;
        Ok(id)
    }

    pub(crate) async fn retired_accounts(&self, _: &str, _: &str) -> Result<Vec<Uuid>, StoreError> {
        Ok(Vec::new())
    }

    pub(crate) async fn forget_account(&self, _: &str, _: Uuid) -> Result<(), StoreError> {
        Ok(())
    }
}
