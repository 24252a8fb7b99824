//! Every mode of the stand-in for `osascript`, mixed with sends that go well.
//!
//! Times are those of the stand-in, divided as the relay's are.

use messages_stand_in::osascript::{Committed, Mode, Queued};

use crate::stage::{OTHER_LINE, Stage};

/// So many sends go well between two that do not.
const GOOD_BETWEEN: usize = 5;
/// The queue is filled when it has fewer modes than this.
const FILLED_BELOW: usize = 20;

/// Puts the modes into the queue of the stand-in, a few at a time, because each call reads the whole queue.
pub(crate) struct Modes {
    /// What is mixed in, in turn.
    mixture: Vec<Queued>,
    next: usize,
}

impl Modes {
    /// Every mode in turn.
    pub(crate) fn mixed() -> Self {
        Self {
            mixture: all(),
            next: 0,
        }
    }

    /// Every mode in turn, and this one before each of them.
    pub(crate) fn mixed_with(mode: &Mode) -> Self {
        let pair = |other| [Queued::send(mode.clone()), other];
        Self {
            mixture: all().into_iter().flat_map(pair).collect(),
            next: 0,
        }
    }

    /// Fills the queue if it is nearly empty.
    pub(crate) fn fill(&mut self, stage: &Stage) -> anyhow::Result<()> {
        if stage.osascript.queued()?.len() >= FILLED_BELOW {
            return Ok(());
        }
        let mut batch = Vec::new();
        while batch.len() < FILLED_BELOW {
            batch.extend(std::iter::repeat_n(Queued::send(Mode::Ok), GOOD_BETWEEN));
            batch.push(self.mixture[self.next % self.mixture.len()].clone());
            self.next += 1;
        }
        Ok(stage.osascript.queue(batch)?)
    }
}

fn all() -> Vec<Queued> {
    let refused = |number| Mode::Error {
        number,
        handed_over: false,
    };
    let taken = |number| Mode::Error {
        number,
        handed_over: true,
    };
    let address = || OTHER_LINE.to_owned();
    let mut modes: Vec<Queued> = [
        Mode::Slow { after_ms: 1_240 },
        Mode::GhostRow,
        Mode::LateRow { after_ms: 50 },
        refused(-1743),
        Mode::NoRow,
        Mode::LateJoin { after_ms: 30 },
        taken(-1712),
        Mode::Undeliverable { error: 22 },
        Mode::LateFlip { after_ms: 30 },
        refused(-600),
        Mode::Hang { handed_over: true },
        refused(-1728),
        taken(-609),
        Mode::Downgraded,
        refused(-1712),
        Mode::Crash { handed_over: true },
        Mode::Echo { address: address() },
        refused(-609),
        Mode::MessagesCrash {
            after: Committed::Sent,
        },
        Mode::Crash { handed_over: false },
        refused(-1719),
        Mode::OtherLine { address: address() },
        Mode::Hang { handed_over: false },
        taken(1002),
        Mode::Flood { bytes: 1 << 20 },
        Mode::MessagesCrash {
            after: Committed::Row,
        },
        Mode::MessagesCrash {
            after: Committed::FromMe,
        },
        Mode::MessagesCrash {
            after: Committed::Join,
        },
    ]
    .into_iter()
    .map(Queued::send)
    .collect();
    // Look-ups that fail prove that nothing was sent.
    modes.push(Queued::look_up(refused(-600)));
    modes.push(Queued::look_up(refused(-1712)));
    modes
}
