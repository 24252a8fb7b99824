//! Link rows, which show a link as a balloon. Such a row is the preview of a text that contains the link, has
//! the link that a text leaves out, or is a message of its own.

use messages_stand_in::payload::URL_BALLOON;
use messages_stand_in::{Body, Filter, Payload, RichLink};

use super::*;
use crate::state::seen::RowOutcome;

mod senders;

const URL: &str = "https://example.com/docs/setup";

impl Mac {
    /// A link row from Ada, written at the present time.
    fn receive_link_row(&mut self, change: impl Fn(NewMessage) -> NewMessage) -> i64 {
        let (chat, ada) = self.direct_chat(ADA);
        let now = self.now();
        let message = change(NewMessage::incoming(ada, now));
        let row = message.set("balloon_bundle_id", URL_BALLOON.to_owned());
        self.messages.deliver(chat, &row).unwrap()
    }

    fn guid(&self, row: i64) -> String {
        self.messages.guid_of(row).unwrap()
    }

    /// The posted texts, each with the index of the post that its `link_of_guid` names.
    fn linked_texts(&self) -> Vec<(String, Option<usize>)> {
        let posted = self.posted();
        let index_of = |guid: &String| {
            posted
                .iter()
                .position(|message| message.message_guid.as_ref() == Some(guid))
        };
        posted
            .iter()
            .map(|message| {
                let of = message
                    .link_of_guid
                    .as_ref()
                    .map(|guid| index_of(guid).unwrap());
                (message.text.clone(), of)
            })
            .collect()
    }
}

fn linked<const N: usize>(expected: [(&str, Option<usize>); N]) -> Vec<(String, Option<usize>)> {
    expected
        .map(|(text, of)| (text.to_owned(), of))
        .into_iter()
        .collect()
}

#[test]
fn a_preview_row_is_not_posted_and_a_repeated_link_is() {
    let mut mac = Mac::new();
    mac.receive(ADA, &format!("see {URL}"));
    mac.advance(Duration::from_millis(900));
    let preview = mac.receive_link_row(|row| row.text(URL));
    mac.run_relay();
    assert_eq!(mac.outcome(preview), Some(RowOutcome::LinkPreview));
    mac.advance(secs(2));
    mac.receive_link_row(|row| row.text(URL));
    mac.run_relay();
    assert_eq!(mac.texts(), [format!("see {URL}"), URL.to_owned()]);
}

#[test]
fn a_link_that_is_a_prefix_of_an_earlier_link_is_a_message() {
    for shorter in [
        "https://example.com",
        "https://example.com/docs",
        "https://example.com/docs/set",
        "example.com",
    ] {
        let mut mac = Mac::new();
        mac.receive(ADA, &format!("see {URL}"));
        mac.advance(secs(4));
        mac.receive_link_row(|row| row.text(shorter).link(&RichLink::new(shorter)));
        mac.run_relay();
        let expected = [format!("see {URL}"), shorter.to_owned()];
        assert_eq!(mac.texts(), expected);
    }
}

#[test]
fn a_link_in_another_spelling_is_posted_once() {
    for spelling in [
        "http://example.com/docs/setup",
        "example.com/docs/setup",
        "HTTPS://Example.COM/docs/setup",
        "https://example.com/docs/setup/",
        "https://example.com:443/docs/setup",
        "https://example.com/d%6fcs/setup",
    ] {
        for payload_link in [None, Some(RichLink::new(spelling))] {
            let mut mac = Mac::new();
            mac.receive(ADA, &format!("see {URL}!"));
            mac.advance(Duration::from_millis(900));
            mac.receive_link_row(|row| match &payload_link {
                None => row.text(spelling),
                Some(link) => row.link(link),
            });
            mac.run_relay();
            mac.run_relay();
            assert_eq!(mac.texts(), [format!("see {URL}!")], "{spelling}");
        }
    }
}

#[test]
fn a_text_without_its_link_and_the_link_row_are_posted_with_a_reference() {
    let link = RichLink::new(URL).titled("Setup");
    for reference in ["reply_to_guid", "associated_message_guid", "p:0/", "none"] {
        let mut mac = Mac::new();
        let text = mac.receive(ADA, "this one is short");
        let guid = mac.guid(text);
        mac.run_relay();
        mac.advance(Duration::from_millis(5_900));
        mac.receive_link_row(|row| match reference {
            "none" => row.link(&link),
            "p:0/" => row
                .link(&link)
                .set("associated_message_guid", format!("p:0/{guid}")),
            column => row.link(&link).set(column, guid.clone()),
        });
        mac.run_relay();
        mac.run_relay();
        let expected = linked([
            ("this one is short", None),
            (&format!("{URL}\nSetup"), Some(0)),
        ]);
        assert_eq!(mac.linked_texts(), expected, "{reference}");
        assert!(mac.posted().iter().all(|m| m.event == Event::Message));
    }
}

