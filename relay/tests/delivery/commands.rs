//! Commands and acks: taken before anything else, once, refused where they cannot be carried out; told until taken.

use std::time::Instant;

use archety_relay::clock::Clock;
use archety_relay::pull::PollOutcome;
use archety_relay::state::STATE_FILE;
use archety_relay::state::ledger::Baseline;
use archety_relay::state::ledger::dispatching;
use archety_relay::state::ledger::owner::{Listing, list};
use archety_relay::state::ledger::{BubbleState, acks, handed, take};
use serde_json::{Value, json};

use crate::backend::problem;
use crate::pulls::puller;
use crate::*;

const CHAT: &str = "iMessage;-;+15550100001";

/// A reply with these bubbles.
pub(crate) fn reply(seq: i64, id: &str, texts: &[&str]) -> Value {
    let bubbles: Vec<_> = texts.iter().map(|text| json!({"text": text})).collect();
    json!({"seq": seq, "id": id, "kind": "send_message", "chat_guid": CHAT, "bubbles": bubbles,
        "not_after": 1_700_020_000})
}

pub(crate) fn answer(commands: &[Value]) -> Value {
    json!({"commands": commands, "reads_acks": true, "server_time": 1_700_000_000,
           "version": "2.0.0", "environment": "development"})
}

/// The acks of a pull, as `[id, bubble, state, code]`.
pub(crate) fn acks_of(pull: &Value) -> Vec<Value> {
    let acks = pull["acks"].as_array().cloned().unwrap_or_default();
    acks.iter()
        .map(|ack| json!([ack["id"], ack["bubble"], ack["state"], ack["code"]]))
        .collect()
}

impl Relay {
    /// Polls once, with an answer that has these commands; returns the poll as the backend got it.
    pub(crate) async fn poll(
        &self,
        puller: &mut archety_relay::pull::Puller,
        commands: &[Value],
    ) -> Value {
        self.backend.answer_next_pull(200, answer(commands));
        puller.step().await;
        self.backend.pulls().pop().expect("a pull")
    }

    pub(crate) fn states(&self) -> Vec<BubbleState> {
        let mut entries = self
            .state()
            .read(|c| list(c, Listing::All, 10_000))
            .expect("read");
        entries.reverse();
        entries.into_iter().map(|entry| entry.state).collect()
    }
}

#[tokio::test]
async fn commands_are_in_the_ledger_before_the_next_poll_names_them() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    let first = relay
        .poll(&mut puller, &[reply(3, "cmd_a", &["Hi", "you"])])
        .await;
    assert_eq!(first["after"], json!({"seq": 0, "id": ""}));
    assert_eq!(relay.states(), [BubbleState::Queued; 2]);
    relay.dispatch.new_commands.notified().await;
    let second = relay.poll(&mut puller, &[]).await;
    assert_eq!(second["after"], json!({"seq": 3, "id": "cmd_a"}));
    assert_eq!(second["after_seq"], 3);
    assert_eq!(
        acks_of(&second),
        [
            json!(["cmd_a", 0, "received", null]),
            json!(["cmd_a", 1, "received", null])
        ]
    );
    assert_eq!(second["wait_seconds"], 0, "acks are answered at once");
    assert_eq!(second["status"]["sending"]["queued"], 2);
    let third = relay.poll(&mut puller, &[]).await;
    assert_eq!(
        acks_of(&third),
        [] as [Value; 0],
        "the answer has taken them"
    );
    assert_eq!(third["wait_seconds"], 25);
}

/// Relay or network die before the answer comes, or before it is written down.
#[tokio::test]
async fn acks_are_repeated_until_a_signed_answer_has_taken_them() {
    let mut relay = Relay::start().await;
    {
        let (mut puller, _newest) = puller(&relay);
        relay.poll(&mut puller, &[reply(1, "cmd_a", &["Hi"])]).await;
        relay
            .backend
            .answer_next_pull(503, problem(503, "unavailable"));
        assert!(matches!(puller.step().await, PollOutcome::Pause(_)));
    }
    relay.restart();
    let (mut puller, _newest) = puller(&relay);
    let pull = relay.poll(&mut puller, &[]).await;
    assert_eq!(acks_of(&pull), [json!(["cmd_a", 0, "received", null])]);
    assert_eq!(pull["after"]["seq"], 1);
    let pulls = relay.backend.pulls();
    assert_eq!(acks_of(&pulls[1]), acks_of(&pull));
}

