//! Replays of concurrent calls. The kinds and numbers of their answers were recorded, but not the order.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::player::{Answered, Player};
use crate::scenario::{Exchange, PARALLEL_REFRESHES};

const REQUESTS_PER_ROUND: usize = 20;
/// The phone number of the round whose requests ask for the newer error shape.
const NEWER_SHAPE_PHONE: &str = "+15550100117";
/// Number of simultaneous refreshes, as [`PARALLEL_REFRESHES`] says.
const REFRESHES: usize = 10;
/// Phone numbers of the recording's five rounds, and of one more round.
const ROUND_PHONES: [&str; 6] = [
    "+15550100112",
    "+15550100113",
    "+15550100114",
    "+15550100115",
    "+15550100116",
    NEWER_SHAPE_PHONE,
];

/// Rounds of simultaneous requests to create a user. One succeeds, the others fail at the check or at
/// the database's constraint; each kind of answer has to occur and is compared with the recorded one. Returns the
/// number of recorded exchanges that were compared.
pub(crate) async fn creation_race(player: &mut Player) -> Result<usize, String> {
    let exchanges = player.scenario.exchanges.clone();
    let mut compared = vec![false; exchanges.len()];
    for phone in ROUND_PHONES {
        let has_newer_shape = phone == NEWER_SHAPE_PHONE;
        let sample = exchanges
            .iter()
            .find(|exchange| exchange.name.ends_with("v2024") == has_newer_shape)
            .unwrap();
        let original = sample.sent_text("phone").unwrap();
        let changes = [(original, phone)];
        let answers = send_at_once(player, sample, &changes, REQUESTS_PER_ROUND).await;
        let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
        for answered in &answers {
            let code = &answered.body[if answered.body.get("error_code").is_some() {
                "error_code"
            } else {
                "code"
            }];
            let outcome = format!("{} {}", answered.status, code.as_str().unwrap_or_default());
            *outcomes.entry(outcome).or_default() += 1;
        }
        let constraint = if has_newer_shape {
            "500 unexpected_failure"
        } else {
            "500 23505"
        };
        let expected_outcomes = ["200 ", constraint, "422 phone_exists"];
        if outcomes
            .keys()
            .any(|outcome| !expected_outcomes.contains(&outcome.as_str()))
            || outcomes.get("200 ") != Some(&1)
            || outcomes.len() != expected_outcomes.len()
        {
            return Err(format!("{phone}: outcomes {outcomes:?}"));
        }
        for (at, exchange) in exchanges.iter().enumerate() {
            if exchange.sent_text("phone") != Some(phone) {
                continue;
            }
            let answered = answers
                .iter()
                .find(|answered| answered.status == exchange.response.status);
            player.compare(exchange, answered.unwrap())?;
            compared[at] = true;
        }
        if player.stand_in.people_by_phone(phone).len() != 1 {
            return Err(format!("{phone} is there more than once"));
        }
    }
    let compared = compared.iter().filter(|done| **done).count();
    Ok(compared)
}

/// Repeats a call until the rate limit refuses it, which has to happen at the recorded call. The clock moves by 80 ms
/// after each call, which a recorded call took, so that the bucket refills as it did there.
pub(crate) async fn rate_limit(player: &mut Player) -> Result<(), String> {
    let exchange = player.scenario.exchanges[0].clone();
    let first_refused = player.scenario.observed[0]["first 429 at call"]
        .as_u64()
        .unwrap();
    for call in 1..=first_refused {
        let answered = player.send(&exchange, &[]).await;
        if call == first_refused {
            return player.compare(&exchange, &answered);
        }
        if answered.status != 400 {
            return Err(format!("call {call} got {}", answered.status));
        }
        player.stand_in.clock().advance(Duration::from_millis(80));
    }
    Err("nothing was refused".to_owned())
}

/// Parallel refreshes with one token: all succeed and return the same new token, which works.
pub(crate) async fn parallel_refreshes(player: &mut Player) -> Result<(), String> {
    let exchanges = player.scenario.exchanges.clone();
    let refresh = exchanges
        .iter()
        .find(|exchange| exchange.name == "first refresh")
        .unwrap();
    let used = player.bindings.get("<refresh_token:1>").unwrap().clone();
    let current = player.bindings.get("<refresh_token:3>").unwrap().clone();
    let answers = send_at_once(player, refresh, &[(&used, &current)], REFRESHES).await;
    let mut outcomes: Vec<String> = Vec::new();
    for answered in &answers {
        let token = answered.body["refresh_token"].as_str().unwrap_or_default();
        outcomes.push(format!("{} {token}", answered.status));
    }
    outcomes.sort();
    outcomes.dedup();
    let recorded = &player.scenario.observed[0][PARALLEL_REFRESHES];
    let all_succeeded = recorded["statuses"]
        .as_array()
        .unwrap()
        .iter()
        .all(|status| *status == 200);
    let distinct = &recorded["distinct refresh tokens returned"];
    assert!(all_succeeded && *distinct == 1, "recorded: {recorded}");
    let [outcome] = outcomes.as_slice() else {
        return Err(format!("parallel refreshes returned {outcomes:?}"));
    };
    let token = outcome.strip_prefix("200 ").ok_or(outcome.clone())?;
    let after = player.send(refresh, &[(&used, token)]).await;
    let worked = after.status == 200 && after.body["refresh_token"] != token;
    worked
        .then_some(())
        .ok_or(format!("after parallel refreshes: {after:?}"))
}

/// Sends a request `times` times at once and returns the answers in the order of arrival.
async fn send_at_once(
    player: &Player,
    exchange: &Exchange,
    changes: &[(&str, &str)],
    times: usize,
) -> Vec<Answered> {
    let mut calls: Vec<_> = (0..times)
        .map(|_| Box::pin(player.send(exchange, changes)))
        .collect();
    let mut answers = Vec::new();
    std::future::poll_fn(|context| {
        calls.retain_mut(|call| match call.as_mut().poll(context) {
            std::task::Poll::Ready(answered) => {
                answers.push(answered);
                false
            }
            std::task::Poll::Pending => true,
        });
        if calls.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    answers
}
