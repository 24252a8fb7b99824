//! Delivery over real sockets, with bad answers and with a process that dies at any point. Each message must
//! be stored once, in the order of its chat.

#[path = "../support/backend.rs"]
#[expect(
    dead_code,
    reason = "the tests of the command lines use the other items"
)]
mod backend;
mod bad_commands;
mod commands;
mod faults;
mod moving;
mod panics;
mod parts;
mod pulls;
mod refusals;
mod restarts;
mod untrusted;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use archety_relay::backend::availability::{Availability, BackendState, TroubleStatus};
use archety_relay::backend::client::Client;
use archety_relay::clock::{Clock, ManualClock, UnixMicros};
use archety_relay::config::{Auth, BackendConfig, BackendUrl};
use archety_relay::delivery::sender::{Sender, SenderContext, SenderStep};
use archety_relay::pull::{DispatchLink, Sends};
use archety_relay::state::outbox::{self, Depths, NewPost};
use archety_relay::state::{State, meta};
use backend::{Backend, SECRET};
use rand::SeedableRng;
use rand::rngs::StdRng;
use shared_protocol::{Event, MessageIdentity, RelayName, RelaySecret};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// The client's clock, which panics when it is read. The client reads it when it verifies the answer to a post.
struct PanickingClock {
    clock: Arc<ManualClock>,
    /// How many more times the clock panics.
    left: Arc<AtomicU32>,
}

impl Clock for PanickingClock {
    fn now(&self) -> UnixMicros {
        let decrement = |left: u32| left.checked_sub(1);
        let panics = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, decrement);
        assert!(panics.is_err(), "the panic that the test has ordered");
        self.clock.now()
    }
}

/// The delivery of a relay, without its other parts.
struct Relay {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    backend: Backend,
    /// `None` only while it is opened again.
    state: Option<Arc<State>>,
    new_post: Arc<Notify>,
    backend_availability: watch::Sender<Availability>,
    dispatch: DispatchLink,
    /// How many answers were the backend's own.
    contacts: Arc<AtomicUsize>,
    /// How many more requests panic.
    panics: Arc<AtomicU32>,
    knows_lines: Arc<AtomicBool>,
    expect_env: Option<String>,
    auth: Auth,
}

/// The availability after a pull that was answered.
fn ready() -> Availability {
    Availability {
        state: BackendState::Ready,
        backend: None,
        lines_settled: true,
    }
}

impl Relay {
    async fn start() -> Self {
        let clock = Arc::new(ManualClock::at(UnixMicros::from_secs(1_700_000_000)));
        Self::with_clocks(Arc::clone(&clock), clock).await
    }

