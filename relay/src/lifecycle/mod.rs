//! The life of `run`: everything is wired, runs until it is told to stop, and ends within five seconds.
//!
//! One runtime thread for the network, one thread that reads chat.db; the supervisor watches every loop
//! on either.

mod exit;
mod signals;
mod supervisor;
pub mod vitals;

use std::sync::Arc;
use std::time::Duration;

use chatdb::WatchTimings;
use crash_point::crash_point;
use rand::SeedableRng;
use rand::rngs::StdRng;
use shared_protocol::ReplyVia;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::backend::availability::{Availability, Lines};
use crate::backend::client::Client;
use crate::clock::{Clock, SystemClock, UnixMicros};
use crate::config::{Auth, Config, Link};
use crate::delivery::sender::{Sender, SenderContext};
use crate::pipeline::{FirstRun, Pipeline, PipelineContext, PipelineHealth, PostBuilder, Resume};
use crate::pull::{PullContext, Puller};
use crate::state::{State, connectivity, outbox};

pub use exit::ExitCode;
pub use supervisor::LoopEnded;
use supervisor::Supervisor;
use vitals::{Signs, Vitals};

/// How long a clean end may take in all; launchd kills after 20 s.
const SHUTDOWN: Duration = Duration::from_secs(4);
/// How often old rows are cleaned away.
const CLEANING: Duration = Duration::from_hours(1);
const CLEANED_AT_ONCE: u32 = 1000;

/// Runs the relay until SIGTERM or SIGINT, or until one of its loops ends by itself ([`LoopEnded`]).
pub fn run(config: &Config, link: Link, first_run: FirstRun) -> anyhow::Result<()> {
    std::panic::set_hook(Box::new(|panic| {
        // Where alone: what a panic says may quote the text of a message.
        let at = panic.location().map(ToString::to_string);
        tracing::error!(at, "panicked");
    }));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let state = Arc::new(State::open(&config.state_dir, clock.now())?);
    let client = Arc::new(Client::new(Arc::new(link), Arc::clone(&clock))?);
    let vitals = vitals::begin(&state, client.link(), clock.now())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // One errand at the state at a time; the second is for the name lookups of the client.
        .max_blocking_threads(4)
        .build()?;
    let stop = CancellationToken::new();
    let context = RunContext {
        config,
        first_run,
        state: &state,
        client: &client,
        clock: &clock,
        stop: &stop,
    };
    let result = runtime.block_on(live(context, vitals));
    // A name lookup may hang in a blocking thread; the process ends without it.
    runtime.shutdown_timeout(Duration::from_millis(200));
    if let Err(error) = state.checkpoint() {
        tracing::warn!(%error, "the state's WAL stays beside it");
    }
    result
}

/// What the parts of the relay are wired to.
#[derive(Clone, Copy)]
struct RunContext<'a> {
    config: &'a Config,
    first_run: FirstRun,
    state: &'a Arc<State>,
    client: &'a Arc<Client>,
    clock: &'a Arc<dyn Clock>,
    stop: &'a CancellationToken,
}

async fn live(context: RunContext<'_>, vitals: Vitals) -> anyhow::Result<()> {
    let RunContext {
        config,
        first_run,
        state,
        client,
        clock,
        stop,
    } = context;
    let mut signals = signals::Signals::listen()?;
    let health = Arc::new(PipelineHealth::default());
    let wake = Arc::new(Notify::new());
    let (found, availability) = watch::channel(Availability::default());
    let (newest_tx, newest) = std::sync::mpsc::channel();
    let (answered_tx, answered) = watch::channel(None);
    let auth = client.link().auth;

    let (noted, read) = (Arc::clone(&health), Arc::clone(&health));
    let sender = Sender::new(SenderContext {
        state: Arc::clone(state),
        client: Arc::clone(client),
        clock: Arc::clone(clock),
        rng: StdRng::from_rng(&mut rand::rng()),
        wake: Arc::clone(&wake),
        availability,
        lines: Box::new(move || Lines::of(read.knows_lines())),
        on_contact: Box::new(move |at| noted.contact(at.as_micros())),
        stop: stop.clone(),
    })?;
    let puller = match auth {
        Auth::Hmac => Some(Puller::new(PullContext {
            state: Arc::clone(state),
            client: Arc::clone(client),
            clock: Arc::clone(clock),
            rng: StdRng::from_rng(&mut rand::rng()),
            availability: found,
            answered: answered_tx,
            health: Arc::clone(&health),
            newest: newest_tx,
            stop: stop.clone(),
        })?),
        Auth::Bearer => None,
    };
    let signs = Signs {
        state: Arc::clone(state),
        clock: Arc::clone(clock),
        health: Arc::clone(&health),
        answered,
    };
    let (reply_via, resume) = match auth {
        Auth::Hmac => (Some(ReplyVia::Commands), Resume::AskBackend),
        Auth::Bearer => (None, Resume::Never),
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
        health: Arc::clone(&health),
        newest,
        wake_sender: Box::new(move || wake.notify_one()),
        timings: WatchTimings::default(),
    });
    let nudge = pipeline.nudge();
    let mut loops = Supervisor::new(stop.clone());
    loops.run_on_thread(
        "the reader of chat.db",
        || pipeline.run(),
        move || {
            health.stop();
            nudge.nudge();
        },
    )?;
    loops.run("the sender", sender.run());
    if let Some(puller) = puller {
        loops.run("the pull", puller.run());
    }
    loops.run_until_stopped("the writer of the signs of life", signs.follow(vitals));
    let cleaning = clean(Arc::clone(state), Arc::clone(clock));
    loops.run_until_stopped("the cleaner of the outbox", cleaning);

    greet(config, client.link());
    let ended = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, "stopping");
            Ok(())
        }
        ended = loops.watch() => {
            tracing::error!("{ended}");
            Err(ended.into())
        }
    };
    loops.stop(SHUTDOWN).await;
    ended
}

fn greet(config: &Config, link: &Link) {
    let version = env!("CARGO_PKG_VERSION");
    let backend = link.backend_url.to_string();
    let relay = config.relay_name.as_str();
    tracing::info!(version, backend, relay, "archety-relay runs");
}

/// Cleans delivered and dropped posts away once they are old enough.
async fn clean(state: Arc<State>, clock: Arc<dyn Clock>) {
    loop {
        let now = clock.now();
        let at = Arc::clone(&state);
        let cleaned = tokio::task::spawn_blocking(move || {
            crash_point("clean");
            at.write(|tx| {
                // By the time that the network has proven: a clock years ahead would clean it all.
                let Some(proven) = connectivity::last(tx)? else {
                    return Ok(0);
                };
                let before = now
                    .min(UnixMicros::from_micros(proven))
                    .minus(outbox::RETENTION);
                outbox::clean(tx, before, CLEANED_AT_ONCE)
            })
        });
        let count = match cleaned.await {
            Ok(Ok(count)) => count,
            Ok(Err(error)) => {
                tracing::debug!(%error, "old rows stay for now");
                0
            }
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        let full = u32::try_from(count) == Ok(CLEANED_AT_ONCE);
        let pause = if full {
            Duration::from_millis(50)
        } else {
            CLEANING
        };
        tokio::time::sleep(pause).await;
    }
}
