//! The archives of balloons and of voice messages, read back from the rows.

use base64::Engine as _;
use messages_stand_in::keyed_archive::{Archived, keyed_archive};
use messages_stand_in::{
    AppBalloon, Attachment, ChatDb, Date, NewMessage, Piece, Poll, PollOption, PollVote, RichLink,
    Style, UrlClass,
};
use serde_json::{Value as Json, json};

use crate::archive::Archive;

const NOW: Date = Date::from_unix_secs(1_760_000_000);
const ANN: &str = "+15555550101";
const BEN: &str = "+15555550102";

fn in_each_style(test: impl Fn(ChatDb)) {
    for style in Style::ALL {
        let folder = tempfile::tempdir().unwrap();
        test(ChatDb::create(folder.path().join("chat.db"), style).unwrap());
    }
}

/// Inserts a row and returns its payload, bundle id, associated guid and associated type.
fn insert(db: &mut ChatDb, row: &NewMessage) -> (Archive, String, Option<String>, i64) {
    let rowid = db.insert_message(row).unwrap();
    let sql = "select payload_data, balloon_bundle_id, associated_message_guid,
               coalesce(associated_message_type, 0) from message where ROWID = ?1";
    let row = db.raw().query_row(sql, [rowid], |row| {
        let payload: Vec<u8> = row.get(0)?;
        Ok((payload, row.get(1)?, row.get(2)?, row.get(3)?))
    });
    let (payload, bundle_id, guid, reference_type) = row.unwrap();
    (Archive::read(&payload), bundle_id, guid, reference_type)
}

#[test]
fn a_link_has_its_urls_in_the_given_class_and_its_title() {
    in_each_style(|mut db| {
        for class in [UrlClass::Url, UrlClass::Text] {
            let link = RichLink {
                url: Some("https://www.example.com/a?b=c#d".to_owned()),
                original_url: Some("example.com/a".to_owned()),
                title: Some("Ein Artikel über Äpfel 🍏".to_owned()),
                class,
            };
            let row = NewMessage::incoming(0, NOW).link(&link);
            let (archive, bundle_id, guid, _) = insert(&mut db, &row);
            assert_eq!(bundle_id, "com.apple.messages.URLBalloonProvider");
            assert_eq!(guid, None);
            let metadata = archive.root().get("richLinkMetadata").unwrap();
            assert_eq!(metadata.class(), "LPLinkMetadata");
            let url = metadata.get("URL").unwrap();
            assert_eq!(url.is_text(), class == UrlClass::Text);
            assert_eq!(url.url(), link.url);
            assert_eq!(
                metadata.get("originalURL").unwrap().url(),
                link.original_url
            );
            assert_eq!(metadata.get("title").unwrap().text(), link.title);
            assert!(metadata.get("icon").is_none(), "the icon is nil");
        }
    });
}

/// The field `item` of the JSON in the URL of a poll or vote.
fn item(archive: &Archive) -> Json {
    let url = archive.root().get("URL").unwrap().url().unwrap();
    let json = url.strip_prefix("data:,").unwrap();
    let json = json.strip_suffix("?src=p&c=2").unwrap();
    let json = base64::engine::general_purpose::STANDARD
        .decode(json)
        .unwrap();
    let json: Json = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["version"], 1);
    json["item"].clone()
}

#[test]
fn a_poll_has_its_options_and_added_choices_and_votes_refer_to_its_guid() {
    in_each_style(|mut db| {
        let mut poll = Poll::new("Lunch?", ANN, ["Ramen", "Tacos"]);
        let row = NewMessage::incoming(0, NOW).guid("POLL").poll(&poll);
        let (archive, bundle_id, guid, reference_type) = insert(&mut db, &row);
        assert!(bundle_id.ends_with(":com.apple.messages.Polls"));
        assert_eq!((guid, reference_type), (None, 0));
        let ramen = PollOption::id_of("Ramen");
        let option = |text: &str, creator: &str| {
            json!({"optionIdentifier": PollOption::id_of(text), "text": text,
                   "creatorHandle": creator, "canBeEdited": false})
        };
        let expected = json!({"title": "Lunch?", "creatorHandle": ANN,
            "orderedPollOptions": [option("Ramen", ANN), option("Tacos", ANN)]});
        assert_eq!(item(&archive), expected);

        poll.options.push(PollOption::new("Soup", BEN));
        let row = NewMessage::incoming(0, NOW).added_choice("POLL", &poll);
        let (archive, _, guid, reference_type) = insert(&mut db, &row);
        assert_eq!((guid.as_deref(), reference_type), (Some("POLL"), 2));
        let options = &item(&archive)["orderedPollOptions"];
        assert_eq!(options[2], option("Soup", BEN));

        let vote = PollVote {
            option: ramen.clone(),
            voter: BEN.to_owned(),
        };
        for votes in [&[vote][..], &[]] {
            let row = NewMessage::incoming(0, NOW).vote("POLL", votes);
            let (archive, _, guid, reference_type) = insert(&mut db, &row);
            assert_eq!((guid.as_deref(), reference_type), (Some("POLL"), 4000));
            let expected = votes
                .iter()
                .map(|_| json!({"voteOptionIdentifier": ramen, "participantHandle": BEN}));
            assert_eq!(
                item(&archive),
                json!({"votes": expected.collect::<Vec<_>>()})
            );
        }
    });
}

