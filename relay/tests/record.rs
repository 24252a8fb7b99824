//! Recording: a database that is built from a recording gives the same recording, and a redacted recording has
//! nothing private.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::path::Path;

use archety_relay::record::{Redaction, Selection, record};
use base64::Engine as _;
use messages_stand_in::{ChatDb, Date, Player, Script, Style, build};
use rusqlite::{Connection, OpenFlags};

const ALL: Selection = Selection::Rowids(1, i64::MAX);
/// Redaction with a salt that is the same in each test.
const SALTED: Redaction = Redaction::On { salt: [7; 32] };

/// The names and contents of the scripts of the Messages stand-in.
fn scripts() -> Vec<(String, Script)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("messages-stand-in/scripts");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .collect();
    files.sort();
    let scripts = files.into_iter().map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let script = Script::parse(&std::fs::read_to_string(&path).unwrap());
        (name, script.unwrap())
    });
    scripts.collect()
}

fn read_only(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// The lengths of a body in UTF-8 and UTF-16, and the lengths of its runs.
fn lengths(archive: &[u8]) -> Option<(usize, usize, Vec<u32>)> {
    let body = attributed_body::decode(archive).ok()?;
    let runs = body.runs.iter().map(|run| run.utf16_len).collect();
    Some((body.text.len(), body.text.encode_utf16().count(), runs))
}

/// The `attributedBody` of each message.
fn archives(db: &Connection) -> Vec<Option<Vec<u8>>> {
    let mut query = db
        .prepare("select attributedBody from message order by ROWID")
        .unwrap();
    let rows = query.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_database_built_from_a_recording_gives_the_same_recording() {
    let folder = tempfile::tempdir().unwrap();
    for (name, script) in scripts() {
        let style = script.style();
        let [original, rebuilt] =
            ["original", "rebuilt"].map(|db| folder.path().join(format!("{name}-{db}.db")));
        drop(build(&script, &original, style, script.start()).unwrap());
        let first = record(&read_only(&original), &ALL, &Redaction::Off).unwrap();
        let first = Script::parse(&first.to_jsonl()).unwrap();
        let built = build(&first, &rebuilt, style, script.start());
        drop(built.unwrap_or_else(|error| panic!("{name}: {error}")));
        let (original, rebuilt) = (read_only(&original), read_only(&rebuilt));
        let second = record(&rebuilt, &ALL, &Redaction::Off).unwrap();
        assert_eq!(first.to_jsonl(), second.to_jsonl(), "{name}");
        assert_eq!(archives(&original), archives(&rebuilt), "{name}");
    }
}

#[test]
fn redaction_keeps_the_lengths_of_every_body_and_its_runs() {
    let folder = tempfile::tempdir().unwrap();
    for (name, script) in scripts() {
        let style = script.style();
        let [original, rebuilt] =
            ["original", "rebuilt"].map(|db| folder.path().join(format!("{name}-{db}.db")));
        drop(build(&script, &original, style, script.start()).unwrap());
        let redacted = record(&read_only(&original), &ALL, &SALTED).unwrap();
        for address in redacted.addresses() {
            let fictional = ["+1555", "555", "SENDER", "urn:biz:00000000-"];
            let fictional = fictional.iter().any(|start| address.starts_with(start));
            assert!(
                fictional || address.ends_with("@example.com"),
                "{name}: {address}"
            );
        }
        let built = build(&redacted, &rebuilt, style, script.start());
        drop(built.unwrap_or_else(|error| panic!("{name}: {error}")));
        let [original, rebuilt] = [original, rebuilt].map(|db| archives(&read_only(&db)));
        assert_eq!(original.len(), rebuilt.len(), "{name}");
        for (original, redacted) in original.iter().zip(&rebuilt) {
            let lengths = |archive: &Option<Vec<u8>>| archive.as_deref().map(lengths);
            assert_eq!(lengths(original), lengths(redacted), "{name}");
        }
    }
}

/// Messages of every kind, with names, addresses and words that redaction must replace.
const PRIVATE_SCRIPT: &str = r#"{"do":"chat","id":"c","kind":"group","with":["+4915112345678","jane.roe@mail.test","+15551112222"],"name":"Wedding of Jane","line":"john@mail.test"}
{"do":"message","id":"m","chat":"c","from":"+4915112345678","text":"Jane, my PIN is 4711 🤫 naïve 東京 ☕","line":"john@mail.test","attachments":[{"guid":"at_0_X","name":"Jane passport.jpeg"}],"columns":{"subject":"Confidential"}}
{"do":"message","chat":"c","from":"jane.roe@mail.test","reply_to":"m","runs":[{"text":"ask "},{"text":"Jill","attributes":[{"mention":"+15551112222"}]},{"text":" at mail.test","attributes":[{"link":"https://mail.test/jane"},{"transcription":"spoken by Jane"}]}],"columns":{"payload_data":{"hex":"4a616e65"}}}
{"do":"edit","of":"m","text":"Jane knows","told_by":"e"}
{"do":"message","id":"e","chat":"c","from":"+4915112345678","text":"Edited to “Jane knows”"}
{"do":"group","chat":"c","from":"jane.roe@mail.test","change":"renamed","title":"Divorce of Jane"}
{"do":"group","chat":"c","from":"jane.roe@mail.test","change":"added","who":"+33612345678"}
{"do":"tapback","on":"m","chat":"c","from":"me","kind":"like"}
{"do":"message","chat":"c","from":"jane.roe@mail.test","link":{"url":"https://mail.test/jane?pin=4711","title":"Wedding of Jane"}}
{"do":"message","id":"p","chat":"c","from":"jane.roe@mail.test","poll":{"title":"Divorce?","options":["Jill",{"text":"Jane","by":"+15551112222"}]}}
{"do":"message","chat":"c","from":"+33612345678","vote":{"on":"p","for":["Jill"]}}
{"do":"message","chat":"c","from":"me","app":"com.example:pay","balloon":{"name":"Bank of Jane","spoken":"4711 paid","caption":"for Jill","subcaption":"Jane","url":"?pin=4711"}}
{"do":"message","chat":"c","from":"+33612345678","attachments":[{"guid":"V","name":"Jane.caf","transcript":"spoken by Jane"},{"guid":"G","description":"Jane as a cat"}]}"#;

/// Every text in the blobs of a database, whichever way it is encoded.
fn blobs(db: &Connection) -> String {
    let mut texts = String::new();
    for table in ["message", "attachment"] {
        let mut query = db.prepare(&format!("select * from {table}")).unwrap();
        let width = query.column_count();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..width {
                if let Ok(blob) = row.get::<_, Vec<u8>>(column) {
                    texts.push_str(&decodings(&blob));
                }
            }
        }
    }
    texts
}

/// The text of a blob in every encoding: UTF-8, UTF-16 at either alignment, and base64 in a poll's URL.
fn decodings(blob: &[u8]) -> String {
    let utf8 = String::from_utf8_lossy(blob);
    let utf16 = |from: usize| {
        let units = blob[from..].chunks_exact(2);
        let units = units.map(|unit| u16::from_be_bytes([unit[0], unit[1]]));
        char::decode_utf16(units)
            .map(Result::unwrap_or_default)
            .collect::<String>()
    };
    let json = utf8.split("data:,").skip(1).map(|url| {
        let url = url.split('?').next().unwrap();
        let json = base64::engine::general_purpose::STANDARD.decode(url);
        String::from_utf8(json.unwrap()).unwrap()
    });
    let json: String = json.collect();
    format!(
        "{utf8}\n{}\n{}\n{json}\n",
        utf16(0),
        utf16(1.min(blob.len()))
    )
}

#[test]
fn a_redacted_recording_has_no_name_or_address_of_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let script = Script::parse(PRIVATE_SCRIPT).unwrap();
    // The first macOS that stores the description of a Genmoji.
    let style = Style::Sequoia;
    drop(build(&script, &path, style, script.start()).unwrap());
    let text = record(&read_only(&path), &ALL, &SALTED).unwrap().to_jsonl();
    let secrets = [
        "Jane",
        "jane",
        "PIN",
        "4711",
        "🤫",
        "ï",
        "東",
        "☕",
        "Jill",
        "4915112345678",
        "mail.test",
        "1112222",
        "Wedding",
        "Divorce",
        "passport",
        "Confidential",
        "spoken",
        "john",
        "612345678",
        "4a616e65",
        "Bank",
        "paid",
        "Divorce",
        "cat",
        "33612345678",
    ];
    // The script has blobs as hexadecimal digits, so their texts are checked in a database built from it.
    let built = folder.path().join("redacted.db");
    let script = Script::parse(&text).unwrap();
    let db = build(&script, &built, style, script.start()).unwrap();
    let texts = blobs(db.raw());
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} is still in\n{text}");
        assert!(!texts.contains(secret), "{secret} is still in\n{texts}");
    }
    for kept in [
        "richLinkMetadata",
        "orderedPollOptions",
        "voteOptionIdentifier",
        "https:",
        "subcaption",
        "audio-transcription",
        "bcg",
    ] {
        assert!(texts.contains(kept), "{kept} is gone from\n{texts}");
    }
    // All spellings of an address get one replacement, and long numbers keep their length: one of the four has
    // 14 characters.
    let redacted = Script::parse(&text).unwrap();
    let addresses = redacted.addresses();
    assert_eq!(addresses.len(), 4);
    assert_eq!(
        addresses
            .iter()
            .filter(|address| address.len() == 14)
            .count(),
        1
    );
    // Another salt gives other replacements.
    let other = Redaction::On { salt: [8; 32] };
    let other = record(&read_only(&path), &ALL, &other).unwrap().to_jsonl();
    assert_ne!(text, other);
}

