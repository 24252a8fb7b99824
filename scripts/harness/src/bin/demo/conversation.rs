//! The conversation of the demonstration: at least one message of each kind that Messages writes.

use std::thread::sleep;
use std::time::Duration;

use archety_harness::{Mac, now_micros};
use messages_stand_in::{
    Attachment, Chat, Date, NewMessage, Piece, Poll, PollOption, PollVote, RichLink, Style,
    Tapback, TapbackChange, TransferState,
};

use crate::table::DeliveryTable;

pub(crate) const ADA: &str = "+15550100001";
pub(crate) const BOB: &str = "+15550100002";
pub(crate) const EVE: &str = "eve@example.com";

fn now() -> Date {
    Date::from_unix_micros(now_micros())
}

/// Plays the whole conversation.
pub(crate) fn converse(mac: &mut Mac, table: &mut DeliveryTable) -> anyhow::Result<()> {
    texts(mac, table)?;
    group(mac, table)?;
    late_join(mac, table)?;
    photo(mac, table)?;
    voice(mac, table)?;
    link(mac, table)?;
    over_sms(mac, table)?;
    restart(mac, table)?;
    let (ada_chat, _) = mac.ensure_direct_chat(ADA)?;
    let typed = NewMessage::outgoing(now()).text("typed by the owner");
    deliver(mac, table, ada_chat, &typed, "message")?;
    for n in 1..=5 {
        let row = mac.receive(ADA, &format!("and {n} more"))?;
        table.expect_stored(mac.messages.guid_of(row)?, "message")?;
    }
    Ok(())
}

/// Writes a message row and its join to `chat`, and waits until the backend has stored the message as
/// `event`. Returns the message's ROWID and guid in chat.db.
fn deliver(
    mac: &mut Mac,
    table: &mut DeliveryTable,
    chat: i64,
    message: &NewMessage,
    event: &str,
) -> anyhow::Result<(i64, String)> {
    let row = mac.messages.deliver(chat, message)?;
    let guid = mac.messages.guid_of(row)?;
    table.expect_stored(guid.clone(), event)?;
    Ok((row, guid))
}

fn texts(mac: &mut Mac, table: &mut DeliveryTable) -> anyhow::Result<()> {
    let texts = [
        (ADA, "hello sage!"),
        (ADA, "are you there? 👋"),
        (BOB, "Can you remind me about the dentist tomorrow?"),
        (EVE, "Grüße aus Köln – läuft alles?"),
        (ADA, "it is about the trip ✈️"),
    ];
    for (person, text) in texts {
        let row = mac.receive(person, text)?;
        table.expect_stored(mac.messages.guid_of(row)?, "message")?;
    }
    Ok(())
}

/// A group chat with a tapback, a reply, an edit and a poll. The relay posts polls as the event `other`.
fn group(mac: &mut Mac, table: &mut DeliveryTable) -> anyhow::Result<()> {
    let (ada, bob) = (
        mac.ensure_direct_chat(ADA)?.1,
        mac.ensure_direct_chat(BOB)?.1,
    );
    let group = mac.create_group(&[ADA, BOB], "Trip")?;
    for (handle, text) in [(ada, "who is in?"), (bob, "me!")] {
        let message = NewMessage::incoming(handle, now()).text(text);
        deliver(mac, table, group, &message, "message")?;
    }
    let message = NewMessage::incoming(ada, now()).text("great, Friday at nine 🚆");
    let (row, target) = deliver(mac, table, group, &message, "message")?;
    let first_part = (0, target.as_str());
    let like = NewMessage::incoming(bob, now()).tapback(
        Tapback::Like,
        TapbackChange::Add,
        first_part,
        "great, Friday at nine 🚆",
    );
    deliver(mac, table, group, &like, "tapback")?;
    let reply = NewMessage::incoming(bob, now())
        .text("nine is early")
        .reply_to(&target);
    deliver(mac, table, group, &reply, "message")?;
    if mac.messages.style() >= Style::Ventura {
        mac.messages.edit(row, "great, Friday at ten 🚆", now())?;
        table.expect_stored(target, "edit")?;
    }

    let mut poll = Poll::new("Where do we stay?", ADA, ["The old mill", "A tent"]);
    let created = NewMessage::incoming(ada, now()).poll(&poll);
    let (_, first) = deliver(mac, table, group, &created, "other")?;
    let choice = PollVote {
        option: poll.options[0].id.clone(),
        voter: BOB.to_owned(),
    };
    let vote = NewMessage::incoming(bob, now()).vote(&first, &[choice]);
    deliver(mac, table, group, &vote, "other")?;
    poll.options.push(PollOption::new("The hostel", BOB));
    let added = NewMessage::incoming(bob, now()).added_choice(&first, &poll);
    deliver(mac, table, group, &added, "other")?;
    Ok(())
}

