//! Finds out from a pull that this database was restored from a backup.
//!
//! A relay names the newest command that it has stored, with its number. If this database has another command at that
//! number, or its numbers end below it, it lacks commands that the relay has, and numbers up to that one may be used
//! twice. So all open commands get new numbers above it, and the relay is asked for the messages that the backup lacks:
//! those since an hour before its last pull in the backup.

use std::time::Duration;

use shared_protocol::{After, CommandBody, ResendSince, command_id};
use sqlx::FromRow;

use super::commands::{self, NewCommand};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::execute::Execute;
use crate::store::statement::statements;
use crate::store::transaction::Tx;

/// How far before its last pull in the backup a relay sends its messages again. A message may be posted long after it
/// was written, but a relay that pulls posts at once.
const RESEND_MARGIN: Duration = Duration::from_hours(1);

statements! {
    /// The command with the number, and whether an answer has carried it.
    COMMAND_AT_NUMBER {
        both: "select id, handed_to is not null as is_handed from commands
               where relay = $1 and seq = $2",
    }
    /// Raises the number of the relay's last command to $2.
    RAISE_LAST_NUMBER {
        both: "update relays set command_seq = case when command_seq < $2 then $2 else command_seq end
               where name = $1 returning command_seq",
    }
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
    NUMBER_COMMAND {
        both: "update commands set seq = $3, handed_to = coalesce(handed_to, $4)
               where relay = $1 and id = $2",
    }
    /// A command of which the backup knows nothing keeps its number from being used again.
    KEEP_NUMBER {
        both: "insert into commands (relay, id, seq, kind, body_hash, handed_to, created_at, done_at)
               values ($1, $2, $3, 'lost', $4, $5, $6, $6)",
    }
}

/// What was done after a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The number of commands with a new number.
    pub renumbered: u64,
    /// The relay sends its messages since this time again. `None` if the backup knows no pull of the relay.
    pub resend_since: Option<Timestamp>,
}

/// The command with the number that the relay names.
#[derive(FromRow)]
struct CommandAtNumber {
    id: String,
    is_handed: bool,
}

/// What the relay's row says before the pull changes it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BeforePull {
    /// The number of the relay's last command.
    pub(super) last_seq: i64,
    pub(super) last_seen_at: Option<Timestamp>,
}

/// If the newest command that the relay has stored is not ours, numbers the open commands anew above it and asks the
/// relay for its messages. The transaction has locked the relay's row. `None` if the command is ours.
pub(super) async fn renumber_if_restored(
    tx: &mut Tx,
    relay: &str,
    instance: &str,
    after: &After,
    before: BeforePull,
    now: Timestamp,
) -> Result<Option<Restored>, StoreError> {
    if after.seq == 0 {
        return Ok(None);
    }
    let at_number: Option<CommandAtNumber> =
        tx.optional(COMMAND_AT_NUMBER, (relay, after.seq)).await?;
    let is_ours = match at_number {
        // A restored backend that answers the same messages again makes the same command under the same number. No answer
        // of its own has carried that one.
        Some(command) => command.id == after.id && command.is_handed,
        // The row of an old command is deleted, but its number stays used.
        None => before.last_seq >= after.seq,
    };
    if is_ours {
        return Ok(None);
    }
    let last: i64 = tx.value(RAISE_LAST_NUMBER, (relay, after.seq)).await?;
    let params = (relay, after.seq, &after.id, last);
    let renumbered = tx.execute(RENUMBER_COMMANDS, params).await?;
    let params = (relay, &after.id, after.seq, instance);
    if tx.execute(NUMBER_COMMAND, params).await? == 0 {
        let no_hash: &[u8] = &[];
        let params = (relay, &after.id, after.seq, no_hash, instance, now);
        tx.execute(KEEP_NUMBER, params).await?;
    }
    let last = last.saturating_add(i64::try_from(renumbered).unwrap_or(i64::MAX));
    tx.execute(RAISE_LAST_NUMBER, (relay, last)).await?;
    let resend_since = before.last_seen_at.map(|seen| seen.minus(RESEND_MARGIN));
    if let Some(since) = resend_since {
        let seq = after.seq.to_string();
        let command = NewCommand {
            relay,
            id: &command_id("archety.resend.v1", &[relay, &seq, &after.id]),
            conversation_id: None,
            body: &CommandBody::ResendSince(ResendSince {
                since: since.as_secs(),
            }),
            messages: &[],
        };
        commands::insert(tx, &command, now).await?;
    }
    Ok(Some(Restored {
        renumbered,
        resend_since,
    }))
}
