//! Edits, unsends and late attachments: each is posted once, under a revision of its own.

use messages_stand_in::{Attachment, PartCount, Piece};

use super::*;

#[test]
fn every_edit_is_posted_once_with_the_length_of_the_history() {
    let mut mac = Mac::new();
    let row = mac.receive(ADA, "helo");
    mac.run_relay();
    mac.messages.edit(row, "hello", mac.now()).unwrap();
    mac.run_relay();
    mac.run_relay();
    mac.messages.edit(row, "hello!", mac.now()).unwrap();
    mac.run_relay();
    assert_eq!(
        mac.events(),
        [(Event::Message, 0), (Event::Edit, 2), (Event::Edit, 3)]
    );
    assert_eq!(mac.texts(), ["helo", "hello", "hello!"]);
}

#[test]
fn a_message_that_was_edited_before_it_was_read_is_one_message() {
    let mut mac = Mac::new();
    let row = mac.receive(ADA, "helo");
    mac.messages.edit(row, "hello", mac.now()).unwrap();
    mac.run_relay();
    mac.run_relay();
    assert_eq!(mac.events(), [(Event::Message, 0)]);
    assert_eq!(mac.texts(), ["hello"]);
    assert_eq!(
        mac.posted()[0]
            .edit
            .as_ref()
            .map(|edit| edit.history_length),
        Some(2)
    );
}

#[test]
fn an_unsend_of_all_parts_is_posted_once_as_fully_unsent() {
    for style in [Style::Ventura, Style::Tahoe] {
        let mut mac = Mac::before_first_run(style);
        mac.run_relay();
        let row = mac.receive(ADA, "oops");
        mac.run_relay();
        mac.messages.unsend(row, &[], mac.now()).unwrap();
        mac.run_relay();
        mac.run_relay();
        assert_eq!(
            mac.events(),
            [(Event::Message, 0), (Event::Unsend, 1)],
            "{style:?}"
        );
        let unsend = mac.posted().pop().unwrap();
        assert_eq!(unsend.text, "");
        assert!(unsend.edit.unwrap().fully_unsent);
    }
}

#[test]
fn a_message_with_all_parts_unsent_is_fully_unsent_although_its_row_counts_the_sent_parts() {
    for (pieces, files) in [
        (vec![Piece::text("oops")], vec![]),
        (
            vec![Piece::attachment("PHOTO"), Piece::text("look").in_part(1)],
            vec!["PHOTO"],
        ),
        (vec![Piece::attachment("PHOTO")], vec!["PHOTO"]),
    ] {
        for style in [Style::Ventura, Style::Tahoe] {
            for read_before in [true, false] {
                let mut mac = Mac::before_first_run(style);
                mac.run_relay();
                let (chat, ada) = mac.direct_chat(ADA);
                let now = mac.now();
                let message = NewMessage::incoming(ada, now).pieces(&pieces);
                let row = mac
                    .messages
                    .deliver(chat, &message.set("part_count", 2))
                    .unwrap();
                for guid in &files {
                    let photo = Attachment::photo("a.jpg", 1).with_guid(*guid);
                    mac.messages.attach(row, &photo, now).unwrap();
                }
                if read_before {
                    mac.run_relay();
                }
                mac.messages
                    .take_back(row, &[], PartCount::Sent, now)
                    .unwrap();
                mac.run_relay();
                mac.run_relay();
                let unsend = mac.posted().pop().unwrap();
                assert_eq!(mac.posted().len(), 1 + usize::from(read_before));
                assert_eq!((unsend.event, unsend.revision), (Event::Unsend, 1));
                assert_eq!((&*unsend.text, unsend.attachments.len()), ("", 0));
                assert!(unsend.edit.unwrap().fully_unsent, "{style} {pieces:?}");
            }
        }
    }
}

#[test]
fn a_row_without_an_original_part_list_is_fully_unsent_if_no_text_or_file_is_left() {
    let summary = messages_stand_in::Summary {
        unsent: [0].into(),
        ..messages_stand_in::Summary::default()
    };
    let summary = summary.to_plist().unwrap();
    for (text, file, fully) in [
        (None, false, true),
        (Some("still here"), false, false),
        (None, true, false),
    ] {
        let mut mac = Mac::new();
        let row = mac.receive(ADA, "oops");
        if file {
            let photo = Attachment::photo("a.jpg", 1);
            mac.messages.attach(row, &photo, mac.now()).unwrap();
        }
        mac.run_relay();
        let columns = "text = ?2, attributedBody = null, message_summary_info = ?3";
        let sql = format!("update message set {columns} where ROWID = ?1");
        let values = rusqlite::params![row, text, summary];
        mac.messages.raw().execute(&sql, values).unwrap();
        mac.run_relay();
        let unsend = mac.posted().pop().unwrap();
        assert_eq!(
            (unsend.event, &*unsend.text),
            (Event::Unsend, text.unwrap_or_default())
        );
        assert_eq!(unsend.edit.unwrap().fully_unsent, fully, "{text:?} {file}");
    }
}

