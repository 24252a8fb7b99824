//! Stores what relays report about the bubbles of commands.
//!
//! Acks arrive twice, late and in any order, so the furthest state stays ([`AckState::replaces`]). The transaction has
//! locked the relay's row: two pulls that report the last two bubbles of a command at the same time take turns, and the
//! second finishes the command. A command is finished once each of its bubbles has a final state. Its text is then
//! deleted.

use std::collections::BTreeMap;

use shared_protocol::{Ack, AckState};
use sqlx::FromRow;

use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::execute::Execute;
use crate::store::statement::statements;
use crate::store::transaction::Tx;

/// The end of the year 9999. The clock of a Mac may be wrong.
const LAST_SECOND: i64 = 253_402_300_799;

statements! {
    /// The bubbles that a JSON list of acks is about. The time of the question is read for the first bubble of a reply.
    ACKED_BUBBLES {
        postgres: "select b.command_id, b.bubble, b.state, case when b.bubble = 0 then (
                     select t.first_received_at from turns t
                     where t.conversation_id = c.conversation_id and t.command_id = c.id
                     order by t.number desc limit 1) end as asked_at
                   from json_to_recordset($2::json) as given (id text, bubble int)
                   join command_bubbles b
                     on b.relay = $1 and b.command_id = given.id and b.bubble = given.bubble
                   join commands c on c.relay = $1 and c.id = given.id
                   order by b.command_id, b.bubble",
        sqlite: "select b.command_id, b.bubble, b.state, case when b.bubble = 0 then (
                   select t.first_received_at from turns t
                   where t.conversation_id = c.conversation_id and t.command_id = c.id
                   order by t.number desc limit 1) end as asked_at
                 from json_each($2) given
                 join command_bubbles b
                   on b.relay = $1 and b.command_id = given.value ->> 'id'
                     and b.bubble = given.value ->> 'bubble'
                 join commands c on c.relay = $1 and c.id = b.command_id
                 order by b.command_id, b.bubble",
    }
    /// A bubble that was dealt with needs attention again if its state has changed since.
    SET_BUBBLE_STATES {
        postgres: "update command_bubbles b set
                     state = given.state, code = given.code, reached_at = to_timestamp(given.at),
                     message_guid = coalesce(given.message_guid, b.message_guid), resolved_at = null
                   from json_to_recordset($2::json)
                     as given (id text, bubble int, state text, code text, at bigint, message_guid text)
                   where b.relay = $1 and b.command_id = given.id and b.bubble = given.bubble",
        sqlite: "update command_bubbles set
                   state = given.value ->> 'state', code = given.value ->> 'code',
                   reached_at = (given.value ->> 'at') * 1000000,
                   message_guid = coalesce(given.value ->> 'message_guid', message_guid),
                   resolved_at = null
                 from json_each($2) given
                 where relay = $1 and command_id = given.value ->> 'id'
                   and bubble = given.value ->> 'bubble'",
    }
    /// Deletes the texts of the commands in a JSON list whose bubbles are all final.
    FINISH_COMMANDS {
        postgres: "update commands set done_at = $3, body = null
                   where relay = $1 and done_at is null
                     and id = any(array(select json_array_elements_text($2::json)))
                     and not exists (
                       select 1 from command_bubbles b
                       where b.relay = commands.relay and b.command_id = commands.id
                         and b.state in ('pending', 'received', 'held', 'dispatched', 'row_seen'))",
        sqlite: "update commands set done_at = $3, body = null
                 where relay = $1 and done_at is null
                   and id in (select value from json_each($2))
                   and not exists (
                     select 1 from command_bubbles b
                     where b.relay = commands.relay and b.command_id = commands.id
                       and b.state in ('pending', 'received', 'held', 'dispatched', 'row_seen'))",
    }
}

/// What a list of acks has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenAcks {
    /// The bubbles with a new state.
    pub changes: Vec<BubbleChange>,
    /// The number of bubbles that are not stored: their command was deleted, or a restored backup lacks it.
    pub forgotten: usize,
    /// The number of commands that are finished.
    pub finished: u64,
}

