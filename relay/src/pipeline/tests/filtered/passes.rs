//! Passes over held rows: what a running relay notices by them, and how many reads a pass over ten thousand
//! rows costs.

use std::time::Instant;

use super::*;

/// Spreads `rows` rows over `chats` new chats that are marked as spam; returns the chats.
fn fill_spam_chats(mac: &mut Mac, chats: i64, rows: i64) -> Vec<i64> {
    let chats: Vec<_> = (0..chats)
        .map(|n| filtered_chat(mac, Filter::SPAM, &format!("5550{n:04}")))
        .collect();
    let now = mac.now();
    let raw_rows = chats.iter().cycle().take(usize::try_from(rows).unwrap());
    let rows: Vec<_> = raw_rows.copied().collect();
    mac.messages
        .atomically(|messages| {
            for (chat, handle) in rows {
                messages.deliver(chat, &NewMessage::incoming(handle, now).text("buy"))?;
            }
            Ok::<_, messages_stand_in::Error>(())
        })
        .unwrap();
    chats.into_iter().map(|(chat, _)| chat).collect()
}

/// Steps an open database until `done`, for at most half a minute.
fn run_until(mac: &Mac, feed: &mut Feed<'_>, db: &ChatDb, done: impl Fn(&Mac) -> bool) {
    let until = Instant::now() + secs(30);
    while !done(mac) {
        assert!(Instant::now() < until, "not done in half a minute");
        feed.step(db, Wake::Elapsed).unwrap();
    }
}

#[test]
fn a_running_relay_notices_a_lifted_mark_and_a_deleted_row() {
    let mut mac = Mac::new();
    let chats = fill_spam_chats(&mut mac, 3, 30);
    let db = ChatDb::open(&mac.folder.path().join("chat.db")).unwrap();
    let path = mac.folder.path().join("chat.db");
    let mut messages = StandIn::open(path).unwrap();
    let mut feed = Feed::bind(mac.context(), &db).unwrap();
    feed.step(&db, Wake::Changed).unwrap();
    assert_eq!(mac.filtered().len(), 30);
    messages
        .set_chat_column(chats[1], "is_filtered", Filter::KNOWN.0)
        .unwrap();
    feed.step(&db, Wake::Changed).unwrap();
    run_until(&mac, &mut feed, &db, |mac| mac.posted().len() == 10);
    // A row of a chat that was marked all the time, and a row that came while the relay was running.
    messages.delete_message(1).unwrap();
    let (junk, handle) = (chats[0], messages.ensure_handle("55500000", "SMS").unwrap());
    let now = date(mac.clock.now().as_micros());
    let late = messages
        .deliver(junk, &NewMessage::incoming(handle, now).text("one more"))
        .unwrap();
    messages
        .set_chat_column(junk, "is_filtered", Filter::SPAM.0)
        .unwrap();
    feed.step(&db, Wake::Changed).unwrap();
    run_until(&mac, &mut feed, &db, |mac| mac.filtered().len() == 20);
    assert_eq!(mac.outcome(late), Some(RowOutcome::Spam));
    messages
        .set_chat_column(junk, "is_filtered", Filter::KNOWN.0)
        .unwrap();
    feed.step(&db, Wake::Changed).unwrap();
    run_until(&mac, &mut feed, &db, |mac| mac.posted().len() == 20);
}

#[test]
fn a_running_relay_posts_a_row_held_back_late_once_the_mark_of_its_chat_is_lifted() {
    let mut mac = Mac::new();
    fill_spam_chats(&mut mac, 3, 200);
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let empty = NewMessage::incoming(ada, now).set("is_system_message", 1);
    let row = mac.messages.deliver(chat, &empty).unwrap();
    let mut messages = StandIn::open(mac.folder.path().join("chat.db")).unwrap();
    let db = ChatDb::open(&mac.folder.path().join("chat.db")).unwrap();
    let mut feed = Feed::bind(mac.context(), &db).unwrap();
    feed.step(&db, Wake::Changed).unwrap();
    assert_eq!(mac.outcome(row), Some(RowOutcome::System));
    messages
        .set_chat_column(chat, "is_filtered", Filter::SPAM.0)
        .unwrap();
    messages.set_text(row, "words at last").unwrap();
    feed.step(&db, Wake::Changed).unwrap();
    run_until(&mac, &mut feed, &db, |mac| mac.filtered().len() == 201);
    for _ in 0..10 {
        feed.run_filtered_pass(&db).unwrap();
    }
    messages
        .set_chat_column(chat, "is_filtered", Filter::KNOWN.0)
        .unwrap();
    feed.run_filtered_pass(&db).unwrap();
    assert_eq!(mac.texts(), ["words at last"]);
}

