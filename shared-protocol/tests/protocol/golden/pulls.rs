//! The relay's poll for commands, its answer, and bodies of the first release.

use shared_protocol::{
    Ack, AckState, After, Answer, Bubble, Cancel, Command, CommandBody, Forget, LeaseChange, Line,
    MessageTime, NewestMessage, Priority, PullAnswer, PullRequest, QuietHours, RelayStatus,
    ResendSince, SendMessage, SendingStatus,
};

use super::assert_golden;

const COMMAND: &str = "cmd_738d360a60c53a5363ff67ca839fb587";

#[test]
fn the_json_of_polls_is_stable() {
    assert_golden(
        "pull_request",
        &PullRequest {
            instance_id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
            wait_seconds: 25,
            after_seq: 41,
            after: Some(After {
                seq: 41,
                id: COMMAND.to_owned(),
            }),
            rehearsal: false,
            lease: None,
            acks: vec![
                Ack {
                    id: COMMAND.to_owned(),
                    bubble: 0,
                    state: AckState::Delivered,
                    code: None,
                    at: 1_700_000_000,
                    message_guid: Some("0A0A0A0A-0000-4000-8000-000000000002".to_owned()),
                },
                Ack {
                    id: COMMAND.to_owned(),
                    bubble: 1,
                    state: AckState::Failed,
                    code: Some("automation_denied".to_owned()),
                    at: 1_700_000_001,
                    message_guid: None,
                },
            ],
            status: RelayStatus {
                version: "0.1.0".to_owned(),
                environment: Some("production".to_owned()),
                last_good_scan_at: Some(1_700_000_000),
                outbox_depth: 3,
                parked: 1,
                waiting: 2,
                quarantined: 0,
                lines: vec![Line {
                    name: "+15550100000".to_owned(),
                    addresses: vec!["+15550100000".to_owned(), "sage@example.com".to_owned()],
                }],
                doctor_codes: vec!["automation_denied".to_owned()],
                sending: Some(SendingStatus {
                    paused: true,
                    queued: 1,
                    open: 2,
                    held: 3,
                    unknown: 4,
                    limited: 5,
                    stopped_until: Some(1_700_000_900),
                }),
                free_disk_bytes: Some(50_000_000_000),
                clock: 1_700_000_001,
            },
        },
    );
    assert_golden(
        "pull_request_of_a_rehearsal",
        &PullRequest {
            instance_id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
            wait_seconds: 0,
            after_seq: 0,
            after: None,
            rehearsal: true,
            lease: None,
            acks: vec![],
            status: RelayStatus::default(),
        },
    );
    assert_golden(
        "pull_request_that_gives_the_name_up",
        &PullRequest {
            instance_id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
            wait_seconds: 0,
            after_seq: 0,
            after: None,
            rehearsal: false,
            lease: Some(LeaseChange::Release),
            acks: vec![],
            status: RelayStatus::default(),
        },
    );
}

#[test]
fn the_json_of_the_answers_to_polls_is_stable() {
    assert_golden(
        "pull_answer_with_a_lease",
        &lease_answer(LeaseChange::TakeOver),
    );
    assert_golden(
        "pull_answer",
        &PullAnswer {
            commands: commands(),
            more: true,
            lease: None,
            reads_acks: true,
            server_time: 1_700_000_002,
            version: "0.1.0".to_owned(),
            environment: "production".to_owned(),
            newest_message: Some(NewestMessage {
                message_guid: "0A0A0A0A-0000-4000-8000-000000000001".to_owned(),
                timestamp: MessageTime::from_micros(1_699_123_456_500_000),
            }),
        },
    );
}

/// The answer to a pull that has changed the lease.
fn lease_answer(change: LeaseChange) -> PullAnswer {
    PullAnswer {
        commands: vec![],
        more: false,
        lease: Some(change),
        reads_acks: true,
        server_time: 1_700_000_002,
        version: "0.1.0".to_owned(),
        environment: "production".to_owned(),
        newest_message: None,
    }
}

#[test]
fn the_changes_of_a_lease_have_stable_names() {
    let changes = [
        (LeaseChange::Release, "release"),
        (LeaseChange::Take, "take"),
        (LeaseChange::TakeOver, "take_over"),
    ];
    for (change, name) in changes {
        assert_eq!(serde_json::to_value(change).expect("plain"), name);
    }
}

