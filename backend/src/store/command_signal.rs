//! Wakes the held pulls of a relay once any process has committed a command for it.
//!
//! On Postgres the statement that writes a command notifies the channel `archety_commands` with the relay's name, and
//! the connection that listens for jobs listens for commands as well. On SQLite the committed transaction rings the
//! bell within the process. Either can get lost, so `replies::watch` also looks for commands at intervals.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared_protocol::RelayName;
use tokio::sync::watch;

use super::Store;

/// The channel that the statement which writes a command notifies.
pub(super) const CHANNEL: &str = "archety_commands";

/// The bells of the relays whose pulls this process holds.
#[derive(Clone, Debug, Default)]
pub struct CommandSignal(Arc<Mutex<HashMap<String, Bell>>>);

#[derive(Debug)]
struct Bell {
    rings: watch::Sender<()>,
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
        if let Some(bell) = bells.get(&self.relay)
            && bell.rings.receiver_count() <= 1
        {
            bells.remove(&self.relay);
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
            seen,
        });
        bell.seen = bell.seen.min(seen);
        CommandBell {
            relay: relay.to_owned(),
            rung: bell.rings.subscribe(),
            bells: self.clone(),
        }
    }

    /// Wakes the held pulls of the relay.
    pub(super) fn ring(&self, relay: &str) {
        if let Some(bell) = self.lock().get(relay) {
            bell.rings.send_replace(());
        }
    }

    /// Wakes all held pulls.
    pub(super) fn ring_all(&self) {
        for bell in self.lock().values() {
            bell.rings.send_replace(());
        }
    }

    /// Wakes the held pulls that have not seen the relay's command with this number.
    pub(super) fn ring_if_newer(&self, relay: &str, last_seq: i64) {
        if let Some(bell) = self.lock().get_mut(relay)
            && last_seq > bell.seen
        {
            bell.seen = last_seq;
            bell.rings.send_replace(());
        }
    }

    /// The relays whose pulls this process holds.
    pub(super) fn relays(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }
}

impl Store {
    /// A bell that rings when a command with a number above `seen` may have been written for the relay. A pull takes
    /// the bell before it looks for commands, so that it misses none.
    pub fn command_bell(&self, relay: &RelayName, seen: i64) -> CommandBell {
        self.command_signal.bell(relay.as_str(), seen)
    }

    /// Whether this process holds a pull of the relay, for tests.
    pub fn holds_pull_of(&self, relay: &RelayName) -> bool {
        self.command_signal.lock().contains_key(relay.as_str())
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
        let rings = [4, 5, 5, 7].map(|seq| {
            signal.ring_if_newer("a", seq);
            is_rung(&mut bell)
        });
        assert_eq!(rings, [false, true, false, true]);
        let mut older = signal.bell("a", 6);
        signal.ring_if_newer("a", 7);
        assert!(is_rung(&mut older), "a pull that has seen less is woken");
    }

    #[test]
    fn a_relay_without_a_held_pull_has_no_bell() {
        let signal = CommandSignal::default();
        let (first, second) = (signal.bell("a", 0), signal.bell("a", 0));
        drop(first);
        assert_eq!(signal.relays(), ["a"]);
        drop(second);
        assert!(signal.relays().is_empty());
    }
}
