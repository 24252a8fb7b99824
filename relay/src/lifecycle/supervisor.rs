//! Supervises the loops of the relay, such as the sender and the pull.
//!
//! A relay without one of its loops must not look alive. If a loop ends or panics by itself, the other loops
//! are asked to stop, and the process ends with an error that names the loop. launchd then starts the relay
//! again, as after every exit code but 0.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// A loop ended though it was not asked to stop.
#[derive(Debug, thiserror::Error)]
pub enum LoopEnded {
    #[error("{0} ended by itself; the relay stops, to be started again")]
    Returned(&'static str),
    #[error("{0} panicked; the relay stops, to be started again")]
    Panicked(&'static str),
}

/// The running loops of the relay.
pub(super) struct Supervisor {
    stop: CancellationToken,
    loops: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Supervisor {
    /// Cancelling `stop` asks all loops to end.
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self {
            stop,
            loops: JoinSet::new(),
            names: HashMap::new(),
        }
    }

    /// Runs a loop that watches `stop` itself: it finishes its work after `stop` is cancelled, and returns.
    pub(super) fn run_to_end(
        &mut self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = self.loops.spawn(work);
        self.names.insert(task.id(), name);
    }

    /// Runs a loop that may be cut off at any `await`: its future is dropped when `stop` is cancelled.
    pub(super) fn run_until_cancelled(
        &mut self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let stop = self.stop.clone();
        self.run_to_end(name, async move {
            stop.run_until_cancelled(work).await;
        });
    }

    /// Runs a loop on a thread of its own. `ask_to_stop` is called when `stop` is cancelled, and must make the
    /// loop return.
    pub(super) fn run_on_thread(
        &mut self,
        name: &'static str,
        work: impl FnOnce() + Send + 'static,
        ask_to_stop: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let (alive, mut ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // Dropped at the end of the thread, also after a panic.
                let _alive = alive;
                work();
            })?;
        let stop = self.stop.clone();
        self.run_to_end(name, async move {
            if stop.run_until_cancelled(&mut ended).await.is_none() {
                ask_to_stop();
                let _ = ended.await;
            }
            // The thread is at its end, so this does not block the runtime for long.
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        });
        Ok(())
    }

    /// Waits until a loop ends by itself.
    pub(super) async fn watch(&mut self) -> LoopEnded {
        match self.loops.join_next_with_id().await {
            Some(ended) => self.name_ended(ended.map(|(id, ())| id)),
            None => std::future::pending().await,
        }
    }

    /// Asks every loop to stop and waits for them, `limit` at most.
    pub(super) async fn stop(mut self, limit: Duration) {
        self.stop.cancel();
        let all_ended = async {
            while let Some(ended) = self.loops.join_next_with_id().await {
                if let Err(error) = ended {
                    let error = self.name_ended(Err(error));
                    tracing::error!(%error, "a loop failed while the relay stops");
                }
            }
        };
        if tokio::time::timeout(limit, all_ended).await.is_err() {
            tracing::warn!(
                "not everything ended in time; what was under way is resumed at the next start"
            );
        }
    }

    /// The error that names the loop of a task that has ended.
    fn name_ended(&self, ended: Result<Id, JoinError>) -> LoopEnded {
        match ended {
            Ok(id) => LoopEnded::Returned(self.names[&id]),
            Err(error) => LoopEnded::Panicked(self.names[&error.id()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;

    use super::*;
    use crate::lifecycle::ExitCode;

    const LIMIT: Duration = Duration::from_secs(30);

    fn supervisor() -> Supervisor {
        Supervisor::new(CancellationToken::new())
    }

    #[tokio::test]
    async fn the_error_names_the_loop_and_its_exit_code_asks_for_another_start() {
        let mut loops = supervisor();
        loops.run_to_end("one", pending());
        loops.run_to_end("two", async {});
        loops.run_until_cancelled("three", pending());
        let ended = loops.watch().await;
        assert_eq!(
            ended.to_string(),
            "two ended by itself; the relay stops, to be started again"
        );
        assert_eq!(ExitCode::of(&ended.into()), ExitCode::Temporary);

        let mut loops = supervisor();
        loops.run_to_end("one", pending());
        loops.run_until_cancelled("two", async { panic!("a bug") });
        let ended = loops.watch().await;
        assert!(ended.to_string().starts_with("two panicked;"), "{ended}");
    }

    #[tokio::test]
    async fn a_panic_of_a_thread_is_noticed() {
        let mut loops = supervisor();
        let thread: fn() = || panic!("a bug");
        loops.run_to_end("one", pending());
        loops.run_on_thread("two", thread, || ()).expect("a thread");
        let ended = loops.watch().await;
        assert!(ended.to_string().starts_with("two panicked"), "{ended}");
    }

    #[tokio::test]
    async fn the_supervisor_waits_for_loops_that_it_has_asked_to_stop() {
        let stop = CancellationToken::new();
        let mut loops = Supervisor::new(stop.clone());
        let (stop_reader, reader_stopped) = channel::<()>();
        let [reader_done, sender_done] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (set_reader_done, set_sender_done) = (reader_done.clone(), sender_done.clone());
        loops.run_to_end("sender", async move {
            stop.cancelled().await;
            tokio::task::yield_now().await;
            set_sender_done.store(true, Ordering::Relaxed);
        });
        loops.run_until_cancelled("cleaner", pending());
        let work = move || {
            let _ = reader_stopped.recv();
            set_reader_done.store(true, Ordering::Relaxed);
        };
        loops
            .run_on_thread("reader", work, move || drop(stop_reader))
            .expect("a thread");
        loops.stop(LIMIT).await;
        assert!(reader_done.load(Ordering::Relaxed) && sender_done.load(Ordering::Relaxed));
    }

    #[tokio::test(start_paused = true)]
    async fn the_supervisor_waits_no_longer_than_the_limit() {
        let mut loops = supervisor();
        loops.run_to_end("never ends", pending());
        let began = tokio::time::Instant::now();
        loops.stop(LIMIT).await;
        assert_eq!(began.elapsed(), LIMIT);
    }
}
