//! What ends a wait from another thread.
//!
//! Each signal is queued once until it is heard: a busy WAL makes thousands of events while the
//! reader works, and all of them say the same.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// The WAL was touched.
    File,
    /// [`Nudge::nudge`](super::Nudge::nudge) was called.
    Nudge,
}

#[derive(Debug)]
pub(super) struct Bell {
    sender: Sender<Signal>,
    file_rings: AtomicBool,
    nudge_rings: AtomicBool,
}

impl Bell {
    pub(super) fn new(sender: Sender<Signal>) -> Self {
        Self {
            sender,
            file_rings: AtomicBool::new(false),
            nudge_rings: AtomicBool::new(false),
        }
    }

    pub(super) fn ring(&self, signal: Signal) {
        if !self.rings(signal).swap(true, Ordering::AcqRel) {
            // Sending fails only once the watcher is dropped, and then no wait is left to end.
            let _ = self.sender.send(signal);
        }
    }

    /// To be called before acting on a signal, so that one that comes meanwhile is queued again.
    pub(super) fn heard(&self, signal: Signal) {
        self.rings(signal).store(false, Ordering::Release);
    }

    fn rings(&self, signal: Signal) -> &AtomicBool {
        match signal {
            Signal::File => &self.file_rings,
            Signal::Nudge => &self.nudge_rings,
        }
    }
}
