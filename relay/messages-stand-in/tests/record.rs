//! Recording: what was built records the same again, and a redacted recording gives nothing away.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::path::Path;

use messages_stand_in::{ChatDb, Date, Player, Redaction, Script, Selection, build, record};
use rusqlite::{Connection, OpenFlags};

const ALL: Selection = Selection::Rowids(1, i64::MAX);
const SALTED: Redaction = Redaction::On { salt: [7; 32] };

fn scripts() -> Vec<(String, Script)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
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

/// UTF-8 and UTF-16 lengths of a body, and its runs'.
fn shape(archive: &[u8]) -> Option<(usize, usize, Vec<u32>)> {
    let body = attributed_body::decode(archive).ok()?;
    let runs = body.runs.iter().map(|run| run.utf16_len).collect();
    Some((body.text.len(), body.text.encode_utf16().count(), runs))
}

fn archives(db: &Connection) -> Vec<Option<Vec<u8>>> {
    let mut query = db
        .prepare("select attributedBody from message order by ROWID")
        .unwrap();
    let rows = query.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn recording_builds_what_it_recorded() {
    let folder = tempfile::tempdir().unwrap();
    for (name, script) in scripts() {
        let style = script.style();
        let [a, b] = ["a", "b"].map(|copy| folder.path().join(format!("{name}-{copy}.db")));
        drop(build(&script, &a, style, script.start()).unwrap());
        let first = record(&read_only(&a), &ALL, &Redaction::Off).unwrap();
        let first = Script::parse(&first.to_jsonl()).unwrap();
        let built = build(&first, &b, style, script.start());
        drop(built.unwrap_or_else(|error| panic!("{name}: {error}")));
        let second = record(&read_only(&b), &ALL, &Redaction::Off).unwrap();
        assert_eq!(first.to_jsonl(), second.to_jsonl(), "{name}");
        assert_eq!(archives(&read_only(&a)), archives(&read_only(&b)), "{name}");
    }
}

#[test]
fn redaction_keeps_the_shape_of_every_body() {
    let folder = tempfile::tempdir().unwrap();
    for (name, script) in scripts() {
        let style = script.style();
        let [a, b] = ["a", "b"].map(|copy| folder.path().join(format!("{name}-{copy}.db")));
        drop(build(&script, &a, style, script.start()).unwrap());
        let redacted = record(&read_only(&a), &ALL, &SALTED).unwrap();
        for address in redacted.addresses() {
            let fictional = ["+1555", "555", "SENDER", "urn:biz:00000000-"];
            let fictional = fictional.iter().any(|start| address.starts_with(start));
            assert!(
                fictional || address.ends_with("@example.com"),
                "{name}: {address}"
            );
        }
        let built = build(&redacted, &b, style, script.start());
        drop(built.unwrap_or_else(|error| panic!("{name}: {error}")));
        let (a, b) = (archives(&read_only(&a)), archives(&read_only(&b)));
        assert_eq!(a.len(), b.len(), "{name}");
        for (original, redacted) in a.iter().zip(&b) {
            let shape = |archive: &Option<Vec<u8>>| archive.as_deref().map(shape);
            assert_eq!(shape(original), shape(redacted), "{name}");
        }
    }
}

const SECRETS: &str = r#"{"do":"chat","id":"c","kind":"group","with":["+4915112345678","jane.roe@mail.test","+15551112222"],"name":"Wedding of Jane","line":"john@mail.test"}
{"do":"message","id":"m","chat":"c","from":"+4915112345678","text":"Jane, my PIN is 4711 🤫 naïve 東京 ☕","line":"john@mail.test","attachments":[{"guid":"at_0_X","name":"Jane passport.jpeg"}],"columns":{"subject":"Confidential"}}
{"do":"message","chat":"c","from":"jane.roe@mail.test","reply_to":"m","runs":[{"text":"ask "},{"text":"Jill","attributes":[{"mention":"+15551112222"}]},{"text":" at mail.test","attributes":[{"link":"https://mail.test/jane"},{"transcription":"spoken by Jane"}]}],"columns":{"payload_data":{"hex":"4a616e65"}}}
{"do":"edit","of":"m","text":"Jane knows"}
{"do":"group","chat":"c","from":"jane.roe@mail.test","change":"renamed","title":"Divorce of Jane"}
{"do":"group","chat":"c","from":"jane.roe@mail.test","change":"added","who":"+33612345678"}
{"do":"tapback","on":"m","chat":"c","from":"me","kind":"like"}"#;

#[test]
fn redacted_recording_names_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let script = Script::parse(SECRETS).unwrap();
    drop(
        build(
            &script,
            &path,
            messages_stand_in::Style::Ventura,
            script.start(),
        )
        .unwrap(),
    );
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
    ];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} is still in\n{text}");
    }
    // One person stays one person, and numbers keep their length.
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
    // Another salt gives other words.
    let other = Redaction::On { salt: [8; 32] };
    let other = record(&read_only(&path), &ALL, &other).unwrap().to_jsonl();
    assert_ne!(text, other);
}

#[test]
fn guid_selects_the_message_and_what_refers_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let script = Script::parse(SECRETS).unwrap();
    let db: ChatDb = build(
        &script,
        &path,
        messages_stand_in::Style::Ventura,
        script.start(),
    )
    .unwrap();
    let selection = Selection::Guid(db.guid_of(1).unwrap());
    let count = |selection: &Selection| {
        let script = record(&read_only(&path), selection, &Redaction::Off).unwrap();
        script.steps.len()
    };
    // The chat, the message, a reply, a tapback.
    assert_eq!(count(&selection), 4);
    assert_eq!(count(&Selection::Newest(2)), 3);
    assert_eq!(count(&Selection::Rowids(2, 2)), 2);
    assert_eq!(count(&Selection::Guid("nobody".into())), 0);
}

#[test]
fn recording_can_be_played_again_under_other_guids_and_dates() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a.db", "b.db"].map(|name| folder.path().join(name));
    let style = messages_stand_in::Style::Ventura;
    let script = Script::parse(SECRETS).unwrap();
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
