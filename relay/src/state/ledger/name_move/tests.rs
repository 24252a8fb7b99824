//! A move goes from step to step, each written down before it is done.

use serde_json::json;
use shared_protocol::{Command, CommandBody};

use super::*;
use crate::state::State;
use crate::state::ledger::Baseline;
use crate::state::ledger::dispatching::{dispatch, sendable};
use crate::state::ledger::owner::{Listing, list};
use crate::state::ledger::take::take;
use crate::state::ledger::{BubbleNumber, BubbleState, acks, transitions};

const NOW: UnixMicros = UnixMicros::from_secs(1_700_000_000);
const CHAT: &str = "iMessage;-;+15550100001";

struct Mac {
    _dir: tempfile::TempDir,
    state: State,
}

impl Mac {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let state = State::open(dir.path(), NOW).expect("a new state");
        Self { _dir: dir, state }
    }

    fn write<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> T {
        self.state.write_durably(|tx| work(tx)).expect("written")
    }

    fn step(&self) -> MoveStep {
        self.state.read(load).expect("read").step
    }

    /// Takes a reply of one bubble.
    fn take(&self, seq: i64) {
        let command = json!({"seq": seq, "id": format!("cmd_{seq}"), "kind": "send_message",
            "chat_guid": CHAT, "bubbles": [{"text": format!("text {seq}")}],
            "not_after": NOW.as_secs() + 3_600});
        let command: Command = serde_json::from_value(command).expect("a command");
        let body: CommandBody = command.parse().expect("valid");
        self.write(|tx| take(tx, &command, &body, NOW));
    }

    /// Dispatches the next bubble, if it may be dispatched.
    fn dispatch(&self) -> Option<BubbleNumber> {
        let baseline = Baseline {
            file: "file".to_owned(),
            rowid: 1,
        };
        self.write(|tx| {
            let Some(first) = sendable(tx, 1)?.pop() else {
                return Ok(None);
            };
            let dispatched = dispatch(tx, first.number, CHAT, &baseline, NOW)?;
            Ok(dispatched.then_some(first.number))
        })
    }

    fn reach(&self, number: BubbleNumber, next: BubbleState, now: UnixMicros) {
        assert!(self.write(|tx| transitions::reach(tx, number, next, None, now)));
    }

    fn take_acks(&self) {
        self.write(|tx| {
            let pending = acks::pending(tx, 500)?;
            let numbers: Vec<_> = pending.iter().map(|ack| ack.number).collect();
            acks::mark_taken(tx, &numbers)
        });
    }

    fn unsettled(&self, now: UnixMicros) -> Unsettled {
        self.state.read(|c| unsettled(c, now)).expect("read")
    }

    /// Which texts wait as `handed`.
    fn handed(&self) -> Vec<bool> {
        let entries = self.state.read(|c| list(c, Listing::Unfinished, 100));
        entries
            .expect("read")
            .iter()
            .map(|entry| entry.is_handed)
            .collect()
    }

    fn begin_release(&self) -> bool {
        self.write(|tx| begin_release(tx, NOW))
    }
}

#[test]
fn nothing_is_dispatched_from_the_owners_command_on() {
    let mac = Mac::new();
    mac.take(1);
    mac.write(ask_out);
    assert_eq!(mac.dispatch(), None);
    mac.take_acks();
    assert!(mac.begin_release());
    assert_eq!((mac.step(), mac.dispatch()), (MoveStep::Releasing, None));
    mac.write(note_left);
    assert_eq!((mac.step(), mac.dispatch()), (MoveStep::Left, None));
}

#[test]
fn the_release_waits_for_texts_acks_and_posts() {
    let mac = Mac::new();
    mac.take(1);
    mac.take(2);
    let first = mac.dispatch().expect("dispatched");
    mac.write(ask_out);
    let with_messages = Unsettled {
        texts: 1,
        acks: 2,
        posts: 0,
    };
    assert_eq!(mac.unsettled(NOW), with_messages);
    mac.take_acks();
    assert!(!mac.begin_release(), "Messages has a text");
    // Messages has written the row, and has not handed it to the service yet.
    mac.reach(first, BubbleState::RowSeen, NOW);
    mac.take_acks();
    assert!(!mac.begin_release());
    mac.reach(first, BubbleState::Sent, NOW);
    assert!(!mac.begin_release(), "the backend does not know of it");
    mac.take_acks();
    assert!(mac.begin_release());
    let left = mac.state.read(load).expect("read").left_behind;
    let second = LeftBehind {
        unsent: 1,
        unknown: 0,
    };
    assert_eq!(left, second);
}

