//! The reading thread: no error ends it, and it reads again once the cause of an error is gone.

use std::sync::mpsc::Receiver;
use std::time::Instant;

use super::super::Pipeline;
use super::*;

/// Starts the thread, which sends on `woken` when it has enqueued a post.
fn spawn(
    mac: &mut Mac,
) -> (
    Arc<PipelineHandle>,
    chatdb::WakeHandle,
    Receiver<()>,
    std::thread::JoinHandle<()>,
) {
    let (enqueued, woken) = channel();
    let mut context = mac.context.take().expect("a relay was started");
    context.wake_sender = Box::new(move || enqueued.send(()).unwrap());
    let pipeline_handle = Arc::clone(&context.pipeline_handle);
    let pipeline = Pipeline::new(context);
    let wake_handle = pipeline.wake_handle();
    (
        pipeline_handle,
        wake_handle,
        woken,
        std::thread::spawn(|| pipeline.run()),
    )
}

fn wait_for_trouble(pipeline_handle: &PipelineHandle, code: Option<&str>) {
    let deadline = Instant::now() + secs(20);
    while pipeline_handle.trouble() != code
        || (code.is_none() && pipeline_handle.last_good_scan().is_none())
    {
        assert!(
            Instant::now() < deadline,
            "{:?} instead of {code:?}",
            pipeline_handle.trouble()
        );
        std::thread::yield_now();
    }
}

#[test]
fn a_missing_or_damaged_chat_db_is_reported_and_is_read_after_its_repair() {
    let mut mac = Mac::before_first_run(Style::Ventura);
    let chat_db = mac.folder.path().join("chat.db");
    let aside = mac.folder.path().join("aside.db");
    mac.messages.rotate_wal().unwrap();
    mac.receive(ADA, "before the first run");
    mac.messages.checkpoint().unwrap();
    std::fs::rename(&chat_db, &aside).unwrap();

    let (pipeline_handle, wake_handle, woken, thread) = spawn(&mut mac);
    wait_for_trouble(&pipeline_handle, Some("chat_db_missing"));

    std::fs::write(&chat_db, b"half a copy, and not of a database at all").unwrap();
    wait_for_trouble(&pipeline_handle, Some("chat_db_damaged"));

    std::fs::rename(&aside, &chat_db).unwrap();
    wait_for_trouble(&pipeline_handle, None);
    mac.messages = StandIn::open(&chat_db).unwrap();
    mac.advance(secs(1));
    mac.receive(BOB, "after the first run");
    woken
        .recv_timeout(secs(20))
        .expect("the message is relayed");

    pipeline_handle.ask_to_stop();
    wake_handle.wake();
    thread.join().unwrap();
    mac.start(FirstRun::Now, Options::default());
    assert_eq!(mac.texts(), ["after the first run"]);
}
