//! A link belongs only to a text of the same sender.

use super::*;

#[test]
fn a_sender_is_recognised_in_every_notation_of_the_address() {
    for (handle, texts) in [
        (format!("\u{202a}{ADA}\u{202c}"), 1),
        (format!("tel:{ADA}"), 1),
        (BOB.to_owned(), 2),
    ] {
        let mut mac = Mac::new();
        let (chat, _) = mac.direct_chat(ADA);
        mac.receive(ADA, &format!("*{URL}*"));
        mac.advance(Duration::from_millis(900));
        let handle = mac.messages.ensure_handle(&handle, "iMessage").unwrap();
        let now = mac.now();
        let row = NewMessage::incoming(handle, now)
            .text(URL)
            .set("balloon_bundle_id", URL_BALLOON.to_owned());
        mac.messages.deliver(chat, &row).unwrap();
        mac.run_relay();
        mac.advance(secs(3));
        mac.run_relay();
        assert_eq!(mac.texts().len(), texts);
    }
}

#[test]
fn an_own_preview_with_the_peers_handle_belongs_to_the_own_text() {
    let mut mac = Mac::new();
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let own = NewMessage::outgoing(now).text(URL);
    mac.messages.deliver(chat, &own).unwrap();
    mac.advance(secs(1));
    let now = mac.now();
    let preview = NewMessage::outgoing(now)
        .set("handle_id", ada)
        .text(URL)
        .set("balloon_bundle_id", URL_BALLOON.to_owned());
    mac.messages.deliver(chat, &preview).unwrap();
    mac.receive_link_row(|row| row.text(URL));
    mac.run_relay();
    assert_eq!(mac.texts(), [URL, URL]);
    let from_owner: Vec<_> = mac.posted().iter().map(|m| m.from_owner).collect();
    assert_eq!(from_owner, [true, false]);
}
