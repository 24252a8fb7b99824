//! The background tasks of a process. The end of each is noticed.
//!
//! Each task runs until the process goes down. One that ends or panics before that takes the process
//! down in order, and the process then fails, so that what started it starts it again.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use tokio::task::{Id, JoinSet};

use crate::lifecycle::Lifecycle;

/// A task ended while the process was to go on.
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

    /// Starts a task, which has to end by itself once the process goes down.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let handle = self.tasks.spawn(task);
        self.names.insert(handle.id(), name);
    }

    /// As [`Self::spawn`], for a loop that may be cut off at any point: it is dropped once the process goes
    /// down.
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

    /// Waits until every task has ended. Once the process goes down they have `grace`, and are cut off then.
    pub async fn watch(mut self, grace: Duration) -> Result<(), TaskEnded> {
        let lifecycle = self.lifecycle.clone();
        let mut over = pin!(async {
            lifecycle.draining().await;
            tokio::time::sleep(grace).await;
        });
        let mut first = Ok(());
        loop {
            let ended = tokio::select! {
                ended = self.tasks.join_next_with_id() => ended,
                () = &mut over => {
                    let late: Vec<_> = self.names.values().copied().collect();
                    tracing::warn!(tasks = late.join(", "), "cut off while going down");
                    return first;
                }
            };
            let Some(ended) = ended else {
                return first;
            };
            let is_panic = ended.is_err();
            let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
            let how = if is_panic { "panicked" } else { "ended" };
            let task = self.names.remove(&id).unwrap_or("unknown");
            if is_panic || !lifecycle.is_draining() {
                tracing::error!(task, "a task {how} by itself; going down");
                first = first.and(Err(TaskEnded { task, how }));
                lifecycle.start_draining();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    /// A task that goes down with the process.
    async fn well_behaved(lifecycle: Lifecycle) {
        lifecycle.draining().await;
    }

    #[tokio::test]
    async fn tasks_that_end_with_the_process_are_no_failure() {
        let lifecycle = Lifecycle::new();
        let mut supervisor = Supervisor::new(lifecycle.clone());
        supervisor.spawn("one", well_behaved(lifecycle.clone()));
        supervisor.spawn_until_draining("two", std::future::pending());
        let signal = lifecycle.clone();
        supervisor.spawn("signals", async move { signal.start_draining() });
        assert_eq!(supervisor.watch(GRACE).await, Ok(()));
    }

    #[tokio::test]
    async fn a_task_that_ends_or_panics_takes_the_others_down_and_is_named() {
        for how in ["ended", "panicked"] {
            let lifecycle = Lifecycle::new();
            let mut supervisor = Supervisor::new(lifecycle.clone());
            supervisor.spawn("steady", well_behaved(lifecycle.clone()));
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
    async fn a_panic_while_going_down_is_a_failure_too() {
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
    async fn a_task_that_does_not_end_is_cut_off() {
        const GRACE: Duration = Duration::from_millis(200);
        let lifecycle = Lifecycle::new();
        let mut supervisor = Supervisor::new(lifecycle.clone());
        supervisor.spawn("stuck", std::future::pending());
        // A task that ends gives the others no more time.
        supervisor.spawn("slow", tokio::time::sleep(GRACE * 3 / 4));
        lifecycle.start_draining();
        let began = tokio::time::Instant::now();
        assert_eq!(supervisor.watch(GRACE).await, Ok(()));
        assert!((GRACE..GRACE * 3 / 2).contains(&began.elapsed()));
    }
}
