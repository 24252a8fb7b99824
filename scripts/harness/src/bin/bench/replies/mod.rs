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
use clap::ValueEnum;

/// A figure of replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReplyFigure {
    /// From the commit of a reply to `osascript`
    Handover,
    /// From a text in chat.db to the first bubble of its reply
    FirstBubble,
    /// How soon a relay that starts with a thousand pending bubbles sends
    Pending,
    /// The rate at which a thousand due turns are answered
    DueTurns,
    /// What fifty held polls cost the backend
    HeldPolls,
    /// What an idle relay with a ledger of 100,000 bubbles costs
    Ledger,
}

impl ReplyFigure {
    pub(crate) fn measure(self, binaries: &Binaries, postgres: Option<&str>) -> anyhow::Result<()> {
        match self {
            Self::Handover => handover::measure(&faster_relay(binaries)?, postgres),
            Self::FirstBubble => first_bubble::measure(&faster_relay(binaries)?, postgres),
            Self::Pending => pending::measure(&faster_relay(binaries)?),
            Self::DueTurns => due_turns::measure(binaries, postgres),
            Self::HeldPolls => held_polls::measure(binaries, postgres),
            Self::Ledger => ledger::measure(binaries),
        }
    }
}

/// The relay that sends within faster limits, and says so.
fn faster_relay(binaries: &Binaries) -> anyhow::Result<Binaries> {
    println!(
        "relay with {} lines, the times of its send limits divided by {FASTER}:",
        rig::LINES
    );
    binaries.clone().with_faster_relay()
}
