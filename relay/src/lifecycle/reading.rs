//! The thread that reads chat.db, as the others see it: started, stopped, ended.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use chatdb::WatchTimings;
use shared_protocol::{NewestMessage, ReplyVia};
use tokio::sync::{Notify, oneshot};

use crate::clock::Clock;
use crate::config::{Auth, Config};
use crate::pipeline::{
    FirstRun, Nudge, Pipeline, PipelineContext, PipelineHealth, Postmark, Resume,
};
use crate::state::State;

/// What the thread is wired to.
pub(super) struct Wiring<'a> {
    pub(super) config: &'a Config,
    pub(super) auth: Auth,
    pub(super) first_run: FirstRun,
    pub(super) state: &'a Arc<State>,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) health: &'a Arc<PipelineHealth>,
    pub(super) newest: Receiver<Option<NewestMessage>>,
    pub(super) wake: &'a Arc<Notify>,
}

/// The running thread.
pub(super) struct Reading {
    health: Arc<PipelineHealth>,
    nudge: Nudge,
    ended: Option<oneshot::Receiver<()>>,
}

impl Reading {
    pub(super) fn start(wiring: Wiring<'_>) -> io::Result<Self> {
        let wake = Arc::clone(wiring.wake);
        let pipeline = Pipeline::new(PipelineContext {
            chat_db: wiring.config.chat_db.clone(),
            options: wiring.config.options.clone(),
            postmark: Postmark {
                relay: wiring.config.relay_name.clone(),
                reply_via: match wiring.auth {
                    Auth::Hmac => Some(ReplyVia::Commands),
                    Auth::Bearer => None,
                },
            },
            first_run: wiring.first_run,
            resume: match wiring.auth {
                Auth::Hmac => Resume::AskBackend,
                Auth::Bearer => Resume::Never,
            },
            state: Arc::clone(wiring.state),
            clock: Arc::clone(wiring.clock),
            health: Arc::clone(wiring.health),
            newest: wiring.newest,
            wake_sender: Box::new(move || wake.notify_one()),
            timings: WatchTimings::default(),
        });
        let nudge = pipeline.nudge();
        let (alive, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("chat.db".to_owned())
            .spawn(move || {
                // Dropped with the thread, by a panic too.
                let _alive: oneshot::Sender<()> = alive;
                pipeline.run();
            })?;
        Ok(Self {
            health: Arc::clone(wiring.health),
            nudge,
            ended: Some(ended),
        })
    }

    /// Asks the thread to end.
    pub(super) fn stop(&self) {
        self.health.stop();
        self.nudge.nudge();
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) {
        if let Some(ended) = &mut self.ended {
            let _ = ended.await;
            self.ended = None;
        }
    }
}
