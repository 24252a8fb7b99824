//! Held rows that are also a reaction, a note to self, or a text with its link.

use messages_stand_in::payload::URL_BALLOON;
use shared_protocol::{TapbackAction, TapbackKind};

use super::owner::{release_all, release_as};
use super::*;
use crate::pipeline::{ReleaseAs, ReleaseOutcome};

const QUOTED: &str = "See you tonight at eight";

#[test]
fn a_held_sms_reaction_is_posted_as_a_tapback_when_its_mark_is_lifted() {
    for owner_releases in [true, false] {
        let mut mac = Mac::new();
        let (chat, ada) = mac.direct_chat(ADA);
        let own = NewMessage::outgoing(mac.now()).text(QUOTED).on("SMS");
        let own = mac.messages.deliver(chat, &own).unwrap();
        let target = mac.messages.guid_of(own).unwrap();
        mac.messages
            .set_chat_column(chat, "is_filtered", Filter::SPAM.0)
            .unwrap();
        let text = format!("Loved “{QUOTED}”");
        let reaction = NewMessage::incoming(ada, mac.now()).text(&text).on("SMS");
        mac.messages.deliver(chat, &reaction).unwrap();
        mac.run_relay();
        mac.run_relay();
        if owner_releases {
            let id = owner::first_filtered_id(&mac);
            assert_eq!(release_as(&mac, id, ReleaseAs::Auto), ReleaseOutcome::Done);
        }
        mac.messages
            .set_chat_column(chat, "is_filtered", Filter::KNOWN.0)
            .unwrap();
        mac.run_relay();
        let posted = mac.posted();
        assert_eq!(posted.len(), 2, "the owner's text and the reaction");
        let tapback = posted[1].tapback.as_ref().unwrap();
        assert_eq!(posted[1].event, Event::Tapback);
        assert_eq!(posted[1].text, "");
        assert_eq!(
            (tapback.action, tapback.kind, tapback.target_guid.as_deref()),
            (
                TapbackAction::Added,
                TapbackKind::Love,
                Some(target.as_str())
            )
        );
    }
}

#[test]
fn a_held_message_of_a_later_declared_own_address_is_never_posted_as_another_persons() {
    for owner_releases in [true, false] {
        assert_not_posted_as_another_persons(owner_releases);
    }
}

fn assert_not_posted_as_another_persons(owner_releases: bool) {
    let mut mac = Mac::new();
    let alias = "sam@example.com";
    let (chat, handle) = mac.direct_chat(alias);
    let row = NewMessage::incoming(handle, mac.now()).text("note");
    let row = mac.messages.deliver(chat, &row).unwrap();
    FilterMark::Spam.set(&mut mac, row);
    mac.run_relay();
    assert_eq!(mac.filtered().len(), 1);
    let own = chatdb::Address::parse(alias).unwrap();
    let options = Options {
        lines: chatdb::Lines::new(chatdb::Declaration {
            own: vec![own],
            ..chatdb::Declaration::default()
        }),
        ..Options::default()
    };
    mac.start(FirstRun::Now, options);
    if owner_releases {
        mac.run_relay();
        let id = owner::first_filtered_id(&mac);
        assert_eq!(release_as(&mac, id, ReleaseAs::Auto), ReleaseOutcome::Done);
    }
    FilterMark::Spam.lift(&mut mac, row);
    mac.run_relay();
    let of_others = mac.posted().into_iter().filter(|post| !post.from_owner);
    assert_eq!(of_others.count(), 0, "an own message is never answered");
    assert!(mac.filtered().is_empty());
}

/// The preview of a link came before the text with the link, and both are held.
#[test]
fn a_held_link_and_its_held_text_are_released_once() {
    let url = "https://example.com/docs/setup";
    let mut mac = Mac::new();
    let (chat, ada) = mac.direct_chat(ADA);
    mac.messages
        .set_chat_column(chat, "is_filtered", Filter::SPAM.0)
        .unwrap();
    let text = NewMessage::incoming(ada, mac.now()).text(url);
    let preview = text
        .clone()
        .set("balloon_bundle_id", URL_BALLOON.to_owned());
    let text = mac.messages.insert_message(&text).unwrap();
    mac.messages.deliver(chat, &preview).unwrap();
    mac.run_relay();
    mac.advance(secs(3));
    mac.run_relay();
    mac.messages.join(chat, text).unwrap();
    mac.run_relay();
    let released = release_all(&mac);
    assert_eq!(
        released,
        [ReleaseOutcome::Done, ReleaseOutcome::PostedBefore]
    );
    assert_eq!(mac.texts().len(), 1);
}