#[test]
fn an_app_balloon_has_the_given_texts() {
    in_each_style(|mut db| {
        let payment = AppBalloon {
            app: Some("Apple Cash".to_owned()),
            spoken: Some("$ 12.50 payment, pending".to_owned()),
            caption: Some("for lunch".to_owned()),
            subcaption: None,
            url: None,
        };
        let row = NewMessage::incoming(0, NOW).app("com.example:payment", &payment);
        let (archive, bundle_id, ..) = insert(&mut db, &row);
        assert_eq!(bundle_id, "com.example:payment");
        let root = archive.root();
        assert_eq!(root.get("an").unwrap().text(), payment.app);
        assert_eq!(root.get("ldtext").unwrap().text(), payment.spoken);
        let lines = root.get("userInfo").unwrap();
        assert_eq!(lines.get("caption").unwrap().text(), payment.caption);
        assert!(lines.get("subcaption").is_none());
    });
}

#[test]
fn a_transcript_is_written_to_attachment_or_body_at_once_or_later() {
    in_each_style(|mut db| {
        let voice = Attachment::voice(20_480).with_guid("at_0_VOICE");
        let row = NewMessage::incoming(0, NOW).pieces(&[Piece::attachment("at_0_VOICE")]);
        let message = db.insert_message(&row).unwrap();
        let file = db.attach(message, &voice, NOW).unwrap();
        let stored = |db: &ChatDb| -> (Option<String>, Option<String>) {
            let sql = "select attributedBody, user_info from message m
                       join message_attachment_join on message_id = m.ROWID
                       join attachment a on a.ROWID = attachment_id";
            let row = db.raw().query_row(sql, [], |row| {
                Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Option<Vec<u8>>>(1)?))
            });
            let (body, info) = row.unwrap();
            let body = attributed_body::decode(&body).unwrap();
            let info = info.map(|info| {
                let info = plist::Value::from_reader(std::io::Cursor::new(info)).unwrap();
                let text = info.as_dictionary().unwrap().get("audio-transcription");
                text.unwrap().as_string().unwrap().to_owned()
            });
            (body.runs[0].transcription.map(str::to_owned), info)
        };
        assert_eq!(stored(&db), (None, None));
        db.transcribe_attachment(file, "see you at eight").unwrap();
        assert_eq!(stored(&db), (None, Some("see you at eight".to_owned())));
        db.transcribe_body(message, "see you at eight").unwrap();
        db.transcribe_body(message, "see you at eight!").unwrap();
        assert_eq!(stored(&db).0.as_deref(), Some("see you at eight!"));

        let voice = Attachment::voice(1).with_transcript("at once");
        let rowid = db.insert_attachment(&voice, false, NOW).unwrap();
        let info: Option<Vec<u8>> = db
            .raw()
            .query_row(
                "select user_info from attachment where ROWID = ?1",
                [rowid],
                |row| row.get(0),
            )
            .unwrap();
        assert!(info.unwrap().starts_with(b"bplist00"));
    });
}

#[test]
fn a_genmoji_has_a_description_since_sequoia() {
    in_each_style(|mut db| {
        let genmoji = Attachment::genmoji("cat with a hat").with_guid("GENMOJI");
        db.insert_attachment(&genmoji, false, NOW).unwrap();
        if db.style() < Style::Sequoia {
            return;
        }
        let sql = "select emoji_image_short_description from attachment";
        let text: String = db.raw().query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(text, "cat with a hat");
    });
}

#[test]
fn equal_objects_are_archived_once_and_absent_fields_left_out() {
    let text = || Some(Archived::text("twice"));
    let root = Archived::object(
        "Thing",
        [
            ("a", text()),
            ("b", text()),
            ("no", Some(Archived::Plain(false.into()))),
            (
                "list",
                Some(Archived::Array(vec![
                    Archived::Plain(false.into()),
                    Archived::Plain(7.into()),
                ])),
            ),
            (
                "data",
                Some(Archived::Plain(plist::Value::Data(vec![1, 2]))),
            ),
            ("absent", None),
        ],
    );
    let archive = Archive::read(&keyed_archive(&root));
    let twice = archive
        .objects()
        .iter()
        .filter(|object| object.as_string() == Some("twice"));
    assert_eq!(twice.count(), 1);
    let root = archive.root();
    assert_eq!(root.class(), "Thing");
    assert_eq!(root.get("a").unwrap().text(), root.get("b").unwrap().text());
    assert_eq!(root.get("no").unwrap().value().as_boolean(), Some(false));
    let list = root.get("list").unwrap();
    let list = list.value().as_dictionary().unwrap().get("NS.objects");
    assert_eq!(list.unwrap().as_array().unwrap().len(), 2);
    assert_eq!(
        root.get("data").unwrap().value().as_data(),
        Some(&[1, 2][..])
    );
    assert!(root.get("absent").is_none());
}