#[tokio::test]
async fn an_ack_that_changes_while_an_answer_comes_is_told_again() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    relay.poll(&mut puller, &[reply(1, "cmd_a", &["Hi"])]).await;
    let pending = relay.state().read(|c| acks::pending(c, 9)).expect("read");
    let bubble = relay
        .state()
        .read(|c| list(c, Listing::All, 1))
        .expect("read")[0]
        .number;
    let now = relay.clock.now();
    let held = |tx: &rusqlite::Transaction<'_>| {
        archety_relay::state::ledger::dispatching::hold(tx, bubble, "other_line", now)
    };
    assert!(relay.state().write(held).expect("written"));
    let numbers: Vec<i64> = pending.iter().map(|pending| pending.number).collect();
    relay
        .state()
        .write(|tx| acks::mark_taken(tx, &numbers))
        .expect("written");
    let pull = relay.poll(&mut puller, &[]).await;
    assert_eq!(acks_of(&pull), [json!(["cmd_a", 0, "held", "other_line"])]);
}

#[tokio::test]
async fn a_command_that_cannot_be_carried_out_is_refused_and_spoils_no_other() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    let mut invalid = reply(3, "cmd_c", &["Hi", "\u{0}"]);
    invalid["surplus"] = json!(true);
    let commands = [
        reply(1, "cmd_a", &["Hi"]),
        json!({"seq": 2, "id": "cmd_b", "kind": "dance"}),
        invalid,
        json!({"seq": 4, "kind": "ping"}),
        reply(5, "cmd_a", &["something else", "and more"]),
        json!({"seq": 6, "id": "cmd_d", "kind": "ping"}),
        json!({"seq": 7, "id": "cmd_e", "kind": "cancel", "ids": ["cmd_a"]}),
    ];
    relay.poll(&mut puller, &commands).await;
    let pull = relay.poll(&mut puller, &[]).await;
    let expected = [
        json!(["cmd_b", 0, "failed", "unsupported"]),
        json!(["cmd_c", 0, "failed", "invalid"]),
        json!(["cmd_c", 1, "failed", "invalid"]),
        json!(["cmd_a", 0, "failed", "conflict"]),
        json!(["cmd_a", 1, "failed", "conflict"]),
        json!(["cmd_d", 0, "delivered", null]),
        json!(["cmd_a", 0, "cancelled", "cancelled"]),
        json!(["cmd_e", 0, "delivered", null]),
    ];
    assert_eq!(acks_of(&pull), expected);
    assert_eq!(pull["after"], json!({"seq": 7, "id": "cmd_e"}));
    let pull = relay.poll(&mut puller, &[]).await;
    assert_eq!(acks_of(&pull), [] as [Value; 0]);
}

#[tokio::test]
async fn five_thousand_commands_at_once_are_taken_once() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    let commands: Vec<Value> = (1..=5_000)
        .map(|n| reply(n, &format!("cmd_{n}"), &["Hi"]))
        .collect();
    relay.poll(&mut puller, &commands).await;
    let again = relay.poll(&mut puller, &commands).await;
    assert_eq!(relay.states().len(), 5_000);
    assert_eq!(acks_of(&again).len(), 500, "most acks of a pull");
    assert_eq!(again["after"]["seq"], 5_000);
}

#[tokio::test]
async fn an_answer_without_anything_new_is_not_asked_for_at_once() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    let same = [json!({"seq": 1, "id": "cmd_a", "kind": "dance"})];
    relay.poll(&mut puller, &same).await;
    relay.poll(&mut puller, &[]).await;
    let step = |commands: &[Value]| relay.backend.answer_next_pull(200, answer(commands));
    step(&[]);
    assert_eq!(puller.step().await, PollOutcome::Continue);
    step(&same);
    let outcome = puller.step().await;
    let is_short =
        |pause: Duration| pause >= Duration::from_secs(5) && pause < Duration::from_secs(20);
    assert!(
        matches!(outcome, PollOutcome::Pause(pause) if is_short(pause)),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn new_acks_interrupt_a_poll_that_the_backend_holds() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    relay.poll(&mut puller, &[]).await;
    relay.backend.hold_next_pull();
    let acks = async {
        relay.backend.wait_for_pulls(2).await;
        let refuse = |tx: &rusqlite::Transaction<'_>| {
            take::refuse(tx, "cmd_a", 1, "unsupported", relay.clock.now())
        };
        relay.state().write(refuse).expect("written");
        relay.dispatch.new_acks.notify_one();
    };
    let (outcome, ()) = tokio::join!(puller.step(), acks);
    assert_eq!(outcome, PollOutcome::Again);
    let pull = relay.poll(&mut puller, &[]).await;
    assert_eq!(acks_of(&pull).len(), 1);
}

#[tokio::test]
async fn a_backend_that_refuses_acks_gets_none_until_its_version_changes() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    relay.poll(&mut puller, &[reply(1, "cmd_a", &["Hi"])]).await;
    relay
        .backend
        .answer_next_pull(422, problem(422, "invalid_fields"));
    assert_eq!(puller.step().await, PollOutcome::Continue);
    let mut of_version = answer(&[]);
    of_version["version"] = json!("1.0.0");
    for _ in 0..2 {
        relay.backend.answer_next_pull(200, of_version.clone());
        puller.step().await;
        let pull = relay.backend.pulls().pop().expect("a pull");
        assert_eq!(acks_of(&pull), [] as [Value; 0], "the version is the same");
    }
    relay.poll(&mut puller, &[]).await;
    let pull = relay.poll(&mut puller, &[]).await;
    assert_eq!(acks_of(&pull).len(), 1, "it has another version");
}

