//! A line is answered by one relay, the first that brings it.

use archety_backend::store::replies::LineMove;
use rstest::rstest;
use serde_json::{Value, json};
use shared_protocol::{Address, RelayName};

use super::support::mini;
use crate::support::{Engine, Postgres, Sqlite, TestApp};

const NUMBER: &str = "+15550100100";
const MAIL: &str = "me@example.com";
const WORK: &str = "work@example.com";

fn pull_with(lines: &[(&str, &[&str])]) -> Value {
    let lines = lines
        .iter()
        .map(|(name, addresses)| json!({ "name": name, "addresses": addresses }));
    json!({ "instance_id": "one", "status": { "lines": lines.collect::<Value>() } })
}

/// Each address with the relay that answers it.
async fn owners(app: &TestApp) -> Vec<(String, String)> {
    let owners = app.store.line_owners().await.expect("rows");
    let mut rows: Vec<_> = owners
        .into_iter()
        .map(|row| (row.address, row.relay))
        .collect();
    rows.sort();
    rows
}

fn rows(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let row = |(address, relay): &(&str, &str)| ((*address).to_owned(), (*relay).to_owned());
    expected.iter().map(row).collect()
}

#[rstest]
#[tokio::test]
async fn the_first_relay_answers_a_line_also_under_its_other_addresses(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let first = pull_with(&[(NUMBER, &[MAIL])]);
    assert_eq!(app.mini().pull("pull_1", &first).await.status, 200);
    // The other Mac names the line by an address that both have, and has one more, and a line of its own.
    let second = pull_with(&[(MAIL, &[NUMBER, "+15550100200"]), (WORK, &[])]);
    assert_eq!(app.relay().pull("pull_2", &second).await.status, 200);
    let expected = rows(&[
        (NUMBER, "mini"),
        ("+15550100200", "mini"),
        (MAIL, "mini"),
        (WORK, "default"),
    ]);
    assert_eq!(owners(&app).await, expected, "{}", app.kind);
    let gauge = "relay_lines_answered_elsewhere{relay=\"default\"} 1";
    let metrics = app.metrics().await;
    assert!(metrics.contains(gauge), "{metrics}");
    assert_eq!(app.mini().pull("pull_3", &first).await.status, 200);
    assert_eq!(owners(&app).await, expected, "a heartbeat changes nothing");
}

/// Each Mac knows an address that the other does not, and the one that both have comes last.
#[rstest]
#[tokio::test]
async fn lines_that_share_an_address_are_answered_by_the_relay_that_was_first(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let (mini, default) = (app.mini(), app.relay());
    let of_mini = pull_with(&[(WORK, &[])]);
    assert_eq!(mini.pull("pull_1", &of_mini).await.status, 200);
    app.clock.advance(std::time::Duration::from_secs(1));
    let of_default = pull_with(&[(NUMBER, &[MAIL])]);
    assert_eq!(default.pull("pull_2", &of_default).await.status, 200);
    let apart = rows(&[(NUMBER, "default"), (MAIL, "default"), (WORK, "mini")]);
    assert_eq!(owners(&app).await, apart, "{}", app.kind);
    let of_mini = pull_with(&[(WORK, &[MAIL])]);
    assert_eq!(mini.pull("pull_3", &of_mini).await.status, 200);
    let joined = rows(&[(NUMBER, "mini"), (MAIL, "mini"), (WORK, "mini")]);
    assert_eq!(owners(&app).await, joined);
    assert_eq!(default.pull("pull_4", &of_default).await.status, 200);
    assert_eq!(owners(&app).await, joined);
    let metrics = app.metrics().await;
    for (relay, lines) in [("default", 1), ("mini", 0)] {
        let gauge = format!("relay_lines_answered_elsewhere{{relay=\"{relay}\"}} {lines}");
        assert!(metrics.contains(&gauge), "{metrics}");
    }
    let address = Address::parse(NUMBER).expect("an address");
    let relay = RelayName::default();
    let moved = app.store.move_line(&address, &relay, app.clock.now()).await;
    let all = [NUMBER, MAIL, WORK].map(str::to_owned).to_vec();
    assert_eq!(moved.expect("moved"), LineMove::Moved(all));
}

#[rstest]
#[tokio::test]
async fn a_line_moves_with_all_its_addresses(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    let lines = pull_with(&[(NUMBER, &[MAIL]), (WORK, &[])]);
    assert_eq!(app.mini().pull("pull_1", &lines).await.status, 200);
    let move_line = async |address: &str, relay: &str| {
        let address = Address::parse(address).expect("an address");
        let relay = RelayName::parse(relay).expect("a name");
        let moved = app.store.move_line(&address, &relay, app.clock.now()).await;
        moved.expect("moved")
    };
    assert_eq!(move_line(MAIL, "default").await, LineMove::NoSuchRelay);
    assert_eq!(
        app.relay().pull("pull_2", &pull_with(&[])).await.status,
        200
    );
    assert_eq!(
        move_line("+15550100300", "default").await,
        LineMove::NoSuchLine
    );
    let moved = LineMove::Moved(vec![NUMBER.to_owned(), MAIL.to_owned()]);
    assert_eq!(move_line(MAIL, "default").await, moved);
    let expected = rows(&[(NUMBER, "default"), (MAIL, "default"), (WORK, "mini")]);
    assert_eq!(owners(&app).await, expected);
    assert_eq!(app.mini().pull("pull_3", &lines).await.status, 200);
    assert_eq!(
        owners(&app).await,
        expected,
        "the former relay takes nothing back"
    );
}

#[rstest]
#[tokio::test]
async fn of_two_relays_that_bring_a_line_at_once_one_answers_it(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    use archety_backend::store::LineAddress;
    let app = TestApp::new(engine).await;
    let line = |address: &str| LineAddress {
        address: address.to_owned(),
        line: NUMBER.to_owned(),
    };
    let addresses = [line(NUMBER), line(MAIL)].into();
    let (one, two) = (mini(), RelayName::default());
    let now = app.clock.now();
    let (a, b) = tokio::join!(
        app.store.claim_lines(&one, &addresses, now),
        app.store.claim_lines(&two, &addresses, now),
    );
    let of_others = [a, b].map(|claim| claim.expect("claimed").of_others.len());
    assert_eq!(of_others.iter().sum::<usize>(), 1, "{of_others:?}");
    let owners: std::collections::BTreeSet<_> = owners(&app)
        .await
        .into_iter()
        .map(|(_, relay)| relay)
        .collect();
    assert_eq!(owners.len(), 1, "{owners:?}");
}
