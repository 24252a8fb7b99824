//! Runs the relay: wires its parts, runs them until a signal, and stops them within five seconds.
//!
//! One thread runs the async loops, another one reads chat.db. The supervisor watches all loops.

mod exit;
pub mod liveness;
mod supervisor;

use std::sync::Arc;
use std::time::Duration;

use chatdb::WatchTimings;
use crash_point::crash_point;
use rand::SeedableRng;
use rand::rngs::StdRng;
use shared_protocol::ReplyVia;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::backend::availability::Availability;
use crate::backend::client::Client;
use crate::blocking::run_blocking;
use crate::clock::{Clock, SystemClock, UnixMicros};
use crate::config::{Auth, BackendConfig, Config};
use crate::delivery::sender::{Sender, SenderContext};
use crate::dispatch::{DispatchContext, Dispatcher, SendLimits};
use crate::pipeline::{FirstRun, Pipeline, PipelineContext, PipelineHandle, PostBuilder, Resume};
use crate::platform;
use crate::pull::{DispatchLink, PullContext, Puller, Sends};
use crate::state::ledger::retention;
use crate::state::{State, connectivity, outbox};
use liveness::{Liveness, LivenessWriter};
use supervisor::Supervisor;

pub use exit::ExitCode;
pub use supervisor::LoopEnded;

/// How long the loops may take to stop. launchd kills a process that has not ended after 20 s.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(4);
/// How often delivered and dropped posts that are old enough are deleted.
const CLEAN_EVERY: Duration = Duration::from_hours(1);
/// How many posts one transaction deletes at most.
const CLEAN_LIMIT: u32 = 1000;
/// Pause between two transactions that delete posts, so that others can write the state.
const CLEAN_PAUSE: Duration = Duration::from_millis(50);

/// Runs the relay until SIGTERM or SIGINT, or until one of its loops ends by itself ([`LoopEnded`]). It sends within
/// `limits`.
pub fn run(
    config: &Config,
    backend: BackendConfig,
    first_run: FirstRun,
    limits: SendLimits,
) -> anyhow::Result<()> {
    std::panic::set_hook(Box::new(|panic| {
        // Only the place is logged: the panic's message may contain the text of a message.
        let at = panic.location().map(ToString::to_string);
        tracing::error!(at, "panicked");
    }));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let state = Arc::new(State::open(&config.state_dir, clock.now())?);
    let client = Arc::new(Client::new(Arc::new(backend), Arc::clone(&clock))?);
    let liveness = liveness::begin(&state, client.config(), clock.now())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // For transactions of the state, and for the client's name lookups, which may hang.
        .max_blocking_threads(4)
        .build()?;
    let result = runtime.block_on(run_loops(
        config, first_run, limits, &state, &client, &clock, liveness,
    ));
    // A name lookup may hang in a blocking thread. The process does not wait for it.
    runtime.shutdown_timeout(Duration::from_millis(200));
    if let Err(error) = state.checkpoint() {
        tracing::warn!(%error, "the state's WAL could not be moved into state.db and stays beside it");
    }
    result
}

