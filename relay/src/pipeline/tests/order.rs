//! Rows whose parts appear one after the other, and the order of the posts of their chats meanwhile.

use messages_stand_in::{Attachment, Body, Piece, TransferState};

use super::*;
use crate::state::seen::RowOutcome;

#[test]
fn a_row_without_a_chat_waits_and_is_not_posted_as_a_direct_message() {
    let mut mac = Mac::new();
    let group = mac.messages.insert_chat(&Chat::group([ADA, BOB])).unwrap();
    let ada = mac.messages.ensure_handle(ADA, "iMessage").unwrap();
    let now = mac.now();
    let row = mac
        .messages
        .insert_message(&NewMessage::incoming(ada, now).text("to the group"))
        .unwrap();
    mac.run_relay();
    assert!(mac.posted().is_empty());
    assert_eq!(mac.waiting_reasons(), ["no_chat"]);
    mac.advance(hours(3));
    mac.prove_network();
    mac.run_relay();
    assert!(
        mac.posted().is_empty(),
        "a row without a chat is never posted"
    );
    mac.messages.join(group, row).unwrap();
    mac.run_relay();
    let posted = mac.posted();
    assert_eq!(posted.len(), 1);
    assert_eq!(posted[0].mode, shared_protocol::Mode::Group);
    assert!(mac.waiting_reasons().is_empty());
}

#[test]
fn an_unjoined_row_holds_back_the_chats_of_its_sender_for_two_seconds_only() {
    let mut mac = Mac::new();
    let (ada_chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let unjoined = mac
        .messages
        .insert_message(&NewMessage::incoming(ada, now).text("first"))
        .unwrap();
    mac.receive(ADA, "second");
    mac.receive(BOB, "another person");
    mac.run_relay();
    assert_eq!(mac.texts(), ["another person"]);
    mac.messages.join(ada_chat, unjoined).unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), ["another person", "first", "second"]);

    let now = mac.now();
    mac.messages
        .insert_message(&NewMessage::incoming(ada, now).text("never joined"))
        .unwrap();
    mac.receive(ADA, "third");
    mac.run_relay();
    mac.advance(secs(2));
    mac.run_relay();
    assert_eq!(mac.texts().last().map(String::as_str), Some("third"));
    assert_eq!(mac.waiting_reasons(), ["no_chat"]);
}

#[test]
fn a_row_without_a_chat_is_recorded_as_orphaned_after_a_proven_month() {
    let mut mac = Mac::new();
    let (_, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let orphan = mac
        .messages
        .insert_message(&NewMessage::incoming(ada, now).text("code 123"))
        .unwrap();
    mac.run_relay();
    mac.advance(hours(24 * 31));
    mac.sweep();
    assert_eq!(
        mac.waiting_reasons(),
        ["no_chat"],
        "a clock that jumped proves nothing"
    );
    mac.prove_network();
    mac.sweep();
    assert!(mac.waiting_reasons().is_empty());
    assert_eq!(mac.outcome(orphan), Some(RowOutcome::Orphaned));
    assert!(mac.posted().is_empty());
}

#[test]
fn a_row_that_is_deleted_while_it_waits_is_forgotten() {
    let mut mac = Mac::new();
    let (_, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let row = mac
        .messages
        .insert_message(&NewMessage::incoming(ada, now).text("code 123"))
        .unwrap();
    mac.run_relay();
    mac.messages.delete_message(row).unwrap();
    mac.run_relay();
    assert!(mac.waiting_reasons().is_empty());
    assert!(mac.posted().is_empty());
}

#[test]
fn an_own_message_that_first_appears_as_incoming_is_posted_as_the_owners() {
    let mut mac = Mac::new();
    let (chat, _) = mac.direct_chat(ADA);
    let now = mac.now();
    let row = mac
        .messages
        .deliver(
            chat,
            &NewMessage::incoming(NO_HANDLE, now).text("sent from here"),
        )
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.waiting_reasons(), ["no_handle"]);
    mac.advance(Duration::from_millis(400));
    mac.messages.flip_from_me(row).unwrap();
    mac.run_relay();
    let posted = mac.posted();
    assert_eq!(posted.len(), 1);
    assert!(posted[0].from_owner);
    assert_eq!(posted[0].sender, OWN);
}

#[test]
fn a_row_waits_for_its_sender() {
    let mut mac = Mac::new();
    let group = mac.messages.insert_chat(&Chat::group([ADA, BOB])).unwrap();
    let now = mac.now();
    let row = mac
        .messages
        .deliver(group, &NewMessage::incoming(NO_HANDLE, now).text("who?"))
        .unwrap();
    mac.run_relay();
    assert!(mac.posted().is_empty());
    let bob = mac.messages.ensure_handle(BOB, "iMessage").unwrap();
    mac.messages.set_handle(row, bob).unwrap();
    mac.run_relay();
    assert_eq!(mac.posted()[0].sender, BOB);
}

#[test]
fn a_row_waits_for_its_text_and_posts_a_very_late_text_as_an_edit() {
    let mut mac = Mac::new();
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let soon = mac
        .messages
        .deliver(chat, &NewMessage::incoming(ada, now))
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.waiting_reasons(), ["no_text"]);
    mac.messages
        .set_body(soon, &Body::Usual("here it is".to_owned()))
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), ["here it is"]);

    let now = mac.now();
    let late = mac
        .messages
        .deliver(chat, &NewMessage::incoming(ada, now))
        .unwrap();
    mac.run_relay();
    mac.advance(secs(3));
    mac.run_relay();
    assert_eq!(mac.events().last(), Some(&(Event::Other, 1)));
    mac.messages
        .set_body(late, &Body::Usual("at last".to_owned()))
        .unwrap();
    mac.run_relay();
    mac.run_relay();
    assert_eq!(mac.events()[1..], [(Event::Other, 1), (Event::Edit, 0)]);
    assert_eq!(mac.texts().last().map(String::as_str), Some("at last"));
}