#[tokio::test]
async fn commands_that_cannot_be_written_on_a_full_disk_stay_with_the_backend() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    let limit_pages = |pages: u32| {
        let sql = format!("pragma max_page_count = {pages}");
        let limit =
            |tx: &rusqlite::Transaction<'_>| tx.query_row(&sql, [], |row| row.get::<_, i64>(0));
        relay.state().write_durably(limit).expect("limited");
    };
    let long = "x".repeat(2_000);
    let commands = [reply(1, "cmd_a", &[long.as_str(); 10])];
    limit_pages(1);
    relay.backend.answer_next_pull(200, answer(&commands));
    assert!(matches!(puller.step().await, PollOutcome::Pause(_)));
    assert!(
        relay.dispatch.lease.borrow().is_some(),
        "the lease holds all the same"
    );
    let pull = relay.poll(&mut puller, &commands).await;
    assert_eq!(pull["after"]["seq"], 0);
    let full = json!(["state_disk_full"]);
    assert_eq!(pull["status"]["doctor_codes"], full);
    limit_pages(1_000_000);
    relay.poll(&mut puller, &commands).await;
    assert_eq!(relay.states(), [BubbleState::Queued; 10]);
    let pull = relay.poll(&mut puller, &[]).await;
    assert_eq!(pull["status"]["doctor_codes"], json!([]));
}

#[tokio::test]
async fn the_lease_is_proven_by_an_answer_and_ends_with_a_refusal() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    relay.poll(&mut puller, &[]).await;
    let proof = relay.dispatch.lease.borrow().expect("proven");
    assert_eq!(
        (proof.answered_at, proof.server_time),
        (relay.clock.now(), 1_700_000_000)
    );
    let later = relay.clock.now().plus(Duration::from_secs(7));
    assert_eq!(proof.backend_time(later), 1_700_000_007);
    relay
        .backend
        .answer_next_pull(409, problem(409, "relay_elsewhere"));
    puller.step().await;
    assert_eq!(*relay.dispatch.lease.borrow(), None);
}

/// The backend renews the lease when a poll comes, and holds its answer.
#[tokio::test]
async fn the_lease_is_proven_from_the_time_at_which_the_poll_was_sent() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    relay.backend.delay_next_pull(Duration::from_secs(1));
    let sent_at = relay.clock.now();
    let holding = async {
        relay.backend.wait_for_pulls(1).await;
        relay.clock.advance(Duration::from_secs(25));
        Instant::now()
    };
    let (_, arrived) = tokio::join!(puller.step(), holding);
    let proof = relay.dispatch.lease.borrow().expect("proven");
    let lasting = Duration::from_mins(1);
    assert_eq!(proof.sent.wall, sent_at);
    assert!(proof.sent.uptime <= arrived);
    assert!(proof.holds(sent_at.plus(lasting / 2), lasting));
    assert!(!proof.holds(sent_at.plus(lasting), lasting));
    assert_eq!(proof.answered_at, sent_at.plus(Duration::from_secs(25)));
}

/// The backup is copied over the state's file. What waits in it may have been sent after the backup.
#[tokio::test]
async fn what_waits_in_a_restored_state_is_never_sent() {
    let mut relay = Relay::start().await;
    {
        let (mut puller, _newest) = puller(&relay);
        relay
            .poll(&mut puller, &[reply(1, "cmd_a", &["Hi", "you"])])
            .await;
    }
    relay.restart();
    let sendable = |relay: &Relay| {
        let read = relay.state().read(|c| dispatching::sendable(c, 9));
        read.expect("read")
    };
    let first = sendable(&relay).remove(0).number;
    relay.state().checkpoint().expect("checkpointed");
    let file = relay.dir.path().join(STATE_FILE);
    let backup = std::fs::read(&file).expect("read");
    let now = relay.clock.now();
    let baseline = Baseline {
        file: "file".to_owned(),
        rowid: 1,
    };
    let dispatch =
        |tx: &rusqlite::Transaction<'_>| dispatching::dispatch(tx, first, CHAT, &baseline, now);
    assert!(relay.state().write_durably(dispatch).expect("written"));
    relay.restart_after(|| std::fs::write(&file, &backup).expect("restored"));
    assert_eq!(
        sendable(&relay)[0].number,
        first,
        "the backup has it waiting"
    );
    let (_puller, _newest) = puller(&relay);
    let handed = relay.state().read(handed::open).expect("read");
    assert_eq!(handed.len(), 2);
    let pending = |c: &rusqlite::Connection| meta::get(c, meta::COMMANDS_PENDING);
    assert!(
        relay.state().read(pending).expect("read").is_some(),
        "chat.db may have rows of commands that the state does not know"
    );
    assert_eq!(sendable(&relay), []);
}
