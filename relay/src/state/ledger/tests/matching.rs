//! Rows of chat.db prove bubbles: one row one bubble, in order, and only rows that are newer.

use super::super::matching::{OpenBubble, bubble_of, open_bubbles, watched};
use super::*;

fn open(state: &State, now: UnixMicros) -> Vec<OpenBubble> {
    state
        .read(|c| open_bubbles(c, &[CONVERSATION], now))
        .expect("read")
}

fn row_state(state: BubbleState) -> RowState<'static> {
    RowState { state, code: None }
}

#[test]
fn equal_texts_are_matched_in_the_order_of_their_dispatch_each_with_one_row() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["ok"]));
    take_one(&state, &reply(2, "cmd_b", &["ok"]));
    let first = dispatch_first(&state, 10, NOW).expect("dispatched");
    let second = dispatch_first(&state, 10, after(1)).expect("dispatched");
    assert_eq!(see_row(&state, 11, "ok", after(2)), Some(first));
    assert_eq!(
        see_row(&state, 11, "ok", after(3)),
        Some(first),
        "the same row, read again"
    );
    assert_eq!(see_row(&state, 12, "ok", after(3)), Some(second));
    assert_eq!(see_row(&state, 13, "ok", after(3)), None, "the owner's own");
}

#[test]
fn a_row_at_or_below_the_baseline_is_not_the_bubbles() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["ok"]));
    let bubble = dispatch_first(&state, 10, NOW).expect("dispatched");
    assert_eq!(see_row(&state, 10, "ok", after(1)), None);
    assert_eq!(see_row(&state, 11, "ok", after(1)), Some(bubble));
}

#[test]
fn in_a_rebuilt_file_the_date_decides() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["ok"]));
    let bubble = dispatch_first(&state, 10, NOW).expect("dispatched");
    let in_new_file = |guid: &str, sent_at| {
        let row = OwnRow {
            guid,
            file: "rebuilt",
            rowid: 3,
            sent_at,
            text: "ok",
        };
        let seen = row_state(BubbleState::RowSeen);
        state
            .write(|tx| match_row(tx, &[CONVERSATION], &row, seen, after(9)))
            .expect("matched")
    };
    assert_eq!(in_new_file("old", after(-60)), None);
    assert_eq!(in_new_file("new", after(1)), Some(bubble));
}

#[test]
fn another_chat_or_text_does_not_match_and_an_alias_does() {
    let (_dir, state) = state();
    let mut command = reply(1, "cmd_a", &["ok"]);
    let aliases = json!(["SMS;-;+15550100001", "iMessage;-;sage@example.com"]);
    command.fields.insert("aliases".to_owned(), aliases);
    take_one(&state, &command);
    let first = state
        .read(|c| sendable(c, 1))
        .expect("read")
        .remove(0)
        .number;
    let resolved = "any;-;resolved@example.com";
    let dispatched = state
        .write_durably(|tx| dispatch(tx, first, resolved, &baseline(10), NOW))
        .expect("written");
    assert!(dispatched);
    let is_open = |conversation: &str| {
        let open = state
            .read(|c| open_bubbles(c, &[conversation], NOW))
            .expect("read");
        open.iter().any(|bubble| bubble.has_text("ok "))
    };
    assert!(is_open(CONVERSATION));
    assert!(is_open("-;sage@example.com"));
    assert!(is_open("-;resolved@example.com"));
    assert!(!is_open("-;+15550100002"));
    assert!(!open(&state, NOW)[0].has_text("OK"));
    let both = state
        .read(|c| open_bubbles(c, &[CONVERSATION, "-;sage@example.com"], NOW))
        .expect("read");
    assert_eq!(both.len(), 1, "each bubble once");
}

#[test]
fn bubbles_are_open_as_long_as_their_rows_may_come_or_change() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["ok"]));
    assert!(open(&state, NOW).is_empty(), "not passed on");
    let bubble = dispatch_first(&state, 10, NOW).expect("dispatched");
    assert_eq!(open(&state, after(86_400)).len(), 1);
    assert!(reach(&state, bubble, BubbleState::Unknown, after(150)));
    assert_eq!(open(&state, after(150 + 599)).len(), 1);
    assert_eq!(open(&state, after(150 + 601)).len(), 0);
    assert_eq!(
        see_row(&state, 12, "ok", after(200)),
        Some(bubble),
        "it comes late"
    );
    assert_eq!(states(&state), [BubbleState::Unknown]);
    assert!(reach(&state, bubble, BubbleState::Sent, after(210)));
    assert_eq!(states(&state), [BubbleState::Sent]);
    assert_eq!(open(&state, after(210 + 86_399)).len(), 1);
    assert_eq!(open(&state, after(210 + 86_401)).len(), 0);
}

#[test]
fn a_row_is_watched_until_it_is_delivered() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["ok"]));
    let bubble = dispatch_first(&state, 10, NOW).expect("dispatched");
    let watched_guids = |now| {
        let watched = state.read(|c| watched(c, now)).expect("read");
        watched
            .into_iter()
            .map(|bubble| bubble.message_guid)
            .collect::<Vec<_>>()
    };
    let update = |next| reach(&state, bubble, next, NOW);
    assert_eq!(watched_guids(NOW), [] as [&str; 0]);
    see_row(&state, 11, "ok", NOW);
    assert_eq!(watched_guids(after(200_000)), ["row-11"]);
    assert!(update(BubbleState::Sent));
    assert!(!update(BubbleState::Sent), "nothing new");
    assert_eq!(watched_guids(after(80_000)), ["row-11"]);
    assert_eq!(watched_guids(after(90_000)), [] as [&str; 0]);
    assert!(update(BubbleState::Delivered));
    assert_eq!(watched_guids(NOW), [] as [&str; 0]);
    let is_own = |guid| state.read(|c| bubble_of(c, guid)).expect("read").is_some();
    assert!(is_own("row-11"));
    assert!(!is_own("row-12"));
}

/// Two machines: the other installation may have sent it.
#[test]
fn a_handed_bubble_is_matched_or_becomes_unknown_and_is_never_sent() {
    let (_dir, state) = state();
    let mut command = reply(1, "cmd_a", &["Hi", "you"]);
    command.fields.insert("handed".to_owned(), json!(true));
    take_one(&state, &command);
    assert_eq!(state.read(|c| sendable(c, 9)).expect("read"), []);
    let handed = state.read(handed::open).expect("read");
    assert_eq!(handed.len(), 2);
    assert_eq!(handed[0].anchor_guid.as_deref(), Some("anchor"));
    let long_before = after(-7 * 3_600);
    assert_eq!(
        see_row(&state, 3, "Hi", long_before),
        None,
        "before the command was made"
    );
    assert_eq!(see_row(&state, 4, "Hi", after(-60)), Some(handed[0].number));
    let not_found = || {
        state
            .write(|tx| handed::not_found(tx, handed[1].number, NOW))
            .expect("written")
    };
    assert!(not_found());
    assert!(!not_found(), "once");
    assert_eq!(states(&state), [BubbleState::RowSeen, BubbleState::Unknown]);
    assert_eq!(state.read(handed::open).expect("read"), []);
    assert_eq!(
        see_row(&state, 5, "you", after(5)),
        Some(handed[1].number),
        "it comes late"
    );
}