#[test]
fn an_unsend_is_partial_while_one_part_is_left() {
    let photo = Piece::attachment("PHOTO").in_part(1);
    for (pieces, unsent, left) in [
        (vec![Piece::text("a"), Piece::text("b").in_part(1)], 0, "b"),
        (vec![Piece::text("a"), photo], 0, ""),
    ] {
        for count in [PartCount::Sent, PartCount::Left] {
            let mut mac = Mac::new();
            let (chat, ada) = mac.direct_chat(ADA);
            let now = mac.now();
            let message = NewMessage::incoming(ada, now)
                .pieces(&pieces)
                .set("part_count", 2);
            let row = mac.messages.deliver(chat, &message).unwrap();
            mac.run_relay();
            mac.advance(secs(5));
            mac.run_relay();
            mac.messages.take_back(row, &[unsent], count, now).unwrap();
            mac.run_relay();
            let unsend = mac.posted().pop().unwrap();
            assert_eq!((unsend.event, unsend.text.as_str()), (Event::Unsend, left));
            assert!(!unsend.edit.unwrap().fully_unsent, "{count:?} {left}");
        }
    }
}

#[test]
fn a_message_that_was_unsent_before_it_was_read_is_an_unsend() {
    let mut mac = Mac::new();
    let row = mac.receive(ADA, "oops");
    mac.messages.unsend(row, &[], mac.now()).unwrap();
    mac.run_relay();
    mac.run_relay();
    assert_eq!(mac.events(), [(Event::Unsend, 1)]);
}

#[test]
fn an_edit_made_while_the_relay_was_down_is_posted() {
    let mut mac = Mac::new();
    let row = mac.receive(ADA, "helo");
    mac.run_relay();
    mac.advance(hours(70));
    mac.messages.edit(row, "hello", mac.now()).unwrap();
    mac.run_relay();
    assert_eq!(mac.events(), [(Event::Message, 0), (Event::Edit, 2)]);
}

#[test]
fn delivery_and_read_marks_post_no_change() {
    let mut mac = Mac::new();
    let row = mac.receive(ADA, "hi");
    mac.run_relay();
    mac.messages.mark_delivered(row, mac.now()).unwrap();
    mac.messages.mark_read(row, mac.now()).unwrap();
    mac.run_relay();
    assert_eq!(mac.events(), [(Event::Message, 0)]);
}

#[test]
fn an_attachment_joined_after_the_message_went_out_is_an_update() {
    let mut mac = Mac::new();
    let row = mac.receive(ADA, "see this");
    mac.run_relay();
    mac.messages
        .attach(row, &Attachment::photo("IMG_2.jpg", 10), mac.now())
        .unwrap();
    mac.run_relay();
    assert_eq!(
        mac.events(),
        [(Event::Message, 0), (Event::AttachmentUpdate, 1)]
    );
}

#[test]
fn a_message_scheduled_for_later_is_posted_when_messages_sends_it() {
    let mut mac = Mac::before_first_run(Style::Sequoia);
    mac.run_relay();
    let (chat, _) = mac.direct_chat(ADA);
    let later = date(mac.clock.now().plus(hours(2)).as_micros());
    // Codes of Messages: `schedule_type` is 2 for a message to be sent later. Its `schedule_state` is 1 before
    // and 2 after it is sent.
    let scheduled = NewMessage::outgoing(later)
        .text("happy birthday")
        .set("schedule_type", 2)
        .set("schedule_state", 1);
    let row = mac.messages.deliver(chat, &scheduled).unwrap();
    mac.run_relay();
    assert!(mac.posted().is_empty());
    mac.advance(hours(2));
    mac.messages.set_column(row, "schedule_state", 2).unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), ["happy birthday"]);
    assert!(mac.posted()[0].from_owner);
}

#[test]
fn a_quarantined_message_has_the_text_of_its_latest_edit() {
    let mut mac = Mac::new();
    mac.advance_online(hours(5));
    mac.receive(BOB, "newer");
    mac.run_relay();
    mac.advance_online(secs(900));
    let late = mac.receive_dated(ADA, "helo", mac.ago(hours(2)));
    mac.run_relay();
    mac.messages.edit(late, "hello", mac.now()).unwrap();
    mac.run_relay();
    assert_eq!(
        Message::from_json(&mac.quarantined()[0].body).unwrap().text,
        "hello"
    );
}

#[test]
fn a_relay_killed_before_comparing_rows_posts_the_changes_at_its_next_start() {
    let mut mac = Mac::new();
    let row = mac.receive(ADA, "helo");
    mac.run_relay();
    mac.advance(hours(70));
    mac.messages.edit(row, "hello", mac.now()).unwrap();
    mac.receive(BOB, "new");
    // The relay reads new rows, and is killed before it compares old ones.
    let last_good_scan_at = mac
        .state()
        .read(crate::state::read_position::load)
        .unwrap()
        .unwrap()
        .last_good_scan_at;
    mac.run_relay();
    mac.state()
        .write(|tx| {
            tx.execute("delete from outbox where event = 'edit'", [])?;
            tx.execute(
                "update seen set history_length = 0, digest = zeroblob(16) where guid = (
                 select guid from seen order by message_rowid limit 1)",
                [],
            )?;
            tx.execute(
                "update source set last_good_scan_at = ?1",
                [last_good_scan_at],
            )
        })
        .unwrap();
    mac.advance(hours(1));
    mac.run_relay();
    assert_eq!(mac.events().last(), Some(&(Event::Edit, 2)));
}
