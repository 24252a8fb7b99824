//! The commands of an answer: what a pull gets at once, and what it waits for.

use crash_point::crash_point;
use shared_protocol::{Command, LeaseChange, MAX_COMMANDS, MAX_COMMANDS_BYTES, RelayName};

use super::{Pull, PullError};
use crate::lifecycle::Lifecycle;
use crate::relay::auth::Caller;
use crate::store::Store;
use crate::store::replies::{HandedCommand, Handing};

/// The bytes of a command in an answer beside its fields, at most: its number, its id, its kind, and `handed`.
const COMMAND_HEAD_BYTES: usize = 320;

/// The commands of an answer to a pull.
#[derive(Debug, Default, PartialEq)]
pub struct CommandsOfAnswer {
    pub commands: Vec<Command>,
    /// Whether further commands wait.
    pub more: bool,
}

/// The commands that the relay has not stored. If there are none, waits for one as long as the pull allows, or until
/// the process goes down. A relay of the first release gets none: it would pull again at once, for ever.
pub async fn next_commands(
    store: &Store,
    lifecycle: &Lifecycle,
    caller: &Caller,
    pull: &Pull,
) -> Result<CommandsOfAnswer, PullError> {
    if pull.request.lease == Some(LeaseChange::Release) {
        return Ok(CommandsOfAnswer::default());
    }
    let end = tokio::time::sleep(pull.wait());
    tokio::pin!(end);
    let Some(after) = pull.after() else {
        tokio::select! {
            () = end => {}
            () = lifecycle.draining() => {}
        }
        return Ok(CommandsOfAnswer::default());
    };
    let relay = pull.relay(caller);
    let instance = &pull.request.instance_id;
    let mut bell = store.command_bell(relay.as_str(), after.seq);
    loop {
        let found = hand(store, &relay, instance, after.seq).await?;
        if !found.commands.is_empty() {
            return Ok(found);
        }
        tokio::select! {
            () = bell.rung() => {}
            () = &mut end => return Ok(found),
            () = lifecycle.draining() => return Ok(found),
        }
        // The bell rings also for the relay whose name another installation has taken.
        if !store.has_lease(&relay, instance).await? {
            return Err(PullError::Elsewhere);
        }
    }
}

/// Hands over the open commands above the number `seq`, as many as an answer holds.
async fn hand(
    store: &Store,
    relay: &RelayName,
    instance: &str,
    seq: i64,
) -> Result<CommandsOfAnswer, PullError> {
    let max_bytes = MAX_COMMANDS_BYTES - MAX_COMMANDS * COMMAND_HEAD_BYTES;
    let handing = store.hand_commands(relay, instance, seq, MAX_COMMANDS, max_bytes);
    let rows = match handing.await? {
        Handing::Commands(rows) => rows,
        Handing::Elsewhere => return Err(PullError::Elsewhere),
    };
    let Some(last) = rows.last() else {
        return Ok(CommandsOfAnswer::default());
    };
    crash_point("commands_handed");
    let more = store.has_commands(relay, last.seq).await?;
    let commands = rows.into_iter().filter_map(|row| to_command(relay, row));
    Ok(CommandsOfAnswer {
        commands: commands.collect(),
        more,
    })
}

/// The command as the answer has it. Only a text can be sent twice, so only `send_message` says that it may have been.
fn to_command(relay: &RelayName, row: HandedCommand) -> Option<Command> {
    let may_be_sent = row.may_be_sent();
    let Ok(serde_json::Value::Object(mut fields)) = serde_json::from_str(&row.body) else {
        tracing::error!(
            relay = relay.as_str(),
            command = row.id,
            "the fields of a command cannot be read; the relay does not get it"
        );
        return None;
    };
    if may_be_sent && row.kind == "send_message" {
        fields.insert("handed".to_owned(), true.into());
    }
    Some(Command {
        seq: row.seq,
        id: row.id,
        kind: row.kind,
        fields,
    })
}