async fn run_loops(
    config: &Config,
    first_run: FirstRun,
    limits: SendLimits,
    state: &Arc<State>,
    client: &Arc<Client>,
    clock: &Arc<dyn Clock>,
    liveness: Liveness,
) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let pipeline_handle = Arc::new(PipelineHandle::default());
    let new_post = Arc::new(Notify::new());
    let (backend_availability_tx, backend_availability) = watch::channel(Availability::default());
    let (newest_message_tx, newest_message) = std::sync::mpsc::channel();
    let (pull_answered_at_tx, pull_answered_at) = watch::channel(None);
    let dispatch = dispatch_link(config, client.config());

    let (for_contact, for_lines) = (Arc::clone(&pipeline_handle), Arc::clone(&pipeline_handle));
    let sender = Sender::new(SenderContext {
        state: Arc::clone(state),
        client: Arc::clone(client),
        clock: Arc::clone(clock),
        rng: StdRng::from_rng(&mut rand::rng()),
        new_post: Arc::clone(&new_post),
        backend_availability,
        knows_lines: Box::new(move || for_lines.lines_are_loaded()),
        on_contact: Box::new(move |at| for_contact.note_contact(at.as_micros())),
        stop: stop.clone(),
    })?;
    // A bearer relay gets no signed answers, so it does not pull, and does not ask the backend which message
    // is the newest.
    let (puller, reply_via, resume) = match client.config().auth {
        Auth::Hmac => {
            let puller = Puller::new(PullContext {
                state: Arc::clone(state),
                client: Arc::clone(client),
                clock: Arc::clone(clock),
                rng: StdRng::from_rng(&mut rand::rng()),
                machine_id: platform::machine_id(),
                backend_availability: backend_availability_tx,
                pull_answered_at: pull_answered_at_tx,
                pipeline_handle: Arc::clone(&pipeline_handle),
                newest_message: newest_message_tx,
                dispatch: dispatch.clone(),
                stop: stop.clone(),
            })?;
            (Some(puller), Some(ReplyVia::Commands), Resume::AskBackend)
        }
        Auth::Bearer => (None, None, Resume::Never),
    };
    let liveness_writer = LivenessWriter {
        state: Arc::clone(state),
        clock: Arc::clone(clock),
        pipeline_handle: Arc::clone(&pipeline_handle),
        pull_answered_at,
    };
    let pipeline = Pipeline::new(PipelineContext {
        chat_db: config.chat_db.clone(),
        options: config.options.clone(),
        post_builder: PostBuilder {
            relay: config.relay_name.clone(),
            reply_via,
        },
        first_run,
        resume,
        state: Arc::clone(state),
        clock: Arc::clone(clock),
        pipeline_handle: Arc::clone(&pipeline_handle),
        newest: newest_message,
        wake_sender: Box::new(move || new_post.notify_one()),
        wake_ledger: wake_ledger(dispatch.clone()),
        timings: WatchTimings::default(),
    });
    let reader_wake_handle = pipeline.wake_handle();
    let mut loops = Supervisor::new(stop.clone());
    if let Some(dispatcher) = dispatcher(config, limits, state, clock, dispatch, &pipeline, &stop) {
        loops.run_to_end("the dispatcher", dispatcher.run());
    }
    loops.run_on_thread(
        "the reader of chat.db",
        || pipeline.run(),
        move || {
            // Sets the flag that asks the reader to end. The reader sees the flag when it wakes.
            pipeline_handle.ask_to_stop();
            reader_wake_handle.wake();
        },
    )?;
    loops.run_to_end("the sender", sender.run());
    if let Some(puller) = puller {
        loops.run_to_end("the pull", puller.run());
    }
    let writing = liveness_writer.run(liveness);
    loops.run_until_cancelled("the writer of the liveness record", writing);
    let cleaning = clean(Arc::clone(state), Arc::clone(clock));
    loops.run_until_cancelled("the cleaner of the outbox", cleaning);

    log_start(config, client);
    let outcome = tokio::select! {
        name = next_signal(&mut terminate, &mut interrupt) => {
            tracing::info!(signal = name, "stopping");
            Ok(())
        }
        ended = loops.watch() => {
            tracing::error!("{ended}");
            Err(ended.into())
        }
    };
    loops.stop(SHUTDOWN_TIMEOUT).await;
    outcome
}

/// What connects puller and dispatcher. Without the program, or without signed answers that prove the lease, this run
/// sends nothing.
fn dispatch_link(config: &Config, backend: &BackendConfig) -> DispatchLink {
    let mut sends = Sends::Off;
    if config.sends && backend.auth == Auth::Hmac {
        if config.osascript.is_file() {
            sends = Sends::On;
        } else {
            let osascript = config.osascript.display();
            tracing::warn!(%osascript, "there is no such program, so texts of the backend are refused");
        }
    }
    DispatchLink {
        sends,
        ..DispatchLink::default()
    }
}

/// The dispatcher, if this run sends texts.
fn dispatcher(
    config: &Config,
    limits: SendLimits,
    state: &Arc<State>,
    clock: &Arc<dyn Clock>,
    link: DispatchLink,
    pipeline: &Pipeline,
    stop: &CancellationToken,
) -> Option<Dispatcher> {
    if link.sends == Sends::Off {
        return None;
    }
    let wake_pipeline = pipeline.wake_handle();
    Some(Dispatcher::new(DispatchContext {
        state: Arc::clone(state),
        clock: Arc::clone(clock),
        chat_db: config.chat_db.clone(),
        osascript: config.osascript.clone(),
        limits,
        link,
        wake_pipeline: Box::new(move || wake_pipeline.wake()),
        stop: stop.clone(),
    }))
}

fn wake_ledger(link: DispatchLink) -> Box<dyn Fn() + Send> {
    Box::new(move || link.notify_moved_bubbles())
}

fn log_start(config: &Config, client: &Client) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        backend = client.config().backend_url.to_string(),
        relay = config.relay_name.as_str(),
        "archety-relay runs"
    );
}

/// Waits for SIGTERM or SIGINT and returns its name.
async fn next_signal(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

/// Deletes delivered and dropped posts, and what the ledger need not know any more, once they are old enough.
async fn clean(state: Arc<State>, clock: Arc<dyn Clock>) {
    loop {
        let now = clock.now();
        let state = Arc::clone(&state);
        let cleaned = run_blocking(move || {
            crash_point("clean");
            state.write(|tx| {
                // A clock that is years ahead must not delete every post, so `now` is at most the time of the
                // backend's last answer.
                let Some(last_contact) = connectivity::last(tx)? else {
                    return Ok(0);
                };
                let now = now.min(UnixMicros::from_micros(last_contact));
                let posts = outbox::clean(tx, now.minus(outbox::RETENTION), CLEAN_LIMIT)?;
                let commands = retention::clean(tx, now, CLEAN_LIMIT)?;
                Ok(posts.max(commands))
            })
        });
        let count = cleaned.await.unwrap_or_else(|error| {
            tracing::debug!(%error, "old posts and commands could not be deleted; trying again in an hour");
            0
        });
        let has_more = u32::try_from(count) == Ok(CLEAN_LIMIT);
        tokio::time::sleep(if has_more { CLEAN_PAUSE } else { CLEAN_EVERY }).await;
    }
}
