//! The life of `run`: everything is wired, runs until it is told to stop, and ends within five seconds.
//!
//! One runtime thread for the network, one thread that reads chat.db. Whatever ends first ends the
//! others: a relay that only does half of its work must not look alive.

mod exit;
mod reading;
mod signals;
pub mod vitals;

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::backend::availability::{Availability, Lines};
use crate::backend::client::Client;
use crate::clock::{Clock, SystemClock, UnixMicros};
use crate::config::{Auth, Config, Link};
use crate::delivery::sender::{Sender, SenderContext};
use crate::pipeline::{FirstRun, PipelineHealth};
use crate::pull::{PullContext, Puller};
use crate::state::{State, contact, outbox};

pub use exit::ExitCode;
use reading::Reading;
use vitals::{Signs, Vitals};

/// How long a clean end may take in all; launchd kills after 20 s.
const SHUTDOWN: Duration = Duration::from_secs(4);
/// How often old rows are cleaned away.
const CLEANING: Duration = Duration::from_hours(1);
const CLEANED_AT_ONCE: u32 = 1000;

/// Runs the relay until SIGTERM or SIGINT.
pub fn run(config: &Config, link: Link, first_run: FirstRun) -> anyhow::Result<()> {
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
    let mut reading = Reading::start(reading::Wiring {
        config,
        auth,
        first_run,
        state,
        clock,
        health: &health,
        newest,
        wake: &wake,
    })?;
    let mut sending = tokio::spawn(sender.run());
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
    let mut pulling = tokio::spawn(async move {
        match puller {
            Some(puller) => puller.run().await,
            None => std::future::pending().await,
        }
    });
    let signs = Signs {
        state: Arc::clone(state),
        clock: Arc::clone(clock),
        health: Arc::clone(&health),
        answered,
    };
    let noting = tokio::spawn(signs.follow(vitals));
    let cleaning = tokio::spawn(clean(Arc::clone(state), Arc::clone(clock)));

    let version = env!("CARGO_PKG_VERSION");
    let backend = client.link().backend_url.to_string();
    let relay = config.relay_name.as_str();
    tracing::info!(version, backend, relay, "archety-relay runs");

    let mut sender_ended = false;
    let ended = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, "stopping");
            Ok(())
        }
        () = reading.ended() => Err(anyhow::anyhow!("the thread that reads chat.db ended by itself")),
        _ = &mut pulling => Err(anyhow::anyhow!("the pull ended by itself")),
        _ = &mut sending => {
            sender_ended = true;
            Err(anyhow::anyhow!("the sender ended by itself"))
        }
    };
    stop.cancel();
    for task in [noting, cleaning, pulling] {
        task.abort();
    }
    end(reading, (!sender_ended).then_some(sending)).await;
    ended
}

/// Waits for the thread that reads and for the sender, if it still runs.
async fn end(mut reading: Reading, sending: Option<JoinHandle<()>>) {
    reading.stop();
    let all_ended = async {
        if let Some(sending) = sending {
            // Its own wait for answers is shorter than ours for it.
            let _ = sending.await;
        }
        reading.ended().await;
    };
    if tokio::time::timeout(SHUTDOWN, all_ended).await.is_err() {
        tracing::warn!(
            "not everything ended in time; what was under way is resumed at the next start"
        );
    }
}

/// Cleans delivered and dropped posts away once they are old enough.
async fn clean(state: Arc<State>, clock: Arc<dyn Clock>) {
    loop {
        let now = clock.now();
        let at = Arc::clone(&state);
        let cleaned = tokio::task::spawn_blocking(move || {
            at.write(|tx| {
                // By the time that the network has proven: a clock years ahead would clean it all.
                let Some(proven) = contact::last(tx)? else {
                    return Ok(0);
                };
                let before = now
                    .min(UnixMicros::from_micros(proven))
                    .minus(outbox::RETENTION);
                outbox::clean(tx, before, CLEANED_AT_ONCE)
            })
        });
        let full = u32::try_from(match cleaned.await {
            Ok(Ok(count)) => count,
            Ok(Err(error)) => {
                tracing::debug!(%error, "old rows stay for now");
                0
            }
            Err(_) => 0,
        }) == Ok(CLEANED_AT_ONCE);
        let pause = if full {
            Duration::from_millis(50)
        } else {
            CLEANING
        };
        tokio::time::sleep(pause).await;
    }
}
