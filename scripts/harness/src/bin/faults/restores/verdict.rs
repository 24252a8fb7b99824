//! What became of the bubbles of all questions, on all Macs together.
//!
//! A bubble is *seen* if Messages took its text once, on whichever Mac. It is *listed* if the backend or a relay's
//! ledger has it as unknown, failed, held or expired, or if it waits behind such a one. A bubble that Messages took twice
//! is doubled. One that is neither seen nor listed is lost.

use std::collections::{BTreeMap, BTreeSet};

use messages_stand_in::osascript::sha256;

use super::world::World;
use crate::ledger::Ledger;

/// How many bubbles are in which class.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) questions: usize,
    pub(super) bubbles: usize,
    pub(super) seen: usize,
    /// Listed, and not seen.
    pub(super) listed: usize,
    /// Seen, and listed all the same: the owner finds them in the chat.
    pub(super) seen_and_listed: usize,
    pub(super) lost: Vec<String>,
    pub(super) doubled: Vec<String>,
    /// Messages that are not stored as often as they should be.
    pub(super) badly_stored: Vec<String>,
    pub(super) out_of_order: Vec<String>,
    /// Bubbles that are stored as texts of the owner.
    pub(super) echoed: Vec<String>,
}

impl Verdict {
    /// Judges the questions, each of which has to be stored `stored` times.
    pub(super) fn of(world: &World, stored: usize) -> anyhow::Result<Self> {
        let mut database = world.database()?;
        let in_store = database.stored()?;
        let handed_over = handed_over(world)?;
        let listed = listed_texts(world)?;
        let of_owner = database.texts_of_owner()?;
        let mut verdict = Self {
            questions: world.asked.len(),
            ..Self::default()
        };
        for asked in &world.asked {
            let times = in_store.get(&asked.guid).copied().unwrap_or(0);
            if times != stored {
                let text = asked.bubble_text(0);
                verdict
                    .badly_stored
                    .push(format!("the question of {text:?} is stored {times} times"));
            }
            let mut is_stopped = false;
            let mut last_at = i64::MIN;
            for bubble in 0..asked.bubbles {
                let text = asked.bubble_text(bubble);
                let digest = sha256(&text);
                let times = handed_over.get(&digest).map_or(&[][..], Vec::as_slice);
                let is_listed = listed.contains(&text) || is_stopped;
                is_stopped |= is_listed && times.is_empty();
                verdict.bubbles += 1;
                match (times.len(), is_listed) {
                    (0, true) => verdict.listed += 1,
                    (0, false) => verdict.lost.push(text.clone()),
                    (1, is_listed) => {
                        verdict.seen += 1;
                        verdict.seen_and_listed += usize::from(is_listed);
                    }
                    _ => verdict.doubled.push(text.clone()),
                }
                // A relay does not know what another relay on its line has sent.
                if stored == 1 && of_owner.contains(&text) {
                    verdict.echoed.push(text.clone());
                }
                if let Some(at) = times.first() {
                    if *at < last_at {
                        verdict.out_of_order.push(text);
                    }
                    last_at = *at;
                }
            }
        }
        Ok(verdict)
    }

    pub(super) fn is_ok(&self) -> bool {
        self.bubbles > 0
            && [
                &self.lost,
                &self.doubled,
                &self.badly_stored,
                &self.out_of_order,
                &self.echoed,
            ]
            .iter()
            .all(|faults| faults.is_empty())
    }

    /// What is wrong, one a line, at most ten of each kind.
    pub(super) fn faults(&self) -> Vec<String> {
        let kinds = [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("stored", &self.badly_stored),
            ("out of order", &self.out_of_order),
            ("stored as the owner's", &self.echoed),
        ];
        kinds
            .into_iter()
            .flat_map(|(kind, faults)| {
                faults
                    .iter()
                    .take(10)
                    .map(move |it| format!("{kind}: {it}"))
            })
            .collect()
    }
}

/// When Messages took each text, by its digest.
fn handed_over(world: &World) -> anyhow::Result<BTreeMap<String, Vec<i64>>> {
    let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for machine in &world.machines {
        for call in machine.osascript.calls()? {
            if let (Some(text), Some(_)) = (call.text_sha256, call.handed_over) {
                times.entry(text).or_default().push(call.at_us);
            }
        }
    }
    Ok(times)
}

/// The texts of the bubbles that the owner finds in a list.
fn listed_texts(world: &World) -> anyhow::Result<BTreeSet<String>> {
    let is_listed =
        |state: &str| ["unknown", "failed", "held", "expired", "cancelled"].contains(&state);
    let bubbles = world.database()?.bubbles()?;
    let mut ledgers = Vec::new();
    for machine in &world.machines {
        ledgers.push(Ledger::read(&machine.state())?.states);
    }
    let mut listed = BTreeSet::new();
    for bubble in bubbles {
        let key = (bubble.command_id, bubble.bubble);
        let mut in_ledger = ledgers.iter().filter_map(|ledger| ledger.get(&key));
        if is_listed(&bubble.state) || in_ledger.any(|state| is_listed(state)) {
            listed.insert(bubble.text);
        }
    }
    Ok(listed)
}