#[test]
fn a_link_row_with_a_reference_to_another_row_is_not_a_preview() {
    let mut mac = Mac::new();
    mac.receive(ADA, URL);
    mac.advance(secs(1));
    let (chat, _) = mac.direct_chat(ADA);
    let now = mac.now();
    let own = NewMessage::outgoing(now).text("ok");
    let own = mac.messages.deliver(chat, &own).unwrap();
    let own = mac.guid(own);
    mac.advance(secs(1));
    mac.receive_link_row(|row| row.text(URL).set("reply_to_guid", own.clone()));
    mac.run_relay();
    assert_eq!(mac.texts(), [URL, "ok", URL]);
}

#[test]
fn the_same_link_sent_twice_is_two_messages_with_a_preview_each() {
    let mut mac = Mac::new();
    for _ in 0..2 {
        mac.receive(ADA, URL);
        mac.advance(Duration::from_millis(800));
        mac.receive_link_row(|row| row.text(URL));
        mac.run_relay();
        mac.advance(Duration::from_millis(800));
    }
    assert_eq!(mac.texts(), [URL, URL]);
    let mut mac = Mac::new();
    for row in 0..6 {
        if row < 3 {
            mac.receive(ADA, URL);
        } else {
            mac.receive_link_row(|row| row.text(URL));
        }
        mac.advance(Duration::from_millis(500));
    }
    mac.run_relay();
    assert_eq!(mac.texts(), [URL, URL, URL]);
}

/// Runs the relay over a text and a link row that refers to the text and has no link yet. After `wait` the
/// link row gets the link `later`.
fn run_with_incomplete_link_row(text: &str, later: Option<&str>, wait: Duration) -> Mac {
    let mut mac = Mac::new();
    let sent = mac.receive(ADA, text);
    let guid = mac.guid(sent);
    mac.advance(Duration::from_millis(900));
    let row = mac.receive_link_row(|row| row.set("reply_to_guid", guid.clone()));
    mac.run_relay();
    mac.advance(wait);
    mac.run_relay();
    if let Some(later) = later {
        let payload = RichLink::new(later).payload();
        mac.messages
            .set_column(row, "payload_data", payload)
            .unwrap();
    }
    mac.run_relay();
    mac.advance(secs(3));
    mac.run_relay();
    mac.run_relay();
    mac
}

#[test]
fn a_link_row_completed_later_is_a_preview_or_is_posted_with_a_reference() {
    let see = format!("see {URL}");
    for wait in [secs(1), secs(3)] {
        let preview = run_with_incomplete_link_row(&see, Some(URL), wait);
        assert_eq!(preview.texts(), [see.as_str()], "{wait:?}");
        let never = run_with_incomplete_link_row(&see, None, wait);
        assert_eq!(never.texts(), [see.as_str()], "{wait:?}");
        let another = run_with_incomplete_link_row(&see, Some("https://example.com"), wait);
        let expected = linked([(&see, None), ("https://example.com", Some(0))]);
        assert_eq!(another.linked_texts(), expected, "{wait:?}");
        let left_out = run_with_incomplete_link_row("this one", Some(URL), wait);
        assert_eq!(left_out.texts().last().map(String::as_str), Some(URL));
        assert!(
            left_out
                .posted()
                .iter()
                .skip(1)
                .all(|m| m.link_of_guid.is_some()),
            "{wait:?}"
        );
    }
}

#[test]
fn a_link_row_completed_in_a_filtered_chat_is_held_back_with_its_text() {
    let mut mac = Mac::new();
    let (chat, _) = mac.direct_chat(ADA);
    let mark = |mac: &mut Mac, filter: Filter| {
        let marked = mac.messages.set_chat_column(chat, "is_filtered", filter.0);
        marked.unwrap();
    };
    mark(&mut mac, Filter::SPAM);
    let sent = mac.receive(ADA, "see https://example.com/a");
    let guid = mac.guid(sent);
    mac.advance(Duration::from_millis(900));
    let row = mac.receive_link_row(|row| row.set("reply_to_guid", guid.clone()));
    mac.run_relay();
    mac.advance(secs(3));
    mac.run_relay();
    let payload = RichLink::new("https://example.com/another").payload();
    mac.messages
        .set_column(row, "payload_data", payload)
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), Vec::<String>::new());
    mark(&mut mac, Filter::UNKNOWN_SENDER);
    mac.run_relay();
    mac.run_relay();
    let texts = mac.texts();
    assert_eq!(
        texts,
        ["see https://example.com/a", "https://example.com/another"]
    );
}

