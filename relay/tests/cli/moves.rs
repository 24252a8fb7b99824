//! `move`: what it does without a relay that runs, and what it asks for.

use archety_relay::state::State;
use archety_relay::state::ledger::name_move::{self, MoveStep};

use super::*;
use crate::home::CONVERSATION;

fn step(home: &Home) -> MoveStep {
    let state = State::open_beside(&home.path("state")).expect("a state");
    state.read(name_move::load).expect("read").step
}

#[test]
fn a_name_is_given_up_only_by_a_relay_that_runs() {
    let home = Home::new();
    home.relay(&["move", "--out"]).expect_code(1);
    drop(home.state());
    let run = home.relay(&["move", "--out"]);
    run.expect_code(1);
    run.expect_err("start it with `archety-relay run`");
    assert_eq!(step(&home), MoveStep::Here);
}

#[test]
fn a_mac_without_a_state_takes_the_name_when_its_relay_starts() {
    let home = Home::new();
    let run = home.relay(&["move", "--in"]);
    run.expect_code(0);
    run.expect_err("when it starts: `archety-relay run`");
    assert_eq!(step(&home), MoveStep::Taking);
}

#[test]
fn a_name_is_taken_over_only_by_a_decision() {
    let home = Home::new();
    let run = home.relay(&["move", "--take"]);
    run.expect_code(1);
    run.expect_err("dead or out of reach");
    run.expect_err("add --yes");
    assert!(!home.path("state").exists());
    home.relay(&["move", "--take", "--yes"]).expect_code(0);
    assert_eq!(step(&home), MoveStep::TakingOver);
}

#[test]
fn a_move_has_one_direction_and_needs_a_lease() {
    let home = Home::new();
    home.relay(&["move"]).expect_code(2);
    home.relay(&["move", "--out", "--in"]).expect_code(2);
    home.relay(&["move", "--in", "--yes"]).expect_code(2);
    let run = home.relay(&["move", "--in", "--auth", "bearer"]);
    run.expect_code(1);
    run.expect_err("auth is bearer");
}

#[test]
fn a_move_that_waits_says_what_is_missing_and_goes_on_later() {
    let home = Home::with_chat_db(CONVERSATION);
    // No program listens at the backend's address.
    let running = home.start_run(&[]);
    let run = home.relay(&["move", "--out", "--wait", "1s"]);
    run.expect_code(1);
    run.expect_err("The relay passes no text on and gives the name up as soon as it can");
    drop(running);
    assert_ne!(step(&home), MoveStep::Here);
    let run = home.relay(&["move", "--in"]);
    run.expect_code(0);
    assert_eq!(step(&home), MoveStep::Taking);
}
