//! The rows of bubbles are gone: chat.db was built anew, or the owner has deleted them.

use messages_stand_in::MessageGuids;

use super::*;

/// A Mac whose relay has proven these bubbles, a second apart.
fn proven(texts: &[&str]) -> Mac {
    let mut mac = answered_mac();
    mac.advance(Duration::from_micros(250_001));
    mac.take_reply("cmd_a", &chat_of(ADA), texts);
    for text in texts {
        mac.dispatch_next();
        mac.own_row(text);
        mac.run_relay();
        mac.advance(secs(1));
    }
    mac
}

fn unknown() -> (BubbleState, Option<String>) {
    (BubbleState::Unknown, Some("row_gone".to_owned()))
}

#[test]
fn after_a_rebuild_with_other_guids_each_bubble_follows_its_row() {
    let mut mac = proven(&["ok", "ok", "bye"]);
    let before: Vec<_> = mac.ledger().into_iter().map(|b| b.message_guid).collect();
    mac.messages.rebuild(10, MessageGuids::Renewed).unwrap();
    mac.run_relay();
    mac.sweep();
    assert_eq!(mac.bubbles(), [BubbleState::RowSeen; 3]);
    let rows: Vec<i64> = (mac.ledger().iter())
        .map(|bubble| {
            let guid = bubble.message_guid.as_deref().unwrap();
            let sql = "select ROWID from message where guid = ?1";
            mac.messages
                .raw()
                .query_row(sql, [guid], |row| row.get(0))
                .expect("its row")
        })
        .collect();
    assert!(rows.is_sorted(), "{rows:?}");
    let after: Vec<_> = mac.ledger().into_iter().map(|b| b.message_guid).collect();
    assert!(before.iter().all(|guid| !after.contains(guid)));
    mac.messages.mark_delivered(rows[1], mac.now()).unwrap();
    mac.run_relay();
    let delivered = [
        BubbleState::RowSeen,
        BubbleState::Delivered,
        BubbleState::RowSeen,
    ];
    assert_eq!(mac.bubbles(), delivered);
    // Its edits are history, as before.
    mac.messages.edit(rows[2], "good bye", mac.now()).unwrap();
    mac.run_relay();
    assert_eq!(later_texts(&mac), [""; 0]);
}

#[test]
fn a_bubble_whose_row_stays_away_is_unknown() {
    for rebuilt in [true, false] {
        let mut mac = proven(&["ok"]);
        let typed = mac.own_row("ok");
        mac.run_relay();
        let row = mac.ledger()[0].message_guid.clone().unwrap();
        if rebuilt {
            mac.messages.rebuild(1, MessageGuids::Renewed).unwrap();
        } else {
            let sql = "select ROWID from message where guid = ?1";
            let rowid = mac
                .messages
                .raw()
                .query_row(sql, [&row], |row| row.get(0))
                .unwrap();
            mac.messages.delete_message(rowid).unwrap();
            assert!(mac.outcome(typed).is_some());
        }
        mac.sweep();
        assert_eq!(mac.bubbles(), [BubbleState::RowSeen], "it may come again");
        mac.advance(secs(10 * 60));
        mac.sweep();
        assert_eq!(mac.first_bubble(), unknown(), "{rebuilt}");
        assert_eq!(later_texts(&mac), ["ok"]);
    }
}

/// Messages fills a chat.db that was built anew little by little.
#[test]
fn a_row_that_comes_back_late_still_counts() {
    let mut mac = proven(&["ok"]);
    let sent_at = mac.ago(secs(1));
    mac.messages.rebuild(0, MessageGuids::Renewed).unwrap();
    mac.advance(secs(10 * 60));
    mac.run_relay();
    mac.sweep();
    assert_eq!(mac.first_bubble(), unknown());
    mac.advance(secs(5 * 60));
    let (chat, _) = mac.direct_chat(ADA);
    let again = NewMessage::outgoing(sent_at).text("ok");
    mac.messages.deliver(chat, &again).unwrap();
    mac.run_relay();
    mac.sweep();
    assert_eq!(mac.bubbles(), [BubbleState::Sent]);
    assert_eq!(later_texts(&mac), [""; 0]);
}

#[test]
fn a_sent_bubble_whose_row_is_gone_stays_sent() {
    let mut mac = answered_mac();
    mac.send_bubble("cmd_a", "ok");
    let row = mac.own_row("ok");
    mac.messages.set_column(row, "is_sent", 1).unwrap();
    mac.run_relay();
    mac.messages.delete_message(row).unwrap();
    mac.advance(secs(10 * 60));
    mac.sweep();
    assert_eq!(mac.bubbles(), [BubbleState::Sent]);
}

/// A line sends hundreds of bubbles an hour.
#[test]
fn the_rows_of_all_open_bubbles_are_looked_at_in_one_step() {
    let mut mac = answered_mac();
    let mut rows = Vec::new();
    for n in 0..130 {
        let text = format!("bubble {n}");
        mac.send_bubble(&format!("cmd_{n}"), &text);
        rows.push(mac.own_row(&text));
    }
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::RowSeen; 130]);
    for row in rows {
        mac.messages.mark_delivered(row, mac.now()).unwrap();
    }
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::Delivered; 130]);
}
