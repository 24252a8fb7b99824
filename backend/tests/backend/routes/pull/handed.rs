//! A command that one installation may have sent is never sent by another.

use std::time::Duration;

use archety_backend::store::RelayMove;
use rstest::rstest;
use serde_json::json;
use shared_protocol::CommandBody;

use super::support::{
    carried, execute, first_pull, mini, pull, pull_after, pull_with_acks, rows, write, write_body,
};
use crate::support::{Engine, Postgres, Sqlite, TestApp, message};

/// Lets the lease of the installation that has it expire.
fn expire_lease(app: &TestApp) {
    app.clock.advance(Duration::from_secs(91));
}

#[rstest]
#[tokio::test]
async fn the_same_installation_gets_a_command_anew_until_it_has_stored_it(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    write(&app.store, "cmd_a", &["1"]).await;
    for n in ["1", "2"] {
        // The first answer is lost on its way.
        let answer = pull(&app.mini(), n, &first_pull("one")).await;
        assert_eq!(carried(&answer), rows(&[(1, "cmd_a", false)]), "{n}");
    }
    expire_lease(&app);
    // Another installation gets it to find out what became of it.
    let answer = pull(&app.mini(), "3", &first_pull("two")).await;
    assert_eq!(carried(&answer), rows(&[(1, "cmd_a", true)]));
    // That does not make it the command of the other installation.
    let answer = pull(&app.mini(), "4", &first_pull("two")).await;
    assert_eq!(carried(&answer), rows(&[(1, "cmd_a", true)]));
    // A command that was never handed over is fresh for the new installation.
    write(&app.store, "cmd_b", &["1"]).await;
    let answer = pull(&app.mini(), "5", &pull_after("two", (1, "cmd_a"))).await;
    assert_eq!(carried(&answer), rows(&[(2, "cmd_b", false)]));
    expire_lease(&app);
    let answer = pull(&app.mini(), "6", &first_pull("one")).await;
    assert_eq!(
        carried(&answer),
        rows(&[(1, "cmd_a", false), (2, "cmd_b", true)])
    );
}

/// The relay's state was restored from a backup: it has acked a command that it does not have.
#[rstest]
#[tokio::test]
async fn a_command_that_was_acked_is_not_fresh_for_the_same_installation(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    write(&app.store, "cmd_a", &["1", "2"]).await;
    write(&app.store, "cmd_b", &["1"]).await;
    pull(&app.mini(), "1", &first_pull("one")).await;
    let answer = pull(
        &app.mini(),
        "2",
        &pull_with_acks(&[("cmd_a", 0, "dispatched")]),
    )
    .await;
    assert_eq!(
        carried(&answer),
        rows(&[(1, "cmd_a", true), (2, "cmd_b", false)])
    );
}

#[rstest]
#[tokio::test]
async fn only_texts_say_that_they_may_have_been_sent(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    assert!(write_body(&app.store, "cmd_a", &CommandBody::Ping).await);
    pull(&app.mini(), "1", &first_pull("one")).await;
    expire_lease(&app);
    let answer = pull(&app.mini(), "2", &first_pull("two")).await;
    assert_eq!(answer["commands"][0]["kind"], "ping");
    assert_eq!(answer["commands"][0].get("handed"), None);
}

#[rstest]
#[tokio::test]
async fn an_installation_without_the_lease_gets_no_command(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    use archety_backend::store::replies::Handing;
    let app = TestApp::new(engine).await;
    write(&app.store, "cmd_a", &["1"]).await;
    pull(&app.mini(), "1", &first_pull("one")).await;
    // The pull of an installation may be held while another one takes the lease.
    let handing = app
        .store
        .hand_commands(&mini(), "two", 0, 100, 1_000_000)
        .await;
    assert_eq!(handing.expect("read"), Handing::Elsewhere);
    let none = app
        .store
        .hand_commands(&mini(), "two", 1, 100, 1_000_000)
        .await;
    assert_eq!(none.expect("read"), Handing::Commands(Vec::new()));
}

#[rstest]
#[tokio::test]
async fn a_relay_that_was_moved_stays_away_from_its_former_mac(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let status = async |n: &str, instance: &str| {
        let (id, body) = (format!("pull_{n}"), first_pull(instance));
        app.mini().pull(&id, &body).await.status.as_u16()
    };
    let move_relay = async || app.store.move_relay(&mini()).await.expect("moved");
    assert_eq!(move_relay().await, RelayMove::NoSuchRelay);
    assert_eq!(status("1", "old").await, 200);
    assert_eq!(move_relay().await, RelayMove::Released);
    assert_eq!(status("2", "old").await, 409, "before the other one comes");
    assert_eq!(
        status("3", "new").await,
        200,
        "without waiting for the lease to expire"
    );
    assert_eq!(status("4", "old").await, 409);
    expire_lease(&app);
    assert_eq!(
        status("5", "old").await,
        409,
        "after the other one has gone"
    );
    assert_eq!(status("6", "new").await, 200);
    assert_eq!(move_relay().await, RelayMove::Released);
    assert_eq!(status("7", "new").await, 409);
    assert_eq!(move_relay().await, RelayMove::OpenToAll);
    assert_eq!(status("8", "new").await, 200, "nothing came of the move");
}

/// A relay that has lost its state takes the rows of what it has sent for texts that the owner has typed.
#[rstest]
#[tokio::test]
async fn the_row_of_a_bubble_is_no_text_of_the_owner(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    let relay = app.mini();
    relay.post("msg_1", &message("Hi")).await;
    write(&app.store, "cmd_a", &["You said: Hi"]).await;
    execute(
        &app.base,
        "update command_bubbles set message_guid = 'row', message_id = (select id from messages)",
    )
    .await;
    let mut own = message("You said: Hi");
    own["from_owner"] = json!(true);
    for (guid, status, cancels) in [("row", "duplicate", false), ("another", "accepted", true)] {
        own["message_guid"] = json!(guid);
        let answer = relay.post(&format!("msg_{guid}"), &own).await.json();
        assert_eq!(answer["status"], status, "{guid}");
        let is_cancelling = answer.get("cancel_replies") == Some(&json!(true));
        assert_eq!(is_cancelling, cancels, "{guid}");
    }
    assert_eq!(app.base.number("select count(*) from messages").await, 2);
}
