//! A reader that is open while the stand-in writes, rotates and replaces the files.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::path::Path;

use messages_stand_in::{
    Body, Chat, ChatDb, Date, DateUnit, Edition, MessageGuids, NewMessage, Style, Summary,
    WalRotation,
};
use rusqlite::{Connection, OpenFlags};

const NOW: Date = Date::from_unix_secs(1_760_000_000);

fn reader(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

fn count(reader: &Connection, sql: &str) -> i64 {
    reader.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// A new database with a direct chat that has `messages` messages. Also returns the chat's ROWID.
fn with_messages(path: &Path, style: Style, messages: u32) -> (ChatDb, i64) {
    let mut db = ChatDb::create(path, style).unwrap();
    let chat = db.insert_chat(&Chat::direct("+15555550101")).unwrap();
    let handle = db.ensure_handle("+15555550101", "iMessage").unwrap();
    for n in 0..messages {
        let date = NOW + std::time::Duration::from_secs(n.into());
        let message = NewMessage::incoming(handle, date).text(format!("message {n}"));
        db.deliver(chat, &message).unwrap();
    }
    (db, chat)
}

#[test]
fn a_reader_sees_a_message_before_its_join() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let (mut db, chat) = with_messages(&path, Style::Ventura, 0);
    let reader = reader(&path);
    let version = |reader: &Connection| count(reader, "pragma data_version");
    let before = version(&reader);
    let message = db
        .insert_message(&NewMessage::outgoing(NOW).text("hello"))
        .unwrap();
    assert!(version(&reader) > before);
    assert_eq!(count(&reader, "select count(*) from message"), 1);
    assert_eq!(count(&reader, "select count(*) from chat_message_join"), 0);
    db.join(chat, message).unwrap();
    assert_eq!(count(&reader, "select count(*) from chat_message_join"), 1);
}

#[test]
fn all_styles_write_text_to_attributed_body_and_only_monterey_also_to_text() {
    for style in Style::ALL {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let (db, _) = with_messages(&path, style, 1);
        let text: Option<String> = db
            .raw()
            .query_row("select text from message", [], |row| row.get(0))
            .unwrap();
        assert_eq!(text.is_some(), style == Style::Monterey);
        let body: Vec<u8> = db
            .raw()
            .query_row("select attributedBody from message", [], |row| row.get(0))
            .unwrap();
        assert_eq!(attributed_body::decode(&body).unwrap().text, "message 0");
        drop(db);
        assert_eq!(ChatDb::open(&path).unwrap().style(), style);
    }
}

#[cfg(unix)]
#[test]
fn rotation_makes_a_new_wal_file_unless_a_reader_holds_the_old_one() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let wal = folder.path().join("chat.db-wal");
    let (mut db, chat) = with_messages(&path, Style::Ventura, 1);
    let inode = || std::fs::metadata(&wal).unwrap().ino();
    let before = inode();
    assert_eq!(db.rotate_wal().unwrap(), WalRotation::NewFile);
    assert_ne!(inode(), before);
    db.deliver(chat, &NewMessage::outgoing(NOW).text("after"))
        .unwrap();
    assert_eq!(count(&reader(&path), "select count(*) from message"), 2);

    let open_reader = reader(&path);
    assert_eq!(count(&open_reader, "select count(*) from message"), 2);
    assert_eq!(db.rotate_wal().unwrap(), WalRotation::HeldOpen);
}

#[cfg(unix)]
#[test]
fn a_rebuild_is_another_file_with_rowids_from_1_and_old_or_new_guids() {
    use std::os::unix::fs::MetadataExt;
    for guids in [MessageGuids::Kept, MessageGuids::Renewed] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let (mut db, chat) = with_messages(&path, Style::Tahoe, 10);
        let old_guid = db.guid_of(10).unwrap();
        let old_reader = reader(&path);
        assert_eq!(count(&old_reader, "select count(*) from message"), 10);
        let inode = || std::fs::metadata(&path).unwrap().ino();
        let before = inode();

        db.rebuild(4, guids).unwrap();

        assert_ne!(inode(), before);
        assert_eq!(db.sequence().unwrap(), 4);
        assert_eq!(
            db.guid_of(4).unwrap() == old_guid,
            guids == MessageGuids::Kept
        );
        let new_reader = reader(&path);
        assert_eq!(
            count(&new_reader, "select count(*) from chat_message_join"),
            4
        );
        assert_eq!(count(&old_reader, "select count(*) from message"), 10);
        assert_eq!(count(&new_reader, "select count(*) from chat_lookup"), 1);
        let next = db.deliver(chat, &NewMessage::outgoing(NOW).text("next"));
        assert_eq!(next.unwrap(), 5);
        let files = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 3, "only chat.db, -wal and -shm");
    }
}

