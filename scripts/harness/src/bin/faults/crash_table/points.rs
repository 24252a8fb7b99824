//! The durable steps at which a program is killed.

use messages_stand_in::osascript::{Committed, Mode};

/// The program that is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victim {
    Backend,
    Relay,
    /// `osascript`, or Messages behind it.
    StandIn,
    /// Backend and relay.
    Both,
}

/// How the program is killed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Death {
    /// It is killed at the crash point of this name, at these visits, each counted from its last start.
    AtPoint(&'static [u32]),
    /// Many sends end in this mode of the stand-in.
    ByMode(Mode),
    /// Backend and relay are killed in turn, at any time.
    AtAnyTime,
    /// Backend and relay are each killed at the first visit of each of their crash points.
    AtEachPointOnce,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) name: &'static str,
    /// What is durable at that time and what is not.
    pub(super) when: &'static str,
    pub(super) victim: Victim,
    pub(super) death: Death,
}

impl Point {
    /// The crash points of a program at which it is killed one after the other, each with the number of the visit.
    pub(super) fn kills(&self, of: Victim) -> Vec<(&'static str, u32)> {
        match &self.death {
            Death::AtPoint(visits) if self.victim == of => {
                visits.iter().map(|visit| (self.name, *visit)).collect()
            }
            Death::AtEachPointOnce => {
                let of_program = all()
                    .into_iter()
                    .filter(|point| point.victim == of && matches!(point.death, Death::AtPoint(_)));
                of_program.map(|point| (point.name, 1)).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Victim {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Relay => "relay",
            Self::StandIn => "stand-in",
            Self::Both => "both",
        }
    }
}

/// Visits of a point that is reached once for each message, turn or bubble.
const OFTEN: Death = Death::AtPoint(&[1, 7, 20]);
/// Visits of a point that is reached once for each poll or look at chat.db.
const RARELY: Death = Death::AtPoint(&[1, 3, 9]);

/// The row of a brief table.
pub(super) fn brief() -> Point {
    Point {
        name: "each_point_once",
        when: "backend and relay killed once at each of their points",
        victim: Victim::Both,
        death: Death::AtEachPointOnce,
    }
}

/// All rows, in the order of a message's way.
pub(super) fn all() -> Vec<Point> {
    let mut points = Vec::new();
    let mut of = |victim, rows: &[(&'static str, &'static str, Death)]| {
        points.extend(rows.iter().map(|(name, when, death)| Point {
            name,
            when,
            victim,
            death: death.clone(),
        }));
    };
    of(
        Victim::Backend,
        &[
            ("stored", "turn opened, message not answered", OFTEN),
            ("turn_taken", "turn taken", OFTEN),
            ("turn_answered", "responder has answered", OFTEN),
            ("before_turn_commit", "reply written, not committed", OFTEN),
            ("turn_committed", "reply committed", OFTEN),
            ("commands_handed", "command handed, not answered", RARELY),
            ("before_acks", "acks received", RARELY),
            ("acks_taken", "acks stored, not answered", RARELY),
        ],
    );
    of(
        Victim::Relay,
        &[
            ("commands_answered", "command received", RARELY),
            ("commands_taken", "command in the ledger", RARELY),
            ("before_dispatched", "before `dispatched`", OFTEN),
            ("dispatched", "after `dispatched`", OFTEN),
            ("script_started", "child started", OFTEN),
            ("script_ended", "child done", OFTEN),
            ("bubble_rows_read", "row read, not matched", RARELY),
            ("bubble_rows_committed", "row matched", RARELY),
            ("rows_committed", "row passed by", RARELY),
            ("acks_answered", "ack sent, not taken", RARELY),
            ("acks_taken", "ack taken", RARELY),
        ],
    );
    let stand_in = |mode| Death::ByMode(mode);
    let messages = |after| Death::ByMode(Mode::MessagesCrash { after });
    of(
        Victim::StandIn,
        &[
            (
                "osascript_before",
                "osascript killed, nothing handed over",
                stand_in(Mode::Crash { handed_over: false }),
            ),
            (
                "osascript_after",
                "osascript killed, text handed over",
                stand_in(Mode::Crash { handed_over: true }),
            ),
            (
                "osascript_hangs",
                "osascript killed by the time-out",
                stand_in(Mode::Hang { handed_over: true }),
            ),
            (
                "messages_row",
                "Messages killed after the row",
                messages(Committed::Row),
            ),
            (
                "messages_from_me",
                "Messages killed after is_from_me",
                messages(Committed::FromMe),
            ),
            (
                "messages_join",
                "Messages killed after the join",
                messages(Committed::Join),
            ),
            (
                "messages_sent",
                "Messages killed after is_sent",
                messages(Committed::Sent),
            ),
        ],
    );
    of(
        Victim::Both,
        &[(
            "any_time",
            "backend and relay killed in turn",
            Death::AtAnyTime,
        )],
    );
    points
}
