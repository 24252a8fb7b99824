//! The disk that holds the ledger is full: nothing is sent that is not written down, and nothing is sent twice.

use std::sync::{Arc, Mutex};

use archety_relay::state::ledger::BubbleState::{Dispatched, Queued, Unknown};
use rusqlite::Transaction;

use crate::relay::Relay;

impl Relay {
    /// Leaves no space for a change of a text in the ledger: SQLite may not add a page to the state any more.
    fn fill_disk(&self) {
        let grow = "create trigger grow after update on ledger_bubble begin
                        insert or replace into meta (key, value) values ('growth', hex(zeroblob(2000000)));
                    end";
        self.write(|tx| tx.execute_batch(grow));
        self.limit_pages(1);
    }

    fn free_disk(&self) {
        self.limit_pages(1_000_000);
        self.write(|tx| tx.execute_batch("drop trigger grow"));
    }

    fn limit_pages(&self, pages: u32) {
        let sql = format!("pragma max_page_count = {pages}");
        let limit = |tx: &Transaction<'_>| tx.query_row(&sql, [], |row| row.get::<_, i64>(0));
        self.state.write(limit).unwrap();
        self.state.write_durably(limit).unwrap();
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Takes what this thread logs, on which the dispatcher runs.
    fn begin() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn count(&self, words: &str) -> usize {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        log.matches(words).count()
    }
}

#[tokio::test]
async fn a_full_disk_keeps_texts_with_one_message_and_they_go_once_there_is_space() {
    let relay = Relay::new();
    let (log, _guard) = Log::begin();
    relay.take(relay.reply("cmd_a", &["Hi", "you"]));
    relay.fill_disk();
    let run = relay.run();
    relay.wait_for_calls(3).await;
    assert_eq!(
        relay.sent(),
        [""; 0],
        "nothing is sent that is not written down"
    );
    assert_eq!(relay.states(), [Queued, Queued]);
    assert_eq!(log.count("state_disk_full"), 1);
    assert_eq!(log.count("make space"), 1);
    relay.free_disk();
    relay.wait_for(&[Dispatched, Queued]).await;
    relay.prove("Hi");
    relay.wait_until(|| relay.sent() == ["Hi", "you"]).await;
    run.stop().await;
    assert_eq!(log.count("texts can be sent again"), 1);
}

#[tokio::test]
async fn a_disk_that_is_full_after_the_script_leaves_the_text_dispatched_and_it_is_not_sent_again()
{
    let relay = Relay::new();
    let (log, _guard) = Log::begin();
    relay.hold("send-to-chat");
    relay.fail("send-to-chat", -1712);
    relay.take(relay.reply("cmd_a", &["Hi", "you"]));
    let run = relay.run();
    relay.wait_for_calls(2).await;
    relay.fill_disk();
    relay.release("send-to-chat");
    relay.wait_until(|| log.count("state_disk_full") == 1).await;
    relay.settle().await;
    assert_eq!(relay.states(), [Dispatched, Queued]);
    relay.free_disk();
    relay.wait_for(&[Unknown, Queued]).await;
    run.stop().await;
    assert_eq!(relay.sent(), ["Hi"]);
    assert_eq!(log.count("state_disk_full"), 1);
}

/// Its error number would prove that nothing was sent, but that cannot be written.
#[tokio::test]
async fn a_text_that_cannot_be_put_back_on_a_full_disk_is_unknown() {
    let relay = Relay::new();
    relay.hold("send-to-chat");
    relay.fail("send-to-chat", -600);
    relay.take(relay.reply("cmd_a", &["Hi"]));
    let run = relay.run();
    relay.wait_for_calls(2).await;
    relay.fill_disk();
    relay.release("send-to-chat");
    relay.settle().await;
    relay.free_disk();
    relay.wait_for(&[Unknown]).await;
    run.stop().await;
    assert_eq!(relay.sent(), ["Hi"]);
}