    /// A relay whose clock may be another one than the backend's.
    async fn with_clocks(clock: Arc<ManualClock>, of_backend: Arc<ManualClock>) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let state = State::open(dir.path(), clock.now()).expect("a new state");
        Self {
            dir,
            backend: Backend::start(of_backend as Arc<dyn Clock>).await,
            clock,
            state: Some(Arc::new(state)),
            new_post: Arc::new(Notify::new()),
            backend_availability: watch::channel(ready()).0,
            dispatch: DispatchLink {
                sends: Sends::On,
                ..DispatchLink::default()
            },
            knows_lines: Arc::new(AtomicBool::new(true)),
            contacts: Arc::default(),
            panics: Arc::default(),
            expect_env: None,
            auth: Auth::Hmac,
        }
    }

    fn state(&self) -> &Arc<State> {
        self.state.as_ref().expect("open")
    }

    /// Puts a message into the outbox and wakes the sender.
    fn enqueue(&self, lane: &str, text: &str) {
        let guid = format!("{lane}-{text}");
        let body = format!(
            r#"{{"chat_guid":"{lane}","mode":"direct","sender":"+15550100001","text":"{text}","timestamp":1,"participants":[],"message_guid":"{guid}"}}"#
        );
        let id = MessageIdentity {
            relay: &RelayName::default(),
            message_guid: &guid,
            event: Event::Message,
            revision: 0,
        }
        .webhook_id();
        let post = NewPost {
            lane,
            webhook_id: &id,
            message_guid: &guid,
            event: Event::Message,
            revision: 0,
            body: body.as_bytes(),
            now: self.clock.now(),
        };
        self.state()
            .write(|tx| outbox::enqueue(tx, &post))
            .expect("written");
        self.new_post.notify_one();
    }

    fn sender(&self) -> Sender {
        self.sender_until(CancellationToken::new())
    }

    fn sender_until(&self, stop: CancellationToken) -> Sender {
        let backend = BackendConfig {
            backend_url: BackendUrl::parse(&self.backend.url).expect("loopback"),
            auth: self.auth,
            secret: RelaySecret::parse(SECRET).expect("valid"),
            expect_env: self.expect_env.clone(),
        };
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let panicking = Arc::new(PanickingClock {
            clock: Arc::clone(&self.clock),
            left: Arc::clone(&self.panics),
        });
        let contacts = Arc::clone(&self.contacts);
        let knows_lines = Arc::clone(&self.knows_lines);
        Sender::new(SenderContext {
            state: Arc::clone(self.state()),
            client: Arc::new(Client::new(Arc::new(backend), panicking).expect("a client")),
            clock,
            rng: StdRng::seed_from_u64(1),
            new_post: Arc::clone(&self.new_post),
            backend_availability: self.backend_availability.subscribe(),
            knows_lines: Box::new(move || knows_lines.load(Ordering::Relaxed)),
            on_contact: Box::new(move |_| {
                contacts.fetch_add(1, Ordering::Relaxed);
            }),
            stop,
        })
        .expect("a sender")
    }

    fn depths(&self) -> Depths {
        self.state().read(outbox::depths).expect("read")
    }

    /// The code of the trouble that the sender has written for `status`.
    fn trouble(&self) -> Option<String> {
        let json = self
            .state()
            .read(|c| meta::get(c, meta::DELIVERY))
            .expect("read")?;
        serde_json::from_str::<TroubleStatus>(&json)
            .expect("own JSON")
            .trouble
    }

    /// Steps until the condition holds.
    async fn step_until(&self, sender: &mut Sender, condition: impl Fn(&Self) -> bool) {
        let stepping = async {
            while !condition(self) {
                sender.step().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), stepping)
            .await
            .expect("the condition holds in time");
    }

    /// Steps until no post is pending.
    async fn drain(&self, sender: &mut Sender) {
        self.step_until(sender, |relay| relay.depths().pending == 0)
            .await;
    }

    /// Opens the state again, as the next process does.
    fn restart(&mut self) {
        self.restart_after(|| ());
    }

    /// Stops, does this, and starts again.
    fn restart_after(&mut self, work: impl FnOnce()) {
        self.state = None;
        work();
        let state = State::open(self.dir.path(), self.clock.now()).expect("the lock is free");
        self.state = Some(Arc::new(state));
    }
}

/// Advances the time of timers without waiting.
async fn advance_timers(span: Duration) {
    tokio::time::pause();
    tokio::time::advance(span).await;
    tokio::time::resume();
}

#[tokio::test]
async fn messages_of_a_chat_arrive_once_and_in_order_and_chats_are_sent_in_parallel() {
    let relay = Relay::start().await;
    for n in 0..20 {
        for chat in ["a", "b", "c", "d", "e"] {
            relay.enqueue(chat, &n.to_string());
        }
    }
    let mut sender = relay.sender();
    relay.drain(&mut sender).await;
    assert_eq!(relay.backend.stored().len(), 100);
    assert_eq!(relay.backend.message_requests(), 100);
    assert!(
        relay.backend.max_concurrent() > 1,
        "chats are sent in parallel"
    );
    assert!(relay.contacts.load(Ordering::Relaxed) >= 100);
    let first: Vec<_> = relay
        .state()
        .read(|c| outbox::of_guid(c, "a-0"))
        .expect("read");
    assert!(first[0].message_id.is_some() && first[0].delivered_at.is_some());
}

#[tokio::test]
async fn a_new_post_wakes_the_sender() {
    let relay = Relay::start().await;
    let mut sender = relay.sender();
    let started = tokio::time::Instant::now();
    relay.enqueue("a", "1");
    relay.drain(&mut sender).await;
    assert!(
        started.elapsed() < Duration::from_millis(900),
        "the sender did not wait for the next check of the outbox"
    );
}

