//! Commands of a wrong form spoil neither the others of their answer nor the next poll.

use archety_relay::state::ledger::BubbleState;
use serde_json::{Value, json};

use crate::commands::{acks_of, reply};
use crate::pulls::puller;
use crate::*;

#[tokio::test]
async fn a_command_with_a_field_of_a_wrong_type_is_refused_and_the_others_are_taken() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    let commands = [
        json!({"id": "cmd_no_seq", "kind": "ping"}),
        json!({"seq": 2, "id": "cmd_no_kind"}),
        json!({"seq": "3", "id": "cmd_text_seq", "kind": "ping"}),
        json!({"seq": 3.5, "id": "cmd_half_seq", "kind": "ping"}),
        json!({"seq": 4, "id": "cmd_list_kind", "kind": ["ping"]}),
        json!({"seq": 5, "id": "cmd_null_kind", "kind": null}),
        reply(6, "cmd_good", &["Hi"]),
    ];
    relay.poll(&mut puller, &commands).await;
    assert_eq!(relay.states(), [BubbleState::Queued]);
    let pull = relay.poll(&mut puller, &[]).await;
    let mut expected: Vec<Value> = [
        "no_seq",
        "no_kind",
        "text_seq",
        "half_seq",
        "list_kind",
        "null_kind",
    ]
    .map(|name| json!([format!("cmd_{name}"), 0, "failed", "invalid"]))
    .to_vec();
    expected.push(json!(["cmd_good", 0, "received", null]));
    assert_eq!(acks_of(&pull), expected);
    assert_eq!(pull["after"], json!({"seq": 6, "id": "cmd_good"}));
    assert_eq!(pull["status"]["doctor_codes"], json!([]));
}

/// No ack can name it. The heartbeat says that there was one.
#[tokio::test]
async fn a_command_without_an_id_is_reported_and_the_others_are_taken() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    for nameless in [
        json!(null),
        json!(["ping"]),
        json!({"seq": 1, "kind": "ping"}),
        json!({"seq": 1, "id": 7, "kind": "ping"}),
        json!({"seq": 1, "id": "line\nbreak", "kind": "ping"}),
    ] {
        let commands = [
            nameless.clone(),
            json!({"seq": 2, "id": "cmd_a", "kind": "ping"}),
        ];
        relay.poll(&mut puller, &commands).await;
        let pull = relay.poll(&mut puller, &[]).await;
        assert_eq!(
            acks_of(&pull),
            [json!(["cmd_a", 0, "delivered", null])],
            "{nameless}"
        );
        assert_eq!(pull["after"], json!({"seq": 2, "id": "cmd_a"}));
        assert_eq!(pull["status"]["doctor_codes"], json!(["nameless_command"]));
        let pull = relay.poll(&mut puller, &[]).await;
        assert_eq!(pull["status"]["doctor_codes"], json!([]));
    }
}

/// The backend refuses a pull that names such a position, and with it the lease of the relay would end.
#[tokio::test]
async fn the_position_never_has_a_number_or_an_id_that_the_backend_refuses() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    let commands = [
        json!({"seq": 1, "id": "cmd_a", "kind": "ping"}),
        json!({"seq": i64::MAX, "id": "cmd_b", "kind": "ping"}),
        json!({"seq": -5, "id": "cmd_c", "kind": "ping"}),
    ];
    relay.poll(&mut puller, &commands).await;
    let pull = relay.poll(&mut puller, &[]).await;
    assert_eq!(pull["after"], json!({"seq": 1, "id": "cmd_a"}));
    let refused = |id: &str| json!([id, 0, "failed", "invalid"]);
    let expected = [
        json!(["cmd_a", 0, "delivered", null]),
        refused("cmd_b"),
        refused("cmd_c"),
    ];
    assert_eq!(acks_of(&pull), expected);
    relay
        .poll(
            &mut puller,
            &[json!({"seq": 2, "id": "line\nbreak", "kind": "ping"})],
        )
        .await;
    let pull = relay.poll(&mut puller, &[]).await;
    assert_eq!(pull["after"], json!({"seq": 2, "id": ""}));
}
