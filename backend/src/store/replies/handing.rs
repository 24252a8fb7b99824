//! Hands commands to relays: reads those above the number that the relay has stored, and writes down which installation
//! got them.
//!
//! A command belongs to the first installation to which an answer has carried it. That installation may have sent it,
//! even if it has never said so. So another installation gets the command only to find out what became of it. The same
//! installation gets it anew if it asks from below its number, because then it has not stored it; unless it has acked
//! the command, in which case its state was lost or restored since.
//!
//! A relay names the newest command that it has stored. If that is not ours, this database was restored from a backup,
//! and the numbers up to that one may be used twice. So all open commands get new numbers above it, and the relay is
//! asked for the messages that the backup lacks.

use std::time::Duration;

use shared_protocol::{CommandBody, RelayName, ResendSince, command_id};
use sqlx::FromRow;

use super::commands::{self, NewCommand};
use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::statement::statements;
use crate::store::{Store, StoreError};

/// How far before its last pull in the backup a relay sends its messages again. A message may be posted long after it
/// was written, but a relay that pulls posts at once.
const RESEND_MARGIN: Duration = Duration::from_hours(1);

statements! {
    RELAY_POSITION {
        both: "select coalesce((select command_seq from relays where name = $1), 0) as last_seq,
                 (select last_seen_at from relays where name = $1) as last_seen_at,
                 (select id from commands where relay = $1 and seq = $2) as id_at_seq",
    }
    HAS_COMMANDS {
        both: "select 1 from commands where relay = $1 and done_at is null and seq > $2 limit 1",
    }
    /// Hands over at most $4 commands above the number $2, of at most $5 bytes together, or a larger one alone. Only
    /// the installation $3 that has the lease gets any.
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
                 and exists (select 1 from relays where name = $1 and lease_instance = $3)
               returning seq, id, kind, body, handed_to = $3 as is_own, exists (
                 select 1 from command_bubbles b
                 where b.relay = commands.relay and b.command_id = commands.id
                   and b.state <> 'pending') as is_acked",
    }
    HAS_LEASE { both: "select 1 from relays where name = $1 and lease_instance = $2" }
    /// Raises the number of the relay's last command to $2, and locks it until the commit.
    RAISE_LAST_NUMBER {
        both: "update relays set command_seq = case when command_seq < $2 then $2 else command_seq end
               where name = $1 returning command_seq",
    }
    ID_AT_NUMBER { both: "select id from commands where relay = $1 and seq = $2" }
    /// Numbers the open commands anew, from $4 + 1, and with them a finished one that has the number $2. The command
    /// $3 is the one that the relay has stored under the number $2.
    RENUMBER_COMMANDS {
        both: "with ranked as (
                 select id, row_number() over (order by seq) as nth from commands
                 where relay = $1 and id <> $3 and (done_at is null or seq = $2)
               )
               update commands set seq = $4 + ranked.nth
               from ranked where commands.relay = $1 and commands.id = ranked.id",
    }
    NUMBER_COMMAND { both: "update commands set seq = $3 where relay = $1 and id = $2" }
    /// A command of which the backup knows nothing keeps its number from being used again.
    KEEP_NUMBER {
        both: "insert into commands (relay, id, seq, kind, body_hash, created_at, done_at)
               values ($1, $2, $3, 'lost', $4, $5, $5)",
    }
}

/// What is stored about a relay's commands.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct RelayPosition {
    /// The number of the relay's last command.
    pub last_seq: i64,
    /// The time of the last pull.
    pub last_seen_at: Option<Timestamp>,
    /// The command with the number that was asked for.
    pub id_at_seq: Option<String>,
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

/// What was done after a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The number of commands with a new number.
    pub renumbered: u64,
    /// The relay sends its messages since this time again. `None` if the backup knows no pull of the relay.
    pub resend_since: Option<Timestamp>,
}

impl Store {
    /// What is stored about the relay's commands, and which of them has the number `seq`.
    pub async fn relay_position(
        &self,
        relay: &RelayName,
        seq: i64,
    ) -> Result<RelayPosition, StoreError> {
        let params = (relay.as_str(), seq);
        self.reserved.reads().one(RELAY_POSITION, params).await
    }

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
        let params = (relay.as_str(), seq, instance, limit, max_bytes);
        let mut writes = self.reserved.writes();
        let mut handed: Vec<HandedCommand> = writes.all(HAND_COMMANDS, params).await?;
        if handed.is_empty() {
            let params = (relay.as_str(), instance);
            let held: Option<i32> = writes.optional_value(HAS_LEASE, params).await?;
            if held.is_none() {
                return Ok(Handing::Elsewhere);
            }
        }
        handed.sort_unstable_by_key(|command| command.seq);
        Ok(Handing::Commands(handed))
    }

    /// Numbers the open commands of a relay anew, above the command `stored_id` that the relay has stored under the
    /// number `stored_seq`, and asks the relay for the messages since its last pull in the backup. `None` if that was
    /// done already.
    pub async fn renumber_commands(
        &self,
        relay: &RelayName,
        stored_seq: i64,
        stored_id: &str,
        last_seen_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Option<Restored>, StoreError> {
        let name = relay.as_str();
        let mut tx = self.reserved.begin_write().await?;
        let last: i64 = tx.value(RAISE_LAST_NUMBER, (name, stored_seq)).await?;
        let at_number: Option<String> = tx.optional_value(ID_AT_NUMBER, (name, stored_seq)).await?;
        if at_number.as_deref() == Some(stored_id) {
            return Ok(None);
        }
        let params = (name, stored_seq, stored_id, last);
        let renumbered = tx.execute(RENUMBER_COMMANDS, params).await?;
        let params = (name, stored_id, stored_seq);
        if tx.execute(NUMBER_COMMAND, params).await? == 0 {
            let no_hash: &[u8] = &[];
            let params = (name, stored_id, stored_seq, no_hash, now);
            tx.execute(KEEP_NUMBER, params).await?;
        }
        let last = last.saturating_add(i64::try_from(renumbered).unwrap_or(i64::MAX));
        tx.execute(RAISE_LAST_NUMBER, (name, last)).await?;
        let resend_since = last_seen_at.map(|seen| seen.minus(RESEND_MARGIN));
        if let Some(since) = resend_since {
            let since = since.as_secs();
            let seq = stored_seq.to_string();
            let command = NewCommand {
                relay: name,
                id: &command_id("archety.resend.v1", &[name, &seq, stored_id]),
                conversation_id: None,
                body: &CommandBody::ResendSince(ResendSince { since }),
                messages: &[],
            };
            commands::insert(&mut tx, &command, now).await?;
        }
        tx.commit().await?;
        Ok(Some(Restored {
            renumbered,
            resend_since,
        }))
    }
}
