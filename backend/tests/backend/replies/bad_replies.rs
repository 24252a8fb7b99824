//! Whatever a responder says, the command is one that relays accept, and its bubbles stand in the history as they are
//! sent.

use rstest::rstest;
use shared_protocol::MAX_BUBBLE_CHARS;

use super::answering::commands;
use super::support::{Replica, Scripted, at, outcomes, replies, store, text, unanswered_count};
use crate::support::{Engine, Postgres, Sqlite, TestStore};

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[rstest]
#[tokio::test]
async fn bad_texts_of_a_responder_become_bubbles_that_relays_accept(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let quotes = "\" & (do shell script \"x\") & '; drop table messages; -- \\ %s {{}} ${x}";
    let said: [Vec<String>; 6] = [
        owned(&["a\0b", "", " \n\t", "\u{200b}", "c\u{1b}[31md\u{9b}e\r\nf"]),
        vec!["word ".repeat(4_000)],
        vec!["👩‍👩‍👧".repeat(1_000)],
        (0..25).map(|n| n.to_string()).collect(),
        owned(&[
            quotes,
            "osascript -e 'tell application \"Messages\" to quit'",
        ]),
        owned(&["\u{202e}abc\u{ffff}\u{10ffff}\u{2028}x", "e\u{301}\u{fffd}"]),
    ];
    let base = TestStore::new(engine).await;
    let all = said.clone();
    let responder = Scripted::new(move |turn| {
        let n: usize = turn.messages[0].text.parse().expect("a number");
        Ok(all[n].clone())
    });
    let replica = Replica::new(&base.store, responder);
    for n in 0..said.len() {
        let secs = 100 * n as u64;
        store(&base.store, text(&format!("msg_{n}"), &n.to_string(), secs)).await;
        assert_eq!(replica.run_all(at(secs + 2)).await, 1);
    }
    let sent = commands(&base).await;
    let bubbles: Vec<Vec<String>> = (sent.iter())
        .map(|(_, send)| send.bubbles.iter().map(|it| it.text.clone()).collect())
        .collect();
    assert_eq!(replies(&base).await, bubbles.concat(), "{}", base.kind);
    assert_eq!(bubbles[0], ["ab", "c[31mde\nf"]);
    assert!(
        (10..=11).contains(&bubbles[1].len()),
        "{}",
        bubbles[1].len()
    );
    assert_eq!(bubbles[2].concat(), said[2][0], "no family is divided");
    assert!(
        bubbles[2]
            .iter()
            .all(|text| text.starts_with('👩') && text.ends_with('👧'))
    );
    assert_eq!(bubbles[3].len(), 10);
    assert_eq!(bubbles[3].join("\n"), said[3].join("\n"));
    assert_eq!(bubbles[4], said[4]);
    assert_eq!(bubbles[5], said[5]);
    for text in bubbles.concat() {
        assert!((1..=MAX_BUBBLE_CHARS).contains(&text.chars().count()));
    }
}

#[rstest]
#[tokio::test]
async fn a_reply_in_which_nothing_can_be_seen_is_silence(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let nothing = owned(&["", "\0\0", " \u{a0}\n", "\u{feff}\u{200d}", "\u{fffc}"]);
    let replica = Replica::new(&base.store, Scripted::new(move |_| Ok(nothing.clone())));
    store(&base.store, text("msg_1", "hi", 0)).await;
    assert_eq!(replica.run_all(at(2)).await, 1);
    assert_eq!(outcomes(&base).await, ["silent"], "{}", base.kind);
    assert_eq!(
        (commands(&base).await.len(), unanswered_count(&base).await),
        (0, 0)
    );
}
