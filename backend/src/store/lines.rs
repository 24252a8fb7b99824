//! Lines: which own addresses of a relay count as one persona's.
//!
//! Each heartbeat tells them; they are written only if they differ from what stands here. With them the
//! conversations that were kept under one of a line's addresses come under its name. Where one chat has
//! several, the one that has the name already keeps it, else the one that was used last gets it; the
//! others stay as they are, with the messages they have, and nothing new reaches them, since intake takes
//! any of the addresses for the name.
//!
//! No message may be stored by the old lines once conversations were brought under the new ones. On SQLite
//! there is one writer. On Postgres a lock keeps intake out for as long as this takes, and what is stored
//! next sees what was committed.

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
    /// Intake writes receipts in each of its statements, and locks what it writes before it looks at
    /// anything. Nothing else that this transaction waits for writes there. Dumps only read.
    KEEP_INTAKE_OUT { postgres: "lock table webhook_receipts in share row exclusive mode" }
    FORGET_LINES { both: "delete from relay_lines where relay = $1" }
    ADD_LINE_ADDRESS {
        both: "insert into relay_lines (relay, address, line) values ($1, $2, $3)",
    }
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

/// An own address, and the name of the line that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, FromRow)]
pub struct LineAddress {
    /// The address.
    pub address: String,
    /// The line's name, which is one of its addresses.
    pub line: String,
}

/// What came of telling a relay's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinesTold {
    /// They were known; nothing was written.
    Known,
    /// They are new.
    New {
        /// How many conversations came under the name of their line.
        conversations: u64,
    },
}

impl Store {
    /// Remembers which addresses are which line of `relay`, in place of what was told before. No address
    /// may belong to two lines.
    pub async fn tell_lines(
        &self,
        relay: &RelayName,
        addresses: &BTreeSet<LineAddress>,
    ) -> Result<LinesTold, StoreError> {
        let relay = relay.as_str();
        let known: Vec<LineAddress> = self.reserved.reads().all(LINES_OF_RELAY, (relay,)).await?;
        if known.iter().collect::<BTreeSet<_>>() == addresses.iter().collect() {
            return Ok(LinesTold::Known);
        }
        let names: BTreeSet<&str> = addresses.iter().map(|of| of.line.as_str()).collect();
        let mut tx = self.pools.begin_write().await?;
        if matches!(self.pools, Pools::Postgres(_)) {
            tx.execute(KEEP_INTAKE_OUT, ()).await?;
        }
        tx.execute(FORGET_LINES, (relay,)).await?;
        for of in addresses {
            let params = (relay, &of.address, &of.line);
            tx.execute(ADD_LINE_ADDRESS, params).await?;
        }
        let mut conversations = 0;
        for name in names {
            conversations += tx.execute(NAME_CONVERSATIONS, (relay, name)).await?;
        }
        tx.commit().await?;
        Ok(LinesTold::New { conversations })
    }
}
