//! Compares the generated schema with dumps of real databases, and tests the triggers.
//!
//! The dumps are not part of the repository. Without them only the triggers are tested.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod fixtures;

use std::collections::{BTreeMap, BTreeSet};

use messages_stand_in::{Attachment, Chat, ChatDb, Date, NewMessage, Style};
use rusqlite::Connection;

const NOW: Date = Date::from_unix_secs(1_760_000_000);

fn in_each_style(check: impl Fn(ChatDb)) {
    for style in Style::ALL {
        let folder = tempfile::tempdir().unwrap();
        check(ChatDb::create(folder.path().join("chat.db"), style).unwrap());
    }
}

/// Name, type, whether it is `not null`, default, and position in the primary key.
type Column = (String, String, bool, Option<String>, i64);

fn columns(connection: &Connection) -> BTreeMap<String, Vec<Column>> {
    let tables = "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'";
    let mut tables = connection.prepare(tables).unwrap();
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let columns = tables.map(|table| {
        let table = table.unwrap();
        let mut query = connection
            .prepare("select name, type, \"notnull\", dflt_value, pk from pragma_table_info(?1)")
            .unwrap();
        let columns = query.query_map([&table], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
            ))
        });
        let columns = columns.unwrap().map(Result::unwrap).collect();
        (table, columns)
    });
    columns.collect()
}