#[test]
fn redaction_replaces_equal_texts_by_equal_ones() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a.db", "b.db"].map(|name| folder.path().join(name));
    let script = Script::parse(concat!(
        r#"{"do":"chat","id":"c","with":["Jane@mail.test"]}"#,
        "\n",
        r#"{"do":"message","id":"m","chat":"c","from":"\u202ajane@mail.test\u202c","text":"see https://mail.test/Jane?a=1 now"}"#,
        "\n",
        r#"{"do":"message","chat":"c","from":"Jane@mail.test","link":{"url":"https://mail.test/Jane?a=1"},"columns":{"reply_to_guid":{"guid_of":"m"},"destination_caller_id":"tel:+4915112345678"}}"#,
        "\n",
        r#"{"do":"message","id":"p","chat":"c","from":"Jane@mail.test","poll":{"title":"Who?","options":["Jill","Jane"]},"line":"+4915112345678"}"#,
        "\n",
        r#"{"do":"lookup","chat":"c","identifier":"jane@mail.test","domain":"SMS"}"#,
    ));
    let script = script.unwrap();
    drop(build(&script, &a, Style::Tahoe, script.start()).unwrap());
    let redacted = record(&read_only(&a), &ALL, &SALTED).unwrap();
    let db = build(&redacted, &b, Style::Tahoe, script.start()).unwrap();
    let texts = blobs(db.raw());
    let url = texts.split_once("https://").unwrap().1;
    let url = url.split_once(' ').unwrap().0;
    assert!(!url.contains("Jane") && url.contains('?'), "{url}");
    assert_eq!(
        texts.matches(url).count(),
        2,
        "text and payload agree: {texts}"
    );
    assert_eq!(texts.matches("optionIdentifier").count(), 2);
    let column = |sql: &str| -> Vec<String> {
        let mut query = db.raw().prepare(sql).unwrap();
        let rows = query.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let peers = column("select distinct id from handle order by id");
    assert_eq!(peers.len(), 2, "{peers:?}");
    let bare = peers[1].trim_matches(['\u{202a}', '\u{202c}']);
    assert_ne!(bare, peers[1], "the marks stay");
    assert_eq!(bare, peers[0].to_lowercase(), "the address stays the same");
    let lookups = column("select identifier from chat_lookup where domain = 'SMS'");
    assert_eq!(lookups, [bare]);
    let own = column("select destination_caller_id from message where ROWID > 1 order by ROWID");
    assert_eq!(own[0], format!("tel:{}", own[1]));
}

