//! What became of an attempt, in logs and metrics too.

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// The job was done.
    Done,
    /// It failed and will be tried again.
    Postponed,
    /// It was given up.
    DeadLetter,
    /// It waits for an operator.
    SetAside,
    /// It was stopped to be done by another process; the attempt does not count.
    HandedBack,
    /// It became another process's meanwhile.
    Lost,
}

impl JobOutcome {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Postponed => "postponed",
            Self::DeadLetter => "buried",
            Self::SetAside => "set_aside",
            Self::HandedBack => "handed_back",
            Self::Lost => "lost",
        }
    }
}