#[test]
fn equal_calls_give_equal_guids_and_a_reopened_database_repeats_none() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a.db", "b.db"].map(|name| folder.path().join(name));
    let (first, chat) = with_messages(&a, Style::Ventura, 3);
    let (second, _) = with_messages(&b, Style::Ventura, 3);
    assert_eq!(first.guid_of(3).unwrap(), second.guid_of(3).unwrap());
    drop(first);
    let mut reopened = ChatDb::open(&a).unwrap();
    for _ in 0..50 {
        // A repeated guid would violate the unique column.
        reopened.deliver(chat, &NewMessage::outgoing(NOW)).unwrap();
    }
}

#[test]
fn an_edit_keeps_earlier_texts_and_an_unsend_removes_the_body() {
    let folder = tempfile::tempdir().unwrap();
    let (mut db, _) = with_messages(&folder.path().join("chat.db"), Style::Ventura, 1);
    db.edit(1, "second", NOW).unwrap();
    db.edit(1, "third", NOW).unwrap();
    let read = |db: &ChatDb| -> Summary {
        let sql = "select message_summary_info from message";
        let plist: Vec<u8> = db.raw().query_row(sql, [], |row| row.get(0)).unwrap();
        Summary::from_plist(&plist).unwrap()
    };
    let text = |edition: &Edition| -> String {
        let runs = edition.runs.iter();
        runs.map(|run| run.text.as_str()).collect()
    };
    let editions = &read(&db).history[0].editions;
    let texts: Vec<_> = editions.iter().map(text).collect();
    assert_eq!(texts, ["message 0", "second", "third"]);
    assert_eq!(read(&db).ranges, [(0, 0, 9)]);
    db.unsend(1, &[], NOW).unwrap();
    assert!(read(&db).unsent.contains(&0));
    let (body, parts): (Option<Vec<u8>>, i64) = db
        .raw()
        .query_row(
            "select attributedBody, part_count from message",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!((body, parts), (None, 0));
}

#[test]
fn an_unsend_sets_date_retracted_before_macos_26_and_date_edited_since() {
    for (style, is_date_retracted) in [(Style::Sequoia, true), (Style::Tahoe, false)] {
        let folder = tempfile::tempdir().unwrap();
        let (mut db, _) = with_messages(&folder.path().join("chat.db"), style, 1);
        db.unsend(1, &[], NOW).unwrap();
        let dates = "select date_retracted is not null, date_edited is not null from message";
        let dates = db
            .raw()
            .query_row(dates, [], |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(dates.unwrap(), (is_date_retracted, !is_date_retracted));
    }
}

#[test]
fn dates_are_written_in_seconds_if_that_unit_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let mut db = ChatDb::create(folder.path().join("chat.db"), Style::Monterey).unwrap();
    db.set_date_unit(DateUnit::Seconds);
    db.insert_message(&NewMessage::outgoing(NOW)).unwrap();
    assert_eq!(count(db.raw(), "select date from message"), 781_692_800);
}

#[test]
fn a_failed_atomic_write_is_rolled_back_and_a_body_can_be_set_later() {
    let folder = tempfile::tempdir().unwrap();
    let (mut db, chat) = with_messages(&folder.path().join("chat.db"), Style::Ventura, 0);
    let failed = db.atomically(|db| {
        db.deliver(chat, &NewMessage::outgoing(NOW))?;
        db.set_column(1, "no_such_column", 1)
    });
    assert!(failed.is_err());
    assert_eq!(count(db.raw(), "select count(*) from message"), 0);
    let message = db.deliver(chat, &NewMessage::outgoing(NOW)).unwrap();
    db.set_body(message, &Body::Text("late".into())).unwrap();
    let text = "select count(*) from message where text = 'late'";
    assert_eq!(count(db.raw(), text), 1);
}
