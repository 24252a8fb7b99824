//! Links and the balloons of apps: content that only the payload has is posted.

use messages_stand_in::{AppBalloon, Payload, RichLink, UrlClass};

use super::*;

const URL: &str = "https://example.com/docs/setup";
const CASH: &str = "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:\
                    com.apple.PassbookUIService.PeerPaymentMessagesExtension";
const CHECK_IN: &str = "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:\
                        com.apple.SafetyMonitorApp.SafetyMonitorMessages";
const FIND_MY: &str = "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:\
                       com.apple.findmy.FindMyMessagesApp";
const GAME: &str = "com.apple.messages.MSMessageExtensionBalloonPlugin:EWFNLB79LQ:com.example.game";

fn deliver(mac: &mut Mac, message: impl Fn(NewMessage) -> NewMessage) -> i64 {
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let message = message(NewMessage::incoming(ada, now));
    mac.messages.deliver(chat, &message).unwrap()
}

fn titled() -> RichLink {
    RichLink::new(URL).titled("How to set it up")
}

#[test]
fn a_link_only_in_the_payload_is_posted_with_its_address_and_title() {
    let expected = format!("{URL}\nHow to set it up");
    for text in [None, Some("\u{fffc}"), Some("\u{fffd}"), Some(" ")] {
        for class in [UrlClass::Url, UrlClass::Text] {
            let mut mac = Mac::new();
            deliver(&mut mac, |message| {
                let message = message.link(&RichLink { class, ..titled() });
                match text {
                    Some(text) => message.text(text),
                    None => message,
                }
            });
            mac.run_relay();
            mac.run_relay();
            assert_eq!(mac.events(), [(Event::Message, 0)], "{text:?}");
            assert_eq!(mac.texts(), [expected.as_str()], "{text:?}");
        }
    }
}

#[test]
fn the_known_parts_of_a_link_are_posted_once() {
    let link = |url: Option<&str>, original_url: Option<&str>, title: Option<&str>| RichLink {
        url: url.map(str::to_owned),
        original_url: original_url.map(str::to_owned),
        title: title.map(str::to_owned),
        class: UrlClass::Url,
    };
    for (link, expected) in [
        (link(Some(URL), None, None), URL),
        (link(None, Some(URL), None), URL),
        (link(Some(URL), Some("example.com/docs/setup"), None), URL),
        (link(None, None, Some("A page")), "A page"),
        (link(Some(URL), Some(URL), Some(URL)), URL),
    ] {
        let mut mac = Mac::new();
        deliver(&mut mac, |message| message.link(&link));
        mac.run_relay();
        assert_eq!(mac.texts(), [expected]);
        assert_eq!(mac.events(), [(Event::Message, 0)]);
    }
}

#[test]
fn a_text_with_any_link_is_posted_unchanged_and_a_text_without_one_gets_the_link_appended() {
    for text in [
        URL,
        "see https://example.com/docs/setup, please",
        "HTTP://EXAMPLE.COM/docs/setup/",
        "example.com/docs/setup",
        "www.example.com",
        "t.co/abc",
        "(example.com)",
        "https://bücher.example/ä",
    ] {
        let mut mac = Mac::new();
        deliver(&mut mac, |message| message.text(text).link(&titled()));
        mac.run_relay();
        assert_eq!(mac.texts(), [text]);
    }
    for text in [
        "look at this...",
        "at 3.30 p.m.",
        "half a cup/day",
        "from Mr.Smith, with love.Ada",
    ] {
        let mut mac = Mac::new();
        deliver(&mut mac, |message| message.text(text).link(&titled()));
        mac.run_relay();
        assert_eq!(mac.texts(), [format!("{text}\n{URL}\nHow to set it up")]);
    }
}

#[test]
fn a_link_row_waits_for_its_payload_and_posts_a_very_late_one_as_an_edit() {
    let mut mac = Mac::new();
    let row = deliver(&mut mac, |message| {
        let none = rusqlite::types::Value::Null;
        message
            .text("\u{fffc}")
            .link(&titled())
            .set("payload_data", none)
    });
    mac.run_relay();
    assert_eq!(mac.waiting_reasons(), ["no_text"]);
    mac.advance(secs(1));
    mac.messages
        .set_column(row, "payload_data", titled().payload())
        .unwrap();
    mac.run_relay();
    assert_eq!(
        mac.events(),
        [(Event::Message, 0)],
        "the row waited for its payload"
    );

    let mut mac = Mac::new();
    let row = deliver(&mut mac, |message| {
        message.set(
            "balloon_bundle_id",
            "com.apple.messages.URLBalloonProvider".to_owned(),
        )
    });
    mac.run_relay();
    mac.advance(secs(3));
    mac.run_relay();
    assert_eq!(mac.events(), [(Event::Other, 1)]);
    mac.messages
        .set_column(row, "payload_data", RichLink::new(URL).payload())
        .unwrap();
    mac.run_relay();
    // A title that is found later does not change the text.
    mac.messages
        .set_column(row, "payload_data", titled().payload())
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.events(), [(Event::Other, 1), (Event::Edit, 0)]);
    assert_eq!(mac.texts(), ["", URL]);
}

