//! The scripts of the stand-in for Messages, each played in every style that it supports and read by the pipeline.

use std::collections::BTreeSet;
use std::path::Path;

use messages_stand_in::play::Player;
use messages_stand_in::script::Script;

use super::*;

/// Each script with its name.
fn scripts() -> Vec<(String, Script)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("messages-stand-in/scripts");
    let mut scripts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "jsonl")
        {
            let script = Script::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
            scripts.push((
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                script,
            ));
        }
    }
    assert!(scripts.len() > 40, "the scripts were found");
    scripts
}

/// When the relay runs while a script plays.
#[derive(Clone, Copy, PartialEq)]
enum RelayRuns {
    AfterEveryStep,
    AtTheEnd,
}

/// The result of playing a script.
struct Outcome {
    posted: Vec<Message>,
    /// Guids of the messages that are in chat.db at the end.
    left: BTreeSet<String>,
}

/// Plays a script as time passes.
fn play(script: &Script, style: Style, runs: RelayRuns) -> Outcome {
    let mut mac = Mac::before_first_run(style);
    mac.run_relay();
    mac.prove_network();
    let chat_db = mac.folder.path().join("chat.db");
    // iMessage dates have fractions of a second; a date in whole seconds would be taken for an SMS.
    mac.advance(Duration::from_micros(1_123_457));
    let start = mac.clock.now();
    let mut player = Player::new(
        StandIn::open(&chat_db).unwrap(),
        script,
        date(start.as_micros()),
    );
    while let Some(due) = player.due() {
        mac.clock.set(start.plus(due));
        player.step(date(mac.clock.now().as_micros())).unwrap();
        if runs == RelayRuns::AfterEveryStep {
            mac.prove_network();
            mac.run_relay();
        }
    }
    // Time for rows that wait for a missing part.
    mac.run_relay();
    mac.advance(secs(5));
    mac.run_relay();
    let left: BTreeSet<String> = {
        let mut statement = player
            .db()
            .raw()
            .prepare("select guid from message")
            .unwrap();
        let guids = statement.query_map([], |row| row.get(0)).unwrap();
        guids.collect::<rusqlite::Result<_>>().unwrap()
    };
    let accounted: u64 = mac
        .state()
        .read(|state| {
            state.query_row(
                "select (select count(*) from seen) + (select count(*) from waiting)",
                [],
                |row| row.get(0),
            )
        })
        .unwrap();
    let rows = left.len();
    assert!(
        accounted >= rows as u64,
        "{accounted} of {rows} rows are accounted for"
    );
    Outcome {
        posted: mac.posted(),
        left,
    }
}

#[test]
fn every_row_is_accounted_for_and_every_post_is_valid_and_has_its_own_identity() {
    for (name, script) in scripts() {
        for style in STYLES.into_iter().filter(|style| script.runs_in(*style)) {
            eprintln!("{name} on {style}");
            let stepwise = play(&script, style, RelayRuns::AfterEveryStep).posted;
            let identities: BTreeSet<_> = stepwise
                .iter()
                .map(|m| (m.message_guid.clone(), m.event.as_str(), m.revision))
                .collect();
            assert_eq!(
                identities.len(),
                stepwise.len(),
                "{name} on {style}: two posts have one identity"
            );
        }
    }
}

const STYLES: [Style; 2] = [Style::Ventura, Style::Tahoe];

#[test]
fn a_relay_that_reads_only_at_the_end_posts_every_remaining_message_and_none_twice() {
    for (name, script) in scripts() {
        if !script.runs_in(Style::Tahoe) {
            continue;
        }
        let stepwise = play(&script, Style::Tahoe, RelayRuns::AfterEveryStep);
        let late = play(&script, Style::Tahoe, RelayRuns::AtTheEnd);
        // Compared by content, since a rebuilt file has other guids for the same messages.
        let content = |message: &Message| {
            (
                message.sender.clone(),
                message.text.clone(),
                message.timestamp,
                message.tapback.clone(),
            )
        };
        let posted_late: Vec<_> = late.posted.iter().map(content).collect();
        for message in stepwise
            .posted
            .iter()
            .filter(|message| message.event == Event::Message)
        {
            let is_left = message
                .message_guid
                .as_ref()
                .is_some_and(|guid| late.left.contains(guid));
            let has_post = late
                .posted
                .iter()
                .any(|post| post.message_guid == message.message_guid);
            assert!(
                !is_left || has_post || posted_late.contains(&content(message)),
                "{name}: {message:?}"
            );
        }
        let doubled = posted_late
            .iter()
            .enumerate()
            .filter(|(i, c)| posted_late[..*i].contains(c))
            .count();
        let stepwise: Vec<_> = stepwise.posted.iter().map(content).collect();
        let expected = stepwise
            .iter()
            .enumerate()
            .filter(|(i, c)| stepwise[..*i].contains(c))
            .count();
        assert!(doubled <= expected, "{name}: {doubled} doubled");
    }
}

#[test]
fn an_action_stored_in_several_rows_gives_the_expected_posts() {
    let names = [
        "link-rows",
        "link-lookalikes",
        "edits-told-twice",
        "reactions-as-text",
        "tapback-without-target",
    ];
    let all = scripts();
    let mut lines = Vec::new();
    for name in names {
        let (_, script) = all.iter().find(|(found, _)| found == name).unwrap();
        let posted = play(script, Style::Tahoe, RelayRuns::AfterEveryStep).posted;
        lines.push(format!("== {name}"));
        for message in &posted {
            let index = |guid: &Option<String>| {
                let index = posted.iter().position(|m| m.message_guid == *guid);
                index.map_or("?".to_owned(), |index| index.to_string())
            };
            let mut line = vec![format!("{} {:?}", message.event.as_str(), message.text)];
            if message.link_of_guid.is_some() {
                line.push(format!("link of {}", index(&message.link_of_guid)));
            }
            if let Some(tapback) = &message.tapback {
                line.push(format!("{:?} {:?}", tapback.action, tapback.kind));
                line.extend(tapback.emoji.clone());
                line.push(format!("on {}", index(&tapback.target_guid)));
            }
            lines.push(line.join(" "));
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
}
