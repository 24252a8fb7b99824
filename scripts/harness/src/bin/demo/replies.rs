//! The other direction: the replies of the backend appear in chat.db.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use archety_harness::{BackendDatabase, ReplyBubble};
use messages_stand_in::osascript::{Control, Event};

/// A reply that is not in chat.db after this time counts as lost.
const DEADLINE: Duration = Duration::from_mins(1);
/// Number of characters of a text that are printed.
const WIDTH: usize = 60;

/// Totals of the replies.
pub(crate) struct ReplySummary {
    bubbles: usize,
    /// How many bubbles have each state.
    states: BTreeMap<String, usize>,
    /// How often a text was passed to Messages for a bubble that had its row already.
    doubled: usize,
}

/// Prints each bubble once it is final, until every message is answered and every bubble is final.
pub(crate) fn follow_replies(
    database: &BackendDatabase,
    osascript: &Control,
) -> anyhow::Result<ReplySummary> {
    println!("\n{:<11} {:<31} text", "reply", "to");
    let began = Instant::now();
    let mut printed = 0;
    loop {
        let is_answered = database.unanswered()? == 0;
        let bubbles = database.reply_bubbles()?;
        let is_over = began.elapsed() > DEADLINE;
        for bubble in &bubbles[printed..] {
            if !is_final(bubble) && !is_over {
                break;
            }
            let text: String = bubble.text.replace('\n', " ").chars().take(WIDTH).collect();
            println!("{:<11} {:<31} {text}", bubble.state, bubble.chat);
            printed += 1;
        }
        if is_over || (is_answered && printed == bubbles.len()) {
            return summarize(&bubbles, osascript);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn is_final(bubble: &ReplyBubble) -> bool {
    ["delivered", "failed", "unknown", "cancelled", "expired"].contains(&bubble.state.as_str())
}

fn summarize(bubbles: &[ReplyBubble], osascript: &Control) -> anyhow::Result<ReplySummary> {
    let mut states = BTreeMap::new();
    for bubble in bubbles {
        *states.entry(bubble.state.clone()).or_default() += 1;
    }
    let records = osascript.records()?;
    let handed_over = records
        .iter()
        .filter(|record| matches!(record.event, Event::HandedOver { .. }));
    let with_rows = bubbles.iter().filter(|bubble| bubble.guid.is_some());
    Ok(ReplySummary {
        bubbles: bubbles.len(),
        states,
        doubled: handed_over.count().saturating_sub(with_rows.count()),
    })
}

impl ReplySummary {
    fn count(&self, state: &str) -> usize {
        self.states.get(state).copied().unwrap_or(0)
    }

    /// The bubbles that should be in the chat and are not. Those that the owner's own message has cancelled should not.
    fn lost(&self) -> usize {
        self.bubbles - self.count("delivered") - self.count("cancelled")
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.bubbles > 0 && self.lost() == 0 && self.doubled == 0
    }
}

impl std::fmt::Display for ReplySummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "replied {}, delivered {}, cancelled {}, lost {}, doubled {}",
            self.bubbles,
            self.count("delivered"),
            self.count("cancelled"),
            self.lost(),
            self.doubled
        )
    }
}