#[test]
fn only_the_first_title_is_posted_and_none_if_the_text_has_the_link() {
    let other = RichLink::new(URL).titled("Another title");
    let mut mac = Mac::new();
    let row = deliver(&mut mac, |message| message.link(&RichLink::new(URL)));
    mac.run_relay();
    assert_eq!(mac.events(), [(Event::Message, 0)]);
    // The row changes in another way, and still has no title.
    let again = RichLink {
        original_url: Some(format!("{URL}/")),
        ..RichLink::new(URL)
    };
    for payload in [again.payload(), titled().payload(), other.payload()] {
        mac.advance(secs(3));
        let set = mac.messages.set_column(row, "payload_data", payload);
        set.unwrap();
        mac.run_relay();
    }
    assert_eq!(mac.events(), [(Event::Message, 0), (Event::Edit, 0)]);
    assert_eq!(
        mac.texts(),
        [URL.to_owned(), format!("{URL}\nHow to set it up")]
    );
    // A title that was posted at once, and a title of a link that the text repeats, are not posted again.
    for text in [None, Some(URL)] {
        let mut mac = Mac::new();
        let first_link = text.map_or(titled(), |_| RichLink::new(URL));
        let row = deliver(&mut mac, |message| match text {
            Some(text) => message.text(text).link(&first_link),
            None => message.link(&first_link),
        });
        mac.run_relay();
        let set = mac
            .messages
            .set_column(row, "payload_data", other.payload());
        set.unwrap();
        mac.run_relay();
        assert_eq!(mac.events(), [(Event::Message, 0)], "{text:?}");
    }
}

#[test]
fn an_app_balloon_is_posted_with_the_text_that_it_shows() {
    let app = |name: Option<&str>, spoken: Option<&str>, captions: [Option<&str>; 2]| AppBalloon {
        app: name.map(str::to_owned),
        spoken: spoken.map(str::to_owned),
        caption: captions[0].map(str::to_owned),
        subcaption: captions[1].map(str::to_owned),
        url: Some("data:,".to_owned()),
    };
    for (bundle_id, balloon, expected) in [
        (
            CASH,
            app(
                Some("Apple Pay"),
                Some("$20 requested"),
                [Some("Apple\u{a0}Pay"), Some("for lunch")],
            ),
            "an Apple Pay message: $20 requested, for lunch",
        ),
        (
            CASH,
            app(Some("Apple Pay"), Some("$20 requested"), [None, None]),
            "an Apple Pay message: $20 requested",
        ),
        (
            CASH,
            app(
                Some("Apple Pay"),
                None,
                [Some("Apple Cash"), Some("$20 Request")],
            ),
            "an Apple Pay message: Apple Cash, $20 Request",
        ),
        (
            CHECK_IN,
            app(
                Some("Check In"),
                Some("Check In: Timer Started"),
                [Some("Check In"), Some("timer started")],
            ),
            "a Check In: Timer Started",
        ),
        (
            CHECK_IN,
            app(None, None, [Some("Arrived safely"), None]),
            "a Check In: Arrived safely",
        ),
        (
            FIND_MY,
            app(None, Some("Ada's location"), [None, None]),
            "a location: Ada's location",
        ),
        (
            GAME,
            app(
                Some("Dots"),
                Some("Dots & Boxes"),
                [Some("Your move."), None],
            ),
            "a message of an app (Dots): Dots & Boxes, Your move.",
        ),
        (
            GAME,
            app(Some("Dots"), None, [None, None]),
            "a message of an app (Dots)",
        ),
        (
            GAME,
            app(None, Some(" "), [None, Some("")]),
            "a message of an app",
        ),
        (
            CHECK_IN,
            app(
                Some("Check In"),
                Some("Check In:"),
                [Some("Check In"), None],
            ),
            "a Check In",
        ),
    ] {
        let mut mac = Mac::new();
        deliver(&mut mac, |message| message.app(bundle_id, &balloon));
        mac.run_relay();
        assert_eq!(mac.texts(), [expected]);
        assert_eq!(mac.events(), [(Event::Other, 1)]);
    }
}

#[test]
fn the_description_of_an_app_balloon_precedes_its_text_and_a_late_payload_is_an_edit() {
    let game = AppBalloon {
        app: Some("Dots".to_owned()),
        spoken: Some("Your move".to_owned()),
        ..AppBalloon::default()
    };
    let mut mac = Mac::new();
    deliver(&mut mac, |message| message.app(GAME, &game).text("beat me"));
    let damaged = deliver(&mut mac, |message| {
        message
            .app(GAME, &game)
            .set("payload_data", vec![0_u8; 2_000])
    });
    deliver(&mut mac, |message| {
        message
            .app(GAME, &game)
            .text("beat me")
            .set("payload_data", vec![0_u8; 2_000])
    });
    mac.run_relay();
    let expected = [
        "a message of an app (Dots): Your move\nbeat me",
        "a message of an app",
        "beat me",
    ];
    assert_eq!(mac.texts(), expected);
    mac.messages
        .set_column(damaged, "payload_data", game.payload())
        .unwrap();
    mac.run_relay();
    mac.run_relay();
    assert_eq!(mac.events()[3..], [(Event::Edit, 0)]);
    assert_eq!(mac.texts()[3], "a message of an app (Dots): Your move");
}