#[test]
fn a_link_row_without_a_reference_completed_later_does_not_repeat_the_link() {
    for (wait, events) in [
        (secs(1), vec![(Event::Message, 0)]),
        (secs(3), vec![(Event::Message, 0), (Event::Other, 1)]),
    ] {
        let mut mac = Mac::new();
        mac.receive(ADA, URL);
        mac.advance(Duration::from_millis(900));
        let row = mac.receive_link_row(|row| row);
        mac.run_relay();
        mac.advance(wait);
        mac.run_relay();
        mac.messages
            .set_body(row, &Body::Usual(URL.to_owned()))
            .unwrap();
        mac.run_relay();
        mac.run_relay();
        assert_eq!(mac.events(), events, "{wait:?}");
        assert_eq!(
            mac.texts().concat(),
            URL,
            "the completed row repeats nothing"
        );
    }
}

#[test]
fn a_link_row_waits_two_seconds_for_a_text_that_joins_its_chat_late() {
    for (text, wait, expected) in [
        (URL, secs(1), vec![URL]),
        (
            "see https://example.com/docs/setup",
            secs(1),
            vec!["see https://example.com/docs/setup"],
        ),
        // The link row waited two seconds for its text and was then posted.
        (URL, secs(3), vec![URL]),
        (
            "see https://example.com/docs/setup",
            secs(3),
            vec![URL, "see https://example.com/docs/setup"],
        ),
    ] {
        let mut mac = Mac::new();
        let (chat, ada) = mac.direct_chat(ADA);
        let now = mac.now();
        let late = NewMessage::incoming(ada, now).text(text);
        let late = mac.messages.insert_message(&late).unwrap();
        mac.advance(Duration::from_millis(100));
        mac.receive_link_row(|row| row.text(URL));
        mac.run_relay();
        mac.advance(wait);
        mac.run_relay();
        mac.messages.join(chat, late).unwrap();
        mac.run_relay();
        mac.run_relay();
        assert_eq!(mac.texts(), expected, "{text} after {wait:?}");
    }
}

#[test]
fn a_link_row_waits_for_the_later_text_to_which_it_refers() {
    let mut mac = Mac::new();
    let guid = "AAAAAAAA-0000-4000-8000-000000000001";
    let link = mac.receive_link_row(|row| row.text(URL).set("reply_to_guid", guid.to_owned()));
    mac.run_relay();
    assert_eq!(mac.waiting_reasons(), ["no_reference"]);
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let text = NewMessage::incoming(ada, now)
        .text(format!("see {URL}"))
        .guid(guid);
    mac.messages.deliver(chat, &text).unwrap();
    mac.run_relay();
    mac.run_relay();
    assert_eq!(mac.texts(), [format!("see {URL}")]);
    assert_eq!(mac.outcome(link), Some(RowOutcome::LinkPreview));

    let mut mac = Mac::new();
    mac.receive_link_row(|row| row.text(URL).set("reply_to_guid", guid.to_owned()));
    mac.run_relay();
    mac.advance(secs(2));
    mac.run_relay();
    assert_eq!(mac.texts(), [URL], "the row does not wait without end");
}

#[test]
fn a_link_row_with_any_association_type_is_posted() {
    for code in [0, 1, 2, 3, 4, 999] {
        let mut mac = Mac::new();
        let text = mac.receive(ADA, &format!("see {URL}"));
        let guid = mac.guid(text);
        mac.advance(secs(1));
        mac.receive_link_row(|row| {
            row.text("https://example.com")
                .associated(code, guid.clone())
        });
        mac.run_relay();
        let expected = linked([
            (&format!("see {URL}"), None),
            ("https://example.com", Some(0)),
        ]);
        assert_eq!(mac.linked_texts(), expected, "{code}");
    }
}

#[test]
fn copies_of_a_text_and_its_link_row_that_icloud_brings_back_are_not_posted() {
    let mut mac = Mac::new();
    mac.advance(Duration::from_micros(123_457));
    let (chat, ada) = mac.direct_chat(ADA);
    let sent = mac.now();
    let text = NewMessage::incoming(ada, sent).text(format!("see {URL}"));
    let shown = date(mac.clock.now().plus(secs(1)).as_micros());
    let link = NewMessage::incoming(ada, shown)
        .text(URL)
        .set("balloon_bundle_id", URL_BALLOON.to_owned());
    for _ in 0..2 {
        mac.messages.deliver(chat, &text).unwrap();
        mac.messages.deliver(chat, &link).unwrap();
        mac.run_relay();
        mac.advance(hours(3));
    }
    assert_eq!(mac.texts(), [format!("see {URL}")]);
}
