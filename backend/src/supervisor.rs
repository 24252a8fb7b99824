//! Supervision of the background tasks of a process.
//!
//! Each task should run until the process shuts down. If a task ends or panics earlier, the supervisor drains the
//! process and reports an error, so that the service manager starts the process again.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use tokio::task::{Id, JoinSet};

use crate::lifecycle::Lifecycle;

/// A task ended before the shutdown, or panicked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task `{task}` {how}; the process went down to be started again")]
pub struct TaskEnded {
    pub task: &'static str,
    /// `ended` or `panicked`.
    pub how: &'static str,
}

pub struct Supervisor {
    lifecycle: Lifecycle,
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Supervisor {
    pub fn new(lifecycle: Lifecycle) -> Self {
        Self {
            lifecycle,
            tasks: JoinSet::new(),
            names: HashMap::new(),
        }
    }

    /// Starts a task that ends by itself when draining starts.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let handle = self.tasks.spawn(task);
        self.names.insert(handle.id(), name);
    }

    /// Starts a task that is dropped when draining starts, at whichever await point it waits.
    pub fn spawn_until_draining(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let lifecycle = self.lifecycle.clone();
        self.spawn(name, async move {
            tokio::select! {
                () = task => {}
                () = lifecycle.draining() => {}
            }
        });
    }

    /// Waits until every task has ended, and returns the first that ended by itself. Tasks that still run `grace` after
    /// draining started are dropped.
    pub async fn watch(mut self, grace: Duration) -> Result<(), TaskEnded> {
        let lifecycle = self.lifecycle.clone();
        let mut deadline = pin!(async {
            lifecycle.draining().await;
            tokio::time::sleep(grace).await;
        });
        let mut first_failure = Ok(());
        loop {
            let ended = tokio::select! {
                ended = self.tasks.join_next_with_id() => ended,
                () = &mut deadline => {
                    let late: Vec<_> = self.names.values().copied().collect();
                    tracing::warn!(tasks = late.join(", "), "cut off while going down");
                    return first_failure;
                }
            };
            let Some(ended) = ended else {
                return first_failure;
            };
            let is_panic = ended.is_err();
            let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
            let how = if is_panic { "panicked" } else { "ended" };
            let task = self.names.remove(&id).unwrap_or("unknown");
            if is_panic || !lifecycle.is_draining() {
                tracing::error!(task, "a task {how} by itself; going down");
                first_failure = first_failure.and(Err(TaskEnded { task, how }));
                lifecycle.start_draining();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    async fn ends_when_draining(lifecycle: Lifecycle) {
        lifecycle.draining().await;
    }

    #[tokio::test]
    async fn tasks_that_end_when_draining_are_no_failure() {
        let lifecycle = Lifecycle::new();
        let mut supervisor = Supervisor::new(lifecycle.clone());
        supervisor.spawn("one", ends_when_draining(lifecycle.clone()));
        supervisor.spawn_until_draining("two", std::future::pending());
        let signal = lifecycle.clone();
        supervisor.spawn("signals", async move { signal.start_draining() });
        assert_eq!(supervisor.watch(GRACE).await, Ok(()));
    }

    #[tokio::test]
    async fn a_task_that_ends_or_panics_drains_the_process_and_is_reported() {
        for how in ["ended", "panicked"] {
            let lifecycle = Lifecycle::new();
            let mut supervisor = Supervisor::new(lifecycle.clone());
            supervisor.spawn("steady", ends_when_draining(lifecycle.clone()));
            supervisor.spawn("loop", async move {
                tokio::task::yield_now().await;
                assert!(how == "ended", "on purpose");
            });
            let fault = supervisor.watch(GRACE).await.expect_err("a fault");
            assert_eq!(fault, TaskEnded { task: "loop", how });
            assert!(lifecycle.is_draining());
        }
    }

    #[tokio::test]
    async fn a_panic_while_draining_is_a_failure() {
        let lifecycle = Lifecycle::new();
        let mut supervisor = Supervisor::new(lifecycle.clone());
        let drained = lifecycle.clone();
        supervisor.spawn("late", async move {
            drained.draining().await;
            assert!(std::hint::black_box(false), "on purpose");
        });
        lifecycle.start_draining();
        let fault = supervisor.watch(GRACE).await.expect_err("a fault");
        assert_eq!((fault.task, fault.how), ("late", "panicked"));
    }

    #[tokio::test]
    async fn a_task_that_does_not_end_is_dropped_after_the_grace() {
        const GRACE: Duration = Duration::from_millis(200);
        let lifecycle = Lifecycle::new();
        let mut supervisor = Supervisor::new(lifecycle.clone());
        supervisor.spawn("stuck", std::future::pending());
        // The end of another task does not extend the grace.
        supervisor.spawn("slow", tokio::time::sleep(GRACE * 3 / 4));
        lifecycle.start_draining();
        let began = tokio::time::Instant::now();
        assert_eq!(supervisor.watch(GRACE).await, Ok(()));
        assert!((GRACE..GRACE * 3 / 2).contains(&began.elapsed()));
    }
}
