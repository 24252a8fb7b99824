//! Signals that interrupt the watcher's wait from another thread.
//!
//! A signal that is queued already is not queued again: a busy WAL makes thousands of events while the
//! relay reads rows, and one of them is enough to start another read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

/// Why the watcher's wait is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// The WAL was written, replaced or deleted.
    File,
    /// [`WakeHandle::wake`](super::WakeHandle::wake) was called.
    WakeRequest,
}

/// The sending end of the watcher's channel.
#[derive(Debug)]
pub(super) struct SignalQueue {
    sender: Sender<Signal>,
    file_is_queued: AtomicBool,
    wake_request_is_queued: AtomicBool,
}

impl SignalQueue {
    pub(super) fn new(sender: Sender<Signal>) -> Self {
        Self {
            sender,
            file_is_queued: AtomicBool::new(false),
            wake_request_is_queued: AtomicBool::new(false),
        }
    }

    /// Queues a signal, unless the same signal is queued already.
    pub(super) fn send(&self, signal: Signal) {
        if !self.queued_flag(signal).swap(true, Ordering::AcqRel) {
            // Sending fails only once the watcher is dropped, and then there is no wait to interrupt.
            let _ = self.sender.send(signal);
        }
    }

    /// Records that a signal was received. Call this before acting on the signal, so that a second signal
    /// that arrives meanwhile is queued.
    pub(super) fn mark_received(&self, signal: Signal) {
        self.queued_flag(signal).store(false, Ordering::Release);
    }

    fn queued_flag(&self, signal: Signal) -> &AtomicBool {
        match signal {
            Signal::File => &self.file_is_queued,
            Signal::WakeRequest => &self.wake_request_is_queued,
        }
    }
}
