//! A release that reads more of a row than the release before posts no row again.

use messages_stand_in::{Attachment, Attribute, Piece, Poll, RichLink};

use super::*;

#[test]
fn a_changed_digest_with_unchanged_content_posts_nothing() {
    let mut mac = Mac::before_first_run(Style::Tahoe);
    mac.run_relay();
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let row = || NewMessage::incoming(ada, now);
    let poll = mac
        .messages
        .deliver(chat, &row().poll(&Poll::new("?", ADA, ["A"])))
        .unwrap();
    let poll = mac.messages.guid_of(poll).unwrap();
    let link = RichLink::new("https://example.com").titled("A page");
    let pieces = [
        Piece::text("look").with(Attribute::Mention(BOB.to_owned())),
        Piece::attachment("SECOND").in_part(1),
        Piece::attachment("FIRST").in_part(2),
    ];
    let mut rows = Vec::new();
    for message in [
        row().text("hi"),
        row().text("yes").reply_to(&*poll),
        row().link(&link),
        row().text("https://example.com").link(&link),
        row().vote(&*poll, &[]),
        row().pieces(&pieces),
        row(),
    ] {
        rows.push(mac.messages.deliver(chat, &message).unwrap());
    }
    // The attachments are joined in another order than the text has them.
    for guid in ["FIRST", "SECOND"] {
        let photo = Attachment::photo("a.jpg", 1).with_guid(guid);
        mac.messages.attach(rows[5], &photo, now).unwrap();
    }
    mac.messages.edit(rows[0], "hello", now).unwrap();
    mac.run_relay();
    mac.advance(secs(5));
    mac.run_relay();
    let posts = mac.events();
    assert_eq!(posts.len(), 8);
    mac.state()
        .write(|tx| tx.execute("update seen set digest = zeroblob(16)", []))
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.events(), posts);
    // A later change is still posted.
    mac.messages.edit(rows[0], "hello!", now).unwrap();
    mac.run_relay();
    assert_eq!(mac.events()[8..], [(Event::Edit, 3)]);
}
