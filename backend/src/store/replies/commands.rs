//! Commands for relays, and the bubbles of each.
//!
//! The number of a command is taken from its relay's row, whose lock is held until the commit. So the numbers of a
//! relay ascend in the order of the commits, and a relay that has seen a number has missed no lower one.

use sha2::{Digest, Sha256};
use shared_protocol::{Command, CommandBody, RelayName};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::statement::statements;
use crate::store::transaction::Tx;
use crate::store::{Store, StoreError};

statements! {
    FIND_COMMAND { both: "select body_hash from commands where relay = $1 and id = $2" }
    NEXT_SEQ {
        both: "insert into relays (name, created_at, command_seq) values ($1, $2, 1)
               on conflict (name) do update set command_seq = relays.command_seq + 1
               returning command_seq",
    }
    ADD_COMMAND {
        both: "insert into commands (
                 relay, id, seq, kind, conversation_id, body, body_hash, created_at)
               values ($1, $2, $3, $4, $5, $6, $7, $8)",
    }
    ADD_BUBBLE {
        both: "insert into command_bubbles (relay, command_id, bubble, message_id, conversation_id)
               values ($1, $2, $3, $4, $5)",
    }
    /// Wakes the held pulls of the relay with the commit. On SQLite the commit rings the bell of the process.
    NOTIFY_RELAY {
        postgres: "select pg_notify('archety_commands', $1)",
        sqlite: "select $1",
    }
}

/// A command that is to be written.
#[derive(Debug)]
pub(in crate::store) struct NewCommand<'a> {
    pub(in crate::store) relay: &'a str,
    pub(in crate::store) id: &'a str,
    /// `None` if the command belongs to no conversation.
    pub(in crate::store) conversation_id: Option<Uuid>,
    pub(in crate::store) body: &'a CommandBody,
    /// The message that each bubble shows, in the order of the bubbles. Empty if the bubbles show no messages.
    pub(in crate::store) messages: &'a [Uuid],
}

/// The result of [`insert`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Inserted {
    New,
    /// The relay has a command with this id already. Nothing was written.
    Known,
}

/// Whether the relay has a command with this id.
pub(in crate::store) async fn is_known(
    tx: &mut Tx,
    relay: &str,
    id: &str,
) -> Result<bool, StoreError> {
    let hash: Option<Vec<u8>> = tx.optional_value(FIND_COMMAND, (relay, id)).await?;
    Ok(hash.is_some())
}

/// Writes a command with its bubbles, in a transaction of the caller. The commit wakes the relay's held pulls.
pub(in crate::store) async fn insert(
    tx: &mut Tx,
    command: &NewCommand<'_>,
    now: Timestamp,
) -> Result<Inserted, StoreError> {
    let relay = command.relay;
    if is_known(tx, relay, command.id).await? {
        return Ok(Inserted::Known);
    }
    let seq: i64 = tx.value(NEXT_SEQ, (relay, now)).await?;
    let body = body_json(command.body);
    let hash: [u8; 32] = Sha256::digest(&body).into();
    let params = (
        relay,
        command.id,
        seq,
        command.body.kind(),
        command.conversation_id,
        body,
        &hash[..],
        now,
    );
    tx.execute(ADD_COMMAND, params).await?;
    for bubble in 0..command.body.bubble_count() {
        let message = command.messages.get(bubble).copied();
        let number = i32::try_from(bubble).expect("at most 64 bubbles");
        let params = (relay, command.id, number, message, command.conversation_id);
        tx.execute(ADD_BUBBLE, params).await?;
    }
    wake(tx, relay).await?;
    Ok(Inserted::New)
}

/// Makes the commit wake the relay's held pulls.
pub(in crate::store) async fn wake(tx: &mut Tx, relay: &str) -> Result<(), StoreError> {
    tx.execute(NOTIFY_RELAY, (relay,)).await?;
    tx.ring_on_commit(relay);
    Ok(())
}

impl Store {
    /// Writes a command that belongs to no conversation, in a transaction of its own. Returns `false` if the relay has
    /// a command with this id already.
    pub async fn write_command(
        &self,
        relay: &RelayName,
        id: &str,
        body: &CommandBody,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        let command = NewCommand {
            relay: relay.as_str(),
            id,
            conversation_id: None,
            body,
            messages: &[],
        };
        let inserted = insert(&mut tx, &command, now).await?;
        tx.commit().await?;
        Ok(inserted != Inserted::Known)
    }
}

/// The fields of a command as the column `body` has them.
fn body_json(body: &CommandBody) -> String {
    let fields = Command::new(0, "", body).fields;
    serde_json::to_string(&fields).expect("plain data with string keys")
}
