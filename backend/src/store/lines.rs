//! The lines of a relay. A line is one account of Messages on the relay's Mac: the set of own addresses that receive
//! its messages. One of the addresses is the name of the line.
//!
//! Each heartbeat of a relay reports its lines, which are written only if they differ from the stored ones. When they
//! are written, each conversation that is stored under an address of a line gets the line's name in place of the
//! address. If a chat has several such conversations, only one gets the name: the one that has it already, or else the
//! one used last. The others keep their address and their messages. They get no new messages, since a message that
//! names any address of a line is stored under the line's name.
//!
//! Once the conversations are changed, no message may be stored by the old lines. On SQLite only one connection writes,
//! which ensures that. On Postgres a lock keeps messages from being stored during the change.

use std::collections::BTreeSet;

use shared_protocol::RelayName;
use sqlx::FromRow;

use super::execute::Execute;
use super::statement::statements;
use super::{Pools, Store, StoreError};

statements! {
    LINES_OF_RELAY {
        both: "select address, line from relay_lines where relay = $1 order by address",
    }
    /// Waits for messages that are being stored, and keeps out others: each statement that stores messages writes
    /// receipts, and so locks this table before it reads anything. A dump of the database only reads the table. The
    /// dump and this lock do not wait for each other.
    LOCK_INTAKE_OUT { postgres: "lock table webhook_receipts in share row exclusive mode" }
    DELETE_LINES { both: "delete from relay_lines where relay = $1" }
    ADD_LINE_ADDRESS {
        both: "insert into relay_lines (relay, address, line) values ($1, $2, $3)",
    }
    /// Gives the name $2 of a line to one conversation of each chat that has none under that name.
    NAME_CONVERSATIONS {
        both: "update conversations set line = $2
               where id in (
                 select id from (
                   select c.id, row_number() over (
                     partition by c.guid
                     order by coalesce(
                       (select max(created_at) from messages where conversation_id = c.id),
                       c.created_at) desc, c.id desc) as nth
                   from conversations c
                   where c.relay = $1 and c.line <> $2 and c.line in (
                     select address from relay_lines where relay = $1 and line = $2)) ranked
                 where nth = 1)
               and not exists (
                 select 1 from conversations o
                 where o.relay = $1 and o.guid = conversations.guid and o.line = $2)",
    }
}

/// An own address of a relay and the line that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, FromRow)]
pub struct LineAddress {
    pub address: String,
    /// The name of the line.
    pub line: String,
}

/// The result of [`Store::set_lines`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinesUpdate {
    /// The relay had the same lines before; nothing was written.
    Unchanged,
    Changed {
        /// The number of conversations that are now stored under the name of their line.
        conversations: u64,
    },
}

impl Store {
    /// Replaces the lines of `relay`. No address may belong to two lines.
    pub async fn set_lines(
        &self,
        relay: &RelayName,
        addresses: &BTreeSet<LineAddress>,
    ) -> Result<LinesUpdate, StoreError> {
        let relay = relay.as_str();
        let stored: Vec<LineAddress> = self.reserved.reads().all(LINES_OF_RELAY, (relay,)).await?;
        if stored.iter().collect::<BTreeSet<_>>() == addresses.iter().collect() {
            return Ok(LinesUpdate::Unchanged);
        }
        let names: BTreeSet<&str> = addresses.iter().map(|row| row.line.as_str()).collect();
        let mut tx = self.pools.begin_write().await?;
        if matches!(self.pools, Pools::Postgres(_)) {
            tx.execute(LOCK_INTAKE_OUT, ()).await?;
        }
        tx.execute(DELETE_LINES, (relay,)).await?;
        for row in addresses {
            let params = (relay, &row.address, &row.line);
            tx.execute(ADD_LINE_ADDRESS, params).await?;
        }
        let mut conversations = 0;
        for name in names {
            conversations += tx.execute(NAME_CONVERSATIONS, (relay, name)).await?;
        }
        tx.commit().await?;
        Ok(LinesUpdate::Changed { conversations })
    }
}