#[test]
fn a_row_waits_for_the_attachments_in_its_text_and_posts_later_ones_as_updates() {
    let mut mac = Mac::new();
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let pieces = [
        Piece::attachment("at_0_AAAA"),
        Piece::text("look").in_part(1),
    ];
    let row = mac
        .messages
        .deliver(chat, &NewMessage::incoming(ada, now).pieces(&pieces))
        .unwrap();
    mac.receive(ADA, "did you see?");
    mac.run_relay();
    assert!(mac.posted().is_empty(), "the chat keeps its order");
    let photo = Attachment::photo("IMG_1.jpg", 1_000)
        .with_guid("at_0_AAAA")
        .in_state(TransferState::TRANSFERRING);
    let attachment = mac.messages.attach(row, &photo, now).unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), ["look", "did you see?"]);
    assert_eq!(mac.posted()[0].attachments.len(), 1);
    mac.messages.finish_attachment(attachment, 1_000).unwrap();
    mac.run_relay();
    mac.run_relay();
    assert_eq!(mac.events().last(), Some(&(Event::AttachmentUpdate, 1)));
    let update = mac.posted().pop().unwrap();
    assert_eq!(
        update.attachments[0].state,
        shared_protocol::AttachmentState::Finished
    );
    assert_eq!(mac.posted().len(), 3);
}

#[test]
fn a_message_is_posted_without_an_attachment_that_never_appears() {
    let mut mac = Mac::new();
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    mac.messages
        .deliver(
            chat,
            &NewMessage::incoming(ada, now).pieces(&[Piece::attachment("at_0_GONE")]),
        )
        .unwrap();
    mac.run_relay();
    mac.advance(secs(4));
    mac.run_relay();
    let posted = mac.posted();
    assert_eq!(posted[0].attachments[0].guid, "at_0_GONE");
    assert_eq!(
        posted[0].attachments[0].state,
        shared_protocol::AttachmentState::Waiting
    );
}

#[test]
fn a_row_that_began_to_wait_under_a_clock_ahead_holds_back_its_chat_only_briefly() {
    let mut mac = Mac::new();
    let (_, ada) = mac.direct_chat(ADA);
    mac.clock
        .set(UnixMicros::from_secs(START + 5 * 365 * 24 * 3600));
    let now = mac.now();
    mac.messages
        .insert_message(&NewMessage::incoming(ada, now).text("never joined"))
        .unwrap();
    mac.run_relay();
    mac.clock.set(UnixMicros::from_secs(START + 60));
    mac.receive(ADA, "after the clock was set right");
    mac.run_relay();
    mac.advance(secs(3));
    mac.run_relay();
    assert_eq!(mac.texts(), ["after the clock was set right"]);
}

#[test]
fn a_late_row_that_waits_for_its_chat_counts_as_one_late_row() {
    let mut mac = Mac::new();
    mac.advance_online(hours(5));
    mac.receive(BOB, "newer");
    mac.run_relay();
    mac.advance_online(secs(900));
    let (chat, ada) = mac.direct_chat(ADA);
    let sent = mac.ago(hours(2));
    let row = mac
        .messages
        .insert_message(&NewMessage::incoming(ada, sent).text("late"))
        .unwrap();
    mac.run_steps(
        |messages, clock, step| {
            clock.advance(Duration::from_millis(50));
            if step == 4 {
                messages.join(chat, row).unwrap();
            }
        },
        6,
    );
    assert_eq!(mac.outcome(row), Some(RowOutcome::Quarantined));
}
