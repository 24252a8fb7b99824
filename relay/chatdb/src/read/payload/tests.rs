//! Payloads in each of their shapes, and damaged ones.

use plist::{Uid, Value};
use proptest::prelude::*;

use super::*;

fn dictionary(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let entries = entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value));
    Value::Dictionary(entries.collect())
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// An archive whose object 1 is the root.
fn archive(objects: Vec<Value>) -> Vec<u8> {
    let mut all = vec![text("$null")];
    all.extend(objects);
    let list = dictionary([
        ("$version", Value::Integer(100_000.into())),
        ("$archiver", text("NSKeyedArchiver")),
        ("$top", dictionary([("root", Value::Uid(Uid::new(1)))])),
        ("$objects", Value::Array(all)),
    ]);
    let mut bytes = Vec::new();
    list.to_writer_binary(&mut bytes).unwrap();
    bytes
}

/// An archived dictionary of texts at object 1, followed by the objects to which it refers.
fn archived_dictionary(entries: &[(&str, Value)]) -> Vec<u8> {
    let uid = |number: usize| Value::Uid(Uid::new(number as u64));
    let n = entries.len();
    let mut objects = vec![dictionary([
        ("NS.keys", Value::Array((2..2 + n).map(uid).collect())),
        (
            "NS.objects",
            Value::Array((2 + n..2 + 2 * n).map(uid).collect()),
        ),
    ])];
    objects.extend(entries.iter().map(|(key, _)| text(key)));
    objects.extend(entries.iter().map(|(_, value)| value.clone()));
    archive(objects)
}

fn url(address: &str) -> Value {
    dictionary([("NS.relative", text(address))])
}

/// The payload of a poll or a vote: its URL has `json` in base64, followed by `query`.
fn poll(json: &str, query: &str) -> Vec<u8> {
    use base64::Engine;
    let json = base64::engine::general_purpose::STANDARD.encode(json);
    let address = format!("data:,{json}{query}");
    archived_dictionary(&[
        ("URL", url(&address)),
        ("an", text("Polls")),
        ("ldtext", text("Sent a poll")),
    ])
}

const POLL: &str = r#"{"version":1,"item":{"title":" Where to eat? ","creatorHandle":"+15550100001",
    "orderedPollOptions":[
        {"optionIdentifier":"A","text":"Pizza","canBeEdited":false,"creatorHandle":"x"},
        {"optionIdentifier":"B","attributedText":"S\u00fcshi 🍣"},
        {"optionIdentifier":7,"text":"no id"}, {"text":"none"}, "odd", null,
        {"optionIdentifier":"C","text":"  "}]}}"#;

