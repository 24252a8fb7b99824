//! A message that two relays bring in is answered by one of them.

use archety_backend::store::LineAddress;
use rstest::rstest;
use shared_protocol::RelayName;

use super::support::{Replica, Scripted, at, outcomes, store, text, texts, unanswered_count};
use crate::store::message_builder::on_line;
use crate::support::{Engine, Postgres, Sqlite, TestStore};

const NUMBER: &str = "+15550100100";
const MAIL: &str = "me@example.com";
const WORK: &str = "work@example.com";

/// Two Macs with one account. The second knew another address of it first, and has learnt the shared one since.
#[rstest]
#[tokio::test]
async fn a_message_on_lines_that_share_an_address_gets_one_reply(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let replica = Replica::new(&base.store, Scripted::echo());
    let (default, mini) = (
        RelayName::default(),
        RelayName::parse("mini").expect("a name"),
    );
    let heartbeats = [
        (0, &mini, WORK, [WORK].as_slice()),
        (1, &default, NUMBER, &[NUMBER, MAIL]),
        (2, &mini, WORK, &[WORK, MAIL]),
        (3, &default, NUMBER, &[NUMBER, MAIL]),
    ];
    for (secs, relay, line, addresses) in heartbeats {
        let line = |address: &&str| LineAddress {
            address: (*address).to_owned(),
            line: line.to_owned(),
        };
        let lines = addresses.iter().map(line).collect();
        base.store.set_lines(relay, &lines).await.expect("a store");
        let claim = base.store.claim_lines(relay, &lines, at(secs)).await;
        claim.expect("a store");
    }
    for (n, relay) in [default, mini].into_iter().enumerate() {
        let mut message = on_line(text(&format!("msg_{n}"), "hi", 10), MAIL);
        message.relay = relay;
        store(&base.store, message).await;
    }
    assert_eq!(replica.run_all(at(12)).await, 2);
    assert_eq!(outcomes(&base).await, ["replied"], "{}", base.kind);
    let relays = texts(&base, "select relay from commands").await;
    assert_eq!(relays, ["mini"], "the relay that was first");
    assert_eq!(unanswered_count(&base).await, 0);
}
