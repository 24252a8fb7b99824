//! Wakes the held pulls of a relay once any process has committed a command for it.
//!
//! On Postgres the statement that writes a command notifies the channel `archety_commands` with the relay's name, and
//! the connection that listens for jobs listens for commands as well. On SQLite the committed transaction rings the
//! bell within the process. Either can get lost. So one statement every two seconds compares the number of the last
//! command of each relay whose pull this process holds with the number that the pull has seen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared_protocol::RelayName;
use sqlx::FromRow;
use tokio::sync::watch;

use super::execute::Execute;
use super::statement::statements;
use super::{Store, StoreError};

/// The channel that the statement which writes a command notifies.
pub(in crate::store) const CHANNEL: &str = "archety_commands";
/// The pause between two looks for commands whose notification was lost.
const LOOK_EVERY: Duration = Duration::from_secs(2);

statements! {
    /// The number of the last command of each relay in a JSON list.
    LAST_NUMBERS {
        postgres: "select name, command_seq from relays
                   where name = any(array(select json_array_elements_text($1::json)))",
        sqlite: "select name, command_seq from relays where name in (select value from json_each($1))",
    }
}

/// The bells of the relays whose pulls this process holds.
#[derive(Clone, Debug, Default)]
pub struct CommandSignal(Arc<Mutex<HashMap<String, Bell>>>);

#[derive(Debug)]
struct Bell {
    rings: watch::Sender<()>,
    /// The number of held pulls. The bell goes with the last one.
    pulls: usize,
    /// The number of the last command that the held pulls have seen.
    seen: i64,
}

/// The bell of one relay, for one held pull.
#[derive(Debug)]
pub struct CommandBell {
    relay: String,
    rung: watch::Receiver<()>,
    bells: CommandSignal,
}

#[derive(FromRow)]
struct LastNumber {
    name: String,
    command_seq: i64,
}

impl CommandBell {
    /// Waits until a command for the relay may have been written since the last call.
    pub async fn rung(&mut self) {
        if self.rung.changed().await.is_err() {
            // The sender is kept for as long as a bell of the relay exists.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for CommandBell {
    fn drop(&mut self) {
        let mut bells = self.bells.lock();
        if let Some(bell) = bells.get_mut(&self.relay) {
            bell.pulls -= 1;
            if bell.pulls == 0 {
                bells.remove(&self.relay);
            }
        }
    }
}

impl CommandSignal {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Bell>> {
        // Each change of the map is one call, so a panic leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bell(&self, relay: &str, seen: i64) -> CommandBell {
        let mut bells = self.lock();
        let bell = bells.entry(relay.to_owned()).or_insert_with(|| Bell {
            rings: watch::Sender::new(()),
            pulls: 0,
            seen,
        });
        bell.pulls += 1;
        bell.seen = bell.seen.min(seen);
        CommandBell {
            relay: relay.to_owned(),
            rung: bell.rings.subscribe(),
            bells: self.clone(),
        }
    }

    /// Wakes the held pulls of the relay.
    pub(in crate::store) fn ring(&self, relay: &str) {
        if let Some(bell) = self.lock().get(relay) {
            bell.rings.send_replace(());
        }
    }

    /// Wakes all held pulls.
    pub(in crate::store) fn ring_all(&self) {
        for bell in self.lock().values() {
            bell.rings.send_replace(());
        }
    }

    /// Wakes the held pulls that have not seen the relay's command with this number.
    fn ring_if_newer(&self, last: &LastNumber) {
        if let Some(bell) = self.lock().get_mut(&last.name)
            && last.command_seq > bell.seen
        {
            bell.seen = last.command_seq;
            bell.rings.send_replace(());
        }
    }

    fn relays(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }
}

impl Store {
    /// A bell that rings when a command with a number above `seen` may have been written for the relay. A pull takes
    /// the bell before it looks for commands, so that it misses none.
    pub fn command_bell(&self, relay: &str, seen: i64) -> CommandBell {
        self.command_signal.bell(relay, seen)
    }

    /// Whether this process holds a pull of the relay, for tests.
    pub fn holds_pull_of(&self, relay: &RelayName) -> bool {
        self.command_signal.lock().contains_key(relay.as_str())
    }

    /// Looks, without end, for commands whose notification was lost.
    pub async fn watch_commands(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Err(error) = self.look_for_commands().await {
                tracing::warn!(error = %error, "new commands were not looked for; trying again");
            }
        }
    }

    /// Rings the bells of the relays that have a newer command than their held pulls have seen: one statement for all
    /// held pulls of this process, and none if it holds no pull.
    pub async fn look_for_commands(&self) -> Result<(), StoreError> {
        let relays = self.command_signal.relays();
        if relays.is_empty() {
            return Ok(());
        }
        let relays = serde_json::json!(relays).to_string();
        let mut reads = self.reserved.reads();
        let rows: Vec<LastNumber> = reads.all(LAST_NUMBERS, (relays,)).await?;
        for last in &rows {
            self.command_signal.ring_if_newer(last);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_rung(bell: &mut CommandBell) -> bool {
        let is_rung = bell.rung.has_changed().expect("a sender");
        bell.rung.borrow_and_update();
        is_rung
    }

    #[test]
    fn a_bell_rings_for_its_relay_alone() {
        let signal = CommandSignal::default();
        let (mut a, mut also_a) = (signal.bell("a", 0), signal.bell("a", 0));
        let mut b = signal.bell("b", 0);
        signal.ring("a");
        assert_eq!(
            [&mut a, &mut also_a, &mut b].map(is_rung),
            [true, true, false]
        );
        signal.ring_all();
        assert_eq!([&mut a, &mut also_a, &mut b].map(is_rung), [true; 3]);
        signal.ring("c");
    }

    #[test]
    fn a_look_rings_once_for_a_newer_number() {
        let signal = CommandSignal::default();
        let mut bell = signal.bell("a", 4);
        let last = |command_seq| LastNumber {
            name: "a".to_owned(),
            command_seq,
        };
        let rings = [4, 5, 5, 7].map(|seq| {
            signal.ring_if_newer(&last(seq));
            is_rung(&mut bell)
        });
        assert_eq!(rings, [false, true, false, true]);
        let mut older = signal.bell("a", 6);
        signal.ring_if_newer(&last(7));
        assert!(is_rung(&mut older), "a pull that has seen less is woken");
    }

    #[test]
    fn a_relay_without_a_held_pull_has_no_bell() {
        let signal = CommandSignal::default();
        let (first, second) = (signal.bell("a", 0), signal.bell("a", 0));
        drop(first);
        assert_eq!(signal.relays(), ["a"]);
        // The receivers of two pulls that end at once are dropped after both have looked at the map.
        let receiver = second.rung.clone();
        drop(second);
        assert!(signal.relays().is_empty());
        drop(receiver);
    }

    #[test]
    fn pulls_that_end_at_once_leave_no_bell() {
        let signal = CommandSignal::default();
        for _ in 0..1_000 {
            let bells = ["a", "a", "b"].map(|relay| signal.bell(relay, 0));
            let ends = bells.map(|bell| std::thread::spawn(move || drop(bell)));
            for end in ends {
                end.join().expect("no panic");
            }
            assert!(signal.relays().is_empty());
        }
    }
}