/// A message whose row is committed some time before its join to a chat, as Messages writes them.
fn late_join(mac: &mut Mac, table: &mut DeliveryTable) -> anyhow::Result<()> {
    let (chat, ada) = mac.ensure_direct_chat(ADA)?;
    let message = NewMessage::incoming(ada, now()).text("this one was joined late");
    let row = mac.messages.insert_message(&message)?;
    sleep(Duration::from_millis(300));
    mac.messages.join(chat, row)?;
    table.expect_stored(mac.messages.guid_of(row)?, "message")
}

/// A photo whose download finishes after the message has arrived.
fn photo(mac: &mut Mac, table: &mut DeliveryTable) -> anyhow::Result<()> {
    const GUID: &str = "at_0_00000000-0000-4000-8000-00000000D3D0";
    let (chat, ada) = mac.ensure_direct_chat(ADA)?;
    let photo = Attachment::photo("tickets.jpg", 184_000).in_state(TransferState::TRANSFERRING);
    let photo = photo.with_guid(GUID);
    let pieces = [
        Piece::attachment(GUID),
        Piece::text("the tickets").in_part(1),
    ];
    let message = NewMessage::incoming(ada, now()).pieces(&pieces);
    let row = mac.messages.deliver(chat, &message)?;
    sleep(Duration::from_millis(200));
    let attachment = mac.messages.attach(row, &photo, now())?;
    let guid = mac.messages.guid_of(row)?;
    table.expect_stored(guid.clone(), "message")?;
    mac.messages.finish_attachment(attachment, 184_000)?;
    table.expect_stored(guid, "attachment_update")
}

/// A voice message whose transcript Messages writes seconds later.
fn voice(mac: &mut Mac, table: &mut DeliveryTable) -> anyhow::Result<()> {
    const GUID: &str = "at_0_00000000-0000-4000-8000-00000000A0D1";
    let (chat, ada) = mac.ensure_direct_chat(ADA)?;
    let message = NewMessage::incoming(ada, now()).pieces(&[Piece::attachment(GUID)]);
    let row = mac
        .messages
        .insert_message(&message.set("is_audio_message", 1))?;
    let file = Attachment::voice(20_480).with_guid(GUID);
    let attachment = mac.messages.attach(row, &file, now())?;
    mac.messages.join(chat, row)?;
    let guid = mac.messages.guid_of(row)?;
    table.expect_stored(guid.clone(), "message")?;
    sleep(Duration::from_millis(400));
    let said = "I am at the station, platform four";
    mac.messages.transcribe_attachment(attachment, said)?;
    table.expect_stored(guid, "attachment_update")
}

/// A text whose link Messages stores in a row of its own, a moment later.
fn link(mac: &mut Mac, table: &mut DeliveryTable) -> anyhow::Result<()> {
    let (chat, bob) = mac.ensure_direct_chat(BOB)?;
    let text = NewMessage::incoming(bob, now()).text("look at this");
    let (_, guid) = deliver(mac, table, chat, &text, "message")?;
    sleep(Duration::from_millis(400));
    let link = RichLink::new("https://example.com/inn").titled("The old inn");
    let link = NewMessage::incoming(bob, now())
        .link(&link)
        .set("reply_to_guid", guid);
    deliver(mac, table, chat, &link, "message")?;
    Ok(())
}

/// A reaction over SMS, where a reaction arrives as a text that quotes the message it is about.
fn over_sms(mac: &mut Mac, table: &mut DeliveryTable) -> anyhow::Result<()> {
    let sms = Chat::direct(BOB)
        .on("SMS")
        .with_guid(format!("SMS;-;{BOB}"));
    let chat = mac.messages.insert_chat(&sms)?;
    let bob = mac.messages.ensure_handle(BOB, "SMS")?;
    let question = NewMessage::outgoing(now())
        .on("SMS")
        .text("See you at the station?");
    deliver(mac, table, chat, &question, "message")?;
    let reaction = NewMessage::incoming(bob, now())
        .on("SMS")
        .text("Liked “See you at the station?”");
    deliver(mac, table, chat, &reaction, "tapback")?;
    Ok(())
}

/// A restart of Messages, after which the write-ahead log is another file; then an unsent message.
fn restart(mac: &mut Mac, table: &mut DeliveryTable) -> anyhow::Result<()> {
    mac.messages.rotate_wal()?;
    let row = mac.receive(BOB, "after Messages was restarted")?;
    let guid = mac.messages.guid_of(row)?;
    table.expect_stored(guid.clone(), "message")?;
    if mac.messages.style() >= Style::Ventura {
        mac.messages.unsend(row, &[], now())?;
        table.expect_stored(guid, "unsend")?;
    }
    Ok(())
}
