//! Replies: how soon a reply reaches Messages, and what turns, held polls and the ledger cost.

mod database;
mod due_turns;
mod first_bubble;
mod handover;
mod held_polls;
mod ledger;
mod metrics;
mod pending;
mod rig;

use archety_harness::{Binaries, FASTER};

pub(crate) fn measure(binaries: &Binaries, postgres: Option<&str>) -> anyhow::Result<()> {
    let faster = binaries.clone().with_faster_relay()?;
    println!(
        "replies: the relay has {} lines, and the times of its send limits are divided by {FASTER}",
        rig::LINES
    );
    handover::measure(&faster, postgres)?;
    first_bubble::measure(&faster, postgres)?;
    pending::measure(&faster)?;
    due_turns::measure(binaries, postgres)?;
    held_polls::measure(binaries, postgres)?;
    ledger::measure(binaries)
}