#[test]
fn each_selection_records_its_messages_and_their_chat() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let script = Script::parse(PRIVATE_SCRIPT).unwrap();
    let db: ChatDb = build(&script, &path, Style::Ventura, script.start()).unwrap();
    let selection = Selection::Guid(db.guid_of(1).unwrap());
    let count = |selection: &Selection| {
        let script = record(&read_only(&path), selection, &Redaction::Off).unwrap();
        script.steps.len()
    };
    // The chat, the message, a reply, a tapback.
    assert_eq!(count(&selection), 4);
    assert_eq!(count(&Selection::Newest(2)), 3);
    assert_eq!(count(&Selection::Rowids(2, 2)), 2);
    assert_eq!(count(&Selection::Guid("no-such-guid".into())), 0);
}

#[test]
fn a_recording_can_be_played_again_under_other_guids_and_dates() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a.db", "b.db"].map(|name| folder.path().join(name));
    let style = Style::Ventura;
    let script = Script::parse(PRIVATE_SCRIPT).unwrap();
    drop(build(&script, &a, style, script.start()).unwrap());
    let mut recorded = record(&read_only(&a), &ALL, &Redaction::Off).unwrap();
    let now = Date::from_unix_secs(1_800_000_000);
    recorded.move_dates(now);
    let mut player =
        Player::new(ChatDb::create(&b, style).unwrap(), &recorded, now).salted("again");
    while player.due().is_some() {
        player.step(now).unwrap();
    }
    let db = player.finish();
    let [old, new] = [&read_only(&a), db.raw()].map(|db| -> (String, String, String, i64) {
        let sql = "select min(guid), max(thread_originator_guid), max(associated_message_guid),
                   max(date) from message";
        let row = db.query_row(sql, [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        });
        row.unwrap()
    });
    assert_ne!(old.0, new.0);
    let first = db.guid_of(1).unwrap();
    assert_eq!((new.1, new.2), (first.clone(), format!("p:0/{first}")));
    assert_eq!(new.3, now.apple_nanos());
}