/// Adds ten thousand rows of `chats` to chat.db and to the list.
fn list_ten_thousand_rows(mac: &Mac, chats: &[i64]) {
    let (date, first) = (mac.now(), mac.messages.sequence().unwrap() + 1);
    let raw = mac.messages.raw();
    raw.execute_batch("begin").unwrap();
    let mut guids = Vec::new();
    for (n, chat) in (0..10_000).zip(chats.iter().cycle()) {
        let (rowid, guid) = (first + n, format!("HELD-{n}"));
        raw.prepare_cached(
            "insert into message (ROWID, guid, text, handle_id, date)
             select ?1, ?2, 'buy', handle_id, ?3 from chat_handle_join where chat_id = ?4",
        )
        .unwrap()
        .execute((rowid, &guid, date.apple_nanos(), chat))
        .unwrap();
        raw.prepare_cached("insert into chat_message_join (chat_id, message_id) values (?1, ?2)")
            .unwrap()
            .execute([*chat, rowid])
            .unwrap();
        let chat_guid: String = raw
            .prepare_cached("select guid from chat where ROWID = ?1")
            .unwrap()
            .query_row([chat], |row| row.get(0))
            .unwrap();
        guids.push((guid, rowid, chat_guid));
    }
    raw.execute_batch("commit").unwrap();
    let now = mac.clock.now().as_micros();
    mac.state()
        .write(|tx| {
            for (guid, rowid, chat_guid) in guids {
                let held = filtered_rows::FilteredMessage {
                    id: 0,
                    guid,
                    rowid,
                    chat_guid: Some(chat_guid),
                    reason: "spam".to_owned(),
                    sent_at: now,
                    twin_hash: chatdb::Digest::default(),
                    was_old: false,
                    held_since: now,
                    body: Some(b"{}".to_vec()),
                    preview_guid: None,
                };
                filtered_rows::hold(tx, &held)?;
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn with_ten_thousand_held_rows_a_change_reads_their_chats_and_a_few_rows() {
    const CHATS: usize = 50;
    /// The number of rows that each pass reads in turn.
    const IN_TURN: usize = 64;
    const ROWS_OF_CHAT: usize = 200;
    let mut mac = Mac::new();
    let chats = fill_spam_chats(&mut mac, 50, 50);
    list_ten_thousand_rows(&mac, &chats);
    let db = ChatDb::open(&mac.folder.path().join("chat.db")).unwrap();
    let mut feed = Feed::bind(mac.context(), &db).unwrap();
    for pass in 1..4 {
        feed.run_filtered_pass(&db).unwrap();
        assert_eq!(feed.filtered_reads(), (CHATS * pass, IN_TURN * pass));
    }
    // All rows of one chat are read, and none of the others.
    mac.messages
        .raw()
        .execute(
            "update chat set is_filtered = 0 where ROWID = ?1",
            [chats[7]],
        )
        .unwrap();
    feed.run_filtered_pass(&db).unwrap();
    let (chats, rows) = feed.filtered_reads();
    assert_eq!(chats, 4 * CHATS);
    let rows_of_last_pass = rows - 3 * IN_TURN;
    assert!(
        (ROWS_OF_CHAT..=ROWS_OF_CHAT + IN_TURN).contains(&rows_of_last_pass),
        "{rows}"
    );
    assert_eq!(mac.posted().len(), ROWS_OF_CHAT);
    // Deleted rows are noticed in their turn.
    mac.messages
        .raw()
        .execute("delete from message where guid = 'HELD-4321'", [])
        .unwrap();
    for _ in 0..=9_800 / IN_TURN {
        feed.run_filtered_pass(&db).unwrap();
    }
    assert_eq!(mac.filtered().len(), 9_799);
}
