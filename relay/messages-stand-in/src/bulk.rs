//! Fills a database with a long history, for benchmarks.
//!
//! The rows resemble real ones (direct chats and groups, one in eight from the owner, ascending dates) and
//! are the same each time. The indexes, and the trigger that runs after a join, are dropped before
//! the rows are written and created again afterwards, so that a million rows take seconds.

use rusqlite::params;

use crate::{Chat, ChatDb, Date, Durability, Error, attributed_body, schema};
use crate::{Guids, Piece};

const CHATS: u32 = 200;
/// One chat in this many is a group.
const GROUP_EVERY: u32 = 5;
/// One message in this many is from the owner.
const OWN_EVERY: u32 = 8;
/// The trigger that runs for each join of a message to a chat.
const JOIN_TRIGGER: &str = "after_insert_on_chat_message_join";
/// The time between two messages.
const INTERVAL_SECS: f64 = 60.0;

const TEXTS: [&str; 6] = [
    "Are we still on for tonight?",
    "Running ten minutes late, sorry!",
    "👍",
    "Could you send me the address again? I seem to have deleted the thread by accident.",
    "Happy birthday 🎂🎉 hope you have a wonderful day and see you on Saturday",
    "ok",
];

/// Adds `rows` messages, the last of them at `end`.
pub fn fill(db: &mut ChatDb, rows: u32, end: Date) -> Result<(), Error> {
    db.set_durability(Durability::None)?;
    db.atomically(|db| {
        let chats = make_chats(db)?;
        let dropped: Vec<String> = schema::statements(db.style())
            .into_iter()
            .filter(|sql| is_dropped(sql))
            .collect();
        for sql in &dropped {
            let (kind, name) = kind_and_name(sql);
            db.raw().execute_batch(&format!("drop {kind} {name}"))?;
        }
        insert_messages(db, &chats, rows, end)?;
        for sql in &dropped {
            db.raw().execute_batch(sql)?;
        }
        Ok(())
    })?;
    db.checkpoint()?;
    db.set_durability(Durability::Full)
}

/// The ROWID of a chat, the ROWID of one of its handles, and the room name of a group.
type FilledChat = (i64, i64, Option<String>);

fn make_chats(db: &mut ChatDb) -> Result<Vec<FilledChat>, Error> {
    (0..CHATS)
        .map(|n| {
            let peer = format!("+1555{:07}", 2_000_000 + n);
            let chat = if n % GROUP_EVERY == 0 {
                let other = format!("+1555{:07}", 3_000_000 + n);
                Chat::group([peer.clone(), other])
            } else {
                Chat::direct(peer.as_str())
            };
            let chat = db.insert_chat(&chat)?;
            let handle = db.ensure_handle(&peer, "iMessage")?;
            let sql = "select room_name from chat where ROWID = ?1";
            let room = db.raw().query_row(sql, [chat], |row| row.get(0))?;
            Ok((chat, handle, room))
        })
        .collect()
}

/// Inserts `rows` messages into the chats in turn, the last of them at `end`.
fn insert_messages(db: &ChatDb, chats: &[FilledChat], rows: u32, end: Date) -> Result<(), Error> {
    let mut guids = Guids::from_text("history");
    let archives = TEXTS.map(|text| attributed_body(&[Piece::text(text)]));
    let account = crate::db::account(db.own_address());
    let mut message = db.raw().prepare(
        "insert into message (guid, attributedBody, handle_id, service, account, version, date,
                              date_read, date_delivered, is_delivered, is_finished, is_from_me,
                              is_read, is_sent, cache_roomnames, destination_caller_id)
         values (?1, ?2, ?3, 'iMessage', ?4, 10, ?5, ?5, ?5, 1, 1, ?6, 1, ?6, ?7, ?8)",
    )?;
    let mut join = db.raw().prepare(
        "insert into chat_message_join (chat_id, message_id, message_date) values (?1, ?2, ?3)",
    )?;
    for (n, (chat, handle, room)) in (0..rows).zip(chats.iter().cycle()) {
        let age = f64::from(rows - 1 - n) * INTERVAL_SECS;
        let date = db.stored_date(end.offset(-age));
        let from_me = n % OWN_EVERY == OWN_EVERY - 1;
        // An own message in a group has no handle.
        let handle = if from_me && room.is_some() {
            0
        } else {
            *handle
        };
        let archive = &archives[n as usize % archives.len()];
        message.execute(params![
            guids.next_guid(),
            archive,
            handle,
            account,
            date,
            from_me,
            room,
            db.own_address(),
        ])?;
        join.execute(params![chat, db.raw().last_insert_rowid(), date])?;
    }
    Ok(())
}

/// Whether the statement creates an index or the trigger that would slow the insertion down.
fn is_dropped(sql: &str) -> bool {
    let on = |table: &str| sql.contains(&format!(" on {table} ("));
    let index = sql.starts_with("create index") && (on("message") || on("chat_message_join"));
    index || sql.starts_with(&format!("create trigger {JOIN_TRIGGER} "))
}

/// The kind (`index` or `trigger`) and the name of what a `create` statement creates.
fn kind_and_name(sql: &str) -> (&str, &str) {
    let mut words = sql.split(' ').skip(1);
    let kind = words.next().unwrap_or_default();
    (kind, words.next().unwrap_or_default())
}