#[test]
fn a_link_is_read_in_each_of_its_shapes() {
    let metadata = |urls: [(&'static str, Value); 2]| {
        let [first, second] = urls;
        archive(vec![
            dictionary([("richLinkMetadata", Value::Uid(Uid::new(2)))]),
            dictionary([first, second, ("title", text(" A page "))]),
        ])
    };
    let read = |bytes: &[u8]| match Payload::read(Some(bytes), Balloon::Link) {
        Some(Payload::Link(link)) => Some(link),
        _ => None,
    };
    let expected = RichLink {
        url: Some("https://example.com/a".to_owned()),
        original_url: Some("https://example.com/b".to_owned()),
        title: Some("A page".to_owned()),
    };
    let shapes = [
        metadata([
            ("URL", url("https://example.com/a")),
            ("originalURL", text("https://example.com/b")),
        ]),
        metadata([
            ("URL", text("https://example.com/a ")),
            ("originalURL", url("https://example.com/b")),
        ]),
        archived_dictionary(&[(
            "metadata",
            dictionary([
                ("URL", url("https://example.com/a")),
                ("originalURL", url("https://example.com/b")),
                ("title", dictionary([("NS.string", text("A page"))])),
            ]),
        )]),
    ];
    for bytes in shapes {
        assert_eq!(read(&bytes).as_ref(), Some(&expected));
    }
    assert_eq!(expected.address(), Some("https://example.com/a"));
    let empty = metadata([("URL", url(" ")), ("originalURL", Value::Integer(1.into()))]);
    let link = read(&empty).unwrap();
    assert_eq!(
        (link.address(), link.title.as_deref()),
        (None, Some("A page"))
    );
}

#[test]
fn an_app_card_is_read_from_its_text_and_captions() {
    let bytes = archived_dictionary(&[
        ("ldtext", text("$20 requested")),
        ("an", text("Apple\u{a0}Pay")),
        (
            "userInfo",
            dictionary([
                ("subcaption", text("$20\u{a0}Request")),
                ("caption", text("Apple\u{a0}Cash")),
                ("tertiary-subcaption", text("Apple\u{a0}Cash")),
                ("image-subtitle", text("")),
            ]),
        ),
    ]);
    let card = AppCard {
        name: Some("Apple\u{a0}Pay".to_owned()),
        spoken: Some("$20 requested".to_owned()),
        captions: vec!["Apple\u{a0}Cash".to_owned(), "$20\u{a0}Request".to_owned()],
    };
    let read = Payload::read(Some(&bytes), Balloon::App);
    assert_eq!(read, Some(Payload::App(card)));
    let nothing = archived_dictionary(&[("ldtext", text(" ")), ("an", Value::Boolean(true))]);
    assert_eq!(Payload::read(Some(&nothing), Balloon::App), None);
}

#[test]
fn a_poll_is_read_in_each_spelling_of_base64_without_its_damaged_options() {
    let bytes = poll(POLL, "?src=p&c=2");
    let address = |bytes: &[u8]| {
        let list = Plist::read(bytes).unwrap();
        keyed_archive::root(&list)
            .unwrap()
            .get("URL")
            .unwrap()
            .url()
            .unwrap()
    };
    let address = address(&bytes);
    let with_escapes = address
        .replace('+', "%2b")
        .replace('/', "%2F")
        .replace('=', "%3D");
    let for_urls = address.replace('+', "-").replace('/', "_").replace('=', "");
    let bare = address.split('?').next().unwrap().to_owned();
    assert!(
        address.contains(['+', '/', '=']),
        "there is something to write in another way"
    );
    for address in [address, with_escapes, for_urls, bare] {
        let bytes = archived_dictionary(&[("URL", text(&address))]);
        let read = Payload::read(Some(&bytes), Balloon::Poll);
        let option = |id: &str, text: &str| PollOption {
            id: id.to_owned(),
            text: text.to_owned(),
        };
        let expected = Poll {
            title: Some("Where to eat?".to_owned()),
            options: vec![option("A", "Pizza"), option("B", "Süshi 🍣")],
        };
        assert_eq!(read, Some(Payload::Poll(expected)), "{address}");
    }
}

#[test]
fn an_empty_list_withdraws_a_vote_and_a_damaged_list_does_not() {
    let read = |votes: &str| {
        let json = format!(r#"{{"version":1,"item":{{"votes":{votes}}}}}"#);
        Payload::read(Some(&poll(&json, "?src=p&c=2")), Balloon::Poll)
    };
    let vote = Vote {
        option: "A".to_owned(),
        participant: Some("+15550100001".to_owned()),
    };
    let one = r#"[{"voteOptionIdentifier":"A","participantHandle":"+15550100001"}]"#;
    assert_eq!(read(one), Some(Payload::Votes(vec![vote])));
    assert_eq!(read("[]"), Some(Payload::Votes(Vec::new())));
    // A list whose entries cannot be read withdraws nothing.
    for damaged in ["[{}]", "[1]", "{}", "null", "\"A\""] {
        assert_eq!(read(damaged), None, "{damaged}");
    }
}

#[test]
fn damaged_payloads_are_absent() {
    let damaged = [
        b"not a plist".to_vec(),
        Vec::new(),
        archive(Vec::new()),
        archived_dictionary(&[("URL", url("data:,%%%"))]),
        archived_dictionary(&[("URL", url("data:,"))]),
        archived_dictionary(&[("URL", url("https://example.com"))]),
        archived_dictionary(&[("URL", Value::Integer(1.into()))]),
        poll("[", ""),
        poll("{}", ""),
        poll(r#"{"item":[]}"#, ""),
        poll(r#"{"item":{"title":"","orderedPollOptions":[]}}"#, ""),
        poll(&"[".repeat(100_000), ""),
    ];
    for bytes in damaged {
        for balloon in [Balloon::Link, Balloon::Poll] {
            assert_eq!(Payload::read(Some(&bytes), balloon), None, "{balloon:?}");
        }
    }
    assert_eq!(Payload::read(None, Balloon::App), None);
}

#[test]
fn values_beyond_a_limit_are_cut_or_absent() {
    let long = "x".repeat(5_000);
    let bytes = archived_dictionary(&[("ldtext", text(&long))]);
    let Some(Payload::App(card)) = Payload::read(Some(&bytes), Balloon::App) else {
        panic!("it is a card")
    };
    assert_eq!(card.spoken.map(|spoken| spoken.len()), Some(MAX_CHARS));
    let huge = "x".repeat(MAX_PAYLOAD_BYTES);
    let bytes = archived_dictionary(&[("ldtext", text("hi")), ("rest", text(&huge))]);
    assert_eq!(Payload::read(Some(&bytes), Balloon::App), None);
    let many: Vec<String> = (0..400)
        .map(|n| format!(r#"{{"optionIdentifier":"{n}","text":"{n}"}}"#))
        .collect();
    let json = format!(
        r#"{{"item":{{"orderedPollOptions":[{}]}}}}"#,
        many.join(",")
    );
    let Some(Payload::Poll(read)) = Payload::read(Some(&poll(&json, "")), Balloon::Poll) else {
        panic!("it is a poll")
    };
    assert_eq!(read.options.len(), poll::MAX_OPTIONS);
}

#[test]
fn keys_that_share_one_long_text_are_compared_fast() {
    // 4,000 keys of 200,000 characters each. If they were built, each look-up would take 800 MB.
    let mut objects = vec![dictionary([
        (
            "NS.keys",
            Value::Array(vec![Value::Uid(Uid::new(2)); 4_000]),
        ),
        (
            "NS.objects",
            Value::Array(vec![Value::Uid(Uid::new(2)); 4_000]),
        ),
    ])];
    objects.push(text(&"ä".repeat(200_000)));
    let started = std::time::Instant::now();
    assert_eq!(Payload::read(Some(&archive(objects)), Balloon::App), None);
    assert!(started.elapsed().as_secs() < 5);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_makes_the_reader_panic(at in 0..2_000_usize, byte: u8, cut in 0..2_000_usize) {
        let mut bytes = poll(POLL, "?src=p&c=2");
        let at = at % bytes.len();
        bytes[at] = byte;
        for balloon in [Balloon::Link, Balloon::Poll, Balloon::App] {
            Payload::read(Some(&bytes), balloon);
            Payload::read(Some(&bytes[..cut.min(bytes.len())]), balloon);
        }
    }

    #[test]
    fn no_json_makes_the_reader_panic(json in "[\\[\\]{}\",:a-zA-Z0-9 ]{0,60}") {
        Payload::read(Some(&poll(&json, "?")), Balloon::Poll);
        Payload::read(Some(&poll(&format!(r#"{{"item":{json}}}"#), "?")), Balloon::Poll);
    }
}