#[tokio::test]
async fn a_parked_post_can_be_retried_while_the_sender_runs() {
    let relay = Relay::start().await;
    let refusal = backend::problem(422, "invalid_fields");
    relay.backend.answer_next_message(422, refusal);
    relay.enqueue("a", "1");
    let mut sender = relay.sender();
    relay
        .step_until(&mut sender, |relay| relay.depths().parked == 1)
        .await;
    let beside = State::open_beside(relay.dir.path()).expect("beside");
    let seq = 1;
    assert!(beside.write(|tx| outbox::retry(tx, seq)).expect("written"));
    relay
        .step_until(&mut sender, |relay| !relay.backend.stored().is_empty())
        .await;
    relay.drain(&mut sender).await;
    assert_eq!(relay.depths().parked, 0);
}

#[tokio::test]
async fn nothing_is_sent_before_a_pull_was_answered_and_has_sent_the_lines_to_the_backend() {
    let relay = Relay::start().await;
    relay
        .backend_availability
        .send_replace(Availability::default());
    relay.enqueue("a", "1");
    let mut sender = relay.sender();
    for _ in 0..2 {
        sender.step().await;
    }
    assert_eq!(
        relay.backend.message_requests(),
        0,
        "no pull was answered yet"
    );
    relay.backend_availability.send_replace(Availability {
        lines_settled: false,
        ..ready()
    });
    for _ in 0..2 {
        sender.step().await;
    }
    assert_eq!(
        relay.backend.message_requests(),
        0,
        "the lines are not sent yet"
    );
    relay.backend_availability.send_replace(ready());
    relay.drain(&mut sender).await;
    assert_eq!(relay.backend.stored(), ["1"]);
}

/// Until a run has read the lines it enqueues nothing, so the posts are of an earlier run, whose lines the backend
/// knows.
#[tokio::test]
async fn before_a_run_has_read_the_lines_the_posts_in_the_outbox_are_sent() {
    let relay = Relay::start().await;
    relay.knows_lines.store(false, Ordering::Relaxed);
    relay.backend_availability.send_replace(Availability {
        lines_settled: false,
        ..ready()
    });
    relay.enqueue("a", "1");
    relay.drain(&mut relay.sender()).await;
    assert_eq!(relay.backend.stored(), ["1"]);
}

#[tokio::test]
async fn a_bearer_relay_sends_without_a_pull() {
    let mut relay = Relay::start().await;
    relay.auth = Auth::Bearer;
    relay
        .backend_availability
        .send_replace(Availability::default());
    relay.enqueue("a", "1");
    let mut sender = relay.sender();
    // This backend accepts only signatures. Its refusal shows that the message was sent.
    relay
        .step_until(&mut sender, |relay| relay.trouble().is_some())
        .await;
    assert_eq!(relay.trouble().as_deref(), Some("unauthorized"));
}

#[tokio::test]
async fn nothing_is_sent_to_another_environment() {
    let mut relay = Relay::start().await;
    relay.expect_env = Some("production".into());
    relay
        .backend_availability
        .send_replace(Availability::default());
    relay.enqueue("a", "1");
    let mut sender = relay.sender();
    for _ in 0..2 {
        sender.step().await;
    }
    assert_eq!(relay.backend.message_requests(), 0);
    relay.backend_availability.send_replace(Availability {
        state: BackendState::WrongEnvironment("development".into()),
        ..ready()
    });
    relay
        .step_until(&mut sender, |relay| relay.trouble().is_some())
        .await;
    assert_eq!(relay.trouble().as_deref(), Some("wrong_environment"));
    assert_eq!(
        (relay.backend.message_requests(), relay.depths().pending),
        (0, 1)
    );
}

#[tokio::test]
async fn a_sender_that_is_stopped_waits_for_posts_in_flight() {
    let relay = Relay::start().await;
    relay.enqueue("a", "1");
    let stop = CancellationToken::new();
    let mut sender = relay.sender_until(stop.clone());
    assert_eq!(
        sender.step().await,
        SenderStep::Worked { ended: 0, sent: 1 }
    );
    stop.cancel();
    while sender.step().await != SenderStep::Stopped {}
    assert_eq!(relay.depths().pending, 0);
    assert_eq!(relay.backend.stored(), ["1"]);
}