/// The indexes: table, name, columns, whether the index is partial.
fn indexes(connection: &Connection) -> BTreeSet<(String, String, String, bool)> {
    let mut query = connection
        .prepare(
            "select m.name, i.name, i.partial, (
               select group_concat(name, ',') from (
                 select name from pragma_index_info(i.name) order by seqno))
             from sqlite_schema m, pragma_index_list(m.name) i
             where m.type = 'table' and i.origin = 'c'",
        )
        .unwrap();
    let rows = query.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(3)?, row.get(2)?))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn triggers(connection: &Connection) -> BTreeSet<(String, String)> {
    let mut query = connection
        .prepare("select tbl_name, name from sqlite_schema where type = 'trigger'")
        .unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

/// The foreign keys: table, column, referenced table, action on delete.
fn foreign_keys(connection: &Connection) -> BTreeSet<(String, String, String, String)> {
    let mut query = connection
        .prepare(
            "select m.name, f.\"from\", f.\"table\", f.on_delete
             from sqlite_schema m, pragma_foreign_key_list(m.name) f where m.type = 'table'",
        )
        .unwrap();
    let rows = query.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Triggers that call functions which only Apple registers.
const APPLE_ONLY: [&str; 3] = [
    "after_delete_on_message_plugin",
    "after_delete_on_attachment",
    "before_delete_on_attachment",
];

#[test]
fn columns_indexes_foreign_keys_and_triggers_equal_those_of_real_databases() {
    for (style, dump) in [
        (Style::Monterey, "chatdb/schema-monterey.sql"),
        (Style::Ventura, "chatdb/schema-ventura.sql"),
    ] {
        let Some(dump) = fixtures::read(dump) else {
            continue;
        };
        let real = Connection::open_in_memory().unwrap();
        let dump = String::from_utf8(dump).unwrap();
        // SQLite creates the tables with this prefix itself, and refuses statements that do.
        let dump = dump.replace("CREATE TABLE sqlite_", "CREATE TEMP TABLE made_by_");
        real.execute_batch(&dump).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ours = ChatDb::create(folder.path().join("chat.db"), style).unwrap();
        assert_eq!(columns(ours.raw()), columns(&real), "{style}");
        assert_eq!(indexes(ours.raw()), indexes(&real), "{style}");
        assert_eq!(foreign_keys(ours.raw()), foreign_keys(&real), "{style}");
        let mut expected = triggers(&real);
        expected.retain(|(_, name)| !APPLE_ONLY.contains(&name.as_str()));
        assert_eq!(triggers(ours.raw()), expected, "{style}");
    }
}

#[test]
fn later_styles_only_append_columns() {
    for pair in Style::ALL.windows(2) {
        for table in ["message", "chat", "attachment", "chat_message_join"] {
            let [older, newer] = [pair[0], pair[1]];
            let older = messages_stand_in::schema::columns(older, table);
            let newer = messages_stand_in::schema::columns(newer, table);
            assert_eq!(newer[..older.len()], older, "{table}");
        }
    }
}

#[test]
fn a_join_sets_the_room_name_of_the_message() {
    in_each_style(|mut db| {
        let group = db
            .insert_chat(&Chat::group(["+15555550101", "+15555550102"]))
            .unwrap();
        let handle = db.ensure_handle("+15555550101", "iMessage").unwrap();
        let message = db
            .insert_message(&NewMessage::incoming(handle, NOW).text("hello"))
            .unwrap();
        let room_name = |db: &ChatDb| -> Option<String> {
            let sql = "select cache_roomnames from message where ROWID = ?1";
            db.raw()
                .query_row(sql, [message], |row| row.get(0))
                .unwrap()
        };
        assert_eq!(room_name(&db), None);
        db.join(group, message).unwrap();
        assert!(room_name(&db).unwrap().starts_with("chat"));
    });
}

#[test]
fn deleting_a_chat_deletes_its_message_and_records_the_guid_as_deleted() {
    in_each_style(|mut db| {
        let chat = db.insert_chat(&Chat::direct("+15555550101")).unwrap();
        let handle = db.ensure_handle("+15555550101", "iMessage").unwrap();
        let message = NewMessage::incoming(handle, NOW)
            .guid("DELETED")
            .text("hello");
        let message = db.deliver(chat, &message).unwrap();
        db.attach(message, &Attachment::photo("a.jpeg", 10), NOW)
            .unwrap();
        let has_attachments: bool = db
            .raw()
            .query_row("select cache_has_attachments from message", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert!(has_attachments);
        db.raw()
            .execute("delete from chat where ROWID = ?1", [chat])
            .unwrap();
        let count = |table: &str| -> i64 {
            let sql = format!("select count(*) from {table}");
            db.raw().query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        for table in [
            "message",
            "chat_message_join",
            "chat_handle_join",
            "attachment",
        ] {
            assert_eq!(count(table), 0, "{table}");
        }
        assert_eq!(count("handle"), 0);
        assert_eq!(count("deleted_messages"), 1);
        assert_eq!(count("sync_deleted_messages"), 1);
        assert_eq!(count("sync_deleted_attachments"), 1);
        // A ROWID is never used again.
        let next = NewMessage::outgoing(NOW).text("again");
        assert_eq!(db.insert_message(&next).unwrap(), message + 1);
    });
}

#[test]
fn a_message_in_recently_deleted_keeps_its_row_until_its_join_there_is_deleted() {
    in_each_style(|mut db| {
        let chat = db.insert_chat(&Chat::direct("+15555550101")).unwrap();
        let handle = db.ensure_handle("+15555550101", "iMessage").unwrap();
        let message = db
            .deliver(chat, &NewMessage::incoming(handle, NOW).text("hello"))
            .unwrap();
        let moved = db.move_to_recently_deleted(message, NOW);
        if db.style() == Style::Monterey {
            assert!(moved.is_err());
            return;
        }
        moved.unwrap();
        assert!(db.guid_of(message).is_ok());
        db.raw()
            .execute("delete from chat_recoverable_message_join", [])
            .unwrap();
        assert!(db.guid_of(message).is_err());
    });
}

#[test]
fn a_changed_date_is_copied_to_the_join() {
    in_each_style(|mut db| {
        let chat = db.insert_chat(&Chat::direct("+15555550101")).unwrap();
        let message = db
            .deliver(chat, &NewMessage::outgoing(NOW).text("hello"))
            .unwrap();
        db.set_column(message, "date", 5).unwrap();
        let date: i64 = db
            .raw()
            .query_row("select message_date from chat_message_join", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(date, 5);
    });
}

#[test]
fn a_failed_message_is_recorded_in_kvtable() {
    in_each_style(|mut db| {
        let message = db
            .insert_message(&NewMessage::outgoing(NOW).text("hello"))
            .unwrap();
        db.mark_failed(message, 22).unwrap();
        let rowid: i64 = db
            .raw()
            .query_row(
                "select value from kvtable where key = 'lastFailedMessageRowID'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(rowid, message);
    });
}
