//! Takes the commands of an answer into the ledger, each once, and keeps the position up to which they were taken.
//!
//! A command is known by its id. The backend may send it again, with another number after it was restored, or as
//! `handed` after the relay's state was lost; it must never be done twice.

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared_protocol::{After, Command, CommandBody, SendMessage, conversation_guid};

use super::super::{meta, query};
use super::{BubbleState, NEXT_ACK, TextHash, chats, priority};
use crate::clock::UnixMicros;

/// Key of the position in `meta`, as JSON.
const POSITION: &str = "ledger_position";

/// What became of a command of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// It is new, and in the ledger now.
    New,
    /// It was taken before. All its acks are sent again, because the backend seems not to have them.
    Known,
    /// Another content was taken under its id before. That stays as it is.
    OtherContent,
}

/// Takes a command whose fields were read.
pub fn take(
    tx: &Connection,
    command: &Command,
    body: &CommandBody,
    now: UnixMicros,
) -> rusqlite::Result<Take> {
    let hash = content_hash(command);
    let sql = "select number, content_hash from ledger_command where id = ?1";
    let known = query::first(tx, sql, [&command.id], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
    })?;
    let Some((number, known_hash)) = known else {
        insert(tx, command, body, &hash, now)?;
        return Ok(Take::New);
    };
    if known_hash != hash {
        return Ok(Take::OtherContent);
    }
    let sql = "update ledger_command set seq = ?2 where number = ?1";
    query::execute(tx, sql, params![number, command.seq])?;
    if let CommandBody::SendMessage(SendMessage { handed: true, .. }) = body {
        let sql = "update ledger_bubble set handed = 1
                   where command = ?1 and state in ('queued', 'held') and released = 0";
        query::execute(tx, sql, [number])?;
    }
    ack_again(tx, number)?;
    Ok(Take::Known)
}

/// Hash over the kind and the fields. `handed` is left out, because it says who may send, not what.
fn content_hash(command: &Command) -> Vec<u8> {
    let mut fields = command.fields.clone();
    fields.remove("handed");
    let mut hash = Sha256::new();
    hash.update("archety.command.v1");
    hash.update((command.kind.len() as u64).to_be_bytes());
    hash.update(&command.kind);
    // The keys of the map are sorted.
    hash.update(serde_json::Value::Object(fields).to_string());
    hash.finalize()[..16].to_vec()
}

fn insert(
    tx: &Connection,
    command: &Command,
    body: &CommandBody,
    hash: &[u8],
    now: UnixMicros,
) -> rusqlite::Result<()> {
    let CommandBody::SendMessage(send) = body else {
        let fields = serde_json::Value::Object(command.fields.clone()).to_string();
        let sql = "insert into ledger_command (id, seq, kind, content_hash, fields, taken_at)
                   values (?1, ?2, ?3, ?4, ?5, ?6)";
        let kind = body.kind();
        query::execute(
            tx,
            sql,
            params![command.id, command.seq, kind, hash, fields, now],
        )?;
        let command_number = tx.last_insert_rowid();
        let pause_ms = 0;
        let bubble = NewBubble {
            number: 0,
            text: "",
            pause_ms,
        };
        return insert_bubble(tx, command_number, &command.id, &bubble, false, now);
    };
    let sql = "insert into ledger_command (id, seq, kind, content_hash, chat_guid, conversation,
                   aliases, anchor_guid, line, service, priority, not_before, not_after,
                   quiet_from, quiet_to, taken_at)
               values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
    let aliases = (!send.aliases.is_empty())
        .then(|| serde_json::to_string(&send.aliases).expect("texts become JSON"));
    let values = params![
        command.id,
        command.seq,
        body.kind(),
        hash,
        send.chat_guid,
        conversation_guid(&send.chat_guid),
        aliases,
        send.anchor_guid,
        send.line,
        send.service,
        priority::rank(send.priority),
        send.not_before,
        send.not_after,
        send.quiet.map(|quiet| quiet.from),
        send.quiet.map(|quiet| quiet.to),
        now,
    ];
    query::execute(tx, sql, values)?;
    let command_number = tx.last_insert_rowid();
    for guid in std::iter::once(&send.chat_guid).chain(&send.aliases) {
        chats::add(tx, command_number, guid)?;
    }
    for (number, bubble) in (0_u32..).zip(&send.bubbles) {
        let bubble = NewBubble {
            number,
            text: &bubble.text,
            pause_ms: bubble.pause_ms,
        };
        insert_bubble(tx, command_number, &command.id, &bubble, send.handed, now)?;
    }
    Ok(())
}

struct NewBubble<'a> {
    number: u32,
    text: &'a str,
    pause_ms: u32,
}

fn insert_bubble(
    tx: &Connection,
    command: i64,
    command_id: &str,
    bubble: &NewBubble<'_>,
    handed: bool,
    now: UnixMicros,
) -> rusqlite::Result<()> {
    let sql = format!(
        "insert into ledger_bubble (command, bubble, text, text_hash, pause_ms, state, reached_at,
             due_at, handed, ack)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, {NEXT_ACK})"
    );
    let hash = TextHash::of(command_id, bubble.number, bubble.text);
    let pause = std::time::Duration::from_millis(bubble.pause_ms.into());
    let due_at = (bubble.number == 0).then(|| now.plus(pause));
    let values = params![
        command,
        bubble.number,
        bubble.text,
        hash.as_bytes(),
        bubble.pause_ms,
        BubbleState::Queued,
        now,
        due_at,
        handed,
    ];
    query::execute(tx, &sql, values)
}

/// Has all states of a command told again. An ack that is still to be sent stays as it is.
fn ack_again(tx: &Connection, command: i64) -> rusqlite::Result<()> {
    let sql = "select bubble from ledger_bubble where command = ?1 and ack is null order by bubble";
    let bubbles = query::all(tx, sql, [command], |row| row.get::<_, u32>(0))?;
    let sql =
        format!("update ledger_bubble set ack = {NEXT_ACK} where command = ?1 and bubble = ?2");
    for bubble in bubbles {
        query::execute(tx, &sql, params![command, bubble])?;
    }
    Ok(())
}

/// Has the backend told that the bubbles 0 to `bubbles` - 1 of a command failed, without a place in the ledger.
pub fn refuse(
    tx: &Connection,
    command_id: &str,
    bubbles: usize,
    code: &str,
    now: UnixMicros,
) -> rusqlite::Result<()> {
    let sql = format!(
        "insert into ledger_refusal (command_id, bubble, code, at, ack)
         values (?1, ?2, ?3, ?4, {NEXT_ACK})
         on conflict (command_id, bubble) do update
         set code = excluded.code, at = excluded.at, ack = excluded.ack"
    );
    for bubble in 0..bubbles {
        query::execute(tx, &sql, params![command_id, bubble, code, now])?;
    }
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct Position {
    seq: i64,
    id: String,
}

/// The newest command that was taken; 0 and no id before the first.
pub fn position(connection: &Connection) -> rusqlite::Result<After> {
    let position = meta::json::<Position>(connection, POSITION)?;
    Ok(position.map_or(
        After {
            seq: 0,
            id: String::new(),
        },
        |Position { seq, id }| After { seq, id },
    ))
}

/// Moves the position to a command, which is not necessarily one in the ledger; returns whether it moved. It never
/// moves back: a restored backend numbers its commands above it.
pub fn advance(tx: &Connection, seq: i64, id: &str) -> rusqlite::Result<bool> {
    if seq <= position(tx)?.seq {
        return Ok(false);
    }
    let id = id.to_owned();
    meta::set_json(tx, POSITION, &Position { seq, id })?;
    Ok(true)
}
