//! Replays requests that were recorded from the real server, and compares status, headers and body of
//! each answer. Each scenario runs twice: on the bare server, and under the hosted prefix.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod bindings;
mod concurrent;
mod player;
mod scenario;
mod settings;

use player::{Mount, Player};
use scenario::{Recordings, Scenario, Totals};

#[tokio::test]
async fn the_bare_server_answers_every_exchange_as_recorded() {
    replay(Recordings::load(), Mount::Bare).await;
}

#[tokio::test]
async fn the_hosted_prefix_answers_every_exchange_as_recorded() {
    replay(Recordings::load(), Mount::Hosted).await;
}

#[tokio::test]
async fn the_bare_server_answers_the_built_in_exchanges_as_recorded() {
    replay(Recordings::built_in(), Mount::Bare).await;
}

async fn replay(recordings: Recordings, mount: Mount) {
    let mut totals = Totals {
        scenarios: 0,
        exchanges: 0,
    };
    let mut problems = Vec::new();
    for scenario in recordings.scenarios {
        let name = scenario.name.clone();
        let (exchanges, mut found) = play(scenario, mount).await;
        totals.scenarios += 1;
        totals.exchanges += exchanges;
        problems.append(
            &mut found
                .iter_mut()
                .map(|problem| format!("{name}: {problem}"))
                .collect(),
        );
    }
    assert!(problems.is_empty(), "{mount:?}\n{}", problems.join("\n"));
    assert_eq!(totals, recordings.expected, "{mount:?}");
}

/// Replays a scenario. Returns the number of compared exchanges and the differences.
async fn play(scenario: Scenario, mount: Mount) -> (usize, Vec<String>) {
    let mut player = Player::start(scenario, mount).await;
    let name = player.scenario.name.clone();
    if name == "admin_create_race" {
        return match concurrent::creation_race(&mut player).await {
            Ok(compared) => (compared, Vec::new()),
            Err(problem) => (0, vec![problem]),
        };
    }
    let mut problems = Vec::new();
    let exchanges = player.scenario.exchanges.clone();
    for exchange in &exchanges {
        let outcome = if exchange.name == "token call" {
            concurrent::rate_limit(&mut player).await
        } else {
            player.play(exchange).await
        };
        problems.extend(
            outcome
                .err()
                .map(|problem| format!("{}: {problem}", exchange.name)),
        );
    }
    if player.scenario.has_parallel_refreshes() {
        let outcome = concurrent::parallel_refreshes(&mut player).await;
        problems.extend(outcome.err());
    }
    (exchanges.len(), problems)
}
