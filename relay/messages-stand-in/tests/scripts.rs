//! Tests of every script in `scripts/`: it can be parsed, has a description, contains only fictional
//! addresses, and builds in each style that it supports.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use messages_stand_in::play::unused_salt;
use messages_stand_in::{ChatDb, Date, Durability, Player, Script, Style, build};

fn scripts() -> BTreeMap<String, Script> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let files = std::fs::read_dir(folder).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    let scripts = files.map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let script = Script::parse(&std::fs::read_to_string(&path).unwrap());
        let script = script.unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, script)
    });
    scripts.collect()
}

#[test]
fn every_script_has_a_description_and_builds_in_every_style_that_it_supports() {
    let scripts = scripts();
    assert!(scripts.len() > 40);
    let folder = tempfile::tempdir().unwrap();
    for (name, script) in &scripts {
        assert!(script.header.about.is_some(), "{name} has no description");
        for style in Style::ALL
            .into_iter()
            .filter(|style| script.runs_in(*style))
        {
            let path = folder.path().join(format!("{name}-{style}.db"));
            let db = build(script, path, style, script.start());
            let db = db.unwrap_or_else(|error| panic!("{name} in {style}: {error}"));
            let integrity: String = db
                .raw()
                .query_row("pragma integrity_check", [], |row| row.get(0))
                .unwrap();
            assert_eq!(integrity, "ok", "{name} in {style}");
            assert!(db.sequence().unwrap() > 0, "{name} in {style} is empty");
        }
    }
}

#[test]
fn the_readme_lists_every_script_with_its_description() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let rows = readme.lines().filter(|line| line.starts_with("| ["));
    let mut listed: Vec<String> = rows.map(str::to_owned).collect();
    let mut expected: Vec<String> = scripts()
        .into_iter()
        .map(|(name, script)| {
            let since = script.header.since.unwrap_or(Style::Monterey);
            let about = script.header.about.unwrap();
            format!("| [{name}]({name}.jsonl) | {about} | {since} |")
        })
        .collect();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
}

#[test]
fn addresses_of_scripts_are_fictional() {
    let fictional_names = ["55530", "55549(smsfp)", "EXAMPLE"];
    for (name, script) in scripts() {
        for address in script.addresses() {
            let is_fictional = address.starts_with("+1555")
                || address.to_lowercase().ends_with("@example.com")
                || address.starts_with("urn:biz:00000000-")
                || address.starts_with("chat555")
                || fictional_names.contains(&address);
            assert!(is_fictional, "{name}: {address}");
        }
    }
}

#[test]
fn a_written_script_parses_to_the_same_script() {
    for (name, script) in scripts() {
        assert_eq!(Script::parse(&script.to_jsonl()).unwrap(), script, "{name}");
    }
}

/// All rows of the table `message`, each as text.
fn messages(db: &ChatDb) -> Vec<String> {
    let mut query = db.raw().prepare("select * from message").unwrap();
    let width = query.column_count();
    let rows = query.query_map([], |row| {
        let values = (0..width).map(|i| format!("{:?}", row.get_ref_unwrap(i)));
        Ok(values.collect::<Vec<_>>().join("|"))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn two_builds_of_a_script_have_the_same_messages() {
    let folder = tempfile::tempdir().unwrap();
    for (name, script) in scripts() {
        let build = |copy: &str| {
            let path = folder.path().join(format!("{name}-{copy}.db"));
            build(&script, path, script.style(), script.start()).unwrap()
        };
        assert_eq!(messages(&build("a")), messages(&build("b")), "{name}");
    }
}

#[test]
fn every_script_can_be_played_three_times_and_after_other_scripts() {
    let play = |db: ChatDb, name: &str, script: &Script, start: Date| {
        let salt = unused_salt(&db, script).unwrap();
        let mut player = Player::new(db, script, start).salted(salt);
        while let Some(due) = player.due() {
            let step = player.step(start + due);
            step.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        player.finish()
    };
    for style in [Style::Ventura, Style::Macos27] {
        let folder = tempfile::tempdir().unwrap();
        let mut shared_db = ChatDb::create(folder.path().join("all.db"), style).unwrap();
        shared_db.set_durability(Durability::None).unwrap();
        let scripts = scripts();
        for (name, script) in scripts.iter().filter(|(_, script)| script.runs_in(style)) {
            let path = folder.path().join(format!("{name}.db"));
            let mut db = ChatDb::create(path, style).unwrap();
            db.set_durability(Durability::None).unwrap();
            let mut counts = Vec::new();
            for hour in 0..3 {
                let start = script.start() + Duration::from_secs(3600 * hour);
                db = play(db, name, script, start);
                let count = |table: &str| -> i64 {
                    let sql = format!("select count(*) from {table}");
                    db.raw().query_row(&sql, [], |row| row.get(0)).unwrap()
                };
                counts.push(["chat", "handle", "message"].map(count));
            }
            let [first, second, third] = counts[..] else {
                unreachable!("the script was played three times")
            };
            assert_eq!(first[..2], second[..2], "{name} in {style}");
            assert_eq!(first[..2], third[..2], "{name} in {style}");
            let replaces_database = ["rebuild", "restore"].contains(&name.as_str());
            if !replaces_database {
                assert_eq!(third[2], 3 * first[2], "{name} in {style}");
                shared_db = play(shared_db, name, script, script.start());
            }
        }
    }
}

#[test]
fn a_player_writes_delayed_parts_at_their_times_between_other_steps() {
    let script = Script::parse(concat!(
        r#"{"do":"chat","id":"ann","with":["+15555550101"]}"#,
        "\n",
        r#"{"do":"message","id":"m","chat":"ann","from":"+15555550101","text":"late","#,
        r#""sender_after_ms":10,"text_after_ms":20,"join_after_ms":30}"#,
        "\n",
        r#"{"do":"message","chat":"ann","from":"+15555550101","text":"next","after_ms":15}"#,
    ))
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let db = ChatDb::create(folder.path().join("chat.db"), Style::Ventura).unwrap();
    let start = Date::from_unix_secs(1_760_000_000);
    let mut player = Player::new(db, &script, start);
    let mut written = Vec::new();
    while let Some(due) = player.due() {
        let step = player.step(start + due).unwrap().unwrap();
        written.push((due.as_millis(), step.name));
    }
    let expected = [
        (0, "chat"),
        (0, "message"),
        (10, "sender"),
        (15, "message"),
        (20, "text"),
        (30, "join"),
    ];
    assert_eq!(written, expected);
    let complete: i64 = player
        .db()
        .raw()
        .query_row(
            "select count(*) from message m join chat_message_join on message_id = m.ROWID
             where handle_id > 0 and attributedBody is not null",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(complete, 2);
}

#[test]
fn mistakes_are_reported_with_their_line_or_word() {
    let error = |text: &str| Script::parse(text).unwrap_err().to_string();
    let unknown = error("{\"script\":1}\n\n{\"do\":\"message\",\"txet\":\"a\"}");
    assert!(
        unknown.starts_with("line 3:") && unknown.contains("txet"),
        "{unknown}"
    );
    assert!(error("{\"do\":\"dance\"}").contains("dance"));
    assert!(error("{\"script\":2}").contains("version 2"));
    assert!(error("not json").starts_with("line 1:"));
}
