//! The pull: what the sender and the pipeline get from each answer.

use std::sync::mpsc::{Receiver, channel};

use archety_relay::backend::availability::TroubleStatus;
use archety_relay::pipeline::PipelineHandle;
use archety_relay::pull::{PollOutcome, PullContext, Puller};
use serde_json::json;
use shared_protocol::NewestMessage;

use crate::backend::problem;
use crate::*;

pub(crate) fn puller(relay: &Relay) -> (Puller, Receiver<Option<NewestMessage>>) {
    puller_with_handle(relay, &Arc::new(PipelineHandle::default()))
}

fn puller_with_handle(
    relay: &Relay,
    pipeline_handle: &Arc<PipelineHandle>,
) -> (Puller, Receiver<Option<NewestMessage>>) {
    let backend = BackendConfig {
        backend_url: BackendUrl::parse(&relay.backend.url).expect("loopback"),
        auth: Auth::Hmac,
        secret: RelaySecret::parse(SECRET).expect("valid"),
        expect_env: relay.expect_env.clone(),
    };
    let clock = Arc::clone(&relay.clock) as Arc<dyn Clock>;
    let (newest_message, newest_messages) = channel();
    let puller = Puller::new(PullContext {
        state: Arc::clone(relay.state()),
        client: Arc::new(Client::new(Arc::new(backend), Arc::clone(&clock)).expect("a client")),
        clock,
        rng: StdRng::seed_from_u64(2),
        machine_id: None,
        backend_availability: relay.backend_availability.clone(),
        pull_answered_at: watch::channel(None).0,
        pipeline_handle: Arc::clone(pipeline_handle),
        newest_message,
        dispatch: relay.dispatch.clone(),
        stop: CancellationToken::new(),
    });
    (puller.expect("a puller"), newest_messages)
}

/// The backend holds the answer to a poll that was sent before the lines were read. The relay cancels that
/// poll, so that the lines are sent at once.
#[tokio::test]
async fn a_poll_without_lines_is_cancelled_once_the_lines_are_read() {
    let relay = Relay::start().await;
    relay
        .backend_availability
        .send_replace(Availability::default());
    let pipeline_handle = Arc::new(PipelineHandle::default());
    relay.backend.answer_next_pull(200, answer(&json!([])));
    let (mut puller, _newest) = puller_with_handle(&relay, &pipeline_handle);
    assert_eq!(puller.step().await, PollOutcome::Continue);
    assert!(
        !relay.backend_availability.borrow().lines_settled,
        "no lines are read yet"
    );
    relay.backend.hold_next_pull();
    let stepping = puller.step();
    let reading_lines = async {
        relay.backend.wait_for_pulls(2).await;
        pipeline_handle.note_lines_loaded();
    };
    let (polled, ()) = tokio::join!(stepping, reading_lines);
    assert_eq!(polled, PollOutcome::Continue, "the poll was cancelled");
    assert!(!relay.backend_availability.borrow().lines_settled);
    relay.backend.answer_next_pull(200, answer(&json!([])));
    assert_eq!(puller.step().await, PollOutcome::Continue);
    assert!(relay.backend_availability.borrow().lines_settled);
}

#[tokio::test]
async fn messages_are_sent_though_the_backend_refuses_the_heartbeat() {
    let relay = Relay::start().await;
    relay
        .backend_availability
        .send_replace(Availability::default());
    relay
        .backend
        .answer_next_pull(422, problem(422, "invalid_fields"));
    let (mut puller, _newest) = puller(&relay);
    puller.step().await;
    let availability = relay.backend_availability.borrow().clone();
    assert_eq!(availability.state, BackendState::Ready);
    assert!(availability.lines_settled);
}

/// The body of an answer to a pull.
fn answer(commands: &serde_json::Value) -> serde_json::Value {
    json!({"commands": commands, "server_time": 1_700_000_000, "version": "2.0.0",
           "environment": "development",
           "newest_message": {"message_guid": "g", "timestamp": 5}})
}

#[tokio::test]
async fn an_answer_names_the_backend_and_its_newest_message() {
    let relay = Relay::start().await;
    relay.backend.answer_next_pull(200, answer(&json!([])));
    let (mut puller, newest_messages) = puller(&relay);
    assert_eq!(puller.step().await, PollOutcome::Continue);
    let availability = relay.backend_availability.borrow().clone();
    assert_eq!(availability.state, BackendState::Ready);
    assert_eq!(availability.backend.expect("named").version, "2.0.0");
    let newest = newest_messages.try_recv().expect("passed on");
    let newest = newest.expect("the backend has one");
    assert_eq!(newest.message_guid, "g");
}