#[test]
fn a_row_that_messages_cannot_hand_over_is_waited_for_only_a_minute() {
    let mac = Mac::new();
    mac.take(1);
    let number = mac.dispatch().expect("dispatched");
    mac.reach(number, BubbleState::RowSeen, NOW);
    mac.take_acks();
    assert_eq!(mac.unsettled(NOW).texts, 1);
    let later = NOW.plus(Duration::from_secs(61));
    assert!(mac.unsettled(later).is_nothing());
    let before = NOW.minus(Duration::from_secs(10));
    assert!(
        mac.unsettled(before).is_nothing(),
        "a clock that was set back"
    );
}

/// The backend may have released the name although its answer was lost, and another Mac may have got the text.
#[test]
fn what_was_not_sent_is_never_sent_by_itself_once_a_release_has_begun() {
    for answered in [true, false] {
        let mac = Mac::new();
        mac.take(1);
        mac.write(ask_out);
        mac.take_acks();
        assert!(mac.begin_release());
        assert_eq!(
            mac.handed(),
            [false],
            "a look in chat.db now would find it unknown"
        );
        if answered {
            mac.write(note_left);
        }
        mac.write(|tx| ask_in(tx, MoveStep::Taking));
        assert_eq!(mac.handed(), [true], "{answered}");
        mac.write(|tx| note_taken(tx, MoveStep::Taking));
        assert_eq!((mac.step(), mac.dispatch()), (MoveStep::Here, None));
    }
}

#[test]
fn a_move_that_has_not_released_the_name_ends_without_a_trace() {
    let mac = Mac::new();
    mac.take(1);
    mac.write(ask_out);
    mac.write(|tx| ask_in(tx, MoveStep::Taking));
    mac.write(|tx| note_taken(tx, MoveStep::Taking));
    assert_eq!(mac.handed(), [false]);
    assert!(mac.dispatch().is_some());
}

#[test]
fn each_command_can_be_repeated() {
    let mac = Mac::new();
    for _ in 0..2 {
        mac.write(ask_out);
        assert_eq!(mac.step(), MoveStep::Leaving);
    }
    assert!(mac.begin_release());
    assert!(!mac.begin_release(), "only from the step before");
    mac.write(ask_out);
    assert_eq!(mac.step(), MoveStep::Releasing);
    mac.write(note_left);
    mac.write(note_left);
    mac.write(ask_out);
    assert_eq!(mac.step(), MoveStep::Left);
    for _ in 0..2 {
        mac.write(|tx| ask_in(tx, MoveStep::Taking));
        assert_eq!(mac.step(), MoveStep::Taking);
    }
    mac.write(|tx| note_taken(tx, MoveStep::Taking));
    mac.write(|tx| note_taken(tx, MoveStep::Taking));
    assert_eq!(mac.step(), MoveStep::Here);
}

#[test]
fn a_mac_whose_request_is_refused_is_where_it_was() {
    let mac = Mac::new();
    let refused = || mac.state.read(load).expect("read").is_refused;
    mac.write(|tx| ask_in(tx, MoveStep::Taking));
    mac.write(|tx| note_elsewhere(tx, MoveStep::Taking));
    assert_eq!((mac.step(), refused()), (MoveStep::Here, true));
    mac.write(ask_out);
    assert!(mac.begin_release());
    mac.write(note_left);
    mac.write(|tx| ask_in(tx, MoveStep::TakingOver));
    assert!(!refused());
    mac.write(|tx| note_elsewhere(tx, MoveStep::TakingOver));
    assert_eq!((mac.step(), refused()), (MoveStep::Left, true));
}

/// The answer to a poll comes after the owner has changed their mind.
#[test]
fn an_answer_to_an_earlier_step_changes_nothing() {
    let mac = Mac::new();
    mac.write(|tx| ask_in(tx, MoveStep::Taking));
    mac.write(ask_out);
    mac.write(|tx| note_taken(tx, MoveStep::Taking));
    mac.write(|tx| note_elsewhere(tx, MoveStep::Taking));
    assert_eq!(mac.step(), MoveStep::Leaving);
    assert!(mac.begin_release());
    mac.write(|tx| ask_in(tx, MoveStep::Taking));
    mac.write(note_left);
    assert_eq!(mac.step(), MoveStep::Taking);
}

#[test]
fn a_name_that_another_mac_has_makes_everything_that_waits_handed() {
    let mac = Mac::new();
    mac.take(1);
    mac.write(|tx| note_elsewhere(tx, MoveStep::Here));
    assert_eq!((mac.step(), mac.handed()), (MoveStep::Here, vec![true]));
    assert_eq!(mac.dispatch(), None);
    mac.write(ask_out);
    mac.write(|tx| note_elsewhere(tx, MoveStep::Leaving));
    assert_eq!(mac.step(), MoveStep::Left, "there is nothing to release");
}