/// One command of each kind.
fn commands() -> Vec<Command> {
    let send = SendMessage {
        chat_guid: "iMessage;-;+15550100001".to_owned(),
        aliases: vec!["any;-;+15550100001".to_owned()],
        anchor_guid: Some("0A0A0A0A-0000-4000-8000-000000000001".to_owned()),
        line: Some("+15550100000".to_owned()),
        service: Some("iMessage".to_owned()),
        bubbles: [("Hi!", 0), ("How are you? 👋", 1_500)]
            .map(|(text, pause_ms)| Bubble {
                text: text.to_owned(),
                pause_ms,
            })
            .to_vec(),
        priority: Priority::Reply,
        not_before: Some(1_700_000_000),
        not_after: 1_700_021_600,
        quiet: Some(QuietHours {
            from: 1_700_001_000,
            to: 1_700_037_000,
        }),
        handed: true,
    };
    let bodies = [
        CommandBody::SendMessage(send),
        CommandBody::Cancel(Cancel {
            ids: vec![COMMAND.to_owned()],
            chat_guid: Some("iMessage;-;+15550100001".to_owned()),
        }),
        CommandBody::Ping,
        CommandBody::ResendSince(ResendSince {
            since: 1_699_999_000,
        }),
        CommandBody::Forget(Forget {
            chat_guids: vec!["iMessage;-;+15550100001".to_owned()],
            message_guids: vec!["0A0A0A0A-0000-4000-8000-000000000001".to_owned()],
        }),
    ];
    (42..)
        .zip(&bodies)
        .map(|(seq, body)| Command::new(seq, COMMAND, body))
        .collect()
}

#[test]
fn bodies_of_the_first_release_are_read() {
    let pull = r#"{"instance_id":"a","wait_seconds":25,"after_seq":0,"status":{"version":"0.1.0",
        "environment":null,"last_good_scan_at":null,"outbox_depth":0,"parked":0,"waiting":0,
        "quarantined":0,"doctor_codes":[],"free_disk_bytes":null,"clock":1}}"#;
    let pull: PullRequest = serde_json::from_str(pull).expect("a pull of the first release");
    assert_eq!(
        (pull.after, pull.lease, pull.status.sending),
        (None, None, None)
    );
    let answer = r#"{"commands":[],"server_time":1,"version":"0.1.0","environment":"production"}"#;
    let answer: PullAnswer = serde_json::from_str(answer).expect("an answer of the first release");
    assert_eq!(
        (answer.more, answer.lease, answer.reads_acks),
        (false, None, false)
    );
    let answer = r#"{"status":"accepted","message_id":"m","should_respond":false,"version":"0.1.0",
        "environment":"production"}"#;
    let answer: Answer = serde_json::from_str(answer).expect("an answer of the first release");
    assert!(!answer.cancel_replies);
}

/// What the first release reads of a command and of an answer with commands.
#[derive(serde::Deserialize)]
struct FirstPullAnswer {
    commands: Vec<FirstCommand>,
    server_time: i64,
    version: String,
    environment: String,
}

#[derive(serde::Deserialize)]
struct FirstCommand {
    seq: i64,
    kind: String,
    #[serde(flatten)]
    fields: serde_json::Map<String, serde_json::Value>,
}

#[test]
fn a_relay_of_the_first_release_reads_an_answer_with_commands() {
    let answer = PullAnswer {
        commands: commands(),
        more: true,
        lease: Some(LeaseChange::Take),
        reads_acks: true,
        server_time: 1,
        version: "0.2.0".to_owned(),
        environment: "production".to_owned(),
        newest_message: None,
    };
    let json = serde_json::to_string(&answer).expect("plain data");
    let read: FirstPullAnswer = serde_json::from_str(&json).expect("readable");
    assert_eq!((read.server_time, read.commands.len()), (1, 5));
    assert_eq!(
        (&*read.version, &*read.environment),
        ("0.2.0", "production")
    );
    assert_eq!(
        (read.commands[0].seq, &*read.commands[0].kind),
        (42, "send_message")
    );
    assert!(read.commands[0].fields.contains_key("bubbles"));
}

/// What the first release reads of a pull.
#[derive(serde::Deserialize)]
struct FirstPullRequest {
    instance_id: String,
    wait_seconds: u8,
    after_seq: i64,
}

/// It treats the pull as one that changes nothing, and its answer does not say that the lease was changed.
#[test]
fn a_backend_of_the_first_release_reads_a_pull_that_changes_the_lease() {
    let request = PullRequest {
        instance_id: "a".to_owned(),
        wait_seconds: 0,
        after_seq: 3,
        after: None,
        rehearsal: false,
        lease: Some(LeaseChange::Release),
        acks: vec![],
        status: RelayStatus::default(),
    };
    let json = serde_json::to_string(&request).expect("plain data");
    let read: FirstPullRequest = serde_json::from_str(&json).expect("readable");
    assert_eq!(
        (&*read.instance_id, read.wait_seconds, read.after_seq),
        ("a", 0, 3)
    );
}

#[test]
fn a_pull_requires_only_the_instance_id() {
    let request: PullRequest = serde_json::from_str(r#"{"instance_id":"a"}"#).expect("enough");
    assert_eq!((request.wait_seconds, request.after_seq), (0, 0));
    assert_eq!(request.status, RelayStatus::default());
}
