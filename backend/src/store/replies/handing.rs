//! Hands commands to relays: reads those above the number that the relay has stored, and writes down which installation
//! got them.
//!
//! A command belongs to the first installation to which an answer has carried it. That installation may have sent it,
//! even if it has never said so. So another installation gets the command only to find out what became of it. The same
//! installation gets it anew if it asks from below its number, because then it has not stored it; unless it has acked
//! the command, in which case its state was lost or restored since.
//!
//! The transaction locks the relay's row, so an installation that loses the lease meanwhile gets nothing, and no command
//! gets another number meanwhile.

use shared_protocol::RelayName;
use sqlx::FromRow;

use crate::store::execute::Execute;
use crate::store::pools::retry_on_conflict;
use crate::store::statement::statements;
use crate::store::{Store, StoreError};

statements! {
    HAS_COMMANDS {
        both: "select 1 from commands where relay = $1 and done_at is null and seq > $2 limit 1",
    }
    /// Hands over at most $4 commands above the number $2, of at most $5 bytes together, or a larger one alone, to the
    /// installation $3.
    HAND_COMMANDS {
        both: "with near as (
                 select seq, octet_length(body) as bytes from commands
                 where relay = $1 and done_at is null and seq > $2 order by seq limit $4
               ), sized as (
                 select seq, row_number() over (order by seq) as nth,
                   sum(bytes) over (order by seq) as total
                 from near
               )
               update commands set handed_to = coalesce(handed_to, $3)
               where relay = $1 and done_at is null
                 and seq in (select seq from sized where nth = 1 or total <= $5)
               returning seq, id, kind, body, handed_to = $3 as is_own, exists (
                 select 1 from command_bubbles b
                 where b.relay = commands.relay and b.command_id = commands.id
                   and b.state <> 'pending') as is_acked",
    }
    /// Locks the relay's row if the installation $2 has the lease.
    LOCK_LEASE {
        postgres: "select 1 from relays where name = $1 and lease_instance = $2 for no key update",
        sqlite: "select 1 from relays where name = $1 and lease_instance = $2",
    }
}

/// A command that an answer carries.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct HandedCommand {
    pub seq: i64,
    pub id: String,
    pub kind: String,
    /// The fields of its kind, as a JSON object.
    pub body: String,
    /// Whether no other installation got the command before.
    pub is_own: bool,
    /// Whether an installation has acked the command.
    pub is_acked: bool,
}

impl HandedCommand {
    /// Whether the command may have been sent already, by another installation or by one whose state was lost.
    pub fn may_be_sent(&self) -> bool {
        !self.is_own || self.is_acked
    }
}

/// The result of [`Store::hand_commands`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handing {
    /// The commands in the order of their numbers; none if there are none.
    Commands(Vec<HandedCommand>),
    /// The installation has lost the lease.
    Elsewhere,
}

impl Store {
    /// Whether the relay has an open command above the number `seq`.
    pub async fn has_commands(&self, relay: &RelayName, seq: i64) -> Result<bool, StoreError> {
        let params = (relay.as_str(), seq);
        let mut reads = self.reserved.reads();
        let found: Option<i32> = reads.optional_value(HAS_COMMANDS, params).await?;
        Ok(found.is_some())
    }

    /// Hands the open commands above the number `seq` to an installation: at most `limit`, of at most `max_bytes`
    /// together, or a larger one alone.
    pub async fn hand_commands(
        &self,
        relay: &RelayName,
        instance: &str,
        seq: i64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Handing, StoreError> {
        if !self.has_commands(relay, seq).await? {
            return Ok(Handing::Commands(Vec::new()));
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let max_bytes = i64::try_from(max_bytes).unwrap_or(i64::MAX);
        let relay = relay.as_str();
        retry_on_conflict(|| async move {
            let mut tx = self.reserved.begin_write().await?;
            let held: Option<i32> = tx.optional_value(LOCK_LEASE, (relay, instance)).await?;
            if held.is_none() {
                return Ok(Handing::Elsewhere);
            }
            let params = (relay, seq, instance, limit, max_bytes);
            let mut handed: Vec<HandedCommand> = tx.all(HAND_COMMANDS, params).await?;
            tx.commit().await?;
            handed.sort_unstable_by_key(|command| command.seq);
            Ok(Handing::Commands(handed))
        })
        .await
    }
}
