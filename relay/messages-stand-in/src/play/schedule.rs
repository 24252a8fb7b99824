//! What is still to be done, by time; what is due at the same time keeps its order.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::script::{Label, MessageStep, Step};
use crate::{Attachment, Body, Script};

#[derive(Debug)]
pub(super) enum Task {
    Step(Box<Step>),
    Late { message: Label, late: Late },
}

/// The second half of a message.
#[derive(Debug)]
pub(super) enum Late {
    Join(Vec<String>),
    Body(Body),
    Sender(i64),
    FromMe,
    Attachments(Vec<Attachment>),
    Finish(Vec<Attachment>),
    Preview(Box<MessageStep>),
}

#[derive(Debug, Default)]
pub(super) struct Schedule {
    tasks: BTreeMap<(u64, usize), Task>,
    added: usize,
}

impl Schedule {
    pub(super) fn of(script: &Script) -> Self {
        let mut schedule = Self::default();
        let mut due = 0;
        for timed in &script.steps {
            due += timed.after_ms;
            schedule.add(due, Task::Step(Box::new(timed.step.clone())));
        }
        schedule
    }

    pub(super) fn add(&mut self, due_ms: u64, task: Task) {
        self.tasks.insert((due_ms, self.added), task);
        self.added += 1;
    }

    pub(super) fn due(&self) -> Option<Duration> {
        let (due_ms, _) = self.tasks.first_key_value()?.0;
        Some(Duration::from_millis(*due_ms))
    }

    pub(super) fn take(&mut self) -> Option<(u64, Task)> {
        let ((due_ms, _), task) = self.tasks.pop_first()?;
        Some((due_ms, task))
    }
}