/// A new state of a bubble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BubbleChange {
    pub command_id: String,
    pub bubble: u32,
    /// `None` if the bubble had not been acked before.
    pub from: Option<AckState>,
    pub to: AckState,
    /// When the first of the messages was received that the command answers; only for its first bubble.
    pub asked_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct BubbleRow {
    command_id: String,
    bubble: i32,
    state: String,
    asked_at: Option<Timestamp>,
}

/// Stores acks. The transaction has locked the relay's row.
pub(super) async fn take(
    tx: &mut Tx,
    relay: &str,
    acks: &[Ack],
    now: Timestamp,
) -> Result<TakenAcks, StoreError> {
    let mut by_bubble: BTreeMap<(&str, u32), Vec<&Ack>> = BTreeMap::new();
    for ack in acks {
        let key = (&*ack.id, ack.bubble);
        by_bubble.entry(key).or_default().push(ack);
    }
    if by_bubble.is_empty() {
        return Ok(TakenAcks::default());
    }
    let keys: Vec<_> = (by_bubble.keys())
        .map(|(id, bubble)| serde_json::json!({ "id": id, "bubble": bubble }))
        .collect();
    let keys = serde_json::Value::from(keys).to_string();
    let rows: Vec<BubbleRow> = tx.all(ACKED_BUBBLES, (relay, keys)).await?;
    let mut taken = TakenAcks {
        forgotten: by_bubble.len() - rows.len(),
        ..TakenAcks::default()
    };
    let mut news = Vec::new();
    for row in rows {
        let bubble = row.bubble.cast_unsigned();
        let from = AckState::parse(&row.state);
        let acks = by_bubble.get(&(&*row.command_id, bubble));
        let Some(last) = furthest(from, acks.into_iter().flatten().copied()) else {
            continue;
        };
        news.push(Ack {
            at: last.at.clamp(0, LAST_SECOND),
            ..last.clone()
        });
        taken.changes.push(BubbleChange {
            command_id: row.command_id,
            bubble,
            from,
            to: last.state,
            asked_at: row.asked_at,
        });
    }
    if news.is_empty() {
        return Ok(taken);
    }
    let states = serde_json::to_string(&news).expect("plain data");
    tx.execute(SET_BUBBLE_STATES, (relay, states)).await?;
    let ids: Vec<_> = news.iter().map(|ack| &*ack.id).collect();
    let ids = serde_json::json!(ids).to_string();
    taken.finished = tx.execute(FINISH_COMMANDS, (relay, ids, now)).await?;
    Ok(taken)
}

/// The ack whose state a bubble in the state `from` gets. `None` if it keeps its state.
fn furthest<'a>(from: Option<AckState>, acks: impl Iterator<Item = &'a Ack>) -> Option<&'a Ack> {
    let mut last = None;
    let mut state = from;
    for ack in acks {
        if state.is_none_or(|state| ack.state.replaces(state)) {
            state = Some(ack.state);
            last = Some(ack);
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `FINISH_COMMANDS` lists the states that are not final.
    #[test]
    fn the_statement_lists_the_open_states() {
        let open = AckState::ALL.into_iter().filter(|state| !state.is_final());
        let mut names = vec!["pending"];
        names.extend(open.map(AckState::as_str));
        let listed = names.iter().map(|name| format!("'{name}'"));
        let list = format!("({})", listed.collect::<Vec<_>>().join(", "));
        for sql in [FINISH_COMMANDS.postgres, FINISH_COMMANDS.sqlite] {
            assert!(sql.contains(&list), "{list}");
        }
    }

    #[test]
    fn of_several_acks_of_a_bubble_the_furthest_counts() {
        let ack = |state| Ack {
            id: "cmd_1".to_owned(),
            bubble: 0,
            state,
            code: None,
            at: 0,
            message_guid: None,
        };
        let acks = [AckState::Sent, AckState::Dispatched, AckState::Received].map(ack);
        let last = |from| furthest(from, acks.iter()).map(|ack| ack.state);
        assert_eq!(last(None), Some(AckState::Sent));
        assert_eq!(last(Some(AckState::RowSeen)), Some(AckState::Sent));
        assert_eq!(last(Some(AckState::Delivered)), None);
    }
}