#[tokio::test]
async fn a_lease_elsewhere_and_another_environment_stop_the_sender_while_they_last() {
    let mut relay = Relay::start().await;
    relay.expect_env = Some("development".into());
    relay
        .backend
        .answer_next_pull(409, problem(409, "relay_elsewhere"));
    let mut of_production = answer(&json!([]));
    of_production["environment"] = json!("production");
    relay.backend.answer_next_pull(200, of_production);
    relay.backend.answer_next_pull(200, answer(&json!([])));
    let (mut puller, newest_messages) = puller(&relay);
    let backend_state = || relay.backend_availability.borrow().state.clone();
    puller.step().await;
    assert_eq!(backend_state(), BackendState::LeasedElsewhere);
    puller.step().await;
    assert_eq!(
        backend_state(),
        BackendState::WrongEnvironment("production".into())
    );
    assert!(
        newest_messages.try_recv().is_err(),
        "another backend's newest message is not passed on"
    );
    assert_eq!(puller.step().await, PollOutcome::Continue);
    assert_eq!(backend_state(), BackendState::Ready);
}

#[tokio::test]
async fn an_installation_keeps_its_id() {
    let relay = Relay::start().await;
    let id = || {
        relay
            .state()
            .read(|c| meta::get(c, meta::INSTANCE_ID))
            .expect("read")
    };
    let _first = puller(&relay);
    let first = id();
    let _second = puller(&relay);
    assert!(first.is_some());
    assert_eq!(id(), first);
}

/// `status` reads the status of the pull from the state. A full disk keeps it from being written.
#[tokio::test]
async fn the_status_of_the_pull_is_written_once_the_state_can_be_written_again() {
    let relay = Relay::start().await;
    let execute = |sql: &'static str| {
        let batch = |tx: &rusqlite::Transaction<'_>| tx.execute_batch(sql);
        relay.state().write(batch).expect("executed");
    };
    let stored_trouble = || {
        let read = relay.state().read(|c| meta::get(c, meta::PULL));
        let trouble_status: TroubleStatus =
            serde_json::from_str(&read.expect("read").unwrap_or_else(|| "{}".to_owned()))
                .expect("JSON");
        trouble_status.trouble
    };
    let (fill_disk, free_disk) = (
        "create trigger full_insert before insert on meta
         begin select raise(abort, 'full'); end;
         create trigger full_update before update on meta
         begin select raise(abort, 'full'); end;",
        "drop trigger full_insert; drop trigger full_update;",
    );
    let unavailable = || problem(503, "unavailable");
    let (mut puller, _newest) = puller(&relay);

    // The outage ends while the disk is full.
    relay.backend.answer_next_pull(503, unavailable());
    puller.step().await;
    let trouble = stored_trouble().expect("the outage is stored");
    execute(fill_disk);
    relay.backend.answer_next_pull(200, answer(&json!([])));
    assert_eq!(puller.step().await, PollOutcome::Continue);
    assert_eq!(
        stored_trouble().as_ref(),
        Some(&trouble),
        "nothing can be written"
    );
    relay.backend.answer_next_pull(200, answer(&json!([])));
    puller.step().await;
    execute(free_disk);
    assert_eq!(stored_trouble().as_ref(), Some(&trouble));
    relay.backend.answer_next_pull(200, answer(&json!([])));
    assert_eq!(puller.step().await, PollOutcome::Continue);
    assert_eq!(stored_trouble(), None, "the outage is over");

    // The outage begins while the disk is full, and lasts.
    execute(fill_disk);
    relay.backend.answer_next_pull(503, unavailable());
    puller.step().await;
    execute(free_disk);
    assert_eq!(stored_trouble(), None);
    relay.backend.answer_next_pull(503, unavailable());
    puller.step().await;
    assert_eq!(stored_trouble().as_ref(), Some(&trouble));

    // The outage begins and ends while the disk is full: only its end is written.
    relay.backend.answer_next_pull(200, answer(&json!([])));
    puller.step().await;
    assert_eq!(stored_trouble(), None);
    execute(fill_disk);
    relay.backend.answer_next_pull(503, unavailable());
    puller.step().await;
    relay.backend.answer_next_pull(200, answer(&json!([])));
    puller.step().await;
    execute(free_disk);
    relay.backend.answer_next_pull(200, answer(&json!([])));
    puller.step().await;
    assert_eq!(stored_trouble(), None);
}
